//! Base64url without padding (RFC 4648, section 5), read strictly.
//!
//! One value has one text: padding, the standard alphabet and stray trailing bits are refused, so
//! two different texts never stand for the same bytes.

use std::sync::LazyLock;

use base64::{
    Engine as _,
    engine::{Simd, general_purpose::NO_PAD},
};

/// A credential is most of a kilobyte of base64url, read on every paid request: the widest
/// instructions the machine has make that a small part of it.
static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

/// A text is not base64url without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not base64url without padding")]
pub struct Base64UrlError;

/// What is wrong with a text that is not base64url, for whoever has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Base64UrlFault {
    /// It is padded.
    #[error("it is padded with =")]
    Padding {
        /// The offset of the padding.
        at: usize,
    },
    /// It is written in the standard alphabet.
    #[error("it has + or / of the standard alphabet")]
    Standard {
        /// The offset of the first such character.
        at: usize,
    },
    /// It holds what no base64 holds.
    #[error("it has a character that no base64 has")]
    Alphabet {
        /// The offset of the character.
        at: usize,
    },
    /// No bytes give a text of this length.
    #[error("it is cut off: no base64 has this length")]
    Length,
    /// The last character has bits that stand for nothing, so another text says the same.
    #[error("its last character has bits that stand for nothing")]
    Trailing,
}

/// Says what is wrong with a text, or `None` where [`decode`] reads it.
#[must_use]
pub fn fault(text: impl AsRef<[u8]>) -> Option<Base64UrlFault> {
    let text = text.as_ref();
    let foreign = |b: &u8| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if let Some(at) = text.iter().position(foreign) {
        let padded = text[at..].iter().all(|b| *b == b'=');
        return Some(match text[at] {
            b'=' if padded => Base64UrlFault::Padding { at },
            b'+' | b'/' => Base64UrlFault::Standard { at },
            _ => Base64UrlFault::Alphabet { at },
        });
    }
    match text.len() % 4 {
        1 => Some(Base64UrlFault::Length),
        _ => decode(text).err().map(|_| Base64UrlFault::Trailing),
    }
}

/// Writes bytes as base64url.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    ENGINE.encode(bytes)
}

/// Appends bytes as base64url.
pub fn encode_to(bytes: impl AsRef<[u8]>, out: &mut String) {
    ENGINE.encode_string(bytes, out);
}

/// Writes bytes as base64url into an array of exactly the right length.
///
/// # Panics
/// When `N` is not the length of the text.
#[must_use]
pub(crate) fn encode_array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    assert_eq!(
        (bytes.len() * 4).div_ceil(3),
        N,
        "the array has the length of the text"
    );
    let mut text = [0; N];
    // A few bytes at a time: for texts this short the wide engine would spend its time on its end.
    let (threes, last) = bytes.as_chunks::<3>();
    let (fours, end) = text.as_chunks_mut::<4>();
    for (four, [a, b, c]) in fours.iter_mut().zip(threes) {
        *four = digits([*a, *b, *c]);
    }
    match *last {
        [a, b] => end.copy_from_slice(&digits([a, b, 0])[..3]),
        [a] => end.copy_from_slice(&digits([a, 0, 0])[..2]),
        _ => {}
    }
    text
}

fn digits([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u32::from_be_bytes([0, a, b, c]);
    [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63])
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Reads base64url.
///
/// # Errors
/// When there is padding, another alphabet, an impossible length or a stray trailing bit.
pub fn decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, Base64UrlError> {
    ENGINE.decode(text).map_err(|_| Base64UrlError)
}

/// Reads base64url into a buffer, whose earlier content goes.
///
/// # Errors
/// As [`decode`].
pub fn decode_to(text: impl AsRef<[u8]>, out: &mut Vec<u8>) -> Result<(), Base64UrlError> {
    out.clear();
    ENGINE.decode_vec(text, out).map_err(|_| Base64UrlError)
}

/// Reads base64url into an array of exactly its length.
pub(crate) fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = ENGINE.decode_slice(text, &mut bytes).ok()?;
    (length == N).then_some(bytes)
}

/// Whether a text is made of the base64url alphabet and has a length that base64url can have.
/// Trailing bits are not looked at.
#[must_use]
pub fn is_alphabetic(text: &str) -> bool {
    // Without an early end the compiler looks at many bytes at once.
    let ok = |b: u8| b.is_ascii_alphanumeric() | (b == b'-') | (b == b'_');
    text.len() % 4 != 1 && text.bytes().fold(true, |all, b| all & ok(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_strictly() {
        for bad in ["YQ==", "YQ=", "Pj4+", "Pz8/", "A", "YR", "Y Q", "YQ\n", "é"] {
            assert_eq!(decode(bad), Err(Base64UrlError), "{bad:?}");
        }
        assert_eq!(decode("Pj4-Pz8_").as_deref(), Ok(&b">>>???"[..]));
    }

    #[test]
    fn what_is_refused_has_its_fault() {
        use Base64UrlFault::*;
        for (text, expect) in [
            ("YQ==", Some(Padding { at: 2 })),
            ("YQ=a", Some(Alphabet { at: 2 })),
            ("Pj4+", Some(Standard { at: 3 })),
            ("Pz 8", Some(Alphabet { at: 2 })),
            ("YWJjZ", Some(Length)),
            ("YR", Some(Trailing)),
            ("YQ", None),
            ("", None),
        ] {
            assert_eq!(fault(text), expect, "{text:?}");
            assert_eq!(decode(text).is_ok(), expect.is_none(), "{text:?}");
        }
    }

    #[test]
    fn arrays_have_the_exact_length() {
        let text = encode([7; 32]);
        assert_eq!(decode_array::<32>(text.as_bytes()), Some([7; 32]));
        assert_eq!(decode_array::<31>(text.as_bytes()), None);
        assert_eq!(encode_array::<43>(&[7; 32])[..], *text.as_bytes());
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(encode_array::<342>(&every)[..], *encode(&every).as_bytes());
        assert_eq!(
            encode_array::<340>(&every[1..])[..],
            *encode(&every[1..]).as_bytes()
        );
        assert_eq!(decode_array::<16>(&[b'A'; 400]), None);
    }

    #[test]
    fn knows_its_alphabet() {
        assert!(is_alphabetic("e30"));
        assert!(is_alphabetic("-_"));
        for bad in ["e", "e3=", "e+", "e|0", "é"] {
            assert!(!is_alphabetic(bad), "{bad:?}");
        }
    }
}
