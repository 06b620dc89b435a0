//! Calls: requests on a channel that are repeated under an idempotency key.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    bounds,
    domain::{
        calls::{Call, CallState, Calls, HeldCall, Repeat},
        channels::{ChannelError, Channels, Held, Purchase, Rows, Step},
        responses::Stored,
    },
    port::backend::Backend,
    value::{Amount, Fingerprint, Timestamp},
};
use tokio::task::JoinSet;

use super::{
    NOW, after,
    channels::{caps, id, load, of, opened, pay, pays, voucher},
};

const KEY: Fingerprint = Fingerprint([7; 32]);
const WHOLE: Fingerprint = Fingerprint([8; 32]);
const DAY: u64 = 24 * 60 * 60;

fn call() -> Call {
    Call {
        whole: WHOLE,
        price: of(5),
        metered: Amount::ZERO,
        units: 1,
        attempts: 1,
        state: CallState::Charged { until: after(30) },
        forget_at: after(DAY),
    }
}

fn answer(size: usize) -> Stored {
    Stored {
        status: 200,
        headers: Vec::new(),
        body: vec![b'x'; size],
    }
}

/// Buys a call that nobody bought, at `at`; what `update` says where somebody did.
async fn buy(
    channels: &Channels,
    held: &mut Held,
    key: Fingerprint,
    at: Timestamp,
) -> Result<HeldCall, ChannelError> {
    let (call, (guards, writes)) = HeldCall::begin(&key, call(), at);
    let purchase = Purchase {
        guards,
        writes,
        ..pays(Some(voucher(50_000)), 5)
    };
    let is_charged = pay(
        channels,
        held,
        &purchase,
        &caps("alice", 100_000, 100_000, 0),
    )
    .await?;
    assert!(is_charged, "the voucher covers it");
    Ok(call)
}

async fn write(channels: &Channels, held: &mut Held, rows: Rows) -> Result<(), ChannelError> {
    let step = Step::to(()).with(rows.0, rows.1);
    channels.update(held, NOW, |_| Ok(step.clone())).await
}

async fn find(calls: &Calls, key: Fingerprint) -> Option<HeldCall> {
    let found = calls.find(&id("one"), &key).await;
    found.expect("a healthy store answers")
}

/// Twenty of one request at once are charged for one; the others find it, and then its answer.
pub async fn a_call_is_charged_once_and_answered_again(store: Arc<dyn Backend>) {
    let (channels, calls) = (Channels::new(Arc::clone(&store)), Calls::new(store));
    opened(&channels, "one", 50_000).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let channels = channels.clone();
        tasks.spawn(async move {
            let mut held = load(&channels, "one").await;
            match buy(&channels, &mut held, KEY, NOW).await {
                Ok(call) => Some(call),
                Err(ChannelError::Guarded(0)) => None,
                Err(error) => unreachable!("it is there or it is not: {error:?}"),
            }
        });
    }
    let mut bought = tasks.join_all().await.into_iter().flatten();
    let first = bought.next().expect("one of them bought it");
    assert!(bought.next().is_none(), "two bought it");
    let mut held = load(&channels, "one").await;
    assert_eq!(held.channel().balance().spent, of(5));
    let known = find(&calls, KEY).await.expect("it is there");
    let repeat = known.call().repeat(&WHOLE, NOW, true);
    assert_eq!(repeat, Repeat::InFlight(after(30)));
    let other = Fingerprint([9; 32]);
    let another = |known: &HeldCall| known.call().repeat(&other, after(2), true);
    assert_eq!(another(&known), Repeat::Mismatch);
    let (_, rows) = first.served(Some(answer(9)), after(1));
    let served = write(&channels, &mut held, rows).await;
    assert!(served.is_ok(), "{served:?}");
    let known = find(&calls, KEY).await.expect("it is there");
    let repeat = known.call().repeat(&WHOLE, after(2), false);
    assert_eq!(repeat, Repeat::Answer(answer(9)));
    assert_eq!(another(&known), Repeat::Mismatch);
    let again = buy(&channels, &mut held, KEY, after(2)).await;
    assert!(matches!(again, Err(ChannelError::Guarded(0))), "{again:?}");
}

