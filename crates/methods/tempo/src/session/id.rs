//! What a channel is: where it is kept, and between whom it is.

use farthing_core::intent::session::{ChannelId, Protocol};
use farthing_evm::{Address, B256, ChainId};
use serde_json::{Map, Value, json};

use super::{
    descriptor::{Descriptor, Opened, Origin},
    escrow::{Escrow, protocol_name},
    hex::word,
};

/// A channel on Tempo: what never changes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TempoChannel {
    escrow: Escrow,
    origin: Origin,
    id: B256,
}

/// Why something is no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The contract keeps channels of another protocol.
    #[error("the contract keeps channels of another protocol")]
    OtherProtocol,
    /// What is kept of it was written by somebody else.
    #[error("what is kept of the channel has another form: {0}")]
    Form(&'static str),
}

impl TempoChannel {
    /// The channel of these at a contract.
    ///
    /// # Errors
    /// When the contract keeps channels of another protocol.
    pub fn new(escrow: Escrow, origin: Origin) -> Result<Self, ChannelError> {
        if origin.protocol() != escrow.protocol {
            return Err(ChannelError::OtherProtocol);
        }
        let id = origin.id(&escrow);
        Ok(Self { escrow, origin, id })
    }

    /// The contract that keeps it.
    #[must_use]
    pub const fn escrow(&self) -> &Escrow {
        &self.escrow
    }

    /// Between whom it is.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its id, as the chain has it.
    #[must_use]
    pub const fn id(&self) -> B256 {
        self.id
    }

    /// Its id, as everybody else writes it.
    #[must_use]
    pub fn channel_id(&self) -> ChannelId {
        channel_id(self.id)
    }

    /// By which protocol it is kept.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.escrow.protocol
    }

    /// What is kept of it beside what every method has: where it is, and between whom.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        let mut put = |name: &str, value: Value| details.insert(name.to_owned(), value);
        put("chainId", json!(self.escrow.chain.get()));
        put(
            "escrowContract",
            json!(format!("{:#x}", self.escrow.contract)),
        );
        put(
            "sessionProtocol",
            json!(protocol_name(self.escrow.protocol)),
        );
        match self.origin {
            Origin::V1(opened) => put("opened", json!(opened)),
            Origin::V2(descriptor) => put("descriptor", json!(descriptor)),
        };
        details
    }

    /// Reads what was [kept](Self::details).
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(details: &Map<String, Value>) -> Result<Self, ChannelError> {
        let chain = details.get("chainId").and_then(Value::as_u64);
        let chain = chain.and_then(|id| ChainId::new(id).ok());
        let contract = details.get("escrowContract").and_then(Value::as_str);
        let contract = contract.and_then(|text| crate::token::address(text).ok());
        let protocol = details.get("sessionProtocol").and_then(Value::as_str);
        let escrow = Escrow {
            chain: chain.ok_or(ChannelError::Form("chainId"))?,
            contract: contract.ok_or(ChannelError::Form("escrowContract"))?,
            protocol: protocol
                .and_then(|name| name.parse().ok())
                .ok_or(ChannelError::Form("sessionProtocol"))?,
        };
        let origin = match escrow.protocol {
            Protocol::V1 => Origin::V1(part::<Opened>(details, "opened")?),
            Protocol::V2 => Origin::V2(part::<Descriptor>(details, "descriptor")?),
        };
        Self::new(escrow, origin)
    }

    /// Whether an account may settle and close it.
    #[must_use]
    pub fn may_settle(&self, account: Address) -> bool {
        account == self.origin.payee() || self.origin.operator() == Some(account)
    }
}

/// A channel's id in its one spelling: small letters.
#[must_use]
pub fn channel_id(id: B256) -> ChannelId {
    ChannelId::new(format!("{id:#x}")).expect("32 bytes in hexadecimal are a channel's id")
}

/// Reads a channel's id, in any case. `None` where it is none of this method's.
#[must_use]
pub fn read_channel_id(text: &str) -> Option<B256> {
    word(text)
}

fn part<T: serde::de::DeserializeOwned>(
    details: &Map<String, Value>,
    name: &'static str,
) -> Result<T, ChannelError> {
    let value = details.get(name).ok_or(ChannelError::Form(name))?;
    T::deserialize(value).map_err(|_| ChannelError::Form(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Opened {
        Opened {
            payer: Address::repeat_byte(1),
            payee: Address::repeat_byte(2),
            token: Address::repeat_byte(3),
            salt: B256::repeat_byte(4),
            authorized_signer: Address::ZERO,
        }
    }

    fn both() -> [TempoChannel; 2] {
        let chain = ChainId::new(1337).unwrap();
        let Opened {
            payer,
            payee,
            token,
            salt,
            authorized_signer,
        } = opened();
        let descriptor = Descriptor {
            payer,
            payee,
            operator: Address::repeat_byte(5),
            token,
            salt,
            authorized_signer,
            expiring_nonce_hash: B256::repeat_byte(6),
        };
        let first = Escrow {
            chain,
            contract: Address::repeat_byte(7),
            protocol: Protocol::V1,
        };
        [
            TempoChannel::new(first, Origin::V1(opened())).unwrap(),
            TempoChannel::new(Escrow::reserve(chain), Origin::V2(descriptor)).unwrap(),
        ]
    }

    #[test]
    fn what_is_kept_of_a_channel_is_read_again() {
        for channel in both() {
            let details = channel.details();
            assert_eq!(TempoChannel::read(&details), Ok(channel));
            for name in details.keys() {
                let mut missing = details.clone();
                missing.remove(name);
                assert!(TempoChannel::read(&missing).is_err(), "{name}");
            }
        }
        let [first, second] = both();
        assert_ne!(first.id(), second.id());
        let other = TempoChannel::new(*second.escrow(), *first.origin());
        assert_eq!(other, Err(ChannelError::OtherProtocol));
    }

    #[test]
    fn an_id_has_one_spelling_and_is_read_in_any() {
        let id = B256::repeat_byte(0xab);
        let text = channel_id(id);
        assert_eq!(text.as_str(), format!("0x{}", "ab".repeat(32)));
        let loud = format!("0x{}", "AB".repeat(32));
        assert_eq!(read_channel_id(&loud), Some(id));
        for bad in ["", "0x", &loud[2..], &format!("{loud}00"), "0xzz"] {
            assert_eq!(read_channel_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_payee_and_an_operator_settle_and_nobody_else() {
        let [first, second] = both();
        for channel in [first, second] {
            assert!(channel.may_settle(Address::repeat_byte(2)));
            assert!(!channel.may_settle(Address::repeat_byte(1)));
            assert!(!channel.may_settle(Address::ZERO));
        }
        assert!(second.may_settle(Address::repeat_byte(5)));
        assert!(!first.may_settle(Address::repeat_byte(5)));
    }
}
