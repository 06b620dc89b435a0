//! Paying with an access key, within what its account allowed it.

use std::num::NonZeroU64;

use farthing_client::{Client, Error, PayerFault, Policy};
use farthing_evm::{Address, Bytes, SigningKey, U256};
use farthing_tempo::{
    AccessKey, AccountKey, Call, CallScope, Key, KeyAuthorization, KeyKind, P256Key, PayerError,
    PayerOptions, SelectorRule, SignedKeyAuthorization, TempoPayer, TokenLimit, Transaction,
    keychain,
};
use serde_json::json;

use crate::market::{
    CHAIN, Market, PATH, PAYEE, PRICE, account, generous, key, price, route, signing,
};

/// What a transfer with a memo is called by.
const TRANSFER_WITH_MEMO: [u8; 4] = [0x95, 0x77, 0x7d, 0x59];

fn access() -> SigningKey {
    SigningKey::from_bytes([5; 32]).unwrap()
}

fn grant(
    key: Address,
    kind: KeyKind,
    change: impl FnOnce(&mut KeyAuthorization),
) -> SignedKeyAuthorization {
    let mut grant = KeyAuthorization::new(CHAIN, kind, key);
    change(&mut grant);
    grant.sign(&Key::from(signing(0)))
}

fn holder(key: impl Into<Key>, authorization: Option<SignedKeyAuthorization>) -> AccountKey {
    AccountKey::from(AccessKey {
        account: account(0),
        key: key.into(),
        authorization,
    })
}

async fn market(test: &str) -> Option<Market> {
    Market::open(test, route(json!({})), |_| {}).await
}

/// What an authorization costs to write down on the chain is more than most fees.
fn lavish() -> Policy {
    generous().max_fee(price("$1"))
}

fn limited(amount: u64) -> impl FnOnce(&mut KeyAuthorization) {
    move |grant| {
        grant.limits = Some(vec![TokenLimit {
            token: PATH,
            limit: U256::from(amount),
            period: None,
        }]);
    }
}

