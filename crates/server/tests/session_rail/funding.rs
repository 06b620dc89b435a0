//! Channels are opened and topped up, once, whatever the rail and the buyer do.

use std::time::Duration;

use farthing_core::{
    domain::fundings::FundingState, intent::session::Protocol, noun::problem::ProblemKind,
    payment::Moved, value::Timestamp,
};
use farthing_server::{What, session::NotFunded};
use farthing_testkit::method::{Answer, FakeSessionPayload, Judgement, account};

use crate::kit::{DEPOSIT, FUNDS, Kit, PRICE, of, options, request, shop};

#[tokio::test]
async fn an_opening_is_in_the_books_when_it_returns_and_the_same_again_is_the_same() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let kit = Kit::new(protocol);
        let alice = kit.stranger("alice");
        let opening = alice.opening(DEPOSIT, PRICE);
        let first = kit.open(&alice, &opening).await.unwrap();
        let balance = kit.balance(&alice).await;
        assert_eq!((balance.deposit, balance.accepted), (of(DEPOSIT), of(0)));
        let truth = kit.reserve.truth();
        assert_eq!(truth.balance(account("alice").as_str()), FUNDS - DEPOSIT);
        assert!(first.reference.is_some());
        // The same, and the same with another voucher.
        let again = kit.open(&alice, &opening).await.unwrap();
        assert_eq!(again, first);
        let other = alice.opening(DEPOSIT, 2 * PRICE);
        assert_eq!(kit.open(&alice, &other).await.unwrap(), first);
        let truth = kit.reserve.truth();
        assert_eq!(truth.balance(account("alice").as_str()), FUNDS - DEPOSIT);
        assert_eq!(truth.sent.values().map(|sent| sent.arrived).sum::<u64>(), 1);
        let told = kit.told();
        assert!(
            matches!(&told[..], [What::Opened { amount, reference }] if *amount == of(DEPOSIT) && *reference == first.reference),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn what_is_refused_beforehand_is_never_sent() {
    let kit = Kit::with(
        Protocol::V2,
        {
            let mut options = options();
            options.min_deposit = Some("$0.50".parse().unwrap());
            options
        },
        |session| session,
        None,
    );
    let alice = kit.stranger("alice");
    let check = async |payload: &FakeSessionPayload, kind: ProblemKind| {
        let refused = kit.open(&alice, payload).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
        assert_eq!(refused.moved(), Moved::No, "{refused}");
    };
    // Below the minimum, above the deposit, signed by nobody, over, and of somebody without money.
    check(&alice.opening(499_999, 0), ProblemKind::PaymentInsufficient).await;
    check(
        &alice.opening(DEPOSIT, DEPOSIT + 1),
        ProblemKind::SessionAmountExceedsDeposit,
    )
    .await;
    let forged = alice.opening(DEPOSIT, PRICE);
    let forged = forged.with_signature(&alice.channel.sign_as(&account("eve"), of(PRICE)));
    check(&forged, ProblemKind::SessionInvalidSignature).await;
    let late = alice.channel.opening(of(DEPOSIT), Timestamp::from_secs(1));
    let late = FakeSessionPayload::open(&alice.channel, &late, of(0));
    check(&late, ProblemKind::PaymentExpired).await;
    check(
        &alice.opening(FUNDS + 1, 0),
        ProblemKind::PaymentInsufficient,
    )
    .await;
    // For another seller: the route asks for one, and the channel pays another.
    let mut elsewhere = request(Protocol::V2);
    elsewhere.recipient = farthing_core::value::Recipient::new("did:fake:other").unwrap();
    let opening = alice.opening(DEPOSIT, 0);
    let refused = kit.fund(&alice, &opening, &elsewhere, true).await;
    assert_eq!(refused.unwrap_err().kind(), ProblemKind::VerificationFailed);
    // A price that the deposit does not cover.
    let mut dear = request(Protocol::V2);
    dear.amount = of(DEPOSIT + 1);
    let refused = kit.fund(&alice, &opening, &dear, true).await;
    assert_eq!(
        refused.unwrap_err().kind(),
        ProblemKind::PaymentInsufficient
    );
    let truth = kit.reserve.truth();
    assert_eq!((truth.sent.len(), truth.channels.len()), (0, 0));
    assert!(kit.channels().load(&alice.id()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_opening_that_the_rail_is_slow_with_is_pending_and_gets_its_end() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.stranger("alice");
    let opening = alice.opening(DEPOSIT, 0);
    kit.reserve.set_blocks_by_hand(true);
    let pending = kit.open(&alice, &opening).await.unwrap_err();
    assert_eq!(pending.kind(), ProblemKind::PaymentPending);
    let problem = pending.problem();
    assert_eq!(problem.moved, Some(Moved::Unknown));
    assert!(problem.retry_after.is_some());
    let awaited = problem.awaits.expect("the rail's name for it is known");
    // Asked again at once, nothing is sent again.
    let asked = kit.reserve.asked();
    assert!(matches!(
        kit.open(&alice, &opening).await,
        Err(NotFunded::Unsettled(_))
    ));
    assert_eq!(kit.reserve.asked(), asked);
    kit.reserve.mine();
    kit.clock.advance(Duration::from_secs(2));
    let funded = kit.open(&alice, &opening).await.unwrap();
    assert_eq!(funded.reference, Some(awaited));
    assert_eq!(kit.balance(&alice).await.deposit, of(DEPOSIT));
}

#[tokio::test]
async fn an_opening_whose_answer_is_lost_is_finished_by_the_reconciler() {
    for answer in [
        || Answer::MovedButLost,
        || Answer::Lost,
        || Answer::Never { moved: true },
        || Answer::Never { moved: false },
    ] {
        let kit = Kit::new(Protocol::V2);
        let alice = kit.stranger("alice");
        let opening = alice.opening(DEPOSIT, 0);
        kit.reserve.script_funding([answer()]);
        let unknown = kit.open(&alice, &opening).await.unwrap_err();
        assert_eq!(unknown.kind(), ProblemKind::PaymentUnresolved);
        assert_eq!(unknown.moved(), Moved::Unknown);
        assert_eq!(kit.till.reconcile_fundings().await.unwrap(), 0, "too early");
        kit.clock.advance(Duration::from_secs(60));
        assert_eq!(kit.till.reconcile_fundings().await.unwrap(), 1);
        let funded = kit.open(&alice, &opening).await.unwrap();
        assert!(funded.reference.is_some());
        let truth = kit.reserve.truth();
        assert_eq!(truth.balance(account("alice").as_str()), FUNDS - DEPOSIT);
        assert_eq!(truth.channel(&alice.id()).unwrap().deposit, DEPOSIT);
    }
}

#[tokio::test]
async fn an_opening_that_the_rail_refuses_is_refused_in_the_same_words_each_time() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.stranger("alice");
    let opening = alice.opening(DEPOSIT, 0);
    kit.reserve.script_funding([Answer::Refuse]);
    let first = kit.open(&alice, &opening).await.unwrap_err();
    let again = kit.open(&alice, &opening).await.unwrap_err();
    for refused in [&first, &again] {
        assert_eq!(refused.kind(), ProblemKind::VerificationFailed);
        assert_eq!(refused.moved(), Moved::No);
    }
    assert_eq!(first.problem().detail, again.problem().detail);
    assert!(matches!(&again, NotFunded::Failed(record) if record.state == FundingState::Failed));
    assert_eq!(kit.told(), [What::NotFunded]);
    // Another transaction may open the same channel.
    let other = alice.opening(DEPOSIT + 1, 0);
    kit.open(&alice, &other).await.unwrap();
    assert_eq!(kit.balance(&alice).await.deposit, of(DEPOSIT + 1));
}

#[tokio::test]
async fn a_node_that_is_behind_shows_the_channel_later() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.stranger("alice");
    let opening = alice.opening(DEPOSIT, 0);
    // The check is answered; the look after it is not.
    kit.till.hear(&crate::kit::rail()).await.unwrap();
    kit.reserve
        .script_looking([Judgement::Now, Judgement::Down]);
    let pending = kit.open(&alice, &opening).await.unwrap_err();
    assert_eq!(
        pending.moved(),
        Moved::Yes,
        "it is locked, and not in the books"
    );
    assert!(kit.channels().load(&alice.id()).await.unwrap().is_none());
    kit.clock.advance(Duration::from_secs(5));
    assert_eq!(kit.till.reconcile_fundings().await.unwrap(), 1);
    assert_eq!(kit.balance(&alice).await.deposit, of(DEPOSIT));
}

#[tokio::test]
async fn a_hundred_at_once_with_one_credential_send_it_once() {
    let kit = std::sync::Arc::new(Kit::new(Protocol::V2));
    let alice = kit.stranger("alice");
    let opening = alice.opening(DEPOSIT, PRICE);
    kit.reserve.set_pace(3);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (kit, alice, opening) = (kit.clone(), alice.clone(), opening.clone());
        all.spawn(async move { kit.open(&alice, &opening).await });
    }
    let mut opened = 0;
    while let Some(one) = all.join_next().await {
        match one.unwrap() {
            Ok(_) => opened += 1,
            Err(NotFunded::Unsettled(_) | NotFunded::InFlight) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(opened >= 1);
    let truth = kit.reserve.truth();
    assert_eq!(truth.sent.values().map(|sent| sent.arrived).sum::<u64>(), 1);
    assert_eq!(truth.balance(account("alice").as_str()), FUNDS - DEPOSIT);
}

#[tokio::test]
async fn a_payer_opens_so_many_channels_within_an_hour_and_no_more() {
    let mut options = options();
    options.openings_an_hour = 3;
    let kit = Kit::with(Protocol::V2, options, |session| session, None);
    let payer = account("alice");
    kit.reserve.deposit(&payer, FUNDS);
    let open = async |at: u32| {
        let channel = farthing_testkit::method::FakeDescriptor::new(
            &payer,
            &shop(),
            Protocol::V2,
            &at.to_string(),
        );
        let buyer = crate::kit::Buyer { channel };
        kit.open(&buyer, &buyer.opening(PRICE, 0)).await
    };
    for at in 0..3 {
        open(at).await.unwrap();
    }
    for at in 3..1_000 {
        let refused = open(at).await.unwrap_err();
        assert_eq!(refused.kind(), ProblemKind::RateLimited);
        assert!(refused.problem().retry_after.is_some());
    }
    assert_eq!(kit.reserve.truth().channels.len(), 3);
    // Somebody else may, and so may this one in the next hour.
    kit.buyer("bob").await;
    kit.clock.advance(Duration::from_secs(3600));
    // An hour without a word is silence.
    kit.till.look_around(&crate::kit::rail()).await.unwrap();
    open(3).await.unwrap();
    assert_eq!(kit.reserve.truth().channels.len(), 5);
}

#[tokio::test]
async fn a_limit_of_the_methods_bounds_what_is_under_way() {
    let kit = Kit::with(
        Protocol::V2,
        options(),
        |session| session.limited("sponsored", DEPOSIT, false),
        None,
    );
    kit.reserve.script_funding([Answer::Lost]);
    let (alice, bob) = (kit.stranger("alice"), kit.stranger("bob"));
    let first = kit.open(&alice, &alice.opening(DEPOSIT, 0)).await;
    assert!(matches!(first, Err(NotFunded::Unsettled(_))));
    let second = kit.open(&bob, &bob.opening(DEPOSIT, 0)).await;
    assert!(matches!(second, Err(NotFunded::Limit)));
    kit.clock.advance(Duration::from_secs(60));
    kit.till.reconcile_fundings().await.unwrap();
    kit.open(&bob, &bob.opening(DEPOSIT, 0)).await.unwrap();
}

#[tokio::test]
async fn a_top_up_raises_the_deposit_once_and_takes_a_request_to_close_back() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let kit = Kit::new(protocol);
        let alice = kit.buyer("alice").await;
        kit.reserve.request_close(&alice.id());
        kit.till.look_around(&crate::kit::rail()).await.unwrap();
        assert!(kit.pay(&alice, PRICE, PRICE).await.is_err());
        let more = alice.topping_up(500, "one");
        let first = kit.top_up(&alice, &more).await.unwrap();
        let balance = kit.balance(&alice).await;
        assert_eq!(balance.deposit, of(DEPOSIT + 500));
        kit.serve(&alice, PRICE, PRICE).await;
        assert_eq!(kit.top_up(&alice, &more).await.unwrap(), first);
        let truth = kit.reserve.truth();
        assert_eq!(
            truth.balance(account("alice").as_str()),
            FUNDS - DEPOSIT - 500
        );
        // Nothing is not more, and a channel that is not there has nothing to add to.
        let nothing = kit.top_up(&alice, &alice.topping_up(0, "two")).await;
        assert_eq!(
            nothing.unwrap_err().kind(),
            ProblemKind::PaymentInsufficient
        );
        let bob = kit.stranger("bob");
        let nowhere = kit.top_up(&bob, &bob.topping_up(500, "one")).await;
        assert_eq!(
            nowhere.unwrap_err().kind(),
            ProblemKind::SessionChannelNotFound
        );
    }
}

#[tokio::test]
async fn two_top_ups_at_once_are_both_there() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    let (one, two) = (alice.topping_up(300, "one"), alice.topping_up(400, "two"));
    kit.reserve.set_pace(2);
    let (one, two) = tokio::join!(kit.top_up(&alice, &one), kit.top_up(&alice, &two));
    one.unwrap();
    two.unwrap();
    assert_eq!(kit.balance(&alice).await.deposit, of(DEPOSIT + 700));
}

#[tokio::test]
async fn a_channel_that_is_closed_is_topped_up_by_nobody() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    kit.till.close(&alice.said(PRICE)).await.unwrap();
    let sent = kit.reserve.truth().sent.len();
    let refused = kit.top_up(&alice, &alice.topping_up(500, "one")).await;
    assert_eq!(
        refused.unwrap_err().kind(),
        ProblemKind::SessionChannelFinalized
    );
    assert_eq!(kit.reserve.truth().sent.len(), sent);
}
