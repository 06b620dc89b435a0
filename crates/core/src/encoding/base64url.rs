//! Base64url without padding (RFC 4648, section 5), read strictly.
//!
//! One value has one text: padding, the standard alphabet and stray trailing bits are refused, so
//! two different texts never stand for the same bytes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// A text is not base64url without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not base64url without padding")]
pub struct Base64UrlError;

/// Writes bytes as base64url.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends bytes as base64url.
pub fn encode_to(bytes: impl AsRef<[u8]>, out: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, out);
}

/// Writes bytes as base64url into an array of exactly the right length.
///
/// # Panics
/// When `N` is not the length of the text.
#[must_use]
pub(crate) fn encode_array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
    assert_eq!(length, Ok(N), "the array has the length of the text");
    text
}

/// Reads base64url.
///
/// # Errors
/// When there is padding, another alphabet, an impossible length or a stray trailing bit.
pub fn decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, Base64UrlError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Base64UrlError)
}

/// Reads base64url into a buffer, whose earlier content goes.
///
/// # Errors
/// As [`decode`].
pub fn decode_to(text: impl AsRef<[u8]>, out: &mut Vec<u8>) -> Result<(), Base64UrlError> {
    out.clear();
    URL_SAFE_NO_PAD
        .decode_vec(text, out)
        .map_err(|_| Base64UrlError)
}

/// Reads base64url into an array of exactly its length.
pub(crate) fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // The decoder wants room for whole quanta, so the array is cut from a larger one.
    let mut bytes = [0; 96];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    bytes[..length].try_into().ok()
}

/// Whether a text is made of the base64url alphabet and has a length that base64url can have.
/// Trailing bits are not looked at.
#[must_use]
pub fn is_alphabetic(text: &str) -> bool {
    text.len() % 4 != 1 && text.bytes().all(|b| ALPHABET[usize::from(b)])
}

const ALPHABET: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        byte += 1;
    }
    table
};

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
    fn arrays_have_the_exact_length() {
        let text = encode([7; 32]);
        assert_eq!(decode_array::<32>(text.as_bytes()), Some([7; 32]));
        assert_eq!(decode_array::<31>(text.as_bytes()), None);
        assert_eq!(encode_array::<43>(&[7; 32])[..], *text.as_bytes());
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
