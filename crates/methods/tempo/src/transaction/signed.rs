//! Transactions that were signed: whole ones, and those that wait for a sponsor.

use alloy_primitives::{Address, Bytes, TxHash};
use farthing_evm::{RawTransaction, Signature, SigningKey};

use super::{Authored, InvalidTransaction, MAX_BYTES};

/// A transaction that a node takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    authored: Authored,
    sponsor: Option<Address>,
    raw: RawTransaction,
}

/// A transaction whose fee somebody else is to pay, and did not sign for yet. No node takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfTransaction {
    authored: Authored,
}

/// A transaction as its sender hands it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Ready to be sent.
    Whole(SignedTransaction),
    /// For a sponsor.
    Half(HalfTransaction),
}

impl SignedTransaction {
    /// What its sender signed.
    #[must_use]
    pub const fn authored(&self) -> &Authored {
        &self.authored
    }

    /// Who pays its fee, where that is not its sender.
    #[must_use]
    pub const fn sponsor(&self) -> Option<Address> {
        self.sponsor
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> TxHash {
        self.raw.hash()
    }

    /// Its bytes, as a node takes them.
    #[must_use]
    pub const fn raw(&self) -> &RawTransaction {
        &self.raw
    }

    /// Puts together what was checked.
    pub(super) fn made(
        authored: Authored,
        sponsor: Option<(Address, Signature)>,
    ) -> Result<Self, InvalidTransaction> {
        let bytes = authored.whole_bytes(sponsor.as_ref().map(|(_, signature)| signature));
        Self::written(authored, sponsor.map(|(address, _)| address), bytes)
    }

    /// Keeps what was written of it.
    pub(super) fn written(
        authored: Authored,
        sponsor: Option<Address>,
        bytes: Vec<u8>,
    ) -> Result<Self, InvalidTransaction> {
        within(bytes.len())?;
        let raw = RawTransaction::new(bytes);
        Ok(Self {
            authored,
            sponsor,
            raw: raw.map_err(|_| InvalidTransaction::TooMuch("bytes", MAX_BYTES))?,
        })
    }
}

impl HalfTransaction {
    /// What its sender signed.
    #[must_use]
    pub const fn authored(&self) -> &Authored {
        &self.authored
    }

    /// Its bytes, as a sponsor takes them.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.authored.half_bytes().into()
    }

    /// Signs for its fee, in this token: whoever does owes it from now on. What it does, and what it may
    /// cost, has to be looked at before.
    #[must_use]
    pub fn cosign(mut self, fee_token: Address, key: &SigningKey) -> SignedTransaction {
        self.authored.pay_fee_in(fee_token);
        let digest = self
            .authored
            .transaction()
            .sponsor_hash(self.authored.sender());
        let sponsor = (key.address(), key.sign(digest));
        SignedTransaction::made(self.authored, Some(sponsor))
            .expect("a half leaves room for the sponsor's part")
    }

    pub(super) fn made(authored: Authored) -> Result<Self, InvalidTransaction> {
        if authored.transaction().fee_token.is_some() {
            return Err(InvalidTransaction::FeeToken);
        }
        within(authored.half_bytes().len() + SPONSOR_PART)?;
        Ok(Self { authored })
    }
}

impl Received {
    /// What its sender signed.
    #[must_use]
    pub const fn authored(&self) -> &Authored {
        match self {
            Self::Whole(whole) => whole.authored(),
            Self::Half(half) => half.authored(),
        }
    }

    /// Its bytes, as they are handed on.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Whole(whole) => whole.raw().bytes().clone(),
            Self::Half(half) => half.encode(),
        }
    }

    /// The transaction that a node takes; `None` while its fee waits for a sponsor.
    #[must_use]
    pub fn whole(self) -> Option<SignedTransaction> {
        match self {
            Self::Whole(whole) => Some(whole),
            Self::Half(_) => None,
        }
    }

    /// The sender's half; `None` where nobody else pays the fee, or somebody signed for it.
    #[must_use]
    pub fn half(self) -> Option<HalfTransaction> {
        match self {
            Self::Whole(_) => None,
            Self::Half(half) => Some(half),
        }
    }

    pub(super) fn made(authored: Authored) -> Result<Self, InvalidTransaction> {
        Ok(if authored.transaction().sponsored {
            Self::Half(HalfTransaction::made(authored)?)
        } else {
            Self::Whole(SignedTransaction::made(authored, None)?)
        })
    }
}

/// What a sponsor adds at the most: a token, and a signature in the place of an address.
const SPONSOR_PART: usize = 100;

fn within(bytes: usize) -> Result<(), InvalidTransaction> {
    if bytes > MAX_BYTES {
        return Err(InvalidTransaction::TooMuch("bytes", MAX_BYTES));
    }
    Ok(())
}
