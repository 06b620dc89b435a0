//! What a payer signs of a channel.
//!
//! Lines of plain text, as of a charge: a person can read them, nothing has to be parsed to check them,
//! and no line can pose as two, because none of the types can hold a line break. The first line keeps
//! them apart from all else that a key signs.

use farthing_core::{
    intent::session::{ChannelId, RawSignature},
    value::{Amount, Realm, Secret, Timestamp},
};
use serde::{Deserialize, Serialize};

use super::descriptor::{ChannelDescriptor, hash};
use crate::{account::Account, key::AccountKey, transfer::TransferId};

const OPEN: &str = "farthing-ledger-open-v1";
const TOP_UP: &str = "farthing-ledger-top-up-v1";
const VOUCHER: &str = "farthing-ledger-voucher-v1";

/// What locks a part of a payer's account in a channel: by opening the channel, or by adding to it.
///
/// ```text
/// farthing-ledger-open-v1          what kind of signature this is, and of which version
/// 0x4bf5…                          the channel, which is the hash of its terms
/// 5000000                          how much is locked
/// usd6                             of what
/// did:key:z6Mk…                    for whom
/// 2027-01-15T08:00:25Z             until when it may be done
/// 8Qf0…                            what tells it apart from another top-up
/// api.example.com                  the realm
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelLock {
    /// The channel.
    pub channel: ChannelDescriptor,
    /// Whether it opens the channel.
    pub opens: bool,
    /// How much is locked.
    pub amount: Amount,
    /// When it can be done no more.
    pub valid_until: Timestamp,
    /// What tells it apart from another top-up of the same amount.
    pub nonce: super::Salt,
}

impl ChannelLock {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let domain = if self.opens { OPEN } else { TOP_UP };
        let (amount, nonce) = (self.amount, self.nonce);
        let ChannelDescriptor {
            payee,
            currency,
            realm,
            ..
        } = &self.channel;
        let (channel, until) = (self.channel.id(), self.valid_until.to_text());
        let until = until.as_str();
        format!("{domain}\n{channel}\n{amount}\n{currency}\n{payee}\n{until}\n{nonce:?}\n{realm}")
    }

    /// What the ledger calls it: the hash of what is signed. A second signature over the same is no
    /// second lock.
    #[must_use]
    pub fn name(&self) -> TransferId {
        let kind = if self.opens { "open" } else { "top-up" };
        let name = format!("{kind}-{}", hash(&self.text()));
        TransferId::new(name).expect("a word and 64 hexadecimal digits are an id")
    }

    /// Whether the channel's payer signed it.
    #[must_use]
    pub fn is_signed_with(&self, signature: &[u8]) -> bool {
        let text = self.text();
        self.channel.payer.verifies(text.as_bytes(), signature)
    }

    /// As it is journaled. What it says was checked before.
    pub(super) fn seal(&self) -> Result<Secret, serde_json::Error> {
        serde_json::to_vec(self).map(Secret::new)
    }

    pub(super) fn unseal(effect: &Secret) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(effect.expose())
    }
}

/// What a voucher signs: how much of a channel may be taken in all.
#[must_use]
pub fn voucher_text(channel: &ChannelId, cumulative: Amount, realm: &Realm) -> String {
    format!("{VOUCHER}\n{channel}\n{cumulative}\n{realm}")
}

/// Signs a voucher. A signature has 64 bytes, of whichever kind its key is.
pub(super) fn sign_voucher(
    key: &AccountKey,
    channel: &ChannelId,
    cumulative: Amount,
    realm: &Realm,
) -> RawSignature {
    raw(key.sign(voucher_text(channel, cumulative, realm).as_bytes()))
}

pub(super) fn checks_voucher(
    signer: &Account,
    channel: &ChannelId,
    cumulative: Amount,
    realm: &Realm,
    signature: &RawSignature,
) -> bool {
    let text = voucher_text(channel, cumulative, realm);
    signer.verifies(text.as_bytes(), &bytes(signature))
}

pub(super) fn raw(signature: [u8; 64]) -> RawSignature {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&signature[..32]);
    s.copy_from_slice(&signature[32..]);
    RawSignature { r, s }
}

pub(super) fn bytes(signature: &RawSignature) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&signature.r);
    bytes[32..].copy_from_slice(&signature.s);
    bytes
}
