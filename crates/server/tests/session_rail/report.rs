//! The report says what the books say, and the books say what the rail says.

use farthing_core::{intent::session::Protocol, value::CurrencyCode};
use farthing_testkit::method::{account, currency};

use crate::kit::{DEPOSIT, Kit, PRICE, of, options, rail};

#[tokio::test]
async fn the_report_adds_up_to_the_unit() {
    let kit = Kit::new(Protocol::V2);
    let (alice, bob) = (kit.buyer("alice").await, kit.buyer("bob").await);
    let carol = kit.buyer("carol").await;
    kit.serve(&alice, 5 * PRICE, 4 * PRICE).await;
    kit.pay(&bob, 3 * PRICE, 2 * PRICE).await.unwrap();
    kit.serve(&carol, 7 * PRICE, 7 * PRICE).await;
    kit.till.close(&carol.said(7 * PRICE)).await.unwrap();
    let report = kit.till.report().await.unwrap();
    let of_rail = (rail(), currency().code);
    let all = &report.currencies[&of_rail];
    assert_eq!(all.all.channels, 2);
    assert_eq!(all.all.deposit, of(2 * DEPOSIT));
    assert_eq!(all.all.accepted, of(8 * PRICE));
    assert_eq!(all.all.spent, of(6 * PRICE));
    assert_eq!(all.all.unsure, of(2 * PRICE));
    assert_eq!(all.all.settled, of(0));
    assert_eq!(all.all.at_risk, of(6 * PRICE));
    assert_eq!(all.ever.settled, of(7 * PRICE));
    assert_eq!((all.ever.lost, all.ever.settlements), (of(0), 1));
    let payers: Vec<_> = all.payers.keys().cloned().collect();
    assert_eq!(payers, [account("alice"), account("bob")]);
    assert_eq!(all.payers[&account("bob")].spent, of(2 * PRICE));
    // A page at a time, and one by its id, also when it has ended.
    let first = kit.till.list(None, 1).await.unwrap();
    let second = kit.till.list(first.last(), 1).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].channel, second[0].channel);
    assert!(kit.till.list(second.last(), 1).await.unwrap().is_empty());
    let past = kit.till.show(&carol.id()).await.unwrap().unwrap();
    assert_eq!(past.end.unwrap().settled, of(7 * PRICE));
    assert_eq!(
        kit.counted().await,
        6 * PRICE,
        "what is at risk is what is counted"
    );
}

/// A rail may take its fees in another currency than its channels hold.
#[tokio::test]
async fn what_settlements_cost_is_summed_and_told_with_each_channel() {
    let gas = CurrencyCode::new("gas9").unwrap();
    let costly = |session: farthing_testkit::method::FakeSession| {
        session.settling_for(7, CurrencyCode::new("gas9").unwrap())
    };
    let kit = Kit::with(Protocol::V2, options(), costly, None);
    let alice = kit.buyer("alice").await;
    for n in 1..=2 {
        kit.serve(&alice, n * PRICE, PRICE).await;
        kit.till.want_settled(&alice.id()).await.unwrap();
        kit.till.settle(&rail()).await.unwrap();
    }
    kit.serve(&alice, 5 * PRICE, PRICE).await;
    let end = kit.till.close_as_seller(&alice.id()).await.unwrap();
    assert_eq!(end.settled, of(3 * PRICE));
    let report = kit.till.report().await.unwrap();
    let fees = &report.currencies[&(rail(), gas)].ever;
    assert_eq!((fees.fees, fees.settlements), (of(3 * 7), 0));
    let ever = &report.currencies[&(rail(), currency().code)].ever;
    assert_eq!((ever.fees, ever.settlements), (of(0), 3));
    let payouts = kit.till.settlements().payouts(&alice.id()).await.unwrap();
    let told = payouts
        .iter()
        .map(|it| (it.amount.units(), it.settled.units(), it.is_close));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (PRICE, 3 * PRICE, true),
            (PRICE, 2 * PRICE, false),
            (PRICE, PRICE, false)
        ]
    );
    assert!(
        payouts
            .iter()
            .all(|it| it.fee.as_ref().is_some_and(|fee| fee.amount == of(7)))
    );
    assert_eq!(Some(&payouts[0].reference), end.reference.as_ref());
}
