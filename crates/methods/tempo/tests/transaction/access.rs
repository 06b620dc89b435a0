//! Access keys on a chain: authorized with the first payment, held to their limits, revoked.

use std::num::NonZeroU64;

use farthing_evm::{Address, U256};
use farthing_tempo::{
    AccessKey, AccountKey, Call, CallScope, Key, KeyAuthorization, KeyKind, SelectorRule,
    TokenLimit, Transaction,
    keychain::{self, KeyState},
};

use crate::{
    fixture::{CHAIN, PATH_USD, PAYEE, p256, payment, root, secp, transfer, whole},
    node::{self, World},
};

/// An authorization to spend a hundred on the payee, and nothing else.
fn limited(key: &Key, expiry: u64) -> KeyAuthorization {
    KeyAuthorization {
        expiry: NonZeroU64::new(expiry),
        limits: Some(vec![TokenLimit {
            token: PATH_USD,
            limit: U256::from(10_000_000),
            period: None,
        }]),
        calls: Some(vec![CallScope {
            target: PATH_USD,
            rules: vec![SelectorRule {
                selector: [0xa9, 0x05, 0x9c, 0xbb],
                recipients: vec![PAYEE],
            }],
        }]),
        ..KeyAuthorization::new(CHAIN, key.kind(), key.address())
    }
}

fn pays(to: Address, amount: u64, nonce: u64) -> Transaction {
    Transaction {
        calls: vec![transfer(PATH_USD, to, amount)],
        nonce,
        // Each new place in the keychain's storage is dear.
        gas_limit: 5_000_000,
        fee_token: Some(PATH_USD),
        ..payment()
    }
}

async fn state(world: &World, account: Address, key: Address) -> KeyState {
    let asked = keychain::ask_key(account, key);
    let answer = world.call(keychain::ADDRESS, &asked).await;
    keychain::read_key(&answer).unwrap()
}

async fn remaining(world: &World, account: Address, key: Address) -> U256 {
    let asked = keychain::ask_remaining(account, key, PATH_USD);
    let answer = world.call(keychain::ADDRESS, &asked).await;
    let remaining = keychain::read_remaining(&answer).unwrap();
    assert_eq!(remaining.renews, None);
    remaining.amount
}

#[tokio::test]
async fn a_key_is_authorized_with_its_first_payment_and_held_to_its_limits() {
    let Some(world) = World::new("tempo: access keys").await else {
        return;
    };
    for (number, key) in [Key::from(secp(7)), Key::from(p256(7))]
        .into_iter()
        .enumerate()
    {
        let owner = Key::from(node::account(number));
        let (account, id, kind) = (owner.address(), key.address(), key.kind());
        let expiry = world.time().await + 3600;
        let authorization = limited(&key, expiry).sign(&owner);
        let access = AccountKey::from(AccessKey {
            account,
            key,
            authorization: Some(authorization.clone()),
        });
        assert_eq!(state(&world, account, id).await, KeyState::Unknown);

        let first = Transaction {
            key_authorization: Some(authorization),
            ..pays(PAYEE, 10, 0)
        };
        let signed = whole(first, &access);
        assert_eq!(signed.authored().sender(), account);
        assert_eq!(signed.authored().access_key(), Some(id));
        let before = world.balance(PATH_USD, PAYEE).await;
        let receipt = world.send(&signed).await;
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(receipt["from"], node::hex(account));
        let active = KeyState::Active {
            kind,
            expiry: Some(expiry),
            limited: true,
        };
        assert_eq!(state(&world, account, id).await, active);
        let left = remaining(&world, account, id).await;
        assert!(left <= U256::from(10_000_000 - 10));

        // Within the limits it may go on, to the payee alone; above them nothing happens.
        let receipt = world.send(&whole(pays(PAYEE, 20, 1), &access)).await;
        assert_eq!(receipt["status"], "0x1");
        let receipt = world
            .send(&whole(pays(PAYEE, 20_000_000, 2), &access))
            .await;
        assert_eq!(receipt["status"], "0x0");
        let gained = world.balance(PATH_USD, PAYEE).await - before;
        assert_eq!(gained, U256::from(30));

        // Revoked by the account's own key, it may not even pay a fee.
        let revoke = Call {
            to: Some(keychain::ADDRESS),
            value: U256::ZERO,
            input: keychain::revoke(id),
        };
        let revoke = Transaction {
            calls: vec![revoke],
            ..pays(PAYEE, 0, 3)
        };
        let receipt = world.send(&whole(revoke, &root(owner))).await;
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(state(&world, account, id).await, KeyState::Revoked);
        let late = whole(pays(PAYEE, 1, 4), &access);
        let _ = world.offer(&late).await;
        world.mine(1).await;
        assert!(world.receipt(&late).await.is_null());
        let gained = world.balance(PATH_USD, PAYEE).await - before;
        assert_eq!(gained, U256::from(30));
    }
}

#[tokio::test]
async fn a_key_pays_whom_it_was_allowed_to() {
    let Some(world) = World::new("tempo: recipients of access keys").await else {
        return;
    };
    let owner = node::account(0);
    let account = owner.address();
    let key = Key::from(p256(7));
    let id = key.address();
    // On the chain, by a call of the account, and not with a payment.
    let authorization = limited(&key, world.time().await + 3600);
    let authorize = Call {
        to: Some(keychain::ADDRESS),
        value: U256::ZERO,
        input: keychain::authorize(&authorization),
    };
    let limit = Call {
        input: keychain::set_limit(id, PATH_USD, U256::from(5_000_000)),
        ..authorize.clone()
    };
    let transaction = Transaction {
        calls: vec![authorize, limit],
        ..pays(PAYEE, 0, 0)
    };
    let receipt = world.send(&whole(transaction, &root(owner))).await;
    assert_eq!(receipt["status"], "0x1");
    let found = state(&world, account, id).await;
    assert!(matches!(
        found,
        KeyState::Active {
            kind: KeyKind::P256,
            ..
        }
    ));
    assert_eq!(remaining(&world, account, id).await, U256::from(5_000_000));

    let access = AccountKey::from(AccessKey {
        account,
        key,
        authorization: None,
    });
    let other = Address::repeat_byte(0x99);
    let strayed = whole(pays(other, 1, 1), &access);
    let _ = world.offer(&strayed).await;
    world.mine(1).await;
    assert!(world.balance(PATH_USD, other).await.is_zero());
    let receipt = world.receipt(&strayed).await;
    let nonce = if receipt.is_null() { 1 } else { 2 };
    let receipt = world.send(&whole(pays(PAYEE, 1, nonce), &access)).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(world.balance(PATH_USD, PAYEE).await, U256::from(1));
}
