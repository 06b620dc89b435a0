//! What a channel on a ledger is.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use farthing_core::{
    encoding::base64url,
    intent::session::{ChannelId, Protocol, Terms},
    port::session_payer::Keeping,
    value::{CurrencyCode, Realm, Timestamp},
};
use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value, json};

use crate::{account::Account, currency};

/// The first line of what a channel's id is the hash of.
const DOMAIN: &str = "farthing-ledger-channel-v1";

/// The longest that what opens a channel may be good for, from the time in its salt. After that the same
/// channel can never be opened, so it may be forgotten.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// By which protocol all channels of a ledger are kept.
pub(super) const PROTOCOL: Protocol = Protocol::V2;

/// What never changes of a channel. Its id is the hash of all of it, so nobody can name a channel and
/// mean other terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelDescriptor {
    /// Whose deposit it is.
    #[serde(with = "as_text")]
    pub payer: Account,
    /// Who is paid.
    #[serde(with = "as_text")]
    pub payee: Account,
    /// In what.
    pub currency: CurrencyCode,
    /// Whose key signs the vouchers: the payer's, or one that it keeps at hand.
    #[serde(with = "as_text")]
    pub signer: Account,
    /// What tells it apart from others between the same.
    pub salt: Salt,
    /// Where it pays.
    pub realm: Realm,
}

/// What a payer picks for a channel: the time, and random bytes.
///
/// The first six bytes are milliseconds since 1970, the first one the highest. An opening is taken only
/// if it is good for no longer than a day from then, so an id whose day is over never comes back, and a
/// ledger need not remember all that it ever had: it would open one twice, and the first one's vouchers
/// would be good again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// A salt of a time, out of random bytes.
    #[must_use]
    pub fn made_at(now: Timestamp, mut random: [u8; 16]) -> Self {
        random[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
        Self(random)
    }

    /// Whether an opening that is good until a time may have this salt.
    pub(super) fn fits(&self, valid_until: Timestamp) -> bool {
        self.time() <= valid_until && valid_until <= self.last()
    }

    /// The last moment at which its channel can be opened.
    pub(super) fn last(&self) -> Timestamp {
        self.time().saturating_add(LONGEST)
    }

    fn time(&self) -> Timestamp {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.0[..6]);
        Timestamp::from_millis(u64::from_be_bytes(millis))
    }
}

impl ChannelDescriptor {
    /// The channel's id: `0x` and the SHA-256 of its terms, one a line, in hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> ChannelId {
        let Self {
            payer,
            payee,
            currency,
            signer,
            salt,
            realm,
        } = self;
        let text = format!("{DOMAIN}\n{payer}\n{payee}\n{currency}\n{signer}\n{salt:?}\n{realm}");
        ChannelId::new(format!("0x{}", hash(&text))).expect("66 hexadecimal digits are an id")
    }

    /// What its seller keeps of it.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms {
            method: currency::method(),
            realm: self.realm.clone(),
            currency: self.currency.clone(),
            payee: self.payee.recipient(),
            payer: self.payer.did().clone(),
            details: self.details().into(),
        }
    }

    /// What its payer keeps of it.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        Keeping {
            id: self.id(),
            protocol: PROTOCOL,
            details: self.details(),
        }
    }

    /// What stands in details, where it is this channel's.
    pub(super) fn read(id: &ChannelId, details: &Map<String, Value>) -> Option<Self> {
        let read: Self = serde_json::from_value(details.get("descriptor")?.clone()).ok()?;
        (read.id() == *id).then_some(read)
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([("descriptor".to_owned(), json!(self))])
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    hex(digest.as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(out, "{byte:02x}").expect("a string takes every text");
    }
    out
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(self.0))
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&base64url::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        let bytes = base64url::decode(&*text).map_err(D::Error::custom)?;
        let bytes = bytes.try_into();
        bytes
            .map(Self)
            .map_err(|_| D::Error::custom("a salt has 16 bytes"))
    }
}

/// An account as it is written.
mod as_text {
    use super::{Account, Deserialize, Deserializer, Serializer};
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(account: &Account, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(account)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Account, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Account::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{AccountKey, KeyType};

    #[test]
    fn a_salt_says_until_when_its_channel_can_be_opened() {
        let now = Timestamp::from_millis(1_800_000_000_123);
        let salt = Salt::made_at(now, [0xff; 16]);
        let day = Duration::from_secs(24 * 60 * 60);
        let last = now.saturating_add(day);
        assert_eq!((salt.time(), salt.last()), (now, last));
        assert_eq!(salt.0[6..], [0xff; 10]);
        let milli = Duration::from_millis(1);
        assert!(salt.fits(now) && salt.fits(last));
        assert!(!salt.fits(now.saturating_sub(milli)));
        assert!(!salt.fits(last.saturating_add(milli)));
    }

    #[test]
    fn the_id_hangs_on_every_term_and_has_one_spelling() {
        let account = |seed| {
            let key = AccountKey::from_seed(KeyType::Ed25519, [seed; 32]).unwrap();
            key.account().clone()
        };
        let channel = ChannelDescriptor {
            payer: account(1),
            payee: account(2),
            currency: CurrencyCode::new("usd6").unwrap(),
            signer: account(1),
            salt: Salt([3; 16]),
            realm: Realm::new("api.example.com").unwrap(),
        };
        let id = channel.id();
        assert_eq!(
            id.as_str(),
            "0x951c22dd478108381dd8fbc1aae8841bc41e82259ed1dd014b1560fa98778270"
        );
        let others = [
            ChannelDescriptor {
                payer: account(4),
                ..channel.clone()
            },
            ChannelDescriptor {
                payee: account(4),
                ..channel.clone()
            },
            ChannelDescriptor {
                signer: account(4),
                ..channel.clone()
            },
            ChannelDescriptor {
                salt: Salt([4; 16]),
                ..channel.clone()
            },
            ChannelDescriptor {
                realm: Realm::new("b.example.com").unwrap(),
                ..channel.clone()
            },
            ChannelDescriptor {
                currency: CurrencyCode::new("eur6").unwrap(),
                ..channel.clone()
            },
        ];
        for other in others {
            assert_ne!(other.id(), id, "{other:?}");
            assert_eq!(ChannelDescriptor::read(&id, &other.details()), None);
        }
        assert_eq!(
            ChannelDescriptor::read(&id, &channel.details()),
            Some(channel)
        );
    }
}
