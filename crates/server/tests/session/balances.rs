//! What a voucher buys, to the unit.

use farthing_core::{noun::session::NeedVoucher, payment::Moved, value::Amount};
use farthing_testkit::method::{FakeSessionPayload, account};

use crate::world::{DEPOSIT, PRICE, Shop};

#[tokio::test]
async fn each_request_is_charged_before_its_answer_and_its_receipt_says_what_is_left() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    for request in 1..=5 {
        let answer = shop.buy(&buyer, request * PRICE).await;
        assert_eq!((answer.status, answer.text()), (200, "sunny"));
        let receipt = answer.receipt();
        assert_eq!(receipt.accepted, Amount::new(request * PRICE));
        assert_eq!(receipt.spent, Amount::new(request * PRICE));
        assert_eq!(receipt.units, Some(1));
        assert_eq!(receipt.channel, buyer.id());
        assert_eq!(receipt.challenge, buyer.challenge.id);
        assert_eq!(answer.header("cache-control"), Some("private"));
    }
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.spent, Amount::new(5 * PRICE));
    assert_eq!(balance.accepted, Amount::new(5 * PRICE));
    assert_eq!(shop.runs(), 5);
}

/// One voucher for one unit and fifty requests with it: one is served.
#[tokio::test]
async fn one_voucher_buys_one_request_however_many_come_with_it() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    let asked = (0..50).map(|_| shop.buy(&buyer, PRICE));
    let answers = futures_util::future::join_all(asked).await;
    let served: Vec<_> = answers.iter().filter(|it| it.status == 200).collect();
    assert_eq!(served.len(), 1);
    assert_eq!(served[0].receipt().spent, Amount::new(PRICE));
    for answer in answers.iter().filter(|it| it.status != 200) {
        assert_eq!(
            (answer.status, answer.kind().as_str()),
            (402, "session/insufficient-balance")
        );
        let problem = answer.problem();
        assert_eq!(problem.required_top_up, Some(Amount::new(PRICE)));
        assert_eq!(problem.moved, Some(Moved::No));
        let needs = NeedVoucher::from_problem(&problem).unwrap();
        assert_eq!(needs.channel, buyer.id());
        assert_eq!(needs.accepted, Amount::new(PRICE));
        assert_eq!(needs.required, Amount::new(2 * PRICE));
        assert_eq!(needs.deposit, Amount::new(DEPOSIT));
        assert!(answer.asks_for_a_session());
        assert_eq!(answer.header("payment-receipt"), None);
    }
    assert_eq!(shop.runs(), 1);
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(balance.spent, Amount::new(PRICE));
}

#[tokio::test]
async fn a_voucher_ahead_of_its_request_pays_for_the_next_ones() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    for request in 1..=3 {
        let answer = shop.buy(&buyer, 3 * PRICE).await;
        assert_eq!(answer.status, 200);
        let receipt = answer.receipt();
        assert_eq!(receipt.accepted, Amount::new(3 * PRICE));
        assert_eq!(receipt.spent, Amount::new(request * PRICE));
    }
    let answer = shop.buy(&buyer, 3 * PRICE).await;
    assert_eq!(answer.kind(), "session/insufficient-balance");
    assert_eq!(shop.runs(), 3);
}

#[tokio::test]
async fn a_voucher_that_covers_a_part_is_kept_and_the_rest_is_asked_for() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    let answer = shop.buy(&buyer, PRICE - 1).await;
    assert_eq!(answer.kind(), "session/insufficient-balance");
    assert_eq!(answer.problem().required_top_up, Some(Amount::new(1)));
    let balance = shop.balance(&buyer.id()).await;
    assert_eq!(
        (balance.accepted, balance.spent),
        (Amount::new(PRICE - 1), Amount::ZERO)
    );
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);
    assert_eq!(shop.runs(), 1);
}

#[tokio::test]
async fn what_is_asked_for_is_told_to_the_signer_alone() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);
    let short = shop.buy(&buyer, PRICE).await;
    assert_eq!(short.header("payment-session"), Some(buyer.id().as_str()));
    assert!(short.header("payment-session-snapshot").is_some());
    let request: serde_json::Value = short.challenge().request.decode().unwrap();
    let snapshot = &request["methodDetails"]["sessionSnapshot"];
    assert_eq!(request["methodDetails"]["channelId"], buyer.id().as_str());
    assert_eq!(snapshot["channelId"], buyer.id().as_str());
    assert_eq!(snapshot["requiredCumulative"], (2 * PRICE).to_string());
    assert_eq!(snapshot["acceptedCumulative"], PRICE.to_string());
    assert_eq!(snapshot["spent"], PRICE.to_string());
    assert_eq!(snapshot["deposit"], DEPOSIT.to_string());
    // The challenge with the snapshot is as good as any.
    let mut next = buyer.clone();
    next.challenge = short.challenge();
    let answer = shop.buy(&next, 2 * PRICE).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.receipt().challenge, next.challenge.id);

    // Somebody who cannot sign is told nothing of the channel.
    let mut thief = shop.stranger("mallory").await;
    thief.channel = buyer.channel.clone();
    let amount = Amount::new(3 * PRICE);
    let say = || FakeSessionPayload::voucher(&buyer.channel, amount);
    let other_amount = buyer.channel.sign(Amount::new(4 * PRICE));
    let mine = buyer.channel.sign_as(&account("mallory"), amount);
    for signature in [other_amount, mine] {
        let forged = say().with_signature(&signature).raw();
        let refused = shop.present(&thief, &forged).await;
        assert_eq!(refused.kind(), "session/invalid-signature");
        assert_eq!(refused.header("payment-session"), None);
        assert_eq!(refused.header("payment-session-snapshot"), None);
        let asked: serde_json::Value = refused.challenge().request.decode().unwrap();
        assert_eq!(asked["methodDetails"].get("sessionSnapshot"), None);
    }
}
