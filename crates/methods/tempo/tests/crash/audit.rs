//! The auditor: what the store and the chain say when everybody has gone home.

use std::path::{Path, PathBuf};

use farthing_core::{
    domain::{claims::Held, payments::Payments, receipts::Receipts},
    payment::{Moved, Payment, State},
    value::ClaimKey,
};
use farthing_testkit::{chain::Chain, process::runs};

use crate::{
    Fate,
    process::{Presenter, Signed, balance},
    shop::{self, PAYEE, PRICE, Payload, Setup},
};

/// What came back whole.
#[derive(Debug)]
pub(crate) enum Got {
    Served { reference: String },
    Refused { moved: Option<Moved>, kind: String },
}

pub(crate) struct Audit {
    dir: PathBuf,
    setup: Setup,
    payments: Payments,
    receipts: Receipts,
    /// What the payee was paid since the buyer came.
    paid: u64,
}

impl Audit {
    pub(crate) async fn of(dir: &Path, setup: &Setup, chain: &Chain, till: &Presenter) -> Self {
        let store = shop::store(dir);
        Self {
            dir: dir.to_owned(),
            setup: *setup,
            payments: Payments::new(store.clone()),
            receipts: Receipts::new(store),
            paid: balance(chain, PAYEE).await - till.paid_before,
        }
    }

    /// One payment was made, and this is what had to become of it.
    pub(crate) async fn check(&self, signed: &Signed, fate: Fate, got: &[Got], told: &str) {
        let state = self.check_any(signed, got).await;
        let served = got
            .iter()
            .filter(|got| matches!(got, Got::Served { .. }))
            .count();
        let expected = match fate {
            Fate::Untouched | Fate::Served => State::Delivered,
            Fate::Voided => State::Voided,
            Fate::Owed => State::Owed,
        };
        assert_eq!(state, expected, "{told}: {got:?}");
        assert_eq!(served > 0, expected == State::Delivered, "{told}: {got:?}");
        self.check_balances(u64::from(state.moved() == Moved::Yes))
            .await;
        let runs = runs(&self.dir);
        assert!(runs >= served.min(1), "{told}: an answer came from nowhere");
        if !self.setup.rerunnable {
            assert!(runs <= 1, "{told}: the handler ran {runs} times");
        }
    }

    /// What holds of every payment: nobody was told anything but what became of it, and nothing is left
    /// that could move value.
    pub(crate) async fn check_any(&self, signed: &Signed, got: &[Got]) -> State {
        let key = ClaimKey::challenge(&signed.challenge);
        let held: Option<Held<Payment>> = self.payments.claims().find(&key).await.unwrap();
        let held = held.expect("what was presented is claimed in the end");
        let payment = &held.record;
        let moved = payment.state.moved();
        assert_ne!(moved, Moved::Unknown, "{payment:?}");
        assert_eq!(payment.reference.is_some(), moved == Moved::Yes);
        assert!(held.debits().is_empty(), "{:?}", held.debits());
        let journaled = self.payments.journaled(payment).await.unwrap();
        assert!(journaled.is_none(), "the journal is not empty");
        let receipt = self.receipts.get(payment.id).await.unwrap();
        assert_eq!(receipt.is_some(), moved == Moved::Yes, "{receipt:?}");
        let known = payment.reference.as_ref().map(|known| known.as_str());
        if self.setup.payload != Payload::Sponsored && moved == Moved::Yes {
            assert_eq!(known, Some(signed.reference.as_str()));
        }
        for got in got {
            match got {
                Got::Served { reference } => assert_eq!(Some(reference.as_str()), known),
                Got::Refused { moved: None, .. } => {}
                Got::Refused { moved: told, kind } => {
                    let unsure = *told == Some(Moved::Unknown);
                    assert!(unsure || *told == Some(moved), "{kind} told {told:?}");
                }
            }
        }
        payment.state
    }

    /// That the payee was paid for so many, whoever was served. What the buyer sent itself is the payee's in
    /// any case.
    pub(crate) async fn check_balances(&self, settled: u64) {
        assert_eq!(self.paid, settled * PRICE, "{:?}", self.setup);
    }
}
