//! What the parties of a fake channel sign.

use std::fmt::Write as _;

use farthing_core::{
    encoding::base64url,
    intent::session::{ChannelId, Protocol, RawSignature, Terms},
    port::session_payer::Keeping,
    value::{Amount, CurrencyCode, Did, Realm, Recipient, Secret, Timestamp},
};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a channel is. Its id is the hash of all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FakeDescriptor {
    /// Who locks the deposit.
    pub payer: Did,
    /// Who is paid.
    pub payee: Recipient,
    /// In what.
    pub currency: CurrencyCode,
    /// What makes it one of a kind.
    pub salt: Box<str>,
    /// Who signs the vouchers.
    pub signer: Did,
    /// By which rules it is kept.
    pub protocol: Protocol,
}

impl FakeDescriptor {
    /// A channel in the fake dollar whose payer signs the vouchers.
    #[must_use]
    pub fn new(payer: &Did, payee: &Did, protocol: Protocol, salt: &str) -> Self {
        Self {
            payer: payer.clone(),
            payee: Recipient::new(payee.as_str()).expect("a DID is a recipient"),
            currency: crate::method::currency().code,
            salt: salt.into(),
            signer: payer.clone(),
            protocol,
        }
    }

    /// The same with somebody else who signs.
    #[must_use]
    pub fn signed_by(self, signer: &Did) -> Self {
        Self {
            signer: signer.clone(),
            ..self
        }
    }

    /// The channel's id.
    #[must_use]
    pub fn id(&self) -> ChannelId {
        let text = serde_json::to_vec(self).expect("a descriptor is plain data");
        ChannelId::new(format!("fake-{}", hex(&text))).expect("hexadecimal digits are visible")
    }

    /// What its seller keeps of it, once it was opened in a realm.
    #[must_use]
    pub fn terms(&self, realm: &Realm) -> Terms {
        Terms {
            method: crate::method::method(),
            realm: realm.clone(),
            currency: self.currency.clone(),
            payee: self.payee.clone(),
            payer: self.payer.clone(),
            details: self.details().into(),
        }
    }

    /// What its payer keeps of it.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        Keeping {
            id: self.id(),
            protocol: self.protocol,
            details: self.details(),
        }
    }

    /// A voucher's signature by the channel's signer.
    #[must_use]
    pub fn sign(&self, cumulative: Amount) -> RawSignature {
        sign_voucher(&self.id(), &self.signer, cumulative)
    }

    /// A voucher's signature by somebody, who may be the wrong one.
    #[must_use]
    pub fn sign_as(&self, signer: &Did, cumulative: Amount) -> RawSignature {
        sign_voucher(&self.id(), signer, cumulative)
    }

    /// What locks an amount in it by opening it, signed by its payer.
    #[must_use]
    pub fn opening(&self, amount: Amount, valid_until: Timestamp) -> FakeLock {
        FakeLock::signed(self.clone(), true, amount, "open", valid_until, &self.payer)
    }

    /// What locks more in it, signed by its payer. Two of one nonce are one.
    #[must_use]
    pub fn top_up(&self, amount: Amount, nonce: &str, valid_until: Timestamp) -> FakeLock {
        FakeLock::signed(self.clone(), false, amount, nonce, valid_until, &self.payer)
    }

    /// Reads what stands among a channel's details.
    #[must_use]
    pub fn read(details: &Map<String, Value>) -> Option<Self> {
        serde_json::from_value(details.get("descriptor")?.clone()).ok()
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        details.insert("descriptor".to_owned(), json!(self));
        details
    }
}

/// A signed transaction that opens a channel or locks more in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FakeLock {
    /// The channel.
    pub descriptor: FakeDescriptor,
    /// Whether it opens the channel, or adds to it.
    pub opens: bool,
    /// How much is locked.
    pub amount: Amount,
    /// What makes it one of a kind.
    pub nonce: Box<str>,
    /// From when on the rail does not take it any more.
    pub valid_until: Timestamp,
    /// What stands for the payer's signature over all before.
    pub signature: Box<str>,
}

impl FakeLock {
    /// One that somebody signed, who may be the wrong one.
    #[must_use]
    pub fn signed(
        descriptor: FakeDescriptor,
        opens: bool,
        amount: Amount,
        nonce: &str,
        valid_until: Timestamp,
        by: &Did,
    ) -> Self {
        let mut lock = Self {
            descriptor,
            opens,
            amount,
            nonce: nonce.into(),
            valid_until,
            signature: "".into(),
        };
        lock.signature = base64url::encode(tag(by, &lock.text())).into();
        lock
    }

    /// What the rail calls it. It hangs on all that is signed.
    #[must_use]
    pub fn name(&self) -> String {
        format!("fake-tx-{}", hex(&self.text()))
    }

    /// The bytes that are sent.
    #[must_use]
    pub fn seal(&self) -> Secret {
        Secret::new(serde_json::to_vec(self).expect("a transaction is plain data"))
    }

    /// Reads what was sent.
    #[must_use]
    pub fn open(bytes: &Secret) -> Option<Self> {
        serde_json::from_slice(bytes.expose()).ok()
    }

    /// Whether its payer signed it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        base64url::decode(&*self.signature)
            .is_ok_and(|tag| verifies(&self.descriptor.payer, &self.text(), &tag))
    }

    fn text(&self) -> Vec<u8> {
        let unsigned = Self {
            signature: "".into(),
            ..self.clone()
        };
        serde_json::to_vec(&unsigned).expect("a transaction is plain data")
    }
}

pub(super) fn checks_voucher(
    channel: &ChannelId,
    signer: &Did,
    cumulative: Amount,
    signature: &RawSignature,
) -> bool {
    let tag = [signature.r, signature.s].concat();
    verifies(signer, &voucher_text(channel, cumulative), &tag)
}

pub(super) fn sign_voucher(channel: &ChannelId, signer: &Did, cumulative: Amount) -> RawSignature {
    let tag = tag(signer, &voucher_text(channel, cumulative));
    let half = |at: usize| {
        let bytes = tag.as_ref()[at..at + 32].try_into();
        bytes.expect("a tag of SHA-512 has 64 bytes")
    };
    RawSignature {
        r: half(0),
        s: half(32),
    }
}

fn voucher_text(channel: &ChannelId, cumulative: Amount) -> Vec<u8> {
    format!("farthing-fake-voucher\n{channel}\n{cumulative}").into_bytes()
}

fn tag(signer: &Did, text: &[u8]) -> hmac::Tag {
    hmac::sign(&key(signer), text)
}

fn verifies(signer: &Did, text: &[u8], tag: &[u8]) -> bool {
    hmac::verify(&key(signer), text, tag).is_ok()
}

fn key(signer: &Did) -> hmac::Key {
    let seed = format!("the fake key of {signer}");
    hmac::Key::new(hmac::HMAC_SHA512, seed.as_bytes())
}

fn hex(text: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, text);
    digest.as_ref().iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a string takes every text");
        out
    })
}
