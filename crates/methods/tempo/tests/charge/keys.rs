//! Accounts of every kind: of the other curve, with access keys, and contracts.

use farthing_core::header::authorization;
use farthing_evm::{Address, Bytes, SigningKey, U256};
use farthing_server::Route;
use farthing_tempo::{
    AccessKey, AccountKey, Call, Key, KeyAuthorization, KeyKind, P256Key, ProofVersion, TokenLimit,
    Transaction, keychain,
};
use farthing_testkit::chain::Mining;
use serde_json::json;

use crate::{
    buyer::{Buyer, account, proof_payload},
    shop::{CHAIN, PATH_USD, PAYEE, PRICE, Shop, route, route_with},
};

fn secp(byte: u8) -> SigningKey {
    SigningKey::from_bytes([byte; 32]).unwrap()
}

/// A buyer with an access key of an account, and what the account signed to allow it.
fn access(owner: usize, key: impl Into<Key>, limit: Option<u64>) -> (Buyer, KeyAuthorization) {
    let key = key.into();
    let kind = match &key {
        Key::Secp256k1(_) => KeyKind::Secp256k1,
        Key::P256(_) => KeyKind::P256,
    };
    let mut authorization = KeyAuthorization::new(CHAIN, kind, key.address());
    authorization.limits = limit.map(|limit| {
        vec![TokenLimit {
            token: PATH_USD,
            limit: U256::from(limit),
            period: None,
        }]
    });
    let buyer = Buyer::with(AccountKey::from(AccessKey {
        account: account(owner).address(),
        key,
        authorization: None,
    }));
    (buyer, authorization)
}

/// Sends a call of an account's own, in a lane of its own.
async fn call(shop: &Shop, owner: usize, nonce: u64, to: Address, input: Bytes) {
    let call = Call {
        to: Some(to),
        value: U256::ZERO,
        input,
    };
    let transaction = Transaction {
        max_fee_per_gas: 24_000_000_000,
        gas_limit: 2_000_000,
        nonce,
        fee_token: Some(PATH_USD),
        ..Transaction::new(CHAIN, vec![call])
    };
    let signed = transaction.sign(&AccountKey::from(account(owner))).unwrap();
    assert!(shop.send(&signed.whole().unwrap()).await.succeeded());
}

#[tokio::test]
async fn an_account_of_the_other_curve_pays() {
    let Some(shop) = Shop::open("tempo: P-256 pays", route()).await else {
        return;
    };
    let buyer = Buyer::with(P256Key::from_bytes([9; 32]).unwrap().into());
    shop.fund(PATH_USD, buyer.address(), 100_000).await;
    let asked = shop.ask().await;
    assert_eq!(shop.buy(&buyer, &asked).await.status, 200);
}

