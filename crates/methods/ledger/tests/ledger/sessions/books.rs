//! What each step does to the accounts.

use std::time::Duration;

use farthing_core::{
    port::{
        clock::Clock as _,
        method::Fault,
        session::{Handing, Session as _, Settled},
        session_payer::SessionPayer as _,
    },
    value::{Amount, Secret},
};
use farthing_ledger::{Kind, LedgerSessionPayer, Side};

use super::{Shop, done, forged, fund, job, paid};
use crate::fixture::{dollar, key};

#[tokio::test]
async fn a_channel_from_its_opening_to_its_close() {
    let shop = Shop::new(1_000).await;
    let channel = shop.open(600).await;
    assert_eq!(shop.has().await, (400, 600, 0));

    let more = shop.top_up(&channel, 100).await;
    let more = shop.check(&more, Some(&channel.terms)).await.unwrap();
    for _ in 0..3 {
        assert!(done(&fund(&shop.sessions, &more).await));
        assert_eq!(shop.has().await, (300, 700, 0));
    }
    for _ in 0..3 {
        assert!(paid(
            &shop
                .sessions
                .settle(&job(1, vec![shop.pay(&channel, 250)]))
                .await
        ));
        assert_eq!(shop.has().await, (300, 450, 250));
    }
    // A close captures less than the voucher says.
    let close = job(2, vec![shop.close(&channel, 300, Some(320))]);
    for _ in 0..3 {
        assert!(paid(&shop.sessions.settle(&close).await));
        assert_eq!(shop.has().await, (700, 0, 300));
    }
    let dollar = dollar();
    let statement = shop.accounts.statement(&shop.seller, &dollar, None, 10);
    let statement = statement.await.unwrap();
    let amounts: Vec<_> = statement.iter().map(|entry| entry.amount.units()).collect();
    assert_eq!(amounts.len(), 2);
    assert_eq!(amounts.iter().sum::<u128>(), 300);
    for entry in statement {
        assert_eq!((entry.kind, entry.side), (Kind::Payment, Side::In));
        assert_eq!(entry.counterparty.as_ref(), Some(shop.buyer.did()));
    }
}

#[tokio::test]
async fn what_is_locked_can_neither_be_withdrawn_nor_locked_again() {
    let shop = Shop::new(1_000).await;
    shop.open(600).await;
    let (_, payload) = shop.opening(401).await;
    let refusal = shop.check(&payload, None).await.err().unwrap();
    assert_eq!(refusal.fault, Fault::Insufficient);
    assert_eq!(shop.has().await, (400, 600, 0));
}

/// Two openings that each fit, and not both: the second is refused for good, also when the account
/// has enough again.
#[tokio::test]
async fn what_was_refused_once_is_never_done() {
    let shop = Shop::new(1_000).await;
    let (_, one) = shop.opening(600).await;
    let (_, two) = shop.opening(600).await;
    let one = shop.check(&one, None).await.unwrap();
    let two = shop.check(&two, None).await.unwrap();
    assert!(done(&fund(&shop.sessions, &one).await));
    assert!(!done(&fund(&shop.sessions, &two).await));
    shop.pay_in("more", 1_000).await;
    assert!(!done(&fund(&shop.restarted(), &two).await));
    assert_eq!(shop.has().await, (1_400, 600, 0));

    // What came too late stays too late for a clock that is set back.
    let (_, late) = shop.opening(100).await;
    let late = shop.check(&late, None).await.unwrap();
    shop.clock.advance(61);
    assert!(!done(&fund(&shop.sessions, &late).await));
    shop.clock.go_back(61);
    assert!(!done(&fund(&shop.sessions, &late).await));
    assert_eq!(shop.has().await, (1_400, 600, 0));
}

