//! The auditor: what the books and the rail say when everybody has gone home.

use std::{path::Path, sync::Arc};

use farthing_core::{
    domain::{
        channels::{Channels, Exposed},
        fundings::{FundingState, Fundings},
        settlements::{Settlements, Totals},
    },
    intent::session::{Channel, Standing},
    port::backend::Backend,
    value::{Amount, Timestamp},
};
use farthing_testkit::{
    clock::FakeClock,
    method::{ReserveTruth, account, currency, method},
};

use crate::shop::{self, Act, DEPOSIT, FUNDS, MORE, SPENT, START};

pub(crate) struct Audit {
    truth: ReserveTruth,
    store: Arc<dyn Backend>,
}

impl Audit {
    pub(crate) fn of(dir: &Path) -> Self {
        Self {
            truth: shop::reserve(dir, &FakeClock::at(START)).truth(),
            store: shop::store(dir),
        }
    }

    /// One thing was done, or nothing of it, and this is what had to become of it.
    pub(crate) async fn check(&self, act: Act, is_nothing: bool) {
        // Value is neither made nor lost, and nothing was ever sent as something else.
        assert_eq!(self.truth.total(), FUNDS);
        for (name, sent) in &self.truth.sent {
            assert_eq!(sent.mixed, 0, "{name}");
        }
        self.check_nothing_is_left_over().await;
        let (locked, paid) = match (act, is_nothing) {
            (Act::Open, true) => {
                assert_eq!(self.truth.balance(account("buyer").as_str()), FUNDS);
                assert!(self.books().await.is_none());
                return;
            }
            (Act::TopUp, false) => (DEPOSIT + MORE, 0),
            (Act::Settle | Act::Close, _) => (DEPOSIT, SPENT),
            _ => (DEPOSIT, 0),
        };
        let is_closed = act == Act::Close && !is_nothing;
        let books = self.books().await.unwrap();
        let balance = books.balance();
        assert_eq!(balance.deposit, Amount::new(locked));
        assert_eq!(balance.settled, Amount::new(paid));
        assert_eq!(books.lost(), Amount::ZERO);
        let shop = self.truth.balance(account("shop").as_str());
        let buyer = self.truth.balance(account("buyer").as_str());
        assert_eq!(shop, paid);
        assert_eq!(books.standing() == Standing::Closed, is_closed);
        let held = if is_closed { paid } else { locked };
        assert_eq!(buyer, FUNDS - held);
        // A close that nobody stopped the channel for is settled first, and closed when it comes back.
        let settlements = self.truth.settlements();
        assert!(settlements <= 1 || act == Act::Close && settlements == 2);
        assert_eq!(settlements > 0, paid > 0);
        self.check_totals(paid, is_closed).await;
    }

    /// What holds whatever was done: the books are those of the rail, and nothing is left over.
    pub(crate) async fn check_any(&self) {
        assert_eq!(self.truth.total(), FUNDS);
        assert!(self.truth.sent.values().all(|sent| sent.mixed == 0));
        self.check_nothing_is_left_over().await;
        let on_rail = self.truth.channel(&shop::channel().id());
        let books = self.books().await;
        assert_eq!(books.is_some(), on_rail.is_some());
        if let (Some(books), Some(on_rail)) = (books, on_rail) {
            let balance = books.balance();
            assert_eq!(balance.deposit, Amount::new(on_rail.deposit));
            assert_eq!(balance.settled, Amount::new(on_rail.settled));
            assert_eq!(books.standing() == Standing::Closed, on_rail.finalized);
            let shop = self.truth.balance(account("shop").as_str());
            assert_eq!(shop, on_rail.settled);
            self.check_totals(shop, on_rail.finalized).await;
        }
    }

    /// What was paid out was added up once, and how the channel ended is written down once.
    async fn check_totals(&self, paid: u128, is_closed: bool) {
        let settlements = Settlements::new(Arc::clone(&self.store));
        let totals = settlements.totals(&method(), &currency().code).await;
        let expected = Totals {
            settled: Amount::new(paid),
            lost: Amount::ZERO,
            settlements: self.truth.settlements() as u64,
            fees: Amount::ZERO,
            ended: u64::from(is_closed),
            spent: Amount::new(if is_closed { paid } else { 0 }),
        };
        assert_eq!(totals.unwrap(), expected);
        let ends = settlements.ends(None, 10).await.unwrap();
        assert_eq!(ends.len(), usize::from(is_closed));
        for past in ends {
            assert_eq!(past.end.settled, Amount::new(paid));
            assert!(past.end.reference.is_some(), "the closing has a name");
        }
    }

    /// Whatever was begun has come to its end.
    async fn check_nothing_is_left_over(&self) {
        let settlements = Settlements::new(Arc::clone(&self.store));
        assert!(settlements.jobs(&method(), None).await.unwrap().is_empty());
        let due = settlements.due(&method(), Timestamp::FAR, None, 10).await;
        assert!(due.unwrap().is_empty(), "the agenda is not empty");
        let fundings = Fundings::new(Arc::clone(&self.store));
        for held in fundings.due(Timestamp::FAR, None, 10).await.unwrap() {
            assert_eq!(held.record.state, FundingState::Done);
            assert!(held.debits().is_empty());
            let journaled = fundings.journaled(held.record.id).await.unwrap();
            assert!(journaled.is_none(), "the journal is not empty");
        }
        let channels = Channels::new(Arc::clone(&self.store));
        let exposed: Vec<Exposed> = channels.exposed(None, 10).await.unwrap();
        assert!(exposed.is_empty(), "{exposed:?}");
    }

    async fn books(&self) -> Option<Channel> {
        let channels = Channels::new(Arc::clone(&self.store));
        let held = channels.load(&shop::channel().id()).await.unwrap();
        held.map(|held| held.channel().clone())
    }
}
