//! Which channels a store has, and how they are forgotten.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        calls::{Call, CallState, Calls, HeldCall},
        channels::{Channels, Held, Listed, Purchase, Step},
    },
    intent::session::{OnChain, Seen},
    port::backend::Backend,
    value::{Amount, Fingerprint, Timestamp},
};

use super::{
    NOW, after,
    channels::{caps, id, load, of, opened, opened_at, pay, pays, seen, voucher},
};

const KEY: Fingerprint = Fingerprint([7; 32]);

fn names(listed: &[Listed]) -> Vec<&str> {
    listed.iter().map(|it| it.id.as_str()).collect()
}

async fn observe(channels: &Channels, held: &mut Held, seen: Seen) {
    let observed = channels
        .update(held, after(9), |channel| {
            channel.observe(seen).map(Step::to)
        })
        .await;
    assert!(observed.is_ok(), "{observed:?}");
}

/// The newest come first, page by page; one that ended is listed among those.
pub async fn channels_are_listed_and_one_that_ended_apart(store: Arc<dyn Backend>) {
    let channels = Channels::new(store);
    for (at, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        opened_at(&channels, name, 100, after(at as u64)).await;
    }
    // Who opens it again makes it no younger.
    opened_at(&channels, "a", 100, after(50)).await;
    let first = channels
        .list(None, 3)
        .await
        .expect("a healthy store answers");
    assert_eq!(names(&first), ["d", "c", "b"]);
    assert_eq!(first[0].at, after(3));
    let rest = channels.list(first.last(), 3).await;
    assert_eq!(names(&rest.expect("a healthy store answers")), ["a"]);
    let mut held = load(&channels, "b").await;
    let retired = channels.retire(&held, after(60)).await;
    assert!(!retired.expect("a healthy store answers"), "it is open");
    let state = OnChain::Finalized { settled: None };
    observe(&channels, &mut held, Seen { block: 2, state }).await;
    for _ in 0..2 {
        let retired = channels.retire(&held, after(60)).await;
        assert!(retired.expect("a healthy store answers"));
    }
    let open = channels
        .list(None, 9)
        .await
        .expect("a healthy store answers");
    assert_eq!(names(&open), ["d", "c", "a"]);
    for (before, expect) in [(60, &[][..]), (61, &["b"])] {
        let ended = channels.ended(after(before), None, 9).await;
        assert_eq!(names(&ended.expect("a healthy store answers")), expect);
    }
}

/// What is forgotten leaves nothing, and is not forgotten before it is closed and has given back.
pub async fn a_channel_is_forgotten_whole_and_not_before_its_end(store: Arc<dyn Backend>) {
    let (channels, calls) = (Channels::new(Arc::clone(&store)), Calls::new(store));
    let caps = caps("alice", 1000, 1000, 10);
    let mut held = opened(&channels, "one", 100).await;
    let call = Call {
        whole: KEY,
        price: of(5),
        metered: Amount::ZERO,
        units: 1,
        attempts: 1,
        state: CallState::Charged { until: after(30) },
        forget_at: after(60),
    };
    let (_, (guards, writes)) = HeldCall::begin(&KEY, call, NOW);
    let purchase = Purchase {
        guards,
        writes,
        ..pays(Some(voucher(20)), 5)
    };
    let paid = pay(&channels, &mut held, &purchase, &caps).await;
    assert!(paid.expect("it is covered"));
    let forget = || async {
        let forgotten = channels.forget(&id("one")).await;
        forgotten.expect("a healthy store answers")
    };
    assert!(!forget().await, "it is open");
    let give_back = |mut held| async {
        let none = Amount::ZERO;
        let freed = channels.give_back(&mut held, &caps, none, NOW).await;
        assert!(freed.is_ok(), "{freed:?}");
        held
    };
    // Open and nothing drawn.
    observe(&channels, &mut held, seen(2, 100, 5)).await;
    let mut held = give_back(held).await;
    assert!(!forget().await, "it is open");
    let paid = pay(&channels, &mut held, &pays(None, 5), &caps).await;
    assert!(paid.expect("it is covered"));
    let settled = Some(of(10));
    let state = OnChain::Finalized { settled };
    observe(&channels, &mut held, Seen { block: 3, state }).await;
    assert!(!forget().await, "it has not given back");
    let held = give_back(held).await;
    let retired = channels.retire(&held, after(60)).await;
    assert!(retired.expect("a healthy store answers"));
    assert!(forget().await && forget().await, "it is safe to repeat");
    let there = channels.load(&id("one")).await;
    assert!(there.expect("a healthy store answers").is_none());
    let terms = channels.terms(&id("one")).await;
    assert_eq!(terms.expect("a healthy store answers"), None);
    let call = calls.find(&id("one"), &KEY).await;
    assert!(call.expect("a healthy store answers").is_none());
    let ended = channels.ended(Timestamp::FAR, None, 9).await;
    assert_eq!(ended.expect("a healthy store answers"), []);
    // Who still has it in memory learns of it, and nothing is drawn for what is not there.
    let mut stale = held;
    let late = pay(&channels, &mut stale, &pays(None, 1), &caps).await;
    assert!(late.is_err(), "{late:?}");
    let drawn = channels.exposed(None, 9).await;
    assert_eq!(drawn.expect("a healthy store answers"), []);
}

/// A request uses a channel; what the rail does to it, and ending what was left over, does not. That is
/// ended once it was not used for long.
pub async fn a_channel_knows_when_it_was_last_used(store: Arc<dyn Backend>) {
    let channels = Channels::new(store);
    let caps = caps("alice", 1000, 1000, 100);
    let mut held = opened(&channels, "one", 100).await;
    assert_eq!(held.active_at(), NOW);
    let bought = pays(Some(voucher(20)), 5);
    let paid = channels
        .accept_and_charge(&mut held, after(3), &bought, &caps)
        .await;
    assert!(paid.is_ok(), "{paid:?}");
    observe(&channels, &mut held, seen(2, 200, 0)).await;
    // Who remembers an older state of it asks what is there.
    let mut stale = load(&channels, "one").await;
    for (at, expect) in [(12, 0), (13, 5), (30, 0)] {
        let idle = Duration::from_secs(10);
        let sure = channels.end_left_over(&mut stale, after(at), idle).await;
        assert_eq!(sure.expect("it is ours"), of(expect), "after {at}");
    }
    assert_eq!(held.active_at(), after(3));
    assert_eq!(load(&channels, "one").await.active_at(), after(3));
    let reserved = channels
        .update(&mut held, after(11), |channel| {
            channel.reserve(of(1), after(20)).map(Step::to)
        })
        .await;
    assert!(reserved.is_ok(), "{reserved:?}");
    assert_eq!(load(&channels, "one").await.active_at(), after(11));
}