/// A job that was refused stays refused, though its items would be good later.
#[tokio::test]
async fn a_refused_job_names_its_culprits_again() {
    let shop = Shop::new(1_000).await;
    let (good, bad) = (shop.open(300).await, shop.open(300).await);
    let forged = bad.item(Handing::Settle(forged(10)));
    let both = job(1, vec![shop.pay(&good, 10), forged, shop.pay(&good, 20)]);
    for sessions in [&shop.sessions, &shop.restarted()] {
        match sessions.settle(&both).await {
            Settled::Refused { culprits, .. } => assert_eq!(culprits, [1, 2]),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(shop.has().await, (400, 600, 0));
    let empty = shop.sessions.settle(&job(2, Vec::new())).await;
    assert!(!paid(&empty), "a job of nothing is none");
    let many = vec![shop.pay(&good, 10); shop.sessions.settlement_limit() + 1];
    assert!(!paid(&shop.sessions.settle(&job(3, many)).await));
}

/// One job pays many channels of one payer: their sums meet on the same accounts.
#[tokio::test]
async fn a_job_of_many_channels_is_one_step() {
    let shop = Shop::new(6_400).await;
    let mut items = Vec::new();
    for number in 0..shop.sessions.settlement_limit() {
        let channel = shop.open(100).await;
        let cumulative = number as u128 + 1;
        items.push(match number % 2 {
            0 => shop.pay(&channel, cumulative),
            _ => shop.close(&channel, cumulative, Some(cumulative)),
        });
    }
    assert_eq!(shop.has().await, (0, 6_400, 0));
    assert!(paid(&shop.sessions.settle(&job(1, items)).await));
    let earned: u128 = (1..=64).sum();
    let closed: u128 = (1..=64).filter(|it| it % 2 == 0).map(|it| 100 - it).sum();
    assert_eq!(shop.has().await, (closed, 6_400 - closed - earned, earned));
}

/// The news of more than one page are all there.
#[tokio::test]
async fn news_of_many_blocks_are_read_page_by_page() {
    let shop = Shop::new(10_000).await;
    let channel = shop.open(5_000).await;
    let start = shop.sessions.news(None).await.unwrap().block;
    let quiet = shop.open(100).await;
    for number in 1..=1_100u32 {
        let item = shop.pay(&channel, u128::from(number));
        assert!(paid(&shop.sessions.settle(&job(number, vec![item])).await));
    }
    let news = shop.restarted().news(Some(start)).await.unwrap();
    assert_eq!(news.block, start + 1_101);
    let mut both = vec![channel.keeping.id.clone(), quiet.keeping.id.clone()];
    both.sort_unstable();
    assert_eq!(news.channels, both);
    let last = shop.sessions.news(Some(news.block - 1)).await.unwrap();
    assert_eq!(last.channels, std::slice::from_ref(&channel.keeping.id));
}

#[tokio::test]
async fn an_effect_that_is_not_the_orders_moves_nothing() {
    let shop = Shop::new(1_000).await;
    let (_, one) = shop.opening(100).await;
    let (_, two) = shop.opening(100).await;
    let one = shop.check(&one, None).await.unwrap();
    let mut mixed = shop.check(&two, None).await.unwrap();
    mixed.effect = one.effect;
    assert!(!done(&fund(&shop.sessions, &mixed).await));
    mixed.effect = Secret::new(*b"{}");
    assert!(!done(&fund(&shop.sessions, &mixed).await));
    assert_eq!(shop.has().await, (1_000, 0, 0));
}

#[tokio::test]
async fn a_payer_signs_for_its_own_channels_only() {
    let shop = Shop::new(1_000).await;
    let channel = shop.open(100).await;
    let other = LedgerSessionPayer::new(key(farthing_ledger::KeyType::Ed25519, 9));
    let amount = Amount::new(1);
    assert!(other.voucher(&channel.keeping, amount, false).is_err());
    let offer = shop.offer();
    let more = other.top_up(&offer, &channel.keeping, amount, shop.clock.now());
    assert!(more.await.is_err());
    assert_eq!(other.grace(), Duration::ZERO);
    let (text, secret) = (format!("{other:?}"), "0909");
    assert!(!text.contains(secret) && !text.contains("9, 9"));
}
