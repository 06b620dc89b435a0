//! Channels are closed: by their buyers, by their seller, once, and for what was spent.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use farthing_core::{
    domain::settlements::Wish,
    intent::session::{Protocol, Standing},
    noun::problem::ProblemKind,
};
use farthing_server::{What, session::NotClosed};
use farthing_testkit::method::{Answer, account};

use crate::kit::{DEPOSIT, FUNDS, InMemory, Kit, PRICE, of, options, rail};

#[tokio::test]
async fn the_second_protocol_captures_what_was_spent_and_not_what_was_signed() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, 8 * PRICE, 5 * PRICE + 1).await;
    let end = kit.till.close(&alice.said(8 * PRICE)).await.unwrap();
    assert_eq!(end.settled, of(5 * PRICE + 1));
    assert_eq!((end.spent, end.lost), (of(5 * PRICE + 1), of(0)));
    assert_eq!(kit.shops(), 5 * PRICE + 1);
    let truth = kit.reserve.truth();
    assert_eq!(
        truth.balance(account("alice").as_str()),
        FUNDS - 5 * PRICE - 1
    );
    assert_eq!((truth.locked(), kit.counted().await), (0, 0));
    // The same credential gets the same end, and nothing is sent for it.
    let sent = truth.sent.len();
    assert_eq!(kit.till.close(&alice.said(8 * PRICE)).await.unwrap(), end);
    assert_eq!(kit.reserve.truth().sent.len(), sent);
    let told = kit.told();
    let ended = What::Ended {
        settled: of(5 * PRICE + 1),
        lost: of(0),
        reference: end.reference.clone(),
    };
    assert_eq!(told.last(), Some(&ended));
    assert!(end.reference.is_some());
}

#[tokio::test]
async fn the_first_protocol_captures_what_is_signed_and_never_more_than_was_spent() {
    let check = async |vouchers: &[(u128, u128)], farewell: u128, captured: u128| {
        let kit = Kit::new(Protocol::V1);
        let alice = kit.buyer("alice").await;
        for (cumulative, price) in vouchers {
            kit.serve(&alice, *cumulative, *price).await;
        }
        let spent: u128 = vouchers.iter().map(|(_, price)| price).sum();
        let end = kit.till.close(&alice.said(farewell)).await.unwrap();
        assert_eq!(end.settled, of(captured));
        assert_eq!(end.lost, of(spent - captured));
        assert_eq!(kit.shops(), captured);
        let buyer = kit.reserve.truth().balance(account("alice").as_str());
        assert_eq!(buyer, FUNDS - captured);
    };
    // The exact one; one that says more, where a kept one says less; one where nothing is missing.
    check(&[(10, 10), (30, 15)], 25, 25).await;
    check(&[(10, 10), (30, 15)], 30, 10).await;
    check(&[(10, 10), (20, 10)], 20, 20).await;
    // Nothing was spent.
    check(&[], 0, 0).await;
}

#[tokio::test]
async fn a_first_protocol_close_that_would_take_too_much_has_to_be_exact() {
    let kit = Kit::new(Protocol::V1);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, 30, 20).await;
    let refused = kit.till.close(&alice.said(30)).await.unwrap_err();
    assert!(matches!(&refused, NotClosed::NotExact { owed } if *owed == of(20)));
    // It goes on serving, and closes when it is told exactly.
    kit.serve(&alice, 30, 5).await;
    let end = kit.till.close(&alice.said(25)).await.unwrap();
    assert_eq!((end.settled, end.lost), (of(25), of(0)));
}

#[tokio::test]
async fn after_an_interim_settlement_only_the_rest_is_taken() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let kit = Kit::new(protocol);
        let alice = kit.buyer("alice").await;
        kit.serve(&alice, 3 * PRICE, 3 * PRICE).await;
        kit.clock.advance(Duration::from_secs(700));
        kit.till.look_around(&rail()).await.unwrap();
        kit.till.settle(&rail()).await.unwrap();
        assert_eq!(kit.paid_out(&alice), 3 * PRICE);
        // Closed with nothing more, and with a little more.
        let more = u128::from(protocol == Protocol::V2) * PRICE;
        if more > 0 {
            kit.serve(&alice, 3 * PRICE + more, more).await;
        }
        let farewell = alice.said(3 * PRICE + more);
        let end = kit.till.close(&farewell).await.unwrap();
        assert_eq!(end.settled, of(3 * PRICE + more));
        assert_eq!(kit.shops(), 3 * PRICE + more);
        assert_eq!(kit.reserve.truth().locked(), 0);
    }
}

