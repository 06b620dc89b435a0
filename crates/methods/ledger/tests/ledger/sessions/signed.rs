//! What is signed, to the letter, and that each line of it counts.

use farthing_core::{
    port::{
        clock::Clock as _, method::Fault, session::Session as _, session_payer::SessionPayer as _,
    },
    value::{Amount, Timestamp},
};
use farthing_ledger::{ChannelDescriptor, ChannelLock, KeyType, Salt, voucher_text};
use serde_json::{Value, json, value::to_raw_value};

use super::Shop;
use crate::fixture::{dollar, key};

fn channel() -> ChannelDescriptor {
    ChannelDescriptor {
        payer: key(KeyType::Ed25519, 7).account().clone(),
        payee: key(KeyType::Secp256k1, 7).account().clone(),
        currency: dollar(),
        signer: key(KeyType::Ed25519, 8).account().clone(),
        salt: Salt([3; 16]),
        realm: "api.example.com".parse().unwrap(),
    }
}

#[test]
fn the_texts_are_these() {
    let channel = channel();
    let (id, payee) = (channel.id(), channel.payee.clone());
    let mut lock = ChannelLock {
        channel: channel.clone(),
        opens: true,
        amount: Amount::new(5_000_000),
        valid_until: Timestamp::from_secs(1_800_000_025),
        nonce: Salt([0xff; 16]),
    };
    let rest = format!(
        "{id}\n5000000\nusd6\n{payee}\n2027-01-15T08:00:25Z\n_____________________w\napi.example.com"
    );
    assert_eq!(lock.text(), format!("farthing-ledger-open-v1\n{rest}"));
    lock.opens = false;
    assert_eq!(lock.text(), format!("farthing-ledger-top-up-v1\n{rest}"));
    assert_eq!(
        voucher_text(&id, Amount::new(25), &channel.realm),
        format!("farthing-ledger-voucher-v1\n{id}\n25\napi.example.com")
    );
}

#[tokio::test]
async fn every_member_of_an_opening_is_signed() {
    let shop = Shop::new(1_000).await;
    let (_, good) = shop.opening(100).await;
    assert!(shop.check(&good, None).await.is_ok());
    let good: Value = serde_json::from_str(good.get()).unwrap();
    let other = key(KeyType::Ed25519, 9);
    let other = other.account().did().as_str();
    let until = shop.clock.now().as_secs();
    let changes = [
        ("/descriptor/payer", json!(other)),
        ("/descriptor/payee", json!(other)),
        ("/descriptor/signer", json!(other)),
        ("/descriptor/currency", json!("eur6")),
        ("/descriptor/salt", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        ("/descriptor/realm", json!("b.example.com")),
        ("/channelId", json!(format!("0x{}", "0".repeat(64)))),
        ("/authorization/amount", json!("99")),
        ("/authorization/validUntil", json!(until + 61)),
        ("/authorization/nonce", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        ("/authorization/signature", json!("A".repeat(86))),
    ];
    for (place, value) in changes {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        // A payload that describes another channel names it, too: the lie is to be found all the same.
        for renamed in [false, true] {
            let described: Result<ChannelDescriptor, _> =
                serde_json::from_value(bad["descriptor"].clone());
            if let (true, Ok(described)) = (renamed && place != "/channelId", described) {
                bad["channelId"] = json!(described.id());
            }
            let refused = shop.check(&to_raw_value(&bad).unwrap(), None).await;
            assert!(refused.is_err(), "{place} was changed");
        }
    }
}

#[tokio::test]
async fn every_member_of_a_top_up_is_signed() {
    let shop = Shop::new(1_000).await;
    let channel = shop.open(100).await;
    let good = shop.top_up(&channel, 50).await;
    let terms = Some(&channel.terms);
    assert!(shop.check(&good, terms).await.is_ok());
    let good: Value = serde_json::from_str(good.get()).unwrap();
    let changes = [
        ("/authorization/amount", json!("51")),
        (
            "/authorization/validUntil",
            json!(shop.clock.now().as_secs() + 61),
        ),
        ("/authorization/nonce", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        ("/additionalDeposit", json!("51")),
    ];
    for (place, value) in changes {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value.clone();
        if place == "/authorization/amount" {
            bad["additionalDeposit"] = value;
        }
        let refused = shop.check(&to_raw_value(&bad).unwrap(), terms).await;
        assert!(refused.is_err(), "{place} was changed");
    }
    // An opening's signature tops nothing up, and a top-up's opens nothing.
    let mut opens = good;
    opens["action"] = json!("open");
    let voucher = shop
        .payer
        .voucher(&channel.keeping, Amount::ZERO, false)
        .unwrap();
    let voucher: Value = serde_json::from_str(voucher.get()).unwrap();
    opens["cumulativeAmount"] = voucher["cumulativeAmount"].clone();
    opens["signature"] = voucher["signature"].clone();
    assert!(
        shop.check(&to_raw_value(&opens).unwrap(), None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_authorization_is_good_for_a_day_at_the_most() {
    let shop = Shop::new(1_000).await;
    let buyer = key(KeyType::Ed25519, 7);
    let (keeping, payload) = shop.opening(100).await;
    let mut payload: Value = serde_json::from_str(payload.get()).unwrap();
    let day = 24 * 60 * 60;
    for (secs, good) in [(1, true), (day, true), (day + 1, false), (0, false)] {
        let lock = ChannelLock {
            channel: serde_json::from_value(keeping.details["descriptor"].clone()).unwrap(),
            opens: true,
            amount: Amount::new(100),
            valid_until: Timestamp::from_secs(shop.clock.now().as_secs() + secs),
            nonce: Salt([0; 16]),
        };
        let signature = buyer.sign(lock.text().as_bytes());
        payload["authorization"] = json!({
            "amount": "100",
            "validUntil": lock.valid_until.as_secs(),
            "nonce": "AAAAAAAAAAAAAAAAAAAAAA",
            "signature": farthing_core::encoding::base64url::encode(signature),
        });
        let checked = shop.check(&to_raw_value(&payload).unwrap(), None).await;
        assert_eq!(checked.is_ok(), good, "{secs}");
    }
    for until in [json!(u64::MAX), json!(-1), json!("1800000060")] {
        payload["authorization"]["validUntil"] = until;
        let refusal = shop
            .check(&to_raw_value(&payload).unwrap(), None)
            .await
            .err();
        assert_eq!(refusal.unwrap().fault, Fault::Malformed);
    }
}

#[tokio::test]
async fn whoever_presents_an_opening_is_its_payer_or_says_nothing() {
    let shop = Shop::new(1_000).await;
    let (_, payload) = shop.opening(100).await;
    let buyer = shop.buyer.did().as_str().to_owned();
    for (source, good) in [(Some(&*buyer), true), (Some("did:key:zother"), false)] {
        let mut shown = shop.shown(&payload);
        shown.source = source;
        let farthing_core::port::session::Action::Open(funding) =
            shop.sessions.read(&shown).unwrap()
        else {
            panic!("an opening is an opening")
        };
        let checked = shop.sessions.check(shown, &funding, None).await;
        assert_eq!(checked.is_ok(), good);
    }
}
