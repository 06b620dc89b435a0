//! Body digests (RFC 9530), as the `digest` parameter of a challenge carries them.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use ring::digest::{SHA256, digest};

use crate::noun::DigestText;

/// The standard alphabet, padded or not: the form without colons comes in both ways.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The digest of a body, in RFC 9530's form: `sha-256=:…:`.
#[must_use]
pub fn sha256(body: &[u8]) -> DigestText {
    let hash = STANDARD.encode(digest(&SHA256, body));
    DigestText::new(format!("sha-256=:{hash}:")).expect("base64 between colons is a digest")
}

/// Whether a digest is this body's.
///
/// It must have exactly one `sha-256` member. The form without colons is accepted, for peers send
/// it. Members of other algorithms are passed over.
#[must_use]
pub fn matches(text: &str, body: &[u8]) -> bool {
    hash(text).is_some_and(|expected| digest(&SHA256, body).as_ref() == expected)
}

fn hash(text: &str) -> Option<Vec<u8>> {
    let mut hashes = text.split(',').filter_map(|member| {
        let (name, value) = member.trim().split_once('=')?;
        name.eq_ignore_ascii_case("sha-256").then_some(value)
    });
    let value = hashes.next().filter(|_| hashes.next().is_none())?;
    let bare = match value.strip_prefix(':') {
        Some(opened) => opened.strip_suffix(':')?,
        None => value,
    };
    TOLERANT.decode(bare).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9530, appendix B: the digest of this body with its line break.
    const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
    const HASH: &str = "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=";

    #[test]
    fn is_written_as_rfc_9530_writes_it() {
        assert_eq!(sha256(BODY).as_str(), format!("sha-256=:{HASH}:"));
    }

    #[test]
    fn digest_forms_that_peers_send_are_accepted() {
        let bare = HASH.trim_end_matches('=');
        for text in [
            format!("sha-256=:{HASH}:"),
            format!("sha-256={HASH}"),
            format!("sha-256={bare}"),
            format!("SHA-256=:{HASH}:"),
            format!("sha-512=:YQ==:, sha-256=:{HASH}:"),
        ] {
            assert!(matches(&text, BODY), "{text}");
            assert!(!matches(&text, b"another body"), "{text}");
        }
    }

    #[test]
    fn what_is_no_digest_matches_nothing() {
        for text in [
            String::new(),
            HASH.to_owned(),
            format!("sha-256=:{HASH}"),
            format!("sha-512=:{HASH}:"),
            format!("sha-256=:{HASH}:, sha-256=:{HASH}:"),
            "sha-256=:RK/0:".to_owned(),
        ] {
            assert!(!matches(&text, BODY), "{text}");
        }
    }
}