#[tokio::test]
async fn a_close_below_what_was_taken_above_what_is_locked_or_by_another_is_refused() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, 5 * PRICE, 5 * PRICE).await;
    let check = async |said, kind: ProblemKind| {
        let refused = kit.till.close(&said).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
        assert_eq!(kit.standing(&alice).await, Standing::Open);
    };
    check(
        alice.said(5 * PRICE - 1),
        ProblemKind::SessionInsufficientBalance,
    )
    .await;
    check(
        alice.said(DEPOSIT + 1),
        ProblemKind::SessionAmountExceedsDeposit,
    )
    .await;
    let mut forged = alice.said(5 * PRICE);
    forged.signature = alice.channel.sign_as(&account("eve"), of(5 * PRICE));
    check(forged, ProblemKind::SessionInvalidSignature).await;
    check(
        kit.stranger("bob").said(0),
        ProblemKind::SessionChannelNotFound,
    )
    .await;
    // It serves as before.
    kit.serve(&alice, 6 * PRICE, PRICE).await;
}

#[tokio::test]
async fn a_close_that_the_rail_is_slow_with_is_pending_and_gets_its_end() {
    for answer in [
        || Answer::Pending(Duration::from_secs(1)),
        || Answer::MovedButLost,
        || Answer::Never { moved: true },
        || Answer::Lost,
    ] {
        let kit = Kit::new(Protocol::V2);
        let alice = kit.buyer("alice").await;
        kit.serve(&alice, 2 * PRICE, 2 * PRICE).await;
        kit.reserve.script_settling([answer()]);
        let pending = kit.till.close(&alice.said(2 * PRICE)).await.unwrap_err();
        assert_eq!(pending.kind(), ProblemKind::PaymentPending);
        assert!(pending.problem().retry_after.is_some());
        assert_eq!(kit.standing(&alice).await, Standing::Closing);
        assert!(kit.pay(&alice, 3 * PRICE, PRICE).await.is_err());
        kit.clock.advance(Duration::from_secs(60));
        let end = kit.till.close(&alice.said(2 * PRICE)).await.unwrap();
        assert_eq!((end.settled, end.lost), (of(2 * PRICE), of(0)));
        assert!(end.reference.is_some());
        assert_eq!(kit.shops(), 2 * PRICE);
        assert_eq!(kit.reserve.truth().settlements(), 1);
    }
}

/// A rail that keeps nothing of a channel's end: what it paid out is known from what was handed in,
/// also where the watcher sees the end first.
#[tokio::test]
async fn a_rail_that_forgets_the_end_loses_us_nothing() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let kit = Kit::new(protocol);
        let alice = kit.buyer("alice").await;
        kit.serve(&alice, 4 * PRICE, 4 * PRICE).await;
        kit.reserve.set_forgets_the_end(true);
        kit.reserve.script_settling([Answer::MovedButLost]);
        assert!(kit.till.close(&alice.said(4 * PRICE)).await.is_err());
        kit.till.look_around(&rail()).await.unwrap();
        assert_eq!(kit.standing(&alice).await, Standing::Closing);
        kit.clock.advance(Duration::from_secs(60));
        let end = kit.till.close(&alice.said(4 * PRICE)).await.unwrap();
        assert_eq!((end.settled, end.lost), (of(4 * PRICE), of(0)));
    }
}

#[tokio::test]
async fn what_is_in_flight_is_waited_for_and_captured() {
    let kit = Arc::new(Kit::new(Protocol::V2));
    let alice = kit.buyer("alice").await;
    kit.pay(&alice, PRICE, PRICE).await.unwrap();
    let closing = tokio::spawn({
        let (kit, alice) = (Arc::clone(&kit), alice.clone());
        async move { kit.till.close(&alice.said(PRICE)).await }
    });
    while kit.standing(&alice).await != Standing::Closing {
        tokio::task::yield_now().await;
    }
    // Rounds go by, and nothing is handed in.
    for _ in 0..3 {
        kit.till.settle(&rail()).await.unwrap();
    }
    assert_eq!(kit.reserve.truth().settlements(), 0);
    kit.served(&alice, PRICE).await;
    let end = closing.await.unwrap().unwrap();
    assert_eq!(end.settled, of(PRICE));
}

