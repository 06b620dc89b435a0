//! What a buyer says of a channel: a payload, read.

use std::borrow::Cow;

use farthing_core::{
    intent::session::{Protocol, RawSignature},
    value::Amount,
};
use farthing_evm::{Address, B256, Bytes, SignatureError};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Flaw;
use crate::session::{Descriptor, read_channel_id, read_signature};

/// The most bytes of a transaction. A node refuses longer ones.
const LONGEST: usize = 128 * 1024;

/// The payload of a credential (draft, "Payload Actions").
#[derive(Debug)]
pub(super) struct Payload {
    /// The channel's id.
    pub(super) channel: B256,
    /// What it is the hash of, by the second protocol.
    pub(super) descriptor: Option<Descriptor>,
    /// What is to be done.
    pub(super) action: Wanted,
}

#[derive(Debug)]
pub(super) enum Wanted {
    Open {
        transaction: Bytes,
        authorized_signer: Option<Address>,
        cumulative: Amount,
        signature: RawSignature,
    },
    TopUp {
        transaction: Bytes,
        additional: Amount,
    },
    Voucher {
        cumulative: Amount,
        signature: RawSignature,
    },
    Close {
        cumulative: Amount,
        signature: RawSignature,
    },
}

/// All members of all actions. What else there is is passed over (draft, "Credential Structure").
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    channel_id: Cow<'a, str>,
    #[serde(default)]
    descriptor: Option<Descriptor>,
    #[serde(borrow, default)]
    transaction: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    authorized_signer: Option<Cow<'a, str>>,
    #[serde(default)]
    additional_deposit: Option<Amount>,
    #[serde(default)]
    cumulative_amount: Option<Amount>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
}

impl Payload {
    /// Reads a payload. Digits may be in any case.
    pub(super) fn read(payload: &RawValue, protocol: Protocol) -> Result<Self, Flaw> {
        let written: Written<'_> = serde_json::from_str(payload.get()).map_err(Flaw::Payload)?;
        let channel = read_channel_id(&written.channel_id).ok_or(Flaw::Form("channelId"))?;
        let action = match &*written.action {
            "open" => {
                let signer = written.authorized_signer.as_deref();
                let signer = signer.map(crate::token::address).transpose();
                Wanted::Open {
                    transaction: written.transaction()?,
                    authorized_signer: signer.map_err(|_| Flaw::Form("authorizedSigner"))?,
                    cumulative: written.cumulative()?,
                    signature: written.signature()?,
                }
            }
            "topUp" => Wanted::TopUp {
                transaction: written.transaction()?,
                additional: written
                    .additional_deposit
                    .ok_or(Flaw::Missing("additionalDeposit"))?,
            },
            "voucher" => Wanted::Voucher {
                cumulative: written.cumulative()?,
                signature: written.signature()?,
            },
            "close" => Wanted::Close {
                cumulative: written.cumulative()?,
                signature: written.signature()?,
            },
            _ => return Err(Flaw::Form("action")),
        };
        let descriptor = written.descriptor;
        if protocol == Protocol::V2 && descriptor.is_none() {
            return Err(Flaw::Missing("descriptor"));
        }
        Ok(Self {
            channel,
            descriptor,
            action,
        })
    }
}

impl Written<'_> {
    fn cumulative(&self) -> Result<Amount, Flaw> {
        self.cumulative_amount
            .ok_or(Flaw::Missing("cumulativeAmount"))
    }

    fn transaction(&self) -> Result<Bytes, Flaw> {
        if self.kind.as_deref() != Some("transaction") {
            return Err(Flaw::Form("type"));
        }
        let text = self.transaction.as_deref();
        bytes(text, "transaction", LONGEST)
    }

    fn signature(&self) -> Result<RawSignature, Flaw> {
        let bytes = bytes(self.signature.as_deref(), "signature", 65)?;
        read_signature(&bytes).map_err(|error| match error {
            // A number that no contract takes: the signer's doing, where it is not a thief's.
            SignatureError::HighS | SignatureError::OutOfRange => Flaw::Signature(error),
            error => Flaw::SignatureForm(error),
        })
    }
}

