//! What became of a payment, by the word of the chain alone.

use std::time::Duration;

use farthing_core::{
    port::payer::{Errand, Offer, Payer as _, Proof, Resolved},
    value::{Amount, Reference, Timestamp},
};
use farthing_evm::{SigningKey, U256};
use farthing_tempo::{
    AccountKey, Call, Mode, PayerOptions, SignedTransaction, TempoPayer, Transaction, tip20::calls,
};
use serde_json::{Value, json};

use crate::{
    built::transaction,
    market::{ALPHA, CHAIN, Market, PATH, account, key, route, signing},
    offer::{SELLER, offer_with},
};

async fn market(test: &str) -> Option<Market> {
    Market::open(test, route(json!({})), |_| {}).await
}

fn asked(market: &Market, id: &str, details: Value) -> Offer {
    let mut details = details;
    details["chainId"] = json!(CHAIN.get());
    offer_with(|parts| {
        parts.id = id.to_owned();
        parts.details = details;
        parts.expires = Some(market.now().as_secs() + 300);
    })
}

async fn resolve(payer: &TempoPayer, proof: &Proof) -> Resolved {
    payer.resolve(proof, Timestamp::EPOCH).await
}

fn moved(signed: &SignedTransaction) -> Resolved {
    let reference = Reference::new(format!("{:#x}", signed.hash())).unwrap();
    Resolved::Moved { reference }
}

#[tokio::test]
async fn a_whole_transaction_is_found_by_its_hash() {
    let Some(market) = market("payer: outcome of a whole one").await else {
        return;
    };
    let payer = market.payer(key(0));
    let offer = asked(&market, "a", json!({}));
    let proof = payer.sign(&offer, market.now()).await.unwrap();
    assert_eq!(resolve(&payer, &proof).await, Resolved::Unknown);
    let signed = transaction(&proof).whole().unwrap();
    assert!(market.send(&signed).await.succeeded());
    assert_eq!(resolve(&payer, &proof).await, moved(&signed));
    // And stays so.
    market.later(Duration::from_secs(3_600)).await;
    assert_eq!(resolve(&payer, &proof).await, moved(&signed));
}

#[tokio::test]
async fn what_ran_out_unsent_is_dead_and_not_a_second_before() {
    let Some(market) = market("payer: outcome of an unsent one").await else {
        return;
    };
    let payer = market.payer(key(0));
    for details in [json!({}), json!({"feePayer": true})] {
        let offer = asked(&market, "a", details.clone());
        let proof = payer.sign(&offer, market.now()).await.unwrap();
        // Ours has gone on, the chain's has not.
        market.clock.advance(Duration::from_secs(600));
        assert_eq!(
            resolve(&payer, &proof).await,
            Resolved::Unknown,
            "{details}"
        );
        market.chain.advance(Duration::from_secs(30)).await;
        assert_eq!(resolve(&payer, &proof).await, Resolved::Dead, "{details}");
        market.chain.mine(1).await;
        market.clock.go_back(Duration::from_secs(570));
    }
}

#[tokio::test]
async fn a_half_is_found_whoever_signed_for_its_fee() {
    let Some(market) = market("payer: outcome of a half").await else {
        return;
    };
    let payer = market.payer(key(0));
    let memo = json!({"feePayer": true, "memo": format!("0x{}", "5a".repeat(32))});
    for (id, details) in [
        ("a", json!({"feePayer": true})),
        ("b", memo.clone()),
        ("c", memo),
    ] {
        let offer = asked(&market, id, details);
        let proof = payer.sign(&offer, market.now()).await.unwrap();
        assert_eq!(resolve(&payer, &proof).await, Resolved::Unknown, "{id}");
        let half = transaction(&proof).half().unwrap();
        let signed = half.cosign(PATH, &signing(4));
        assert!(market.send(&signed).await.succeeded());
        assert_eq!(resolve(&payer, &proof).await, moved(&signed), "{id}");
    }
    // Hours later and hundreds of blocks on, each is still the one it was.
    let offer = asked(&market, "d", json!({"feePayer": true}));
    let proof = payer.sign(&offer, market.now()).await.unwrap();
    let signed = transaction(&proof)
        .half()
        .unwrap()
        .cosign(PATH, &signing(4));
    assert!(market.send(&signed).await.succeeded());
    market.chain.mine(600).await;
    market.later(Duration::from_secs(7_200)).await;
    market.chain.mine(600).await;
    assert_eq!(resolve(&payer, &proof).await, moved(&signed));
}

/// Two that are the same but for their challenge: one is sent, and only that one moved.
#[tokio::test]
async fn a_payment_like_another_is_not_taken_for_it() {
    let Some(market) = market("payer: outcome of a like one").await else {
        return;
    };
    let payer = market.payer(key(0));
    let details = json!({"feePayer": true, "memo": format!("0x{}", "5a".repeat(32))});
    let mut proofs = Vec::new();
    for id in ["a", "b"] {
        let offer = asked(&market, id, details.clone());
        proofs.push(payer.sign(&offer, market.now()).await.unwrap());
    }
    let sent = transaction(&proofs[0])
        .half()
        .unwrap()
        .cosign(PATH, &signing(4));
    assert!(market.send(&sent).await.succeeded());
    assert_eq!(resolve(&payer, &proofs[0]).await, moved(&sent));
    assert_eq!(resolve(&payer, &proofs[1]).await, Resolved::Unknown);
    market.chain.advance(Duration::from_secs(30)).await;
    assert_eq!(resolve(&payer, &proofs[1]).await, Resolved::Dead);
}

