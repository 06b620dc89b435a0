//! What is over is forgotten, does no harm when it is shown again, and stays added up.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        calls::{Call, CallState, HeldCall},
        channels::Purchase,
    },
    intent::session::{Protocol, Rule},
    memory::MemoryBackend,
    port::backend::{Backend, Table},
    value::{Amount, Fingerprint},
};
use farthing_server::session::{InCurrency, NotClosed, NotFunded, TillOptions};
use farthing_testkit::{
    faulty::{Failure, Faulty},
    method::{FakeSessionPayload, currency},
};

use crate::kit::{Buyer, DEPOSIT, Kit, PRICE, of, options, rail};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The tables that have rows for good: a few for each method and currency.
const FOR_GOOD: [&str; 4] = [
    "core.counters",
    "core.leases",
    "core.rail_cursors",
    "core.settlement_fees",
];

fn keeping() -> TillOptions {
    let mut options = options();
    options.retention.channels = 2 * DAY;
    options.retention.ends = 4 * DAY;
    options.retention.settlements = DAY;
    options
}

/// An opening that is good for a minute, as all of them are that are real.
fn opening(kit: &Kit, buyer: &Buyer) -> FakeSessionPayload {
    let until = kit.now().saturating_add(Duration::from_secs(60));
    let lock = buyer.channel.opening(of(DEPOSIT), until);
    FakeSessionPayload::open(&buyer.channel, &lock, of(0))
}

/// A channel from its opening to its end, settled once in between.
async fn life(kit: &Kit, name: &str) -> (Buyer, FakeSessionPayload) {
    kit.till.look_around(&rail()).await.unwrap();
    let buyer = kit.stranger(name);
    let opening = opening(kit, &buyer);
    kit.open(&buyer, &opening).await.unwrap();
    kit.serve(&buyer, 3 * PRICE, 2 * PRICE).await;
    kit.till.want_settled(&buyer.id()).await.unwrap();
    kit.till.settle(&rail()).await.unwrap();
    kit.serve(&buyer, 5 * PRICE, 3 * PRICE).await;
    kit.till.close(&buyer.said(5 * PRICE)).await.unwrap();
    (buyer, opening)
}

async fn tidy(kit: &Kit) {
    kit.till.look_around(&rail()).await.unwrap();
    kit.till.reconcile_fundings().await.unwrap();
    kit.till.settle(&rail()).await.unwrap();
    kit.till.prune().await.unwrap();
}

async fn reported(kit: &Kit) -> InCurrency {
    let report = kit.till.report().await.unwrap();
    report.currencies[&(rail(), currency().code)].clone()
}

fn at_most(counts: &BTreeMap<Table, usize>, most: &BTreeMap<Table, usize>) {
    for (table, rows) in counts {
        let most = most.get(table).copied().unwrap_or_default();
        assert!(*rows <= most, "{table:?} has {rows} rows, and had {most}");
    }
}

#[tokio::test]
async fn a_store_holds_no_more_after_a_year_than_after_a_week() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let store = Arc::new(MemoryBackend::new());
        let shared: Arc<dyn Backend> = Arc::clone(&store) as Arc<dyn Backend>;
        let kit = Kit::over_with(Kit::new(protocol), &shared, keeping());
        let mut after_a_week = BTreeMap::new();
        for day in 0..365u128 {
            life(&kit, &format!("buyer-{day}")).await;
            tidy(&kit).await;
            let ended = reported(&kit).await;
            assert_eq!(ended.all.channels, 0);
            assert_eq!(u128::from(ended.ever.ended), day + 1);
            assert_eq!(ended.ever.spent, of(5 * PRICE * (day + 1)));
            assert_eq!(ended.ever.settled, of(5 * PRICE * (day + 1)));
            assert_eq!(ended.ever.lost, Amount::ZERO);
            assert_eq!(kit.shops(), 5 * PRICE * (day + 1), "to the unit");
            if day == 7 {
                after_a_week = store.counts();
            } else if day > 7 {
                at_most(&store.counts(), &after_a_week);
            }
            kit.clock.advance(DAY);
        }
        // And where nothing happens any more, nothing is left but what counts for good.
        for _ in 0..5 {
            kit.clock.advance(DAY);
            tidy(&kit).await;
        }
        let left: Vec<_> = store.counts().keys().map(|table| table.name()).collect();
        assert_eq!(left, FOR_GOOD, "{:?}", store.counts());
        assert_eq!(reported(&kit).await.ever.spent, of(5 * PRICE * 365));
    }
}

#[tokio::test]
async fn what_is_shown_again_after_it_was_forgotten_does_nothing() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let kit = Kit::over_with(Kit::new(protocol), &store, keeping());
        let (alice, opened) = life(&kit, "alice").await;
        let before = kit.reserve.truth();
        kit.clock.advance(2 * DAY + HOUR);
        tidy(&kit).await;
        assert!(kit.channels().load(&alice.id()).await.unwrap().is_none());
        assert!(kit.till.show(&alice.id()).await.unwrap().is_none());
        // What opened it, as it was and signed anew.
        for opening in [opened, opening(&kit, &alice)] {
            let refused = kit.open(&alice, &opening).await.unwrap_err();
            let is_over = matches!(refused, NotFunded::Method(_) | NotFunded::Ended);
            assert!(is_over, "{refused:?}");
            tidy(&kit).await;
        }
        let more = alice.topping_up(DEPOSIT, "again");
        let refused = kit.top_up(&alice, &more).await.unwrap_err();
        assert!(matches!(refused, NotFunded::NoChannel), "{refused:?}");
        for cumulative in [3, 5, 9] {
            let said = alice.said(cumulative * PRICE);
            let refused = kit.till.close(&said).await.unwrap_err();
            assert!(matches!(refused, NotClosed::NoChannel), "{refused:?}");
        }
        assert!(kit.channels().load(&alice.id()).await.unwrap().is_none());
        let after = kit.reserve.truth();
        assert_eq!(after.accounts, before.accounts, "nothing moved");
        let ended = reported(&kit).await.ever;
        assert_eq!((ended.ended, ended.spent), (1, of(5 * PRICE)));
        assert_eq!(kit.counted().await, 0);
    }
}

