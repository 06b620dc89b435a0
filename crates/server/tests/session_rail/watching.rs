//! What happens on the rail is seen, also what happened while nobody watched, and silence is noticed.

use std::time::Duration;

use farthing_core::{
    intent::session::{Protocol, Standing},
    noun::problem::ProblemKind,
    value::Timestamp,
};
use farthing_server::{What, session::Silent};
use farthing_testkit::method::{FakeReserve, Judgement};

use crate::kit::{DEPOSIT, Kit, PRICE, of, options, rail};

#[tokio::test]
async fn a_request_to_close_stops_service_and_is_settled_at_once() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let kit = Kit::new(protocol);
        let alice = kit.buyer("alice").await;
        kit.serve(&alice, 3 * PRICE, 3 * PRICE).await;
        kit.told();
        kit.reserve.request_close(&alice.id());
        let watched = kit.till.look_around(&rail()).await.unwrap();
        assert_eq!(watched.looked_at, 1);
        let Standing::CloseRequested(at) = kit.standing(&alice).await else {
            panic!("it goes on serving");
        };
        assert_eq!(kit.told(), [What::CloseRequested { at }]);
        let refused = kit.pay(&alice, 4 * PRICE, PRICE).await.unwrap_err();
        assert_eq!(refused.kind(), ProblemKind::SessionChannelFinalized);
        assert_eq!(kit.till.settle(&rail()).await.unwrap().done, 1);
        assert_eq!(kit.paid_out(&alice), 3 * PRICE);
        // The payer takes the rest, and nothing is lost.
        kit.clock.advance(FakeReserve::grace());
        assert!(kit.reserve.withdraw(&alice.id()));
        kit.till.look_around(&rail()).await.unwrap();
        let told = kit.told();
        let ended = What::Ended {
            settled: of(3 * PRICE),
            lost: of(0),
            reference: None,
        };
        assert_eq!(told.last(), Some(&ended), "{told:?}");
        assert_eq!((kit.shops(), kit.counted().await), (3 * PRICE, 0));
        assert_eq!(kit.reserve.truth().locked(), 0);
    }
}

/// A voucher that says more than was spent cannot be settled by the second protocol, and closes all
/// the same.
#[tokio::test]
async fn what_only_a_close_can_take_is_taken_within_the_grace() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, 10 * PRICE, 7 * PRICE).await;
    kit.reserve.request_close(&alice.id());
    kit.till.look_around(&rail()).await.unwrap();
    // Until it has to be, the payer may take its request back.
    assert_eq!(kit.till.settle(&rail()).await.unwrap().done, 0);
    kit.clock.advance(Duration::from_secs(301));
    kit.till.look_around(&rail()).await.unwrap();
    assert_eq!(kit.till.settle(&rail()).await.unwrap().done, 1);
    assert_eq!((kit.paid_out(&alice), kit.shops()), (7 * PRICE, 7 * PRICE));
    assert_eq!(kit.standing(&alice).await, Standing::Closed);
}

#[tokio::test]
async fn a_request_to_close_that_was_made_while_the_server_was_down_is_found_before_it_serves() {
    for is_exposed in [true, false] {
        let before = Kit::new(Protocol::V2);
        let alice = before.buyer("alice").await;
        if is_exposed {
            before.serve(&alice, PRICE, PRICE).await;
        }
        before.till.look_around(&rail()).await.unwrap();
        // Down for ten minutes.
        before.clock.advance(Duration::from_secs(300));
        before.reserve.request_close(&alice.id());
        before.clock.advance(Duration::from_secs(300));
        let after = before.beside(options());
        assert_eq!(after.till.heard(&rail()), Err(Silent::NotYet));
        assert_eq!(after.standing(&alice).await, Standing::Open, "nobody knows");
        after.till.hear(&rail()).await.unwrap();
        assert_eq!(after.till.heard(&rail()), Ok(()));
        assert!(matches!(
            after.standing(&alice).await,
            Standing::CloseRequested(_)
        ));
        let settled = after.till.settle(&rail()).await.unwrap().done;
        assert_eq!(settled, usize::from(is_exposed));
        assert_eq!(after.paid_out(&alice), u128::from(is_exposed) * PRICE);
    }
}

#[tokio::test]
async fn a_channel_that_was_withdrawn_while_the_server_was_down_is_told_as_lost() {
    let before = Kit::new(Protocol::V2);
    let alice = before.buyer("alice").await;
    before.serve(&alice, 5 * PRICE, 5 * PRICE).await;
    before.reserve.settle(&alice.channel, 2 * PRICE);
    before.reserve.request_close(&alice.id());
    before.clock.advance(Duration::from_secs(3600));
    assert!(before.reserve.withdraw(&alice.id()));
    let after = before.beside(options());
    after.till.hear(&rail()).await.unwrap();
    let lost = What::Ended {
        settled: of(2 * PRICE),
        lost: of(3 * PRICE),
        reference: None,
    };
    assert_eq!(after.told(), [lost]);
    let currency = farthing_testkit::method::currency().code;
    let totals = after.till.settlements().totals(&rail(), &currency).await;
    assert_eq!(totals.unwrap().lost, of(3 * PRICE));
    assert_eq!(after.counted().await, 0, "what is lost holds up nobody");
    // Another process that finds the same counts nothing twice.
    let third = after.beside(options());
    third.till.hear(&rail()).await.unwrap();
    assert_eq!(third.told(), []);
    let totals = third.till.settlements().totals(&rail(), &currency).await;
    assert_eq!(totals.unwrap().lost, of(3 * PRICE));
}

