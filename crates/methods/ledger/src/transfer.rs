//! The ids of transfers.

use std::{fmt, str::FromStr};

use farthing_core::value::{PaymentId, Reference};
use serde::{Deserialize, Serialize};

/// The id of a transfer: that of the payment it is, or the operator's own for a deposit or a
/// withdrawal (a bank's reference, an invoice number).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "Box<str>")]
pub struct TransferId(Box<str>);

/// A text is not the id of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a transfer's id is 1 to {} visible ASCII characters", TransferId::MAX)]
pub struct TransferIdError;

impl TransferId {
    /// Bytes of the longest id.
    pub const MAX: usize = 128;

    /// Checks a text.
    ///
    /// # Errors
    /// When it is empty, too long, or has other than visible ASCII characters.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, TransferIdError> {
        let text = text.into();
        let good =
            (1..=Self::MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if good {
            Ok(Self(text))
        } else {
            Err(TransferIdError)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn reference(&self) -> Reference {
        Reference::new(self.as_str()).expect("visible ASCII within the bound is a reference")
    }
}

impl From<PaymentId> for TransferId {
    fn from(payment: PaymentId) -> Self {
        Self(payment.to_string().into())
    }
}

impl TryFrom<Box<str>> for TransferId {
    type Error = TransferIdError;

    fn try_from(text: Box<str>) -> Result<Self, TransferIdError> {
        Self::new(text)
    }
}

impl From<TransferId> for Box<str> {
    fn from(id: TransferId) -> Self {
        id.0
    }
}

impl FromStr for TransferId {
    type Err = TransferIdError;

    fn from_str(text: &str) -> Result<Self, TransferIdError> {
        Self::new(text)
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransferId({})", self.0)
    }
}
