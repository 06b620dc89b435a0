//! What of a channel is counted in which budgets, and how it comes off them when the channel ends.
//!
//! Vouchers say how much in all, so what a closed channel did not pay out is always the last part of
//! what was signed: the parts signed last are given back first. That happens in the write that closes
//! the purse, which empties this list; so it happens once, whoever closes it and however often.

use farthing_core::{
    domain::claims::{COUNTERS, Debit},
    port::backend::{Key, Write},
    value::Amount,
};
use serde::{Deserialize, Serialize};

use super::purse::{Purse, Stage, less};

/// Parts that are remembered. Budgets of older ones keep what they counted.
const PARTS: usize = 16;

/// A part of what was signed, and the counters on which it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Booked {
    from: Amount,
    to: Amount,
    counters: Vec<Box<str>>,
}

/// Notes on which counters the rise of what is signed was charged.
pub(super) fn book(purse: &mut Purse, before: Amount, debits: &[Debit]) {
    if purse.signed <= before || debits.is_empty() {
        return;
    }
    let counters: Vec<_> = debits.iter().map(|debit| debit.counter.clone()).collect();
    let to = purse.signed;
    match purse.booked.last_mut() {
        Some(last) if last.to == before && last.counters == counters => last.to = to,
        _ => purse.booked.push(Booked {
            from: before,
            to,
            counters,
        }),
    }
    let spare = purse.booked.len().saturating_sub(PARTS);
    purse.booked.drain(..spare);
}

/// What takes off the budgets what a purse that is closed did not pay out, where anybody said how much
/// it paid.
pub(super) fn give_back(purse: &mut Purse) -> Vec<Write> {
    let Some(paid_out) = purse.paid_out.filter(|_| purse.stage == Stage::Closed) else {
        return Vec::new();
    };
    let currency = purse.currency();
    let mut writes = Vec::new();
    for part in std::mem::take(&mut purse.booked) {
        let unpaid = less(part.to, part.from.max(paid_out));
        let worth = currency.worth(unpaid).map(|worth| worth.count());
        let delta = worth.and_then(|worth| worth.to_delta());
        let Some(delta) = delta.filter(|delta| *delta > 0) else {
            continue;
        };
        writes.extend(part.counters.iter().map(|counter| Write::Add {
            table: COUNTERS,
            key: Key::from(&**counter),
            delta: -delta,
            min: i128::MIN,
            max: i128::MAX,
        }));
    }
    writes
}