#[tokio::test]
async fn what_failed_in_a_block_moved_nothing() {
    let Some(market) = market("payer: outcome of a failed one").await else {
        return;
    };
    let key = || AccountKey::from(SigningKey::from_bytes([9; 32]).unwrap());
    market.fund(PATH, key().account(), 200_000).await;
    market.fund(ALPHA, key().account(), 100_000).await;
    let payer = market.payer(key());
    let mut offer = asked(&market, "a", json!({}));
    offer.request.amount = Amount::new(50_000);
    let proof = payer.sign(&offer, market.now()).await.unwrap();
    // The money goes elsewhere before it is sent; a little of it is left, and the fee.
    let most = proof.fee.as_ref().unwrap().most.units();
    let mut drain = Transaction::new(
        CHAIN,
        vec![Call {
            to: Some(PATH),
            value: U256::ZERO,
            input: calls::transfer(account(3), Amount::new(199_000 - most), None),
        }],
    );
    drain.gas_limit = 1_000_000;
    drain.max_fee_per_gas = 40_000_000_000;
    drain.nonce_key = U256::from(7);
    drain.fee_token = Some(ALPHA);
    let drain = drain.sign(&key()).unwrap().whole().unwrap();
    assert!(market.send(&drain).await.succeeded());
    let signed = transaction(&proof).whole().unwrap();
    assert!(!market.send(&signed).await.succeeded());
    assert_eq!(resolve(&payer, &proof).await, Resolved::Failed);
    assert_eq!(market.balance(PATH, SELLER).await, 0);
}

#[tokio::test]
async fn a_proof_of_nothing_moves_nothing() {
    let Some(market) = market("payer: outcome of a proof").await else {
        return;
    };
    let payer = market.payer(key(0));
    let offer = offer_with(|parts| {
        parts.amount = 0;
        parts.expires = Some(market.now().as_secs() + 300);
    });
    let proof = payer.sign(&offer, market.now()).await.unwrap();
    assert_eq!(resolve(&payer, &proof).await, Resolved::Dead);
}

fn pushing() -> PayerOptions {
    PayerOptions {
        mode: Mode::Push,
        ..PayerOptions::default()
    }
}

#[tokio::test]
async fn an_errand_is_done_once_however_often_it_is_run() {
    let Some(market) = market("payer: errand").await else {
        return;
    };
    let payer = market.payer_with(key(0), pushing());
    let offer = asked(&market, "a", json!({}));
    let proof = payer.sign(&offer, market.now()).await.unwrap();
    let before = market.balance(PATH, account(0)).await;
    let signed = transaction(&proof).whole().unwrap();
    let reference = format!("{:#x}", signed.hash());
    // By this process, by another, and by one that comes when it has long run out.
    let another = market.payer_with(key(0), pushing());
    for (at, payer) in [&payer, &another, &payer].into_iter().enumerate() {
        if at == 2 {
            market.later(Duration::from_secs(600)).await;
        }
        match payer.run_errand(&proof, market.now()).await {
            Errand::Done { reference: done } => assert_eq!(done.as_str(), reference),
            other => unreachable!("{at}: {other:?}"),
        }
    }
    let fee = market.fee(&reference).await;
    assert_eq!(before - market.balance(PATH, account(0)).await, 2_000 + fee);
    assert_eq!(market.balance(PATH, SELLER).await, 2_000);
    let mut done = proof;
    done.errand = None;
    assert_eq!(resolve(&payer, &done).await, moved(&signed));
}

#[tokio::test]
async fn an_errand_that_comes_too_late_says_that_nothing_moved() {
    let Some(market) = market("payer: late errand").await else {
        return;
    };
    let payer = market.payer_with(key(0), pushing());
    let offer = asked(&market, "a", json!({}));
    let proof = payer.sign(&offer, market.now()).await.unwrap();
    market.later(Duration::from_secs(60)).await;
    let came = payer.run_errand(&proof, market.now()).await;
    assert!(matches!(came, Errand::Failed(_)), "{came:?}");
    assert_eq!(market.balance(PATH, SELLER).await, 0);
}

/// Two payers of one method know their own proofs.
#[tokio::test]
async fn a_payer_knows_its_own() {
    let Some(market) = market("payer: its own").await else {
        return;
    };
    let (one, other) = (market.payer(key(0)), market.payer(key(1)));
    let offer = asked(&market, "a", json!({}));
    let proof = one.sign(&offer, market.now()).await.unwrap();
    assert!(one.owns(&proof) && !other.owns(&proof));
}
