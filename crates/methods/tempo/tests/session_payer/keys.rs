//! Wallets of every kind: who signs the vouchers, and what an access key may lock.

use farthing_core::{
    intent::session::Protocol,
    port::{method::Fault, session_payer::SessionPayer},
};
use farthing_evm::{Address, At, CallRequest, SigningKey, U256, request};
use farthing_tempo::{
    AccessKey, AccountKey, CallScope, Key, KeyAuthorization, P256Key, SelectorRule, TokenLimit,
    keychain,
    session::{Origin, RESERVE_ADDRESS, TempoChannel},
    token::known,
};

use crate::world::{BOTH, CHAIN, World, account, amount, fee, path, payer_key, signing};

fn p256() -> P256Key {
    P256Key::from_bytes([6; 32]).unwrap()
}

fn access() -> SigningKey {
    SigningKey::from_bytes([5; 32]).unwrap()
}

/// A key that the account allows some things, and takes the permission along.
fn holder(key: impl Into<Key>, change: impl FnOnce(&mut KeyAuthorization)) -> AccountKey {
    let key = key.into();
    let mut grant = KeyAuthorization::new(CHAIN, key.kind(), key.address());
    change(&mut grant);
    AccountKey::from(AccessKey {
        account: account(),
        authorization: Some(grant.sign(&Key::from(signing(0)))),
        key,
    })
}

fn limited(units: u64) -> impl FnOnce(&mut KeyAuthorization) {
    move |grant| {
        let limit = |token, limit| TokenLimit {
            token,
            limit: U256::from(limit),
            period: None,
        };
        grant.limits = Some(vec![
            limit(path(), units),
            limit(known::ALPHA_USD.address, 100_000_000),
        ]);
    }
}

fn signer(kept: &farthing_core::port::session_payer::Keeping) -> Address {
    match TempoChannel::read(&kept.details).unwrap().origin() {
        Origin::V1(opened) => opened.authorized_signer,
        Origin::V2(descriptor) => descriptor.authorized_signer,
    }
}

#[tokio::test]
async fn vouchers_of_every_wallet_settle() {
    let Some(world) = World::new("wallets").await else {
        return;
    };
    let rich = farthing_testkit::chain::ACCOUNTS[3].address;
    let passkey = p256().address().to_string();
    let token = path().to_string();
    world
        .chain
        .give_token(rich, &token, &passkey, 50_000_000)
        .await;
    let wallets: [fn() -> AccountKey; 4] = [
        payer_key,
        || p256().into(),
        || holder(access(), |_| {}),
        || holder(p256(), |_| {}),
    ];
    for protocol in BOTH {
        for (number, wallet) in wallets.into_iter().enumerate() {
            let payer = world.payer(wallet());
            let (channel, _) = world.opened(&payer, protocol, 100).await;
            let voucher = payer.voucher(&channel, amount(40), false).unwrap();
            assert_eq!(world.settled(&channel, &voucher).await, 40, "{number}");
            match number {
                0 => assert_eq!(signer(&channel), Address::ZERO),
                2 => assert_eq!(signer(&channel), access().address()),
                _ => assert!(![Address::ZERO, p256().address()].contains(&signer(&channel))),
            }
            // Another process with the same wallet goes on where this one stopped.
            let again = world.payer(wallet());
            let voucher = again.voucher(&channel, amount(100), true).unwrap();
            assert_eq!(world.settled(&channel, &voucher).await, 60, "{number}");
            // Another wallet does not, and neither does another channel's key.
            let others = wallets
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != number);
            for (_, other) in others {
                let other = world.payer(other());
                assert!(other.voucher(&channel, amount(101), false).is_err());
            }
        }
        let payer = world.payer(p256());
        let [one, other] = [
            world.opened(&payer, protocol, 5).await.0,
            world.opened(&payer, protocol, 5).await.0,
        ];
        assert_ne!(
            signer(&one),
            signer(&other),
            "each channel has a key of its own"
        );
    }
}

#[tokio::test]
async fn what_a_channel_locks_counts_on_an_access_keys_limit() {
    let Some(world) = World::new("limits").await else {
        return;
    };
    let remaining = async || {
        let asked = CallRequest {
            to: keychain::ADDRESS,
            data: keychain::ask_remaining(account(), access().address(), path()),
            ..CallRequest::default()
        };
        let answer = world
            .node
            .ask(request::call(&asked, At::Latest))
            .await
            .unwrap();
        keychain::read_remaining(&answer).unwrap().amount
    };
    let paying = |options: &mut farthing_tempo::session::SessionPayerOptions| {
        options.paying.fee_token = Some(known::ALPHA_USD.clone());
    };
    let limit = 10_000;
    let payer = world.payer_with(holder(access(), limited(limit)), paying);
    let first = world.offer(Protocol::V1);
    let over = payer.open(&first, amount(limit + 1), world.now()).await;
    assert_eq!(over.unwrap_err().fault, Fault::Insufficient);
    let (channel, _) = world.opened(&payer, Protocol::V1, 3_000).await;
    assert_eq!(remaining().await, U256::from(limit - 3_000));
    let top_up = payer.top_up(&first, &channel, amount(1_000), world.now());
    world.hand_in(&top_up.await.unwrap()).await;
    assert_eq!(remaining().await, U256::from(limit - 4_000));
    // The chain knows what is left; what it knows is kept to before anything is signed.
    let over = payer
        .open(&first, amount(limit - 4_000 + 1), world.now())
        .await;
    assert_eq!(over.unwrap_err().fault, Fault::Insufficient);
}

#[tokio::test]
async fn an_access_key_opens_only_where_it_may_call() {
    let Some(world) = World::new("scopes of a key").await else {
        return;
    };
    let scope = |target, selector, recipients: &[Address]| CallScope {
        target,
        rules: vec![SelectorRule {
            selector,
            recipients: recipients.to_vec(),
        }],
    };
    let any = |target| CallScope {
        target,
        rules: Vec::new(),
    };
    let approve = [0x09, 0x5e, 0xa7, 0xb3];
    let escrow = world.escrow.contract;
    let check = async |scopes: Vec<CallScope>, protocol, expect: bool| {
        let key = holder(access(), |grant| grant.calls = Some(scopes.clone()));
        let payer = world.payer(key);
        let offer = world.offer(protocol);
        let opening = payer.open(&offer, amount(10), world.now()).await;
        assert_eq!(opening.is_ok(), expect, "{protocol:?} {scopes:?}");
        opening.ok()
    };
    check(vec![any(RESERVE_ADDRESS)], Protocol::V2, true).await;
    check(vec![any(path())], Protocol::V2, false).await;
    check(vec![any(escrow)], Protocol::V1, false).await;
    let elsewhere = scope(path(), approve, &[Address::repeat_byte(1)]);
    check(vec![any(escrow), elsewhere], Protocol::V1, false).await;
    let exact = vec![any(escrow), scope(path(), approve, &[escrow])];
    let opening = check(exact, Protocol::V1, true).await.unwrap();
    let receipt = world.hand_in(&opening.locking).await;
    assert!(fee(&receipt) <= opening.locking.fee.unwrap().most.units());
}
