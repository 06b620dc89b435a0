//! How what is over is forgotten, and what stays of it.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        calls::{Call, CallState, Calls, HeldCall},
        channels::{Channels, Step},
        claims::{COUNTERS, Change, Claimed, Debts},
        hours,
        payments::Payments,
        settlements::{End, Past, Settlements, Totals},
    },
    port::backend::{Backend, Key, Partition},
    value::{Amount, CurrencyCode, Did, Fingerprint, MethodId, Timestamp},
};

use super::{
    NOW, after, change,
    channels::{caps, id, of, opened, pay, pays, seen, voucher},
    claim, claimed, counted, debit, payment,
    settlements::ended_job,
};

const GOOD: &str = "a case is well made, and a healthy store answers";
const HOUR: u64 = 60 * 60;

async fn forget(store: &Arc<dyn Backend>, now: Timestamp) -> usize {
    let keep = Duration::from_secs(60);
    hours::forget(store, now, keep, 2).await.expect(GOOD)
}

/// Counters of an hour bound what happens within it and go after it, a page at a time. Those that count
/// for good stay.
pub async fn a_counter_of_an_hour_is_forgotten_after_it(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let hour = NOW.as_secs() / HOUR;
    let names = [
        format!("openings {hour} rail alice"),
        format!("openings {} rail alice", hour + 1),
        format!("lost {hour} rail"),
        format!("spent day {} alice", NOW.as_secs() / (24 * HOUR)),
        "spent total alice".to_owned(),
    ];
    for number in 1..=2 {
        let mut one = claim(payment(number));
        let debits = names.iter().map(|name| debit(name, 3, 6, true));
        one.debits = debits.collect();
        drop(claimed(&payments, one).await);
    }
    // Another one is over the limit, before and after what is over is forgotten.
    let over = |number, name: &str| {
        let mut more = claim(payment(number));
        more.debits = vec![debit(name, 1, 6, true)];
        payments.claims().claim(more)
    };
    let refused = over(3, &names[0]).await.expect(GOOD);
    assert!(matches!(refused, Claimed::Exceeded(_)), "{refused:?}");
    let end = Timestamp::from_secs((hour + 1) * HOUR + 60);
    assert_eq!(
        forget(&store, end).await,
        0,
        "it was just over for a minute"
    );
    let later = end.saturating_add(Duration::from_millis(1));
    assert_eq!(forget(&store, later).await, 2);
    assert_eq!(forget(&store, later).await, 0);
    for (name, expect) in names.iter().zip([0, 6, 0, 6, 6]) {
        assert_eq!(counted(&store, name).await, expect, "{name}");
    }
    let refused = over(4, &names[1]).await.expect(GOOD);
    assert!(matches!(refused, Claimed::Exceeded(_)), "{refused:?}");
    assert_eq!(forget(&store, after(30 * 24 * HOUR)).await, 2);
    let refused = over(5, &names[4]).await.expect(GOOD);
    assert!(matches!(refused, Claimed::Exceeded(_)), "for good");
}

/// What is given back after its hour is forgotten leaves nothing either.
pub async fn what_a_counter_is_given_back_too_late_goes_too(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let name = format!("lost {} rail", NOW.as_secs() / HOUR);
    let mut one = claim(payment(1));
    one.debits = vec![debit(&name, 3, 6, false)];
    let held = claimed(&payments, one).await;
    assert_eq!(forget(&store, after(3 * HOUR)).await, 1);
    let released = Change {
        debts: Debts::Release,
        ..Change::to(held.record.clone())
    };
    change(&payments, held, released).await;
    assert_eq!(forget(&store, after(3 * HOUR)).await, 1);
    let key = Key::from(name.as_str());
    let row = store.get(&Partition::Store, COUNTERS, &key).await;
    assert_eq!(row.expect(GOOD), None);
}

/// A counter that says nothing is as good as none, and one that says something stays.
pub async fn a_payer_with_nothing_unsettled_needs_no_counter(store: Arc<dyn Backend>) {
    let channels = Channels::new(Arc::clone(&store));
    let caps = caps("alice", 1000, 1000, 10);
    let forget = || async { channels.forget_counter(&caps).await.expect(GOOD) };
    let is_there = || async {
        let key = caps.counter();
        let row = store.get(&Partition::Store, COUNTERS, &key).await;
        row.expect(GOOD).is_some()
    };
    assert!(forget().await, "there is none");
    let mut held = opened(&channels, "one", 100).await;
    let bought = pays(Some(voucher(20)), 20);
    assert!(pay(&channels, &mut held, &bought, &caps).await.expect(GOOD));
    assert!(
        !forget().await && is_there().await,
        "something is unsettled"
    );
    let observed = channels
        .update(&mut held, NOW, |channel| {
            channel.served(of(20));
            channel.observe(seen(2, 100, 20)).map(Step::to)
        })
        .await;
    assert!(observed.is_ok(), "{observed:?}");
    let freed = channels.give_back(&mut held, &caps, Amount::ZERO, NOW);
    assert!(freed.await.is_ok());
    assert!(is_there().await);
    assert!(forget().await && !is_there().await);
    let more = pays(Some(voucher(30)), 10);
    assert!(pay(&channels, &mut held, &more, &caps).await.expect(GOOD));
    assert!(is_there().await, "it is counted again");
}