/// Whatever commit a turn dies at, the next one finds what is left.
#[tokio::test]
async fn a_turn_that_dies_anywhere_leaves_what_the_next_one_finds() {
    for nth in 1.. {
        let (mut died, mut left) = (false, Vec::new());
        for in_doubt in [false, true] {
            let store = Arc::new(MemoryBackend::new());
            let (faulty, faults) = Faulty::over(Arc::clone(&store));
            let faulty: Arc<dyn Backend> = Arc::new(faulty);
            let kit = Kit::over_with(Kit::new(Protocol::V2), &faulty, keeping());
            life(&kit, "alice").await;
            life(&kit, "bob").await;
            kit.clock.advance(5 * DAY);
            kit.till.reconcile_fundings().await.unwrap();
            match in_doubt {
                true => faults.doubt_commit(nth),
                false => faults.fail_commit(nth, Failure::Unavailable),
            }
            died = kit.till.prune().await.is_err();
            faults.forget();
            // Until the lease of the one that died is over, and what was put off is looked at again.
            for _ in 0..3 {
                kit.clock.advance(HOUR);
                tidy(&kit).await;
            }
            let totals = reported(&kit).await.ever;
            assert_eq!((totals.ended, totals.spent), (2, of(2 * 5 * PRICE)));
            assert_eq!(kit.counted().await, 0);
            left.push(store.counts());
        }
        let names: Vec<_> = left[0].keys().map(|table| table.name()).collect();
        assert_eq!(names, FOR_GOOD, "after dying at commit {nth}");
        assert_eq!(left[0], left[1], "after dying at commit {nth}");
        if !died {
            assert!(nth > 5, "a turn has more commits than {nth}");
            break;
        }
    }
}

#[tokio::test]
async fn a_channel_stays_as_long_as_one_of_its_calls_is_promised() {
    let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let kit = Kit::over_with(Kit::new(Protocol::V2), &store, keeping());
    let alice = kit.stranger("alice");
    kit.till.look_around(&rail()).await.unwrap();
    kit.open(&alice, &opening(&kit, &alice)).await.unwrap();
    let (key, now) = (Fingerprint([1; 32]), kit.now());
    let call = Call {
        whole: key,
        price: of(PRICE),
        metered: Amount::ZERO,
        units: 1,
        attempts: 1,
        state: CallState::Charged { until: now },
        forget_at: now.saturating_add(9 * DAY),
    };
    let (_, (guards, writes)) = HeldCall::begin(&key, call, now);
    let purchase = Purchase {
        voucher: Some(alice.voucher(PRICE)),
        rule: Rule::ANY,
        price: of(PRICE),
        guards,
        writes,
    };
    let channels = kit.channels();
    let mut held = channels.load(&alice.id()).await.unwrap().unwrap();
    let bought = channels
        .accept_and_charge(&mut held, now, &purchase, &alice.caps())
        .await;
    bought.unwrap().charge.unwrap();
    kit.served(&alice, PRICE).await;
    kit.till.close(&alice.said(PRICE)).await.unwrap();
    let is_there = || async { channels.load(&alice.id()).await.unwrap().is_some() };
    for (wait, expect) in [(8 * DAY, true), (DAY + HOUR, false)] {
        kit.clock.advance(wait);
        tidy(&kit).await;
        assert_eq!(is_there().await, expect);
        // Its end stays with it, or it could be counted once more.
        let end = kit.till.settlements().ended(&alice.id()).await.unwrap();
        assert_eq!(end.is_some(), expect);
    }
}

/// Expired calls of a channel that goes on are forgotten, and those of whose time is not over are not.
#[tokio::test]
async fn calls_of_a_channel_that_goes_on_are_forgotten_in_time() {
    let store = Arc::new(MemoryBackend::new());
    let shared: Arc<dyn Backend> = Arc::clone(&store) as Arc<dyn Backend>;
    let kit = Kit::over_with(Kit::new(Protocol::V2), &shared, keeping());
    let alice = kit.buyer("alice").await;
    let channels = kit.channels();
    for n in 1..=50u8 {
        let (key, now) = (Fingerprint([n; 32]), kit.now());
        let call = Call {
            whole: key,
            price: of(PRICE),
            metered: Amount::ZERO,
            units: 1,
            attempts: 1,
            state: CallState::Served(None),
            forget_at: now.saturating_add(3 * HOUR),
        };
        let (_, (guards, writes)) = HeldCall::begin(&key, call, now);
        let purchase = Purchase {
            voucher: Some(alice.voucher(u128::from(n) * PRICE)),
            rule: Rule::ANY,
            price: of(PRICE),
            guards,
            writes,
        };
        let mut held = channels.load(&alice.id()).await.unwrap().unwrap();
        let bought = channels
            .accept_and_charge(&mut held, now, &purchase, &alice.caps())
            .await;
        bought.unwrap().charge.unwrap();
        kit.clock.advance(HOUR);
        kit.till.prune().await.unwrap();
        let counts = store.counts();
        let rows = counts.iter().find(|(it, _)| it.name() == "core.calls");
        assert!(rows.is_some_and(|(_, rows)| *rows <= 3), "{rows:?}");
    }
}
