//! What the store says of payments that somebody should know of: owed, never paid, not decided, on
//! credit.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use farthing::{
    core::{
        bounds::PAGE,
        domain::{claims::Held, credit, payments::Payments},
        payment::{Payment, State},
        port::backend::{Backend, StoreError},
        value::{CurrencyCode, Timestamp},
    },
    tempo::Tempo,
};

/// What was counted. Where the store could not be asked there is nothing, and not a zero.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) owed: Option<Counted>,
    /// Served on credit and never paid.
    pub(crate) defaulted: Option<Counted>,
    /// Payments whose outcome the rail has not said, by state.
    pub(crate) undecided: Option<BTreeMap<&'static str, usize>>,
    /// What is served and not paid yet, by unit, as a decimal number.
    pub(crate) credit: BTreeMap<String, String>,
}

/// Payments, and what they come to.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) payments: usize,
    pub(crate) units: BTreeMap<CurrencyCode, u128>,
}

/// The states in which nobody knows yet whether money moved.
const UNDECIDED: [(State, &str); 4] = [
    (State::Sent, "sent"),
    (State::Pending, "pending"),
    (State::Unknown, "unknown"),
    (State::Credited, "credited"),
];

/// What nobody knows yet is looked at again before so much time is over. What is long over is due later.
const SOON: Duration = Duration::from_secs(60 * 60);

/// Counts them; of each kind no more than a page.
pub(crate) async fn count(
    payments: &Payments,
    backend: &Arc<dyn Backend>,
    tempo: Option<&Tempo>,
    now: Timestamp,
) -> Stored {
    Stored {
        owed: payments.owed(PAGE).await.ok().map(Counted::of),
        defaulted: payments.defaulted(None, PAGE).await.ok().map(Counted::of),
        undecided: payments
            .due(now.saturating_add(SOON), PAGE)
            .await
            .ok()
            .map(undecided),
        credit: match tempo {
            Some(tempo) => on_credit(backend, tempo).await.unwrap_or_default(),
            None => BTreeMap::new(),
        },
    }
}

impl Counted {
    fn of(held: Vec<Held<Payment>>) -> Self {
        let mut counted = Self {
            payments: held.len(),
            ..Self::default()
        };
        for payment in held {
            let payment = payment.record;
            let units = counted.units.entry(payment.currency).or_default();
            *units = units.saturating_add(payment.amount.units());
        }
        counted
    }
}

fn undecided(held: Vec<Held<Payment>>) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<_, _> = UNDECIDED.iter().map(|(_, name)| (*name, 0)).collect();
    for payment in held {
        let state = payment.record.state;
        if let Some((_, name)) = UNDECIDED.iter().find(|(known, _)| *known == state) {
            *counts.entry(name).or_default() += 1;
        }
    }
    counts
}

async fn on_credit(
    backend: &Arc<dyn Backend>,
    tempo: &Tempo,
) -> Result<BTreeMap<String, String>, StoreError> {
    let mut found = BTreeMap::new();
    for unit in tempo.units() {
        let amount = credit::outstanding(backend, &unit, None).await?;
        found.insert(unit, amount.to_decimal(credit::DECIMALS));
    }
    Ok(found)
}