#[tokio::test]
async fn what_was_paid_out_behind_our_back_is_taken_in() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, 2 * PRICE, 2 * PRICE).await;
    kit.till.look_around(&rail()).await.unwrap();
    kit.reserve.top_up(&alice.channel, 500);
    kit.reserve.settle(&alice.channel, PRICE);
    kit.till.look_around(&rail()).await.unwrap();
    let balance = kit.balance(&alice).await;
    assert_eq!(balance.deposit, of(DEPOSIT + 500));
    assert_eq!(balance.settled, of(PRICE));
    assert_eq!(balance.spent, of(2 * PRICE));
}

#[tokio::test]
async fn a_rail_that_is_silent_for_a_third_of_the_grace_serves_nobody_and_is_settled_everywhere() {
    let kit = Kit::new(Protocol::V2);
    let (alice, bob) = (kit.buyer("alice").await, kit.stranger("bob"));
    kit.serve(&alice, PRICE, PRICE).await;
    kit.till.look_around(&rail()).await.unwrap();
    let last: Timestamp = kit.now();
    kit.reserve.set_silent(true);
    kit.clock.advance(Duration::from_secs(300));
    assert!(kit.till.look_around(&rail()).await.is_err());
    assert_eq!(kit.till.heard(&rail()), Ok(()));
    kit.clock.advance(Duration::from_secs(1));
    assert_eq!(kit.till.heard(&rail()), Err(Silent::Since(last)));
    // Nobody is let lock value for what is not served.
    let refused = kit.open(&bob, &bob.opening(DEPOSIT, 0)).await.unwrap_err();
    assert_eq!(refused.kind(), ProblemKind::RailUnavailable);
    assert!(refused.problem().retry_after.is_some());
    // Everything is handed in, and waits for an answer.
    let round = kit.till.settle(&rail()).await.unwrap();
    assert_eq!((round.done, round.waiting), (0, 1));
    kit.reserve.set_silent(false);
    kit.till.look_around(&rail()).await.unwrap();
    assert_eq!(kit.till.heard(&rail()), Ok(()));
    kit.clock.advance(Duration::from_secs(60));
    assert_eq!(kit.till.settle(&rail()).await.unwrap().done, 1);
    assert_eq!(kit.paid_out(&alice), PRICE);
}

/// However many wait for a rail that was never heard, they wait for one try.
#[tokio::test]
async fn a_rail_that_does_not_answer_at_first_is_asked_once_and_then_again_after_a_while() {
    let kit = std::sync::Arc::new(Kit::new(Protocol::V2));
    kit.reserve.set_silent(true);
    kit.reserve.set_pace(2);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let kit = std::sync::Arc::clone(&kit);
        all.spawn(async move { kit.till.hear(&rail()).await.is_err() });
    }
    assert!(all.join_all().await.iter().all(|is_err| *is_err));
    assert_eq!(kit.reserve.asked(), 1);
    kit.reserve.set_silent(false);
    assert!(kit.till.hear(&rail()).await.is_err(), "not at once");
    kit.clock.advance(Duration::from_secs(3));
    kit.till.hear(&rail()).await.unwrap();
    assert_eq!(kit.till.heard(&rail()), Ok(()));
}

#[tokio::test]
async fn a_node_that_goes_on_telling_an_old_block_is_silent() {
    let kit = Kit::new(Protocol::V2);
    kit.till.look_around(&rail()).await.unwrap();
    kit.reserve.set_blocks_by_hand(true);
    kit.clock.advance(Duration::from_secs(301));
    kit.till.look_around(&rail()).await.unwrap();
    assert!(matches!(kit.till.heard(&rail()), Err(Silent::Since(_))));
    kit.reserve.mine();
    kit.till.look_around(&rail()).await.unwrap();
    assert_eq!(kit.till.heard(&rail()), Ok(()));
}

#[tokio::test]
async fn news_that_could_not_be_looked_at_are_told_again() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.till.look_around(&rail()).await.unwrap();
    kit.reserve.request_close(&alice.id());
    kit.reserve
        .script_looking([Judgement::Now, Judgement::Down]);
    assert!(kit.till.look_around(&rail()).await.is_err());
    assert_eq!(kit.standing(&alice).await, Standing::Open);
    kit.till.look_around(&rail()).await.unwrap();
    assert!(matches!(
        kit.standing(&alice).await,
        Standing::CloseRequested(_)
    ));
}

#[tokio::test]
async fn the_loops_watch_and_settle_and_stop() {
    let mut options = options();
    options.settle.every = Duration::from_millis(20);
    let kit = Kit::with(Protocol::V2, options, |session| session, None);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    let till = kit.till.clone();
    let kept = tokio::spawn(async move { till.keep().await });
    kit.reserve.request_close(&alice.id());
    while kit.paid_out(&alice) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kit.reserve.set_blocks_by_hand(true);
    kit.clock.advance(Duration::from_secs(400));
    while kit.silences().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kit.till.stop();
    kept.await.unwrap();
}

/// A lying node: what is locked never falls.
#[tokio::test]
async fn what_contradicts_itself_is_told_and_changes_nothing() {
    let kit = Kit::new(Protocol::V2);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, 4 * PRICE, 4 * PRICE).await;
    kit.reserve.settle(&alice.channel, 3 * PRICE);
    kit.till.look_around(&rail()).await.unwrap();
    kit.told();
    // Another chain under the same name: the channel is there, and paid out less.
    let other = Kit::new(Protocol::V2);
    let same = other.stranger("alice");
    other.reserve.open(&same.channel, DEPOSIT);
    for _ in 0..20 {
        other.reserve.mine();
    }
    let strange = other.over(&kit.store);
    strange.till.hear(&rail()).await.unwrap();
    assert_eq!(strange.told(), [What::Contradicted]);
    assert_eq!(kit.balance(&alice).await.settled, of(3 * PRICE));
    assert_eq!(kit.standing(&alice).await, Standing::Open);
}