#[tokio::test]
async fn what_is_never_finished_holds_a_close_up_for_so_long_and_no_longer() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.pay(&alice, PRICE, PRICE).await.unwrap();
    let pending = kit.till.close(&alice.said(PRICE)).await.unwrap_err();
    assert_eq!(pending.kind(), ProblemKind::PaymentPending);
    kit.clock.advance(options().settle.close_patience);
    let end = kit.till.close(&alice.said(PRICE)).await.unwrap();
    assert_eq!((end.settled, end.lost), (of(PRICE), of(0)));
}

/// What a dead process left is waited for from when the channel was last used: whoever closes later
/// does not wait. Where this process is serving, it is waited for from the close on.
#[tokio::test]
async fn what_a_dead_process_left_is_not_waited_for_once_nothing_can_be_in_flight() {
    for is_serving in [false, true] {
        let memory = InMemory::new();
        memory.serves.store(is_serving, Ordering::SeqCst);
        let kit = Kit::with(Protocol::V2, options(), |session| session, Some(memory));
        let alice = kit.buyer("alice").await;
        kit.pay(&alice, PRICE, PRICE).await.unwrap();
        kit.clock.advance(options().settle.close_patience);
        let closed = kit.till.close(&alice.said(PRICE)).await;
        if is_serving {
            assert!(matches!(closed, Err(NotClosed::Pending)), "{closed:?}");
            assert_eq!(kit.reserve.truth().settlements(), 0);
        } else {
            assert_eq!(closed.unwrap().settled, of(PRICE));
        }
    }
}

/// A process that is killed is not waited for much longer than it said that it would be there; one that
/// ended says so. One that is there is waited for, and so is what nobody was there to serve.
#[tokio::test]
async fn what_a_process_left_that_is_gone_is_not_waited_for() {
    for is_killed in [true, false] {
        let one = Kit::with(Protocol::V2, options(), |s| s, Some(InMemory::new()));
        one.till.say_present().await.unwrap();
        let alice = one.buyer("alice").await;
        one.pay(&alice, 3 * PRICE, PRICE).await.unwrap();
        let two = one.beside(options());
        two.till.say_present().await.unwrap();
        let pending = two.till.close(&alice.said(PRICE)).await.unwrap_err();
        assert_eq!(pending.kind(), ProblemKind::PaymentPending);
        match is_killed {
            true => {
                two.clock.advance(options().alive);
                // Whoever goes on says so again.
                two.till.say_present().await.unwrap();
            }
            false => one.till.say_gone().await.unwrap(),
        }
        let end = two.till.close(&alice.said(PRICE)).await.unwrap();
        assert_eq!((end.settled, end.lost), (of(PRICE), of(0)));
    }
    // Nobody had said that it serves when this was charged.
    let one = Kit::new(Protocol::V2);
    let alice = one.buyer("alice").await;
    one.pay(&alice, PRICE, PRICE).await.unwrap();
    one.clock.advance(Duration::from_secs(1));
    one.till.say_present().await.unwrap();
    one.till.say_gone().await.unwrap();
    let two = one.beside(options());
    let pending = two.till.close(&alice.said(PRICE)).await.unwrap_err();
    assert_eq!(pending.kind(), ProblemKind::PaymentPending);
}

/// What one process knows to be delivered and did not write down is written by it as soon as another one
/// wants the channel closed, however often that one looks.
#[tokio::test]
async fn a_close_that_waits_stays_due_for_the_process_that_serves() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.pay(&alice, PRICE, PRICE).await.unwrap();
    let pending = kit.till.close_as_seller(&alice.id()).await.unwrap_err();
    assert!(matches!(pending, NotClosed::Pending), "{pending:?}");
    kit.till.settle(&rail()).await.unwrap();
    let due = kit
        .till
        .settlements()
        .due(&rail(), kit.now(), None, 9)
        .await;
    let due = due.unwrap();
    assert_eq!((due.len(), due[0].wish), (1, Wish::Close));
    assert_eq!(due[0].channel, alice.id());
}