/// What is not served is taken back with its row, so that the same request may be paid for again.
pub async fn a_call_that_is_not_served_leaves_nothing(store: Arc<dyn Backend>) {
    let (channels, calls) = (Channels::new(Arc::clone(&store)), Calls::new(store));
    let mut held = opened(&channels, "one", 50_000).await;
    for at in [NOW, after(1)] {
        let bought = buy(&channels, &mut held, KEY, at).await;
        let (guards, writes) = bought.expect("it is free").unserved();
        let taken = channels
            .update(&mut held, at, |channel| {
                let taken = channel.unserved(of(5));
                Ok(Step::to(taken).with(guards.clone(), writes.clone()))
            })
            .await;
        assert_eq!(taken.expect("it is ours"), of(5));
        assert!(find(&calls, KEY).await.is_none());
        assert_eq!(held.channel().balance().spent, of(0));
    }
}

/// One whose owner died is taken over by one, without a charge, and its owner learns of it.
pub async fn a_call_is_taken_over_by_one(store: Arc<dyn Backend>) {
    let (channels, calls) = (Channels::new(Arc::clone(&store)), Calls::new(store));
    let mut held = opened(&channels, "one", 50_000).await;
    let owner = buy(&channels, &mut held, KEY, NOW).await;
    let owner = owner.expect("it is free");
    let known = find(&calls, KEY).await.expect("it is there");
    assert_eq!(known.call().repeat(&WHOLE, after(30), true), Repeat::Again);
    let (next, first) = known.again(after(60), after(30));
    let (_, second) = known.again(after(60), after(30));
    let took = write(&channels, &mut held, first).await;
    assert!(took.is_ok(), "{took:?}");
    for late in [
        second,
        owner.served(Some(answer(1)), after(31)).1,
        owner.unserved(),
    ] {
        let late = write(&channels, &mut held, late).await;
        assert!(matches!(late, Err(ChannelError::Guarded(0))), "{late:?}");
    }
    let (next, rows) = next.renew(after(90), after(40));
    let renewed = write(&channels, &mut held, rows).await;
    assert!(renewed.is_ok(), "{renewed:?}");
    let repeat = find(&calls, KEY).await.expect("it is there");
    let repeat = repeat.call().repeat(&WHOLE, after(60), true);
    assert_eq!(repeat, Repeat::InFlight(after(90)));
    let (next, rows) = next.served(None, after(41));
    let served = write(&channels, &mut held, rows).await;
    assert!(served.is_ok(), "{served:?}");
    assert_eq!(next.call().attempts, 2);
    assert_eq!(held.channel().balance().spent, of(5));
}

/// What a channel's calls take is bounded. Where it is full the ones that would be forgotten next
/// go, and never one that is being served.
pub async fn calls_of_a_channel_have_bounded_room(store: Arc<dyn Backend>) {
    let (channels, calls) = (Channels::new(Arc::clone(&store)), Calls::new(store));
    let mut held = opened(&channels, "one", 50_000).await;
    let in_flight = Fingerprint([255; 32]);
    let bought = buy(&channels, &mut held, in_flight, NOW).await;
    assert!(bought.is_ok(), "{bought:?}");
    let large = bounds::CALLS / 20;
    let mut kept = 0u8;
    let full = loop {
        let key = Fingerprint([kept; 32]);
        let bought = buy(&channels, &mut held, key, NOW).await;
        let (_, rows) = bought
            .expect("rows are small")
            .served(Some(answer(large)), NOW);
        match write(&channels, &mut held, rows).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, ChannelError::Short(0)), "{full:?}");
    assert_eq!(kept, 19, "as many as there is room for");
    let made = calls.make_room(&id("one"), after(1)).await;
    assert!(made.expect("a healthy store answers"));
    assert!(
        find(&calls, in_flight).await.is_some(),
        "it is being served"
    );
    let mut left = 0;
    for number in 0..kept {
        left += usize::from(find(&calls, Fingerprint([number; 32])).await.is_some());
    }
    assert!((1..19).contains(&left), "{left}");
    // In the end all is forgotten, and nothing is counted any more.
    let end = after(DAY).saturating_add(Duration::from_millis(1));
    while calls
        .forget(&id("one"), end)
        .await
        .expect("a healthy store answers")
        > 0
    {}
    assert!(find(&calls, in_flight).await.is_none());
    for number in 0..19 {
        let key = Fingerprint([number; 32]);
        let bought = buy(&channels, &mut held, key, end).await;
        let (_, rows) = bought
            .expect("rows are small")
            .served(Some(answer(large)), end);
        let kept = write(&channels, &mut held, rows).await;
        assert!(kept.is_ok(), "{number}: {kept:?}");
    }
    let none = calls.make_room(&id("two"), NOW).await;
    assert!(!none.expect("a healthy store answers"), "there is none");
}
