//! The auditor: what the store and the rail say when everybody has gone home.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use farthing_core::{
    domain::{
        claims::Held,
        payments::Payments,
        receipts::Receipts,
        responses::{Responses, Slot},
    },
    payment::{Moved, Payment, State},
    port::backend::Backend,
    value::{ClaimKey, CurrencyCode},
};
use farthing_ledger::{Accounts, Currencies};
use farthing_testkit::{clock::FakeClock, method::account, process::runs};

use crate::{
    Fate,
    buyer::{Got, Signed},
    shop::{self, FUNDS, PRICE, RailKind, START, Setup},
};

pub(crate) struct Audit {
    dir: PathBuf,
    setup: Setup,
    store: Arc<dyn Backend>,
}

impl Audit {
    pub(crate) async fn of(dir: &Path, setup: &Setup) -> Self {
        Self {
            dir: dir.to_owned(),
            setup: *setup,
            store: shop::store(dir),
        }
    }

    /// One payment was made, and this is what had to become of it.
    pub(crate) async fn check(&self, signed: &Signed, fate: Fate, got: &[Got]) {
        let state = self.check_any(signed, got).await;
        let served = got
            .iter()
            .filter(|got| matches!(got, Got::Served { .. } | Got::Lent))
            .count();
        match fate {
            Fate::Untouched | Fate::Served => {
                assert_eq!(state, State::Delivered, "{got:?}");
                assert!(served >= 1, "{got:?}");
            }
            Fate::Voided => assert_eq!((state, served), (State::Voided, 0), "{got:?}"),
            Fate::Owed => assert_eq!((state, served), (State::Owed, 0), "{got:?}"),
        }
        let moved = u128::from(state.moved() == Moved::Yes) * PRICE;
        assert_eq!(self.balances().await, (FUNDS - moved, 0, moved));
        let runs = runs(&self.dir);
        if !self.setup.rerunnable {
            assert!(runs <= 1, "the handler ran {runs} times");
        }
        assert!(runs >= served.min(1), "an answer came from nowhere");
    }

    /// What holds of every payment: settled once or not at all, on both sides, and nobody was
    /// told anything else.
    pub(crate) async fn check_any(&self, signed: &Signed, got: &[Got]) -> State {
        let payments = Payments::new(Arc::clone(&self.store));
        let key = ClaimKey::challenge(&signed.challenge);
        let held: Held<Payment> = payments
            .claims()
            .find(&key)
            .await
            .unwrap()
            .expect("what was presented is claimed in the end");
        let payment = &held.record;
        let moved = self.moved(payment);
        assert_ne!(payment.state.moved(), Moved::Unknown, "{payment:?}");
        assert_eq!(payment.state.moved() == Moved::Yes, moved, "{payment:?}");
        assert_eq!(payment.reference.is_some(), moved);
        assert!(held.debits().is_empty());
        assert!(
            payments.journaled(payment).await.unwrap().is_none(),
            "the journal is not empty"
        );
        let receipt = Receipts::new(Arc::clone(&self.store))
            .get(payment.id)
            .await
            .unwrap();
        assert_eq!(receipt.is_some(), moved, "{receipt:?}");
        if payment.state == State::Delivered {
            let slot = Slot::Payment(payment.id);
            let kept = Responses::new(Arc::clone(&self.store))
                .get(slot)
                .await
                .unwrap();
            assert_eq!(kept, None, "a delivered answer is not kept");
        }
        for got in got {
            match got {
                Got::Lent => assert!(moved, "served on credit, and not paid in the end"),
                Got::Served { reference } => {
                    assert!(moved, "served unpaid");
                    assert_eq!(
                        Some(reference.as_str()),
                        payment.reference.as_ref().map(|r| r.as_str())
                    );
                }
                Got::Refused {
                    moved: told,
                    reference,
                    kind,
                } => {
                    assert!(
                        *told != Some(Moved::Yes) || moved,
                        "{kind} told of money that did not move"
                    );
                    assert!(
                        *told != Some(Moved::No) || !moved,
                        "{kind} denied money that moved"
                    );
                    assert!(reference.is_none() || moved, "{kind} gave a reference");
                }
            }
        }
        payment.state
    }

    fn moved(&self, payment: &Payment) -> bool {
        match self.setup.rail {
            // In the books the state is the movement; the balances are compared to it.
            RailKind::Books => payment.state.moved() == Moved::Yes,
            RailKind::Outside => {
                let rail = shop::fake_rail(&self.dir, &FakeClock::at(START));
                let truth = rail.truth();
                let payer = truth.moved.values().filter(|transfer| {
                    Some(transfer.reference.as_str())
                        == payment.reference.as_ref().map(|r| r.as_str())
                });
                payer.count() == 1
            }
        }
    }

    /// The buyer's balance, what is held of it, and the seller's.
    async fn balances(&self) -> (u128, u128, u128) {
        match self.setup.rail {
            RailKind::Books => {
                let accounts = Accounts::new(Arc::clone(&self.store), Currencies::default());
                let dollar = CurrencyCode::new("usd6").unwrap();
                let people = [1, 2].map(|seed| shop::key(seed).account().clone());
                let buyer = accounts.balance(&people[0], &dollar).await.unwrap();
                let seller = accounts.balance(&people[1], &dollar).await.unwrap();
                assert_eq!(accounts.total(&dollar, &people).await.unwrap(), 0);
                assert_eq!(seller.held.units(), 0);
                (
                    buyer.available.units(),
                    buyer.held.units(),
                    seller.available.units(),
                )
            }
            RailKind::Outside => {
                let truth = shop::fake_rail(&self.dir, &FakeClock::at(START)).truth();
                let of = |name| truth.balance(account(name).as_str());
                (of("buyer"), 0, of("seller"))
            }
        }
    }

    /// That the balances are those of so many settled payments.
    pub(crate) async fn check_balances(&self, settled: u128) {
        let moved = settled * PRICE;
        assert_eq!(self.balances().await, (FUNDS - moved, 0, moved));
    }
}