async fn refusal(client: &Client, market: &Market) -> String {
    match client.get(&market.url).send().await.unwrap_err() {
        Error::Payer(PayerFault::Payer(refusal)) => refusal.to_string(),
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_payment_takes_the_authorization_along() {
    let Some(market) = market("payer: access key").await else {
        return;
    };
    let end = NonZeroU64::new(market.now().as_secs() + 3_600);
    let scoped = |grant: &mut KeyAuthorization| {
        limited(1_000_000)(grant);
        grant.expiry = end;
        grant.calls = Some(vec![CallScope {
            target: PATH,
            rules: vec![SelectorRule {
                selector: TRANSFER_WITH_MEMO,
                recipients: vec![PAYEE],
            }],
        }]);
    };
    let other = P256Key::from_bytes([6; 32]).unwrap();
    let signed = [
        (
            grant(access().address(), KeyKind::Secp256k1, scoped),
            Key::from(access()),
        ),
        (
            grant(other.address(), KeyKind::P256, scoped),
            Key::from(other),
        ),
    ];
    for (authorization, key) in signed {
        let before = market.balance(PATH, account(0)).await;
        let payer = market.payer(holder(key, Some(authorization)));
        assert_eq!(payer.account(), account(0));
        let client = market.client(payer, lavish());
        let mut fees = 0;
        for _ in 0..2 {
            let response = client.get(&market.url).send().await.unwrap();
            let paid = response.paid().cloned().unwrap();
            fees += market.fee(paid.reference.unwrap().as_str()).await;
        }
        assert_eq!(
            before - market.balance(PATH, account(0)).await,
            2 * PRICE + fees
        );
    }
    assert_eq!(market.balance(PATH, PAYEE).await, 4 * PRICE);
}

#[tokio::test]
async fn what_the_key_may_not_is_refused_before_it_signs() {
    let Some(market) = market("payer: access key's limits").await else {
        return;
    };
    let now = market.now().as_secs();
    let only = |recipient: Address| {
        move |grant: &mut KeyAuthorization| {
            grant.calls = Some(vec![CallScope {
                target: PATH,
                rules: vec![SelectorRule {
                    selector: TRANSFER_WITH_MEMO,
                    recipients: vec![recipient],
                }],
            }]);
        }
    };
    type Change = Box<dyn FnOnce(&mut KeyAuthorization)>;
    let cases: Vec<(Change, &str)> = vec![
        (
            Box::new(limited(PRICE - 1)),
            "may not spend that much pathUSD",
        ),
        // Room for the price and not for the fee.
        (Box::new(limited(PRICE)), "may not spend that much pathUSD"),
        (
            Box::new(|grant| grant.limits = Some(Vec::new())),
            "may not spend that much pathUSD",
        ),
        (
            Box::new(only(Address::repeat_byte(1))),
            "may not pay this recipient",
        ),
        (
            Box::new(|grant| grant.calls = Some(Vec::new())),
            "may not pay this recipient",
        ),
        (
            Box::new(move |grant| grant.expiry = NonZeroU64::new(now + 10)),
            "has run out",
        ),
    ];
    for (change, expect) in cases {
        let authorization = grant(access().address(), KeyKind::Secp256k1, change);
        let client = market.client(
            market.payer(holder(access(), Some(authorization))),
            lavish(),
        );
        let said = refusal(&client, &market).await;
        assert!(said.contains(expect), "{said}");
        assert_eq!(market.used(&client).await, 0);
    }
    // Without the authorization, the chain knows nothing of the key.
    let client = market.client(market.payer(holder(access(), None)), lavish());
    assert!(
        refusal(&client, &market)
            .await
            .contains("has not authorized")
    );
    assert_eq!(market.balance(PATH, PAYEE).await, 0);
}

#[tokio::test]
async fn a_key_that_spent_its_limit_or_was_revoked_signs_nothing_more() {
    let Some(market) = market("payer: access key's end").await else {
        return;
    };
    let authorization = grant(access().address(), KeyKind::Secp256k1, limited(100_000));
    let payer = || market.payer(holder(access(), Some(authorization.clone())));
    let client = market.client(payer(), lavish());
    let mut served = 0;
    let said = loop {
        match client.get(&market.url).send().await {
            Ok(_) => served += 1,
            Err(Error::Payer(PayerFault::Payer(refusal))) => break refusal.to_string(),
            Err(other) => unreachable!("{other:?}"),
        }
        assert!(
            served < 50,
            "a hundred thousand are no fifty payments of two thousand"
        );
    };
    assert!(said.contains("may not spend that much pathUSD"), "{said}");
    assert!(served > 1, "{served}");
    assert_eq!(market.balance(PATH, PAYEE).await, served * PRICE);

    revoke(&market, access().address()).await;
    let client = market.client(payer(), lavish());
    let said = refusal(&client, &market).await;
    assert!(said.contains("was revoked"), "{said}");
    assert_eq!(market.balance(PATH, PAYEE).await, served * PRICE);
}

/// The account takes a key's right back.
async fn revoke(market: &Market, which: Address) {
    let input: Bytes = keychain::revoke(which);
    let call = Call {
        to: Some(keychain::ADDRESS),
        value: U256::ZERO,
        input,
    };
    let mut transaction = Transaction::new(CHAIN, vec![call]);
    transaction.gas_limit = 1_000_000;
    transaction.max_fee_per_gas = 40_000_000_000;
    transaction.nonce_key = U256::from(77);
    transaction.fee_token = Some(PATH);
    let signed = transaction.sign(&key(0)).unwrap().whole().unwrap();
    assert!(market.send(&signed).await.succeeded());
}

#[tokio::test]
async fn a_grant_of_another_key_is_no_grant() {
    let Some(market) = market("payer: another's grant").await else {
        return;
    };
    let other = grant(Address::repeat_byte(9), KeyKind::Secp256k1, |_| {});
    let options = PayerOptions {
        grant: Some(other.authorization().clone()),
        ..PayerOptions::default()
    };
    let (network, node) = (market.network.clone(), market.node.clone());
    let made = TempoPayer::new(holder(access(), None), network, node, options);
    assert_eq!(made.err(), Some(PayerError::Grant));
}