fn bytes(text: Option<&str>, name: &'static str, most: usize) -> Result<Bytes, Flaw> {
    let text = text.ok_or(Flaw::Missing(name))?;
    let digits = text.strip_prefix("0x").ok_or(Flaw::Form(name))?;
    if digits.len() > 2 * most {
        return Err(Flaw::Form(name));
    }
    text.parse().map_err(|_| Flaw::Form(name))
}

#[cfg(test)]
mod tests {
    use farthing_core::port::method::{Fault, Refusal};
    use farthing_evm::{SigningKey, keccak256};
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Result<Payload, Flaw> {
        let raw = RawValue::from_string(value.to_string()).unwrap();
        Payload::read(&raw, Protocol::V1)
    }

    fn signature() -> String {
        let key = SigningKey::from_bytes([7; 32]).unwrap();
        crate::session::write_signature(&key.sign(keccak256("a")))
    }

    fn voucher() -> Value {
        json!({
            "action": "voucher",
            "channelId": format!("0x{}", "Ab".repeat(32)),
            "cumulativeAmount": "250000",
            "signature": signature(),
            "later": {"a": 1},
        })
    }

    #[test]
    fn the_four_actions_are_read_and_what_they_do_not_know_is_passed_over() {
        let payload = read(&voucher()).unwrap();
        assert_eq!(payload.channel, B256::repeat_byte(0xab));
        assert!(
            matches!(payload.action, Wanted::Voucher { cumulative, .. } if cumulative.units() == 250_000)
        );
        let mut close = voucher();
        close["action"] = json!("close");
        assert!(matches!(read(&close).unwrap().action, Wanted::Close { .. }));
        let mut open = voucher();
        open["action"] = json!("open");
        open["type"] = json!("transaction");
        open["transaction"] = json!("0x76C0");
        assert!(
            matches!(read(&open).unwrap().action, Wanted::Open { transaction, .. } if transaction.len() == 2)
        );
        let mut top_up = open;
        top_up["action"] = json!("topUp");
        assert!(matches!(
            read(&top_up),
            Err(Flaw::Missing("additionalDeposit"))
        ));
        top_up["additionalDeposit"] = json!("5");
        assert!(
            matches!(read(&top_up).unwrap().action, Wanted::TopUp { additional, .. } if additional.units() == 5)
        );
    }

    #[test]
    fn what_has_another_form_is_malformed() {
        let bad = [
            ("action", json!("refund")),
            ("action", json!(null)),
            ("channelId", json!("0xab")),
            ("channelId", json!("ab".repeat(32))),
            ("cumulativeAmount", json!(250_000)),
            ("cumulativeAmount", json!("-1")),
            ("cumulativeAmount", json!("0x10")),
            ("signature", json!("0x")),
            ("signature", json!("00".repeat(65))),
            ("signature", json!(format!("0x{}", "11".repeat(66)))),
            ("descriptor", json!({})),
        ];
        for (name, value) in bad {
            let mut payload = voucher();
            payload[name] = value.clone();
            let refusal = Refusal::from(read(&payload).unwrap_err());
            assert_eq!(refusal.fault, Fault::Malformed, "{name}: {value}");
        }
        for name in ["action", "channelId", "cumulativeAmount", "signature"] {
            let mut payload = voucher();
            payload.as_object_mut().unwrap().remove(name);
            let refusal = Refusal::from(read(&payload).unwrap_err());
            assert_eq!(refusal.fault, Fault::Malformed, "{name}");
        }
        let twice = voucher()
            .to_string()
            .replacen('{', r#"{"cumulativeAmount":"1","#, 1);
        let twice = RawValue::from_string(twice).unwrap();
        assert!(Payload::read(&twice, Protocol::V1).is_err());
        let raw = RawValue::from_string(voucher().to_string()).unwrap();
        let second = Payload::read(&raw, Protocol::V2);
        assert!(matches!(second, Err(Flaw::Missing("descriptor"))));
    }

    #[test]
    fn a_number_that_no_contract_takes_is_a_bad_signature() {
        let mut payload = voucher();
        payload["signature"] = json!(format!("0x{}1b", "ff".repeat(64)));
        let refusal = Refusal::from(read(&payload).unwrap_err());
        let kind = refusal.kind();
        assert_eq!(kind.status(), 402);
        assert_eq!(refusal.fault, Fault::Invalid);
    }
}
