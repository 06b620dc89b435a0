//! What our own challenges carry in `opaque`.

use crate::{encoding::base64url, noun::OpaqueText, value::Entropy};

/// What a challenge of ours carries: what it is bound to, and what makes it unique.
///
/// The id of a challenge is a function of what it says, so two buyers of one offer in the same
/// second would get one id, and the second would be refused as a replay. The entropy tells them
/// apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// The start of the hash of route and request.
    pub binding: [u8; 16],
    /// What nobody else has.
    pub entropy: Entropy,
}

/// The canonical JSON is `{"b":"…","n":"…"}` with two texts of 22 characters.
const HEAD: &[u8; 6] = b"{\"b\":\"";
const MIDDLE: &[u8; 7] = b"\",\"n\":\"";
const TAIL: &[u8; 2] = b"\"}";
const JSON: usize = HEAD.len() + 22 + MIDDLE.len() + 22 + TAIL.len();
const TEXT: usize = (JSON * 4).div_ceil(3);

/// The text of an [`Opaque`], on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedOpaque([u8; TEXT]);

impl Opaque {
    /// What a challenge is bound to, and its entropy.
    #[must_use]
    pub const fn new(binding: [u8; 16], entropy: Entropy) -> Self {
        Self { binding, entropy }
    }

    /// Writes it as the base64url of canonical JSON, without a JSON writer.
    #[must_use]
    pub fn encode(&self) -> EncodedOpaque {
        let mut json = [0; JSON];
        let mut rest = &mut json[..];
        let (binding, entropy): ([u8; 22], [u8; 22]) = (
            base64url::encode_array(&self.binding),
            base64url::encode_array(&self.entropy.0),
        );
        for part in [&HEAD[..], &binding, MIDDLE, &entropy, TAIL] {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        EncodedOpaque(base64url::encode_array(&json))
    }

    /// Reads what [`encode`](Self::encode) wrote; anything else is not ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let json: [u8; JSON] = base64url::decode_array(text.as_bytes())?;
        let (binding, rest) = json.strip_prefix(HEAD)?.split_first_chunk::<22>()?;
        let (entropy, rest) = rest.strip_prefix(MIDDLE)?.split_first_chunk::<22>()?;
        (rest == TAIL).then_some(())?;
        Some(Self {
            binding: base64url::decode_array(binding)?,
            entropy: Entropy(base64url::decode_array(entropy)?),
        })
    }
}

impl EncodedOpaque {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64url is ASCII")
    }

    /// The text as a challenge's parameter.
    #[must_use]
    pub fn to_text(&self) -> OpaqueText {
        OpaqueText::new(self.as_str()).expect("base64url is an opaque parameter")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::encoding::jcs;

    #[test]
    fn is_the_canonical_json_of_a_flat_map() {
        let opaque = Opaque::new([3; 16], Entropy([250; 16]));
        let value = json!({
            "n": base64url::encode([250; 16]),
            "b": base64url::encode([3; 16]),
        });
        let expect = base64url::encode(jcs::to_string(&value).unwrap());
        assert_eq!(opaque.encode().as_str(), expect);
        assert_eq!(Opaque::parse(&expect), Some(opaque));
        assert_eq!(opaque.encode().to_text().as_str(), expect);
    }

    #[test]
    fn what_we_did_not_write_is_not_read() {
        let ours = Opaque::new([3; 16], Entropy([4; 16])).encode();
        for bad in [
            "",
            "trace-123",
            "e30",
            &ours.as_str()[1..],
            &ours.as_str()[..78],
        ] {
            assert_eq!(Opaque::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Opaque::parse(&format!("{}A", ours.as_str())), None);
    }
}
