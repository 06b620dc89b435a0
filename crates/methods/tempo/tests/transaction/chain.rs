//! What a chain makes of transactions: each is sent, and its receipt and the balances looked at.

use alloy_primitives::address;
use farthing_evm::{Address, U256};
use farthing_tempo::{EXPIRING_NONCE_KEY, Transaction};

use crate::{
    fixture::{PATH_USD, PAYEE, p256, payment, root, secp, transfer, whole},
    node::{self, World},
    passkey,
};

const ALPHA_USD: Address = address!("20c0000000000000000000000000000000000001");

#[tokio::test]
async fn a_plain_payment() {
    let Some(world) = World::new("tempo: a plain payment").await else {
        return;
    };
    let key = root(node::account(0));
    let before = world.balance(PATH_USD, key.account()).await;
    let named = Transaction {
        fee_token: Some(PATH_USD),
        ..payment()
    };
    let signed = whole(named, &key);
    let receipt = world.send(&signed).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["from"], node::hex(key.account()));
    assert_eq!(receipt["type"], "0x76");
    assert_eq!(world.balance(PATH_USD, PAYEE).await, U256::from(5));
    let paid = before - world.balance(PATH_USD, key.account()).await;
    let fee = paid - U256::from(5);
    assert!(!fee.is_zero() && fee <= signed.authored().transaction().max_fee());
}

#[tokio::test]
async fn a_batch_is_done_whole_or_not_at_all() {
    let Some(world) = World::new("tempo: a batch").await else {
        return;
    };
    let key = root(node::account(0));
    let other = Address::repeat_byte(0x43);
    let calls = vec![transfer(PATH_USD, PAYEE, 3), transfer(PATH_USD, other, 4)];
    let batch = Transaction { calls, ..payment() };
    let receipt = world.send(&whole(batch, &key)).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(world.balance(PATH_USD, PAYEE).await, U256::from(3));
    assert_eq!(world.balance(PATH_USD, other).await, U256::from(4));

    let calls = vec![
        transfer(PATH_USD, PAYEE, 3),
        transfer(PATH_USD, other, u64::MAX),
    ];
    let batch = Transaction {
        calls,
        nonce: 1,
        ..payment()
    };
    let receipt = world.send(&whole(batch, &key)).await;
    assert_eq!(receipt["status"], "0x0");
    assert_eq!(world.balance(PATH_USD, PAYEE).await, U256::from(3));
}

#[tokio::test]
async fn each_lane_counts_for_itself() {
    let Some(world) = World::new("tempo: lanes of nonces").await else {
        return;
    };
    let key = root(node::account(0));
    for (lane, nonce) in [(5, 0), (9, 0), (5, 1), (0, 0)] {
        let laned = Transaction {
            nonce_key: U256::from(lane),
            nonce,
            ..payment()
        };
        let receipt = world.send(&whole(laned, &key)).await;
        assert_eq!(receipt["status"], "0x1", "lane {lane}, nonce {nonce}");
    }
    assert_eq!(world.balance(PATH_USD, PAYEE).await, U256::from(20));
}

#[tokio::test]
async fn without_a_nonce_it_counts_once_and_for_a_while() {
    let Some(world) = World::new("tempo: expiring nonces").await else {
        return;
    };
    let key = root(node::account(0));
    let soon = world.time().await + 20;
    let expiring = |amount| Transaction {
        calls: vec![transfer(PATH_USD, PAYEE, amount)],
        nonce_key: EXPIRING_NONCE_KEY,
        valid_before: Some(soon),
        ..payment()
    };
    for amount in [5, 6] {
        let receipt = world.send(&whole(expiring(amount), &key)).await;
        assert_eq!(receipt["status"], "0x1");
    }
    // The same once more is the same, and does nothing.
    let again = whole(expiring(5), &key);
    let _ = world.offer(&again).await;
    world.mine(1).await;
    assert_eq!(world.balance(PATH_USD, PAYEE).await, U256::from(11));
}

#[tokio::test]
async fn outside_its_window_it_is_not_taken() {
    let Some(world) = World::new("tempo: windows of validity").await else {
        return;
    };
    let key = root(node::account(0));
    let now = world.time().await;
    let window = |valid_after, valid_before| {
        let transaction = Transaction {
            valid_after,
            valid_before,
            ..payment()
        };
        whole(transaction, &key)
    };
    for (after, before) in [
        (None, Some(now - 1)),
        (None, Some(now)),
        (Some(now + 100_000), None),
    ] {
        let answer = world.offer(&window(after, before)).await;
        assert!(answer.get("error").is_some(), "{answer}");
    }
    let receipt = world.send(&window(Some(now - 5), Some(now + 60))).await;
    assert_eq!(receipt["status"], "0x1");
}

#[tokio::test]
async fn a_sponsor_pays_the_fee_and_nothing_else() {
    let Some(world) = World::new("tempo: sponsored").await else {
        return;
    };
    let sponsor = node::account(1);
    let soon = world.time().await + 20;
    for key in [root(secp(7)), root(p256(7))] {
        world.fund(PATH_USD, key.account(), 5).await;
        let before = world.balance(PATH_USD, sponsor.address()).await;
        let sponsored = Transaction {
            sponsored: true,
            nonce_key: EXPIRING_NONCE_KEY,
            valid_before: Some(soon),
            ..payment()
        };
        let half = sponsored.sign(&key).unwrap().half().unwrap();
        let signed = half.cosign(PATH_USD, &sponsor);
        let receipt = world.send(&signed).await;
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(receipt["from"], node::hex(key.account()));
        assert!(world.balance(PATH_USD, key.account()).await.is_zero());
        let fee = before - world.balance(PATH_USD, sponsor.address()).await;
        assert!(!fee.is_zero() && fee <= signed.authored().transaction().max_fee());
    }
    assert_eq!(world.balance(PATH_USD, PAYEE).await, U256::from(10));
}

#[tokio::test]
async fn an_account_may_be_of_the_other_curve() {
    let Some(world) = World::new("tempo: P-256").await else {
        return;
    };
    let key = root(p256(7));
    world.fund(PATH_USD, key.account(), 1_000_000).await;
    let receipt = world.send(&whole(payment(), &key)).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["from"], node::hex(key.account()));

    // The way browsers sign: what they hashed once more.
    let next = Transaction {
        nonce: 1,
        ..payment()
    };
    let signed = passkey::put(next, &|digest| passkey::hashed(7, digest));
    assert_eq!(signed.authored().sender(), key.account());
    let receipt = world.send(&signed).await;
    assert_eq!(receipt["status"], "0x1");

    // And the way passkeys do.
    let next = Transaction {
        nonce: 2,
        ..payment()
    };
    let signed = passkey::put(next, &|digest| passkey::signed(7, digest));
    assert_eq!(signed.authored().sender(), key.account());
    let receipt = world.send(&signed).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(world.balance(PATH_USD, PAYEE).await, U256::from(15));
}

#[tokio::test]
async fn the_fee_is_paid_in_the_token_that_was_named() {
    let Some(world) = World::new("tempo: fee tokens").await else {
        return;
    };
    let key = root(node::account(0));
    let before = world.balance(ALPHA_USD, key.account()).await;
    let other = Transaction {
        fee_token: Some(ALPHA_USD),
        ..payment()
    };
    let receipt = world.send(&whole(other, &key)).await;
    assert_eq!(receipt["status"], "0x1");
    assert!(world.balance(ALPHA_USD, key.account()).await < before);
}
