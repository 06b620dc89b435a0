//! What a statement shows: one row for each account that a transfer touched.

use farthing_core::{
    encoding::packed::{Packer, UnpackError, Unpacker},
    port::backend::{Key, Place, Row, StoreError, Table, Write},
    value::{Amount, CurrencyCode, Did, Timestamp},
};
use serde::{Deserialize, Serialize};

use crate::{account::Account, transfer::TransferId};

/// The rows of all statements: listed by account and currency, at the time of the transfer.
pub(crate) const ENTRIES: Table = Table::new("ledger.entries");

/// The form an entry is written in.
const FORM: u8 = 1;

/// Room for a usual entry, so that it is allocated once.
const USUAL_ROW: usize = 128;

/// One side of a transfer, as the account it belongs to sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The transfer. Its two sides have the same id.
    pub transfer: TransferId,
    /// Why money moved.
    pub kind: Kind,
    /// Which way, from this account's view.
    pub side: Side,
    /// How much.
    pub amount: Amount,
    /// Who has the other side; nobody where it is the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterparty: Option<Did>,
    /// When the payment settled, or was funded. A refund stands at the time of its payment.
    pub at: Timestamp,
}

/// Why money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A payment.
    Payment,
    /// A payment went back.
    Refund,
    /// The operator took money in and credited an account.
    Deposit,
    /// The operator paid money out and debited an account.
    Withdrawal,
}

/// Which way money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Into the account.
    In,
    /// Out of the account.
    Out,
}

/// Who holds a balance: an account, or the operator, whose balance is what was put in, negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder<'a> {
    Account(&'a str),
    Operator,
}

impl<'a> Holder<'a> {
    /// The key of this holder's counters, and the group of its entries. A code has no spaces.
    pub(crate) fn key(self, currency: &CurrencyCode) -> Key {
        let name = match self {
            Self::Account(did) => did,
            Self::Operator => "equity",
        };
        Key::from([name, " ", currency.as_str()].concat().as_str())
    }

    fn did(self) -> Option<Did> {
        match self {
            Self::Account(did) => Did::new(did).ok(),
            Self::Operator => None,
        }
    }
}

impl<'a> From<&'a Account> for Holder<'a> {
    fn from(account: &'a Account) -> Self {
        Self::Account(account.did().as_str())
    }
}

/// What moved, and why: all that the two entries of a transfer are made of.
pub(crate) struct Transfer<'a> {
    pub(crate) id: TransferId,
    pub(crate) kind: Kind,
    pub(crate) from: Holder<'a>,
    pub(crate) to: Holder<'a>,
    pub(crate) currency: &'a CurrencyCode,
    pub(crate) amount: Amount,
    pub(crate) at: Timestamp,
}

impl Transfer<'_> {
    /// The two entries. The same transfer writes the same rows.
    pub(crate) fn entries(&self) -> [Write; 2] {
        [self.entry(Side::Out), self.entry(Side::In)]
    }

    /// The key of one of the entries.
    pub(crate) fn key(&self, side: Side) -> Key {
        key(&self.id, self.kind, side)
    }

    /// Where one of the entries stands.
    pub(crate) fn place(&self, side: Side) -> Place {
        let holder = match side {
            Side::Out => self.from,
            Side::In => self.to,
        };
        Place {
            group: holder.key(self.currency),
            at: self.at.as_millis(),
        }
    }

    fn entry(&self, side: Side) -> Write {
        let other = match side {
            Side::Out => self.to,
            Side::In => self.from,
        };
        let entry = Entry {
            transfer: self.id.clone(),
            kind: self.kind,
            side,
            amount: self.amount,
            counterparty: other.did(),
            at: self.at,
        };
        Write::Put {
            table: ENTRIES,
            key: self.key(side),
            value: entry.pack(),
            fence: 0,
            place: Some(self.place(side)),
        }
    }
}

impl Entry {
    pub(crate) fn key(&self) -> Key {
        key(&self.transfer, self.kind, self.side)
    }

    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        // Older stores hold them as JSON, which begins with a brace.
        let read = if row.value.first() == Some(&b'{') {
            serde_json::from_slice(&row.value).map_err(UnpackError::from)
        } else {
            Self::unpack(&row.value)
        };
        read.map_err(|error| StoreError::Corrupt(error.into()))
    }

    fn pack(&self) -> Vec<u8> {
        let Self {
            transfer,
            kind,
            side,
            amount,
            counterparty,
            at,
        } = self;
        let mut out = Packer::new(FORM, USUAL_ROW);
        out.byte(match kind {
            Kind::Payment => 0,
            Kind::Refund => 1,
            Kind::Deposit => 2,
            Kind::Withdrawal => 3,
        });
        out.byte(u8::from(*side == Side::Out) | u8::from(counterparty.is_some()) << 1);
        out.text(transfer.as_str());
        out.amount(*amount);
        out.time(*at);
        if let Some(counterparty) = counterparty {
            out.text(counterparty.as_str());
        }
        out.finish()
    }

    fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        let mut from = Unpacker::new(bytes, FORM)?;
        let kind = match from.byte()? {
            0 => Kind::Payment,
            1 => Kind::Refund,
            2 => Kind::Deposit,
            3 => Kind::Withdrawal,
            _ => return Err(UnpackError::Code("kind")),
        };
        let (side, has_counterparty) = match from.byte()? {
            0 => (Side::In, false),
            1 => (Side::Out, false),
            2 => (Side::In, true),
            3 => (Side::Out, true),
            _ => return Err(UnpackError::Code("flag")),
        };
        let entry = Self {
            kind,
            side,
            transfer: from.text()?,
            amount: from.amount()?,
            at: from.time()?,
            counterparty: has_counterparty.then(|| from.text()).transpose()?,
        };
        from.end()?;
        Ok(entry)
    }
}

/// A key names the transfer, the step and the side, so a repeated step writes the same rows.
fn key(transfer: &TransferId, kind: Kind, side: Side) -> Key {
    let kind = match kind {
        Kind::Payment => "payment",
        Kind::Refund => "refund",
        Kind::Deposit => "deposit",
        Kind::Withdrawal => "withdrawal",
    };
    let side = match side {
        Side::In => "in",
        Side::Out => "out",
    };
    let text = [kind, " ", side, " ", transfer.as_str()].concat();
    Key::from(text.as_str())
}