#[tokio::test]
async fn an_account_of_the_other_curve_proves() {
    let buyer = Buyer::with(P256Key::from_bytes([9; 32]).unwrap().into());
    let free = Route::priced("$0").unwrap();
    let Some(shop) = Shop::open("tempo: P-256 proves", free).await else {
        return;
    };
    let asked = shop.ask().await;
    let answer = shop.present(&buyer.prove(&asked, ProofVersion::V3)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn an_access_key_pays_within_its_limits_until_it_is_revoked() {
    let Some(shop) = Shop::open("tempo: an access key pays", route()).await else {
        return;
    };
    let insufficient = "payment-insufficient";
    // Unknown to the chain.
    let (buyer, authorization) = access(0, secp(10), Some(60_000));
    let asked = shop.ask().await;
    let answer = shop.buy(&buyer, &asked).await;
    answer.assert_refused("verification-failed", "access key");
    // It brings along what the account signed.
    let asked = shop.ask().await;
    let with = Transaction {
        key_authorization: Some(authorization.sign(&account(0).into())),
        ..buyer.transaction(&asked, shop.now())
    };
    let answer = shop.present(&buyer.pull(&asked, with)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // And from then on it is known.
    let asked = shop.ask().await;
    assert_eq!(shop.buy(&buyer, &asked).await.status, 200);
    call(
        &shop,
        0,
        0,
        keychain::ADDRESS,
        keychain::set_limit(secp(10).address(), PATH_USD, U256::from(PRICE - 1)),
    )
    .await;
    let asked = shop.ask().await;
    let answer = shop.buy(&buyer, &asked).await;
    answer.assert_refused(insufficient, "1999 more of the token, and 2000");
    call(
        &shop,
        0,
        1,
        keychain::ADDRESS,
        keychain::revoke(secp(10).address()),
    )
    .await;
    let asked = shop.ask().await;
    let answer = shop.buy(&buyer, &asked).await;
    answer.assert_refused("verification-failed", "access key");
    assert_eq!(shop.runs(), 2);
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 2 * PRICE);
}

#[tokio::test]
async fn an_access_key_proves_while_it_is_active() {
    let free = Route::priced("$0").unwrap();
    let Some(shop) = Shop::open("tempo: an access key proves", free).await else {
        return;
    };
    let (buyer, authorization) = access(0, P256Key::from_bytes([10; 32]).unwrap(), None);
    let prove = async || {
        let asked = shop.ask().await;
        shop.present(&buyer.prove(&asked, ProofVersion::V3)).await
    };
    prove()
        .await
        .assert_refused("verification-failed", "signature");
    let key = authorization.key;
    call(
        &shop,
        0,
        0,
        keychain::ADDRESS,
        keychain::authorize(&authorization),
    )
    .await;
    assert_eq!(prove().await.status, 200);
    call(&shop, 0, 1, keychain::ADDRESS, keychain::revoke(key)).await;
    prove()
        .await
        .assert_refused("verification-failed", "signature");
    assert_eq!(shop.runs(), 1);
}

#[tokio::test]
async fn a_contract_proves_by_its_own_word() {
    let free = Route::priced("$0").unwrap();
    let Some(shop) = Shop::open("tempo: a contract proves", free).await else {
        return;
    };
    let contract = Address::repeat_byte(0x77);
    let present = async |signature: &[u8]| {
        let asked = shop.ask().await;
        let source = crate::buyer::source(contract, &asked);
        let source = farthing_core::noun::Source::new(source).ok();
        let signature = Bytes::copy_from_slice(signature);
        let payload = proof_payload(&signature);
        shop.present(&crate::buyer::present(&asked, source, &payload))
            .await
    };
    let invalid = "verification-failed";
    // Nobody is there.
    present(&[1, 2, 3])
        .await
        .assert_refused(invalid, "signature");
    // One that answers everything with the selector of `isValidSignature`, and one that answers nothing.
    let yes = "0x631626ba7e60e01b60005260206000f3";
    shop.chain.set_code(&contract.to_string(), yes).await;
    assert_eq!(present(&[1, 2, 3]).await.status, 200);
    shop.chain.set_code(&contract.to_string(), "0x00").await;
    present(&[1, 2, 3])
        .await
        .assert_refused(invalid, "signature");
    assert_eq!(shop.runs(), 1);
}

#[tokio::test]
async fn the_version_before_is_taken_where_the_seller_says_so() {
    let shop = Shop::open_with("tempo: version 2", |setup| {
        setup.route = Route::priced("$0").unwrap();
        setup.options.proofs = vec![ProofVersion::V3, ProofVersion::V2];
    });
    let Some(shop) = shop.await else {
        return;
    };
    let buyer = Buyer::number(0);
    for version in [ProofVersion::V2, ProofVersion::V3] {
        let asked = shop.ask().await;
        let answer = shop.present(&buyer.prove(&asked, version)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // A proof is over its challenge.
    let (first, second) = (shop.ask().await, shop.ask().await);
    let credential = buyer.prove(&first, ProofVersion::V3);
    let mut buffer = Vec::new();
    let read = authorization::decode(credential.as_bytes(), &mut buffer).unwrap();
    let moved = buyer.present(&second, read.payload().get());
    let answer = shop.present(&moved).await;
    answer.assert_refused("verification-failed", "signature");
}

#[tokio::test]
async fn what_is_signed_twice_is_one_payment() {
    let terms = json!({ "memo": format!("0x{}", "11".repeat(32)) });
    let shop = Shop::open_with("tempo: signed twice", |setup| {
        setup.route = route_with(&terms);
        setup.mining = Mining::Both(std::time::Duration::from_secs(3600));
        setup.options.patience = std::time::Duration::from_millis(200);
    });
    let Some(shop) = shop.await else {
        return;
    };
    let (delegate, authorization) = access(0, secp(10), None);
    call(
        &shop,
        0,
        0,
        keychain::ADDRESS,
        keychain::authorize(&authorization),
    )
    .await;
    // The account and its access key sign the same: other bytes, another hash, one payment.
    let root = Buyer::number(0);
    let (first, second) = (shop.ask().await, shop.ask().await);
    let transaction = root.transaction(&first, shop.now());
    let hashes = [&root, &delegate].map(|buyer| {
        let signed = buyer.sign(transaction.clone());
        signed.whole().unwrap().hash()
    });
    assert_ne!(hashes[0], hashes[1]);
    let credentials = [
        root.pull(&first, transaction.clone()),
        delegate.pull(&second, transaction),
    ];
    let both = credentials.iter().map(|one| shop.present(one));
    let answers = futures_util::future::join_all(both).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(served, 1, "{answers:?}");
    let other = answers.iter().find(|answer| answer.status != 200).unwrap();
    other.assert_refused("verification-failed", "already used");
    assert_eq!(shop.runs(), 1);
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, PRICE);
}
