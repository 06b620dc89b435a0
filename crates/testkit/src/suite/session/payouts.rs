//! Settling and closing.

use farthing_core::{
    intent::session::{OnChain, Protocol, Voucher},
    port::session::{Handing, Settled},
    value::Amount,
};

use super::{DEPOSIT, SessionRail, job, open, open_by, refuses, settle, settles};

/// A settlement pays the seller what the voucher says, once however often its job is handed in.
pub async fn a_settlement_is_done_once(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let (_, before) = rail.have().await;
    let job = job(
        1,
        vec![channel.item(Handing::Settle(channel.voucher(rail, 300)))],
    );
    let mut references = Vec::new();
    for _ in 0..3 {
        match settle(rail, &job).await {
            Settled::Done { reference, .. } => references.push(reference),
            settled => unreachable!("the settlement was not done: {settled:?}"),
        }
    }
    references.dedup();
    assert_eq!(references.len(), 1, "it is one settlement");
    assert_eq!(channel.numbers(rail).await, (DEPOSIT, 300));
    assert_eq!(rail.have().await.1 - before, 300);

    let next = super::job(
        2,
        vec![channel.item(Handing::Settle(channel.voucher(rail, 1_000)))],
    );
    settles(rail, &next).await;
    assert_eq!(
        rail.have().await.1 - before,
        1_000,
        "only what was added is paid"
    );
}

/// A voucher that says no more than was paid, or more than is locked, settles nothing.
pub async fn a_settlement_rises_within_the_deposit(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let voucher = |cumulative| Handing::Settle(channel.voucher(rail, cumulative));
    settles(rail, &job(1, vec![channel.item(voucher(300))])).await;
    for cumulative in [300, 299, DEPOSIT + 1] {
        refuses(rail, &job(2, vec![channel.item(voucher(cumulative))])).await;
    }
    assert_eq!(channel.numbers(rail).await, (DEPOSIT, 300));
    settles(rail, &job(3, vec![channel.item(voucher(DEPOSIT))])).await;
    assert_eq!(channel.numbers(rail).await, (DEPOSIT, DEPOSIT));
}

/// One item that the rail refuses leaves those beside it undone, and it is the one that is named.
pub async fn a_job_is_done_whole_or_not_at_all(rail: &dyn SessionRail) {
    if rail.session().settlement_limit() < 2 {
        return;
    }
    let (good, bad) = (open(rail).await, open_by(rail, rail.other(), DEPOSIT).await);
    let too_much = bad.said_by(rail, rail.other(), DEPOSIT + 1);
    let too_much = bad.verifier(rail).check(&too_much).expect("it is signed");
    let (_, before) = rail.have().await;
    let both = job(
        1,
        vec![
            good.item(Handing::Settle(good.voucher(rail, 300))),
            bad.item(Handing::Settle(too_much)),
        ],
    );
    for _ in 0..2 {
        let culprits = refuses(rail, &both).await;
        assert!(culprits.is_empty() || culprits == [1], "{culprits:?}");
    }
    assert_eq!(good.numbers(rail).await, (DEPOSIT, 0));
    assert_eq!(rail.have().await.1, before);

    let enough = bad.said_by(rail, rail.other(), 200);
    let enough = bad.verifier(rail).check(&enough).expect("it is signed");
    let both = job(
        2,
        vec![
            good.item(Handing::Settle(good.voucher(rail, 300))),
            bad.item(Handing::Settle(enough)),
        ],
    );
    settles(rail, &both).await;
    assert_eq!(rail.have().await.1 - before, 500);
}

/// Two jobs with the same voucher, at the same time: it is paid once.
pub async fn two_jobs_pay_a_voucher_once(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let (_, before) = rail.have().await;
    let item = || vec![channel.item(Handing::Settle(channel.voucher(rail, 300)))];
    let (one, two) = (job(1, item()), job(2, item()));
    let (one, two) = tokio::join!(settle(rail, &one), settle(rail, &two));
    let done = [&one, &two].map(|it| usize::from(matches!(it, Settled::Done { .. })));
    assert_eq!(done[0] + done[1], 1, "{one:?} {two:?}");
    assert_eq!(channel.numbers(rail).await, (DEPOSIT, 300));
    assert_eq!(rail.have().await.1 - before, 300);
}