/// By the first protocol nothing closes without a voucher, whatever was spent: the opening's own, over
/// nothing, is kept for that, and so is the one that was settled last.
#[tokio::test]
async fn a_channel_of_the_first_protocol_is_closed_whatever_was_spent() {
    let kit = Kit::new(Protocol::V1);
    // Nothing was spent, and the opening said nothing.
    let alice = kit.buyer("alice").await;
    kit.pay(&alice, 0, 0).await.unwrap();
    kit.pay(&alice, 2 * PRICE, 0).await.unwrap();
    let end = kit.till.close_as_seller(&alice.id()).await.unwrap();
    assert_eq!((end.settled, end.lost), (of(0), of(0)));
    // The buyer says so, also with what it signed last.
    let bob = kit.buyer("bob").await;
    kit.pay(&bob, 0, 0).await.unwrap();
    kit.pay(&bob, 2 * PRICE, 0).await.unwrap();
    let end = kit.till.close(&bob.said(2 * PRICE)).await.unwrap();
    assert_eq!((end.settled, end.lost), (of(0), of(0)));
    // All was settled already.
    let carol = kit.buyer("carol").await;
    kit.serve(&carol, 3 * PRICE, 3 * PRICE).await;
    let (now, wanted) = (kit.now(), kit.till.settlements());
    let (method, id) = (rail(), carol.id());
    let settle = wanted.want(&method, &id, Wish::Settle, (now, now));
    settle.await.unwrap();
    kit.till.settle(&rail()).await.unwrap();
    assert_eq!(kit.paid_out(&carol), 3 * PRICE);
    let end = kit.till.close_as_seller(&carol.id()).await.unwrap();
    assert_eq!((end.settled, end.lost), (of(3 * PRICE), of(0)));
    assert_eq!(kit.reserve.truth().locked(), 0);
}

#[tokio::test]
async fn a_hundred_who_close_one_channel_close_it_once_and_many_channels_close_together() {
    let kit = Arc::new(Kit::new(Protocol::V2));
    let mut buyers = Vec::new();
    for at in 0..10 {
        let buyer = kit.buyer(&format!("buyer-{at}")).await;
        kit.serve(&buyer, PRICE, PRICE).await;
        buyers.push(buyer);
    }
    kit.reserve.set_pace(2);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..10 {
        for buyer in &buyers {
            let (kit, buyer) = (Arc::clone(&kit), buyer.clone());
            all.spawn(async move { kit.till.close(&buyer.said(PRICE)).await });
        }
    }
    while let Some(end) = all.join_next().await {
        assert_eq!(end.unwrap().unwrap().settled, of(PRICE));
    }
    assert_eq!(kit.shops(), 10 * PRICE);
    let settlements = kit.reserve.truth().settlements();
    assert!(settlements <= 3, "{settlements} settlements");
}

#[tokio::test]
async fn a_seller_closes_by_itself() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let kit = Kit::new(protocol);
        let alice = kit.buyer("alice").await;
        kit.serve(&alice, 3 * PRICE, 3 * PRICE).await;
        let end = kit.till.close_as_seller(&alice.id()).await.unwrap();
        assert_eq!((end.settled, end.lost), (of(3 * PRICE), of(0)));
        assert_eq!(kit.reserve.truth().locked(), 0);
    }
    // Where the rail needs a voucher and there is none, the channel is left as it is.
    let kit = Kit::new(Protocol::V1);
    let alice = kit.buyer("alice").await;
    let refused = kit.till.close_as_seller(&alice.id()).await;
    assert!(matches!(refused, Err(NotClosed::NotExact { .. })));
    assert_eq!(kit.standing(&alice).await, Standing::Open);
}

#[tokio::test]
async fn one_who_closes_what_its_payer_took_back_is_told_so() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    kit.reserve.request_close(&alice.id());
    kit.clock.advance(Duration::from_secs(1000));
    assert!(kit.reserve.withdraw(&alice.id()));
    kit.till.look_around(&rail()).await.unwrap();
    let gone = kit.till.close(&alice.said(PRICE)).await.unwrap_err();
    assert_eq!(gone.kind(), ProblemKind::SessionChannelFinalized);
    assert!(matches!(gone, NotClosed::Ended(end) if end.lost == of(PRICE)));
}
