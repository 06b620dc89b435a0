//! What the gate keeps for us in its journal: enough to settle a payment, and to find out what became of it.

use farthing_core::{
    intent::charge::ChargeRequest,
    payment::Payment,
    port::backend::Source,
    value::{Secret, Timestamp},
};
use farthing_evm::{
    Address, Bytes, Mortality, RawTransaction, TransactionError, TxHash, U256, Watched,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    charge::{Details, DetailsError, Legs, LegsError},
    nonce,
    transaction::{Authored, EXPIRING_NONCE_KEY},
};

/// What is done for a payment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Effect {
    /// These bytes are sent.
    Send(Send),
    /// The buyer sent it: it is looked at.
    Seen(Seen),
    /// Nothing.
    Nothing,
}

/// A transaction that we send: always these bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Send {
    pub(super) raw: Bytes,
    /// What was read from the bytes and checked when they came, so that nobody has to do it again.
    pub(super) from: Sender,
    /// What was asked for beside what the payment has: splits and memo.
    pub(super) details: Map<String, Value>,
}

/// A transaction that the buyer sent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) hash: TxHash,
    /// The block it was in when it was presented.
    pub(super) block: u64,
    pub(super) from: Sender,
    pub(super) details: Map<String, Value>,
}

/// Whose a transaction is, and what would prove that it never will be in a block.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sender {
    /// Who pays. A contract's money can be sent by somebody else.
    pub(crate) payer: Address,
    /// The account, lane and number of its nonce, where they are known.
    pub(crate) nonce: Option<(Address, U256, u64)>,
    /// When it ends, where it does and that is known.
    pub(crate) valid_before: Option<u64>,
}

/// Why what is in the journal is not ours. A bug of this server, or of the one before.
#[derive(Debug, thiserror::Error)]
pub(super) enum EffectError {
    #[error("the journaled effect is none of this method")]
    Form(#[from] serde_json::Error),
    #[error("the journaled transaction is none")]
    Transaction(#[from] TransactionError),
    #[error("what the payment was asked for is not understood")]
    Details(#[from] DetailsError),
    #[error("what the payment was asked for cannot be paid")]
    Legs(#[from] LegsError),
}

impl Effect {
    pub(super) fn seal(&self) -> Result<Secret, Source> {
        Ok(Secret::new(serde_json::to_vec(self)?))
    }

    pub(super) fn open(secret: &Secret) -> Result<Self, EffectError> {
        Ok(serde_json::from_slice(secret.expose())?)
    }
}

/// A transaction with what it has to do and what would prove that it never will.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) watched: Watched,
    pub(super) payer: Address,
    pub(super) legs: Legs,
}

impl Send {
    pub(super) fn transfer(&self, payment: &Payment) -> Result<Transfer, EffectError> {
        let raw = RawTransaction::new(self.raw.clone())?;
        Ok(Transfer {
            watched: Watched {
                hash: raw.hash(),
                dies: self.from.mortality(),
                raw: Some(raw),
            },
            payer: self.from.payer,
            legs: legs(payment, &self.details)?,
        })
    }
}

impl Seen {
    pub(super) fn transfer(&self, payment: &Payment) -> Result<Transfer, EffectError> {
        Ok(Transfer {
            watched: Watched {
                hash: self.hash,
                dies: self.from.mortality(),
                // The buyer sent it. Were it gone, it would be the buyer's to send again.
                raw: None,
            },
            payer: self.from.payer,
            legs: legs(payment, &self.details)?,
        })
    }
}

impl Sender {
    /// Who sends what was checked.
    pub(crate) fn of(authored: &Authored) -> Self {
        let transaction = authored.transaction();
        Self {
            payer: authored.sender(),
            nonce: Some((authored.sender(), transaction.nonce_key, transaction.nonce)),
            valid_before: transaction.valid_before,
        }
    }

    /// What would prove that the transaction never will be in a block: its end, and another with its nonce.
    pub(crate) fn mortality(&self) -> Mortality {
        let numbered = self
            .nonce
            .filter(|(_, lane, _)| *lane != EXPIRING_NONCE_KEY);
        Mortality {
            nonce: numbered.map(|(account, lane, number)| (nonce::read(account, lane), number)),
            valid_before: self.valid_before.map(Timestamp::from_secs),
        }
    }
}

/// The transfers that a payment is made of: the payment itself says most of it.
fn legs(payment: &Payment, details: &Map<String, Value>) -> Result<Legs, EffectError> {
    let (currency, payee) = (payment.currency.clone(), payment.payee.clone());
    let request = ChargeRequest::new(payment.amount, currency, payee);
    let details = Details::read(details)?;
    Ok(Legs::new(
        &request,
        &details,
        &payment.challenge,
        &payment.realm,
    )?)
}