/// A close pays what is captured (by the first protocol what the voucher says), and the payer has the
/// rest again.
pub async fn a_close_pays_what_it_says_and_gives_the_rest_back(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    settles(
        rail,
        &job(
            1,
            vec![channel.item(Handing::Settle(channel.voucher(rail, 300)))],
        ),
    )
    .await;
    let (payer, seller) = rail.have().await;
    let says = match channel.protocol() {
        Protocol::V1 => 700,
        Protocol::V2 => 900,
    };
    let close = job(
        2,
        vec![channel.item(Handing::Close {
            capture: Amount::new(700),
            voucher: Some(channel.voucher(rail, says)),
        })],
    );
    for _ in 0..2 {
        settles(rail, &close).await;
    }
    let after = rail.have().await;
    assert_eq!((after.0 - payer, after.1 - seller), (DEPOSIT - 700, 400));
    let seen = channel.seen(rail).await.expect("what closed is seen");
    match seen.state {
        OnChain::Finalized { settled } => {
            assert!(settled.is_none_or(|settled| settled == Amount::new(700)));
        }
        state @ OnChain::Open { .. } => unreachable!("it is open: {state:?}"),
    }
}

/// A channel from which nothing was taken goes back whole.
pub async fn a_channel_with_nothing_spent_gives_all_back(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let (payer, seller) = rail.have().await;
    let first = channel.verifier(rail).check(&channel.first);
    let voucher = match channel.protocol() {
        // Its contract looks at a voucher also where nothing moves.
        Protocol::V1 => Some(first.expect("the opening's voucher is good")),
        Protocol::V2 => None,
    };
    let capture = Amount::ZERO;
    let how = Handing::Close { capture, voucher };
    settles(rail, &job(1, vec![channel.item(how)])).await;
    let after = rail.have().await;
    assert_eq!((after.0 - payer, after.1), (DEPOSIT, seller));
}

/// What is closed is closed: nothing is paid from it and nothing goes back a second time.
pub async fn nothing_happens_to_a_closed_channel(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let close = |cumulative| Handing::Close {
        capture: Amount::new(cumulative),
        voucher: Some(channel.voucher(rail, cumulative)),
    };
    settles(rail, &job(1, vec![channel.item(close(300))])).await;
    let before = rail.have().await;
    refuses(rail, &job(2, vec![channel.item(close(300))])).await;
    refuses(rail, &job(3, vec![channel.item(close(400))])).await;
    let voucher = Handing::Settle(channel.voucher(rail, 500));
    refuses(rail, &job(4, vec![channel.item(voucher)])).await;
    assert_eq!(rail.have().await, before);
}

/// The rail looks at signatures itself: a seller cannot pay itself with what nobody signed.
pub async fn a_voucher_that_anybody_else_signed_pays_nothing(rail: &dyn SessionRail) {
    let (channel, other) = (open(rail).await, open_by(rail, rail.other(), DEPOSIT).await);
    let others = other.said_by(rail, rail.other(), 300);
    let good = channel.voucher(rail, 300);
    let forge = |cumulative, signature| {
        let cumulative = Amount::new(cumulative);
        Voucher::new(channel.protocol(), cumulative, signature).expect("there is room")
    };
    let forged = [forge(301, *good.signature()), forge(300, others.signature)];
    for voucher in forged {
        let settle = Handing::Settle(voucher.clone());
        refuses(rail, &job(1, vec![channel.item(settle)])).await;
        let capture = voucher.cumulative();
        let voucher = Some(voucher);
        let close = Handing::Close { capture, voucher };
        refuses(rail, &job(2, vec![channel.item(close)])).await;
    }
    let without = Handing::Close {
        capture: Amount::new(1),
        voucher: None,
    };
    refuses(rail, &job(3, vec![channel.item(without)])).await;
    if channel.protocol() == Protocol::V2 {
        let more = Handing::Close {
            capture: Amount::new(301),
            voucher: Some(good),
        };
        refuses(rail, &job(4, vec![channel.item(more)])).await;
    }
    assert_eq!(channel.numbers(rail).await, (DEPOSIT, 0));
}
