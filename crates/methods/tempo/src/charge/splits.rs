//! Splits: the parts of a charge that others than its recipient get.

use std::ops::Deref;

use farthing_core::value::Amount;
use farthing_evm::Address;
use serde_json::{Map, Value, json};

use super::{Memo, MemoError, details::read_memo};
use crate::token::{self, is_tip20};

/// The most splits of a charge (Tempo draft, "Constraints").
pub(super) const MOST: usize = 10;

/// A part of the amount that somebody else gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Who gets it.
    pub recipient: Address,
    /// How much. Not zero, in a [`Splits`].
    pub amount: Amount,
    /// The memo its transfer has to carry.
    pub memo: Option<Memo>,
}

/// The splits of a charge: at most ten, each of something, to somebody who can receive it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Splits {
    all: Vec<Split>,
    total: Amount,
}

/// Why splits are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// There are too many, or a list of none was given.
    #[error("a charge that is split has 1 to 10 splits")]
    Count,
    /// One is of nothing.
    #[error("the amount of a split is more than zero")]
    Nothing,
    /// One goes where no token can go.
    #[error("a split goes to the zero address or to a token")]
    Recipient,
    /// Their sum is no amount.
    #[error("the splits add up to more than an amount can be")]
    Overflow,
}

impl Split {
    pub(super) fn write(&self) -> Value {
        let mut split = Map::new();
        split.insert("amount".to_owned(), json!(self.amount));
        if let Some(memo) = &self.memo {
            split.insert("memo".to_owned(), json!(memo));
        }
        let recipient = format!("{:#x}", self.recipient);
        split.insert("recipient".to_owned(), json!(recipient));
        split.into()
    }

    /// Reads one. What is not known here is refused, because it could change what is paid.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let split = value.as_object()?;
        let known = |name: &String| matches!(name.as_str(), "amount" | "memo" | "recipient");
        if !split.keys().all(known) {
            return None;
        }
        let text = |name: &str| split.get(name).and_then(Value::as_str);
        let memo = |value: &Value| read_memo(value).ok_or(MemoError);
        Some(Self {
            recipient: text("recipient").and_then(|text| token::address(text).ok())?,
            amount: text("amount")?.parse().ok()?,
            memo: split.get("memo").map(memo).transpose().ok()?,
        })
    }
}

impl Splits {
    /// None: everything goes to the recipient.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            all: Vec::new(),
            total: Amount::ZERO,
        }
    }

    /// Splits.
    ///
    /// # Errors
    /// When there are none or more than ten, or one could not be paid.
    pub fn new(all: Vec<Split>) -> Result<Self, SplitError> {
        if !(1..=MOST).contains(&all.len()) {
            return Err(SplitError::Count);
        }
        let mut total = Amount::ZERO;
        for split in &all {
            if split.amount.is_zero() {
                return Err(SplitError::Nothing);
            }
            if !can_receive(split.recipient) {
                return Err(SplitError::Recipient);
            }
            total = total
                .checked_add(split.amount)
                .ok_or(SplitError::Overflow)?;
        }
        Ok(Self { all, total })
    }

    /// What they come to. The rest of the charge goes to its recipient.
    #[must_use]
    pub const fn total(&self) -> Amount {
        self.total
    }
}

impl Deref for Splits {
    type Target = [Split];

    fn deref(&self) -> &[Split] {
        &self.all
    }
}

/// Whether a token can go to an address: the chain sends none to nobody, nor to a token.
pub(crate) fn can_receive(address: Address) -> bool {
    !address.is_zero() && !is_tip20(address)
}
