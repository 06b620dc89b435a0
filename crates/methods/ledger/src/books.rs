//! The steps of a payment as rows: what is written in the batch that changes its state.
//!
//! | step | payer's balance | payer's held | payee's balance | entries |
//! |---|---|---|---|---|
//! | hold | − | + | | |
//! | capture | | − | + | two |
//! | release | + | − | | |
//! | transfer | − | | + | two |
//! | refund | + | | − | two |
//!
//! Each step's columns add up to nothing, so the sum over all accounts never changes.

use farthing_core::{
    payment::Payment,
    port::{
        backend::{Table, Write},
        method::{Booking, Books},
    },
    value::{Amount, Reference},
};

use crate::{
    entry::{Holder, Kind, Transfer},
    ledger::Ledger,
    transfer::TransferId,
};

/// What may be spent.
pub(crate) const BALANCES: Table = Table::new("ledger.balances");
/// What is set aside for payments that are not settled.
pub(crate) const HELD: Table = Table::new("ledger.held");

/// The most a ledger holds of a currency. A larger amount is no delta that any balance can take,
/// so every step with one is a conflict.
pub(crate) const MOST: i128 = i128::MAX - 1;

impl Books for Ledger {
    fn writes(&self, booking: Booking, payment: &Payment) -> Vec<Write> {
        let payer = payment.payer.as_ref().map(|did| did.as_str());
        let payee = payment.payee.as_ref().map(|payee| payee.as_str());
        let (Some(payer), Some(payee)) = (payer, payee) else {
            return vec![impossible()];
        };
        let (payer, payee) = (Holder::Account(payer), Holder::Account(payee));
        let add = |table, holder, sign| change(table, holder, payment, sign);
        let entries = |kind, from, to| {
            Transfer {
                id: TransferId::from(payment.id),
                kind,
                from,
                to,
                currency: &payment.currency,
                amount: payment.amount,
                at: payment.settled_at.unwrap_or(payment.claimed_at),
            }
            .entries()
        };
        match booking {
            Booking::Hold => vec![add(BALANCES, payer, -1), add(HELD, payer, 1)],
            Booking::Release => vec![add(HELD, payer, -1), add(BALANCES, payer, 1)],
            Booking::Capture => {
                let mut writes = vec![add(HELD, payer, -1), add(BALANCES, payee, 1)];
                writes.extend(entries(Kind::Payment, payer, payee));
                writes
            }
            Booking::Transfer => {
                let mut writes = vec![add(BALANCES, payer, -1), add(BALANCES, payee, 1)];
                writes.extend(entries(Kind::Payment, payer, payee));
                writes
            }
            Booking::Refund => {
                let mut writes = vec![add(BALANCES, payee, -1), add(BALANCES, payer, 1)];
                writes.extend(entries(Kind::Refund, payee, payer));
                writes
            }
            // A step this ledger does not know moves nothing, and says so.
            _ => vec![impossible()],
        }
    }

    fn reference(&self, payment: &Payment) -> Reference {
        TransferId::from(payment.id).reference()
    }
}

/// The change of one counter, which never leaves nothing..=[`MOST`].
fn change(table: Table, holder: Holder<'_>, payment: &Payment, sign: i128) -> Write {
    Write::Add {
        table,
        key: holder.key(&payment.currency),
        delta: delta(payment.amount, sign),
        min: 0,
        max: MOST,
    }
}

pub(crate) fn delta(amount: Amount, sign: i128) -> i128 {
    sign * amount.to_delta().unwrap_or(i128::MAX)
}

/// A write that no store takes: the batch it stands in is a conflict.
fn impossible() -> Write {
    Write::Add {
        table: BALANCES,
        key: "nobody".into(),
        delta: -1,
        min: 0,
        max: 0,
    }
}