/// The last promise counts.
pub async fn a_channel_says_until_when_its_calls_are_promised(store: Arc<dyn Backend>) {
    let (channels, calls) = (Channels::new(Arc::clone(&store)), Calls::new(store));
    let caps = caps("alice", 1000, 1000, 10);
    let mut held = opened(&channels, "one", 100).await;
    let promised = || async { calls.promised(&id("one")).await.expect(GOOD) };
    assert_eq!(promised().await, None);
    for (key, until) in [(1, 60), (2, 90), (3, 30)] {
        let call = Call {
            whole: Fingerprint([key; 32]),
            price: of(5),
            metered: Amount::ZERO,
            units: 1,
            attempts: 1,
            state: CallState::Charged { until: after(30) },
            forget_at: after(until),
        };
        let (_, (guards, writes)) = HeldCall::begin(&Fingerprint([key; 32]), call, NOW);
        let mut bought = pays(Some(voucher(5 * u128::from(key))), 5);
        (bought.guards, bought.writes) = (guards, writes);
        assert!(pay(&channels, &mut held, &bought, &caps).await.expect(GOOD));
    }
    assert_eq!(promised().await, Some(after(90)));
    assert_eq!(calls.forget(&id("one"), after(61)).await.expect(GOOD), 2);
    assert_eq!(promised().await, Some(after(90)));
    assert_eq!(calls.forget(&id("one"), after(91)).await.expect(GOOD), 1);
    assert_eq!(promised().await, None);
}

/// What was charged and what was lost stays in the sums, and one that is forgotten is not counted again
/// by forgetting it again.
pub async fn an_end_that_is_forgotten_stays_added_up(store: Arc<dyn Backend>) {
    let settlements = Settlements::new(store);
    let (rail, dollar) = (
        MethodId::new("rail").expect(GOOD),
        CurrencyCode::new("usd6").expect(GOOD),
    );
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        let end = End {
            method: rail.clone(),
            currency: dollar.clone(),
            payer: Did::new("did:key:alice").expect(GOOD),
            at: after(number as u64),
            accepted: of(9),
            spent: of(8),
            settled: of(5),
            lost: of(3),
            reference: None,
        };
        assert!(settlements.end(&id(name), &end).await.expect(GOOD));
    }
    let names = |page: Vec<Past>| {
        let names = page.into_iter().map(|past| past.channel.to_string());
        names.collect::<Vec<_>>()
    };
    let before = settlements.ends_before(after(2), None, 1).await;
    let before = before.expect(GOOD);
    let rest = settlements.ends_before(after(2), before.last(), 9).await;
    assert_eq!(
        (names(before), names(rest.expect(GOOD))),
        (vec!["a".into()], vec!["b".into()])
    );
    for _ in 0..2 {
        let over = [id("a"), id("b")];
        settlements.forget_ends(&over).await.expect(GOOD);
        assert_eq!(settlements.ended(&id("a")).await.expect(GOOD), None);
        let left = settlements.ends(None, 9).await.expect(GOOD);
        assert_eq!(names(left), ["c"]);
        let totals = settlements.totals(&rail, &dollar).await.expect(GOOD);
        let expected = Totals {
            lost: of(9),
            ended: 3,
            spent: of(24),
            ..Totals::default()
        };
        assert_eq!(totals, expected);
    }
    settlements.forget_ends(&[id("c")]).await.expect(GOOD);
    // The report finds what was added up by this.
    let named = settlements.fee_currencies().await.expect(GOOD);
    assert_eq!(named, [(rail, dollar)]);
}

/// That there was a settlement is known for as long as its rail may know it.
pub async fn a_settlement_that_is_over_is_known_until_it_is_forgotten(store: Arc<dyn Backend>) {
    let settlements = Settlements::new(Arc::clone(&store));
    let (method, asked_at, totals) = ended_job(&store).await;
    let over = |before: Timestamp| settlements.jobs_over(&method, before, 9);
    assert_eq!(over(asked_at).await.expect(GOOD), [[0; 16]; 0]);
    let later = asked_at.saturating_add(Duration::from_millis(1));
    let found = over(later).await.expect(GOOD);
    assert_eq!(found.len(), 1);
    for _ in 0..2 {
        settlements.forget_jobs(&found).await.expect(GOOD);
        assert_eq!(over(later).await.expect(GOOD), [[0; 16]; 0]);
        let dollar = CurrencyCode::new("usd6").expect(GOOD);
        let now = settlements.totals(&method, &dollar).await.expect(GOOD);
        assert_eq!(now, totals);
    }
}
