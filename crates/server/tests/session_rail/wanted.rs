//! Settling and closing at the seller's wish, with a till that has no gate.

use std::sync::Arc;

use farthing_core::intent::session::Protocol;
use farthing_server::session::{OnDemand, Payable, SettleOptions, Till};
use farthing_testkit::method::FakeSession;

use crate::kit::{DEPOSIT, Kit, PRICE, of, rail, shop};

fn on_demand(kit: &Kit) -> Till {
    let session = FakeSession::new(Arc::clone(&kit.reserve), &shop(), kit.protocol);
    Till::on_demand(OnDemand {
        store: Arc::clone(&kit.store),
        clock: Arc::new(kit.clock.clone()),
        rails: vec![Arc::new(session)],
        observer: None,
        settle: SettleOptions::default(),
    })
    .unwrap()
}

#[tokio::test]
async fn what_is_wanted_is_handed_in_and_nothing_else() {
    let mut kit = Kit::new(Protocol::V2);
    let (alice, bob) = (kit.buyer("alice").await, kit.buyer("bob").await);
    kit.serve(&alice, 2 * PRICE, 2 * PRICE).await;
    // Due by the gate's options, for ten minutes and an hour are over: the gate's to decide.
    kit.serve(&bob, 3 * PRICE, 3 * PRICE).await;
    kit.clock
        .advance(std::time::Duration::from_secs(2 * 60 * 60));
    let till = on_demand(&kit);
    let payable = till.want_settled(&alice.id()).await.unwrap();
    assert_eq!(payable, Some(Payable::UpTo(of(2 * PRICE))));
    assert_eq!(till.settle(&rail()).await.unwrap().done, 1);
    assert_eq!((kit.paid_out(&alice), kit.paid_out(&bob)), (2 * PRICE, 0));
    // There is nothing left to want, and asking again hands nothing in.
    let payable = till.want_settled(&alice.id()).await.unwrap();
    assert_eq!(payable, Some(Payable::Nothing));
    assert_eq!(till.settle(&rail()).await.unwrap().done, 0);
    let end = till.close_as_seller(&bob.id()).await.unwrap();
    assert_eq!(end.settled, of(3 * PRICE));
    assert_eq!(kit.reserve.truth().settlements(), 2);
    let over = till.want_settled(&bob.id()).await.unwrap();
    assert_eq!(over, Some(Payable::Closed));
    // It opens nothing: nobody else could read what it had sealed.
    let carol = kit.stranger("carol");
    let opening = carol.opening(DEPOSIT, 0);
    kit.till = till;
    let refused = kit.open(&carol, &opening).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(kit.reserve.truth().channel(&carol.id()).is_none());
}

/// An operator's command takes part in a round of the gate's: what the gate put on the agenda for later
/// stays there, for when the gate wants it.
#[tokio::test]
async fn a_command_puts_no_close_of_an_unused_channel_off_for_good() {
    const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
    let mut options = crate::kit::options();
    options.settle.close_unused = Some(30 * DAY);
    let mut kit = Kit::with(Protocol::V2, options.clone(), |session| session, None);
    let alice = kit.buyer("alice").await;
    kit.serve(&alice, PRICE, PRICE).await;
    kit.clock.advance(31 * DAY);
    let mut settle = SettleOptions::default();
    settle.close_unused = Some(30 * DAY);
    let session = FakeSession::new(Arc::clone(&kit.reserve), &shop(), kit.protocol);
    let till = Till::on_demand(OnDemand {
        store: Arc::clone(&kit.store),
        clock: Arc::new(kit.clock.clone()),
        rails: vec![Arc::new(session)],
        observer: None,
        settle,
    });
    till.unwrap().settle(&rail()).await.unwrap();
    // It was used since it was opened, and is looked at again after as long.
    for _ in 0..3 {
        kit.clock.advance(31 * DAY);
        kit.reserve.mine();
        kit.till.look_around(&rail()).await.unwrap();
        kit.till.settle(&rail()).await.unwrap();
    }
    kit = kit.beside(options);
    assert_eq!(kit.paid_out(&alice), PRICE);
    assert_eq!(kit.reserve.truth().locked(), 0);
}

#[tokio::test]
async fn why_nothing_can_be_settled_is_told() {
    let kit = Kit::new(Protocol::V2);
    let till = on_demand(&kit);
    assert_eq!(
        till.payable(&kit.stranger("nobody").id()).await.unwrap(),
        None
    );
    let served = kit.buyer("alice").await;
    kit.pay(&served, PRICE, PRICE).await.unwrap();
    let ahead = kit.buyer("bob").await;
    kit.serve(&ahead, 9 * PRICE, PRICE).await;
    let check = async |buyer: &crate::kit::Buyer, expect: Payable| {
        let payable = till.want_settled(&buyer.id()).await.unwrap();
        assert_eq!(payable, Some(expect));
        assert_eq!(till.settle(&rail()).await.unwrap().done, 0);
    };
    check(&served, Payable::StillServed(of(PRICE))).await;
    check(&ahead, Payable::OnlyByClosing(of(PRICE))).await;

    let kit = Kit::new(Protocol::V1);
    let till = on_demand(&kit);
    let ahead = kit.buyer("bob").await;
    kit.serve(&ahead, 9 * PRICE, PRICE).await;
    let payable = till.want_settled(&ahead.id()).await.unwrap();
    assert_eq!(payable, Some(Payable::NoVoucher(of(PRICE))));
    assert_eq!(till.settle(&rail()).await.unwrap().done, 0);
}
