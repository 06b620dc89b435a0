//! What answers a challenge: a transaction, the hash of one, or a signature.

use std::borrow::Cow;

use farthing_evm::{B256, Bytes, TxHash};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Flaw;

/// The most bytes of a transaction or a signature. A node refuses longer transactions.
const LONGEST: usize = 128 * 1024;

/// The payload of a credential (Tempo draft, "Credential Schema").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// A signed transaction, for us to send.
    Transaction(Bytes),
    /// The hash of one that the buyer sent.
    Hash(TxHash),
    /// A signature over the challenge, where nothing is to be paid.
    Proof(Bytes),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Written<'a> {
    Transaction {
        #[serde(borrow)]
        signature: Cow<'a, str>,
    },
    Hash {
        #[serde(borrow)]
        hash: Cow<'a, str>,
    },
    Proof {
        #[serde(borrow)]
        signature: Cow<'a, str>,
    },
}

impl Payload {
    /// Reads a payload. Digits may be in any case, so that one value has several texts: what a payment is
    /// known by is never the text.
    pub(super) fn read(payload: &RawValue) -> Result<Self, Flaw> {
        let written = serde_json::from_str(payload.get()).map_err(Flaw::Payload)?;
        Ok(match written {
            Written::Transaction { signature } => Self::Transaction(bytes(&signature)?),
            Written::Proof { signature } => Self::Proof(bytes(&signature)?),
            Written::Hash { hash } => {
                let hash = bytes(&hash)?;
                Self::Hash(B256::try_from(&hash[..]).map_err(|_| Flaw::Hash)?)
            }
        })
    }
}

fn bytes(text: &str) -> Result<Bytes, Flaw> {
    let digits = text.strip_prefix("0x").ok_or(Flaw::Hexadecimal)?;
    if digits.len() > 2 * LONGEST || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Flaw::Hexadecimal);
    }
    text.parse().map_err(|_| Flaw::Hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Payload, Flaw> {
        Payload::read(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn the_three_payloads_are_read() {
        let hash = "Ab".repeat(32);
        let cases = [
            (
                r#"{"type":"transaction","signature":"0x76c0"}"#.to_owned(),
                Payload::Transaction(Bytes::from_static(&[0x76, 0xc0])),
            ),
            (
                r#"{"signature":"0xAB","type":"proof"}"#.to_owned(),
                Payload::Proof(Bytes::from_static(&[0xab])),
            ),
            (
                format!(r#"{{"type":"hash","hash":"0x{hash}"}}"#),
                Payload::Hash(B256::repeat_byte(0xab)),
            ),
        ];
        for (json, expect) in cases {
            assert_eq!(read(&json).unwrap(), expect);
        }
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let long = format!(
            r#"{{"type":"proof","signature":"0x{}"}}"#,
            "00".repeat(LONGEST + 1)
        );
        let bad = [
            "{}",
            "[]",
            r#"{"type":"voucher","signature":"0x00"}"#,
            r#"{"type":"transaction"}"#,
            r#"{"type":"transaction","signature":7}"#,
            r#"{"type":"transaction","signature":"00"}"#,
            r#"{"type":"transaction","signature":"0X00"}"#,
            r#"{"type":"transaction","signature":"0x0"}"#,
            r#"{"type":"transaction","signature":"0x0g"}"#,
            r#"{"type":"transaction","signature":"0x00","hash":"0x00"}"#,
            r#"{"type":"transaction","signature":"0x00","signature":"0x01"}"#,
            r#"{"type":"transaction","type":"proof","signature":"0x00"}"#,
            r#"{"type":"hash","hash":"0x00"}"#,
            &long,
        ];
        for bad in bad {
            assert!(read(bad).is_err(), "{}", &bad[..bad.len().min(80)]);
        }
    }
}
