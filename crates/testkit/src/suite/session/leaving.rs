//! A payer without its seller, and what a payer believes of one.

use farthing_core::{
    intent::session::OnChain,
    port::{
        method::{Fault, Outcome},
        session::FundOrder,
        session_payer::{Keeping, SessionPayer},
    },
    value::Amount,
};
use serde_json::{Value, json};

use super::{DEPOSIT, Opened, SessionRail, check, fund, offer, open};

type Job = [u8; 16];

fn fresh_job() -> Job {
    let mut job = [9; 16];
    job[..8].copy_from_slice(&super::fresh().to_be_bytes());
    job
}

async fn request_close(rail: &dyn SessionRail, channel: &Keeping, job: Job) -> Outcome {
    for _ in 0..super::TRIES {
        match rail.payer().request_close(channel, job).await {
            Outcome::Pending { .. } | Outcome::Unknown { .. } => rail.pass().await,
            outcome => return outcome,
        }
    }
    unreachable!("the rail does not say what became of a request to close")
}

async fn withdraw(rail: &dyn SessionRail, channel: &Keeping, job: Job) -> Outcome {
    for _ in 0..super::TRIES {
        match rail.payer().withdraw(channel, job).await {
            Outcome::Pending { .. } | Outcome::Unknown { .. } => rail.pass().await,
            outcome => return outcome,
        }
    }
    unreachable!("the rail does not say what became of a withdrawal")
}

async fn is_asked_to_close(rail: &dyn SessionRail, channel: &Opened) -> bool {
    match channel.seen(rail).await.expect("it is there").state {
        OnChain::Open {
            close_requested_at, ..
        } => close_requested_at.is_some(),
        state @ OnChain::Finalized { .. } => unreachable!("it is over: {state:?}"),
    }
}

/// A payer asks the rail for the end and has its deposit back after the time of grace, not before. On
/// a rail where that is not so, it is told.
pub async fn a_payer_leaves_without_its_seller(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let first = fresh_job();
    if !rail.lets_payers_leave() {
        let refused = |outcome| match outcome {
            Outcome::Refused(refusal) => assert_eq!(refusal.fault, Fault::Unsupported),
            outcome => unreachable!("it was not refused: {outcome:?}"),
        };
        refused(request_close(rail, &channel.keeping, first).await);
        refused(withdraw(rail, &channel.keeping, fresh_job()).await);
        return;
    }
    for _ in 0..2 {
        let outcome = request_close(rail, &channel.keeping, first).await;
        assert!(matches!(outcome, Outcome::Settled { .. }), "{outcome:?}");
    }
    assert!(is_asked_to_close(rail, &channel).await);
    let seen = rail.payer().look(&channel.keeping).await;
    let seen = seen.expect("the rail answers").expect("it is there");
    assert_eq!(
        seen.state,
        channel.seen(rail).await.expect("it is there").state
    );

    let early = withdraw(rail, &channel.keeping, fresh_job()).await;
    assert!(matches!(early, Outcome::Refused(_)), "{early:?}");
    // A payer may wait a little longer, and gains nothing by asking earlier.
    assert!(rail.payer().grace() >= rail.session().grace());
    if !rail.advance(rail.payer().grace()).await {
        return;
    }
    let (before, _) = rail.have().await;
    let last = fresh_job();
    for _ in 0..2 {
        let outcome = withdraw(rail, &channel.keeping, last).await;
        assert!(matches!(outcome, Outcome::Settled { .. }), "{outcome:?}");
    }
    let (after, _) = rail.have().await;
    assert!(after - before <= DEPOSIT && after - before + rail.fee() >= DEPOSIT);
    let seen = channel.seen(rail).await.expect("what ended is seen");
    assert!(matches!(seen.state, OnChain::Finalized { .. }), "{seen:?}");
}

/// A payer that locks more goes on.
pub async fn a_top_up_takes_a_request_to_close_back(rail: &dyn SessionRail) {
    if !rail.lets_payers_leave() {
        return;
    }
    let channel = open(rail).await;
    let outcome = request_close(rail, &channel.keeping, fresh_job()).await;
    assert!(matches!(outcome, Outcome::Settled { .. }), "{outcome:?}");
    assert!(is_asked_to_close(rail, &channel).await);
    let (offer, more) = (offer(rail), Amount::new(500));
    let locking = rail
        .payer()
        .top_up(&offer, &channel.keeping, more, rail.now())
        .await;
    let payload = locking.expect("a buyer locks more").payload;
    let payload = payload.expect("a top-up is presented");
    let checked = check(rail, &payload, Some(&channel.terms)).await;
    let (_, checked) = checked.expect("it is good");
    let effect = checked.verified.effect.expect("something is sent");
    let order = FundOrder {
        channel: channel.id(),
        terms: &channel.terms,
        effect: &effect,
    };
    let outcome = fund(rail, order).await;
    assert!(matches!(outcome, Outcome::Settled { .. }), "{outcome:?}");
    assert!(!is_asked_to_close(rail, &channel).await);
    assert_eq!(channel.numbers(rail).await, (DEPOSIT + 500, 0));
}

/// A seller's description of a channel is read by the payer whose channel it is, where it does not
/// contradict itself; and its numbers stay the seller's word.
pub async fn a_snapshot_is_read_by_its_payer_alone(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let offer = offer(rail);
    let mut members = channel.terms.details.to_map();
    members.insert("channelId".to_owned(), json!(channel.id()));
    for (name, amount) in [
        ("acceptedCumulative", "700"),
        ("spent", "500"),
        ("requiredCumulative", "700"),
        ("settled", "0"),
        ("deposit", "100000"),
    ] {
        members.insert(name.to_owned(), amount.into());
    }
    let snapshot = json!(members);
    let read = |payer: &dyn SessionPayer, snapshot: &Value| payer.read_snapshot(&offer, snapshot);
    let told = read(rail.payer(), &snapshot).expect("it is read");
    let told = told.expect("the channel is this payer's");
    assert_eq!(told.channel, channel.keeping);
    let numbers = [told.accepted, told.spent, told.deposit].map(Amount::units);
    assert_eq!(numbers, [700, 500, DEPOSIT]);
    let others = read(rail.other(), &snapshot).expect("it is read");
    assert_eq!(others, None, "the channel is somebody else's");

    let other = open(rail).await;
    members.insert("channelId".to_owned(), json!(other.id()));
    let lies = json!(members);
    assert!(!matches!(read(rail.payer(), &lies), Ok(Some(_))));
    for name in ["channelId", "acceptedCumulative", "spent", "deposit"] {
        let mut less = snapshot.clone();
        less.as_object_mut().expect("it is an object").remove(name);
        assert!(read(rail.payer(), &less).is_err(), "{name} is missing");
    }
}
