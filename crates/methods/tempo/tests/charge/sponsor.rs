//! A sponsor lends fees, and no more than it said.

use std::time::Duration;

use farthing_core::value::Amount;
use farthing_evm::{Address, SigningKey, U256};
use farthing_tempo::{
    AccessKey, AccountKey, KeyAuthorization, KeyKind, Sponsor, Transaction, tip20, token::known,
};
use farthing_testkit::chain::Mining;

use crate::{
    buyer::{Asked, Buyer, account},
    shop::{CHAIN, PATH_USD, PAYEE, PRICE, SPONSOR, Setup, Shop},
};

fn sponsored(change: impl FnOnce(&mut Sponsor)) -> impl FnOnce(&mut Setup) {
    |setup| {
        let mut sponsor = Sponsor::new(account(SPONSOR), known::PATH_USD);
        change(&mut sponsor);
        setup.options.sponsor = Some(sponsor);
    }
}

async fn pay(shop: &Shop, buyer: &Buyer, change: impl FnOnce(&Asked, &mut Transaction)) -> String {
    let asked = shop.ask().await;
    let mut transaction = buyer.transaction(&asked, shop.now());
    change(&asked, &mut transaction);
    buyer.pull(&asked, transaction)
}

async fn fees(shop: &Shop) -> u64 {
    shop.balance(PATH_USD, account(SPONSOR).address()).await
}

#[tokio::test]
async fn what_it_did_not_offer_it_does_not_pay() {
    let open = sponsored(|sponsor| sponsor.gas = 1_900_000);
    let Some(shop) = Shop::open_with("tempo: a sponsor's bounds", open).await else {
        return;
    };
    let buyer = Buyer::number(0);
    let before = fees(&shop).await;
    let invalid = "verification-failed";
    type Change = fn(&Asked, &mut Transaction);
    let bad: [(&str, Change); 9] = [
        ("1900000 is the most", |_, _| {}),
        ("50000 is the most we pay", |_, t| {
            t.gas_limit = 1_900_000;
            t.max_fee_per_gas = 26_316_000_000;
        }),
        ("a lane that payments cannot use", |_, t| {
            t.gas_limit = 1_900_000;
            t.nonce_key = U256::from(1);
        }),
        ("valid for longer", |_, t| {
            t.gas_limit = 1_900_000;
            *t.valid_before.as_mut().unwrap() += 60;
        }),
        ("1 transfers were asked for", |_, t| {
            t.gas_limit = 1_900_000;
            t.calls.push(t.calls[0].clone());
        }),
        ("another call of the token", |_, t| {
            t.gas_limit = 1_900_000;
            let mut input = t.calls[0].input.to_vec();
            input.extend([0; 32]);
            t.calls[0].input = input.into();
        }),
        ("an access list", |_, t| {
            t.gas_limit = 1_900_000;
            let entry = farthing_tempo::AccessListEntry {
                address: PAYEE,
                storage_keys: vec![],
            };
            t.access_list.push(entry);
        }),
        ("the authorization of an access key", |_, t| {
            t.gas_limit = 1_900_000;
            let key = KeyAuthorization::new(CHAIN, KeyKind::Secp256k1, PAYEE);
            t.key_authorization = Some(key.sign(&account(0).into()));
        }),
        ("sign the half for a sponsor", |asked, t| {
            t.gas_limit = 1_900_000;
            t.sponsored = false;
            t.fee_token = Some(asked.token());
        }),
    ];
    for (detail, change) in bad {
        let answer = shop.present(&pay(&shop, &buyer, change).await).await;
        answer.assert_refused(invalid, detail);
    }
    // It does not lend to itself.
    let own = Buyer::number(SPONSOR);
    let credential = pay(&shop, &own, |_, t| t.gas_limit = 1_900_000).await;
    let answer = shop.present(&credential).await;
    answer.assert_refused(invalid, "does not pay for itself");
    // Nor for one who cannot pay the price, which is found out before anything is signed.
    let poor = Buyer::with(SigningKey::from_bytes([9; 32]).unwrap().into());
    let credential = pay(&shop, &poor, |_, t| t.gas_limit = 1_900_000).await;
    let answer = shop.present(&credential).await;
    answer.assert_refused("payment-insufficient", "0, and 2000 is needed");
    assert_eq!(shop.proxy.count("eth_sendRawTransactionSync"), 0);
    assert_eq!(fees(&shop).await, before);
}

#[tokio::test]
async fn what_is_in_flight_has_an_end_and_comes_free() {
    let shop = Shop::open_with("tempo: in flight", |setup| {
        sponsored(|sponsor| sponsor.in_flight = 2)(setup);
        setup.mining = Mining::Manual;
        setup.options.patience = Duration::from_millis(200);
    });
    let Some(shop) = shop.await else {
        return;
    };
    let buyer = Buyer::number(0);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let credential = pay(&shop, &buyer, |_, _| {}).await;
        shop.present(&credential).await.assert_unresolved();
        waiting.push(credential);
    }
    // The limit is the seller's: nobody's payment is bad, and nothing was sent.
    let third = pay(&shop, &buyer, |_, _| {}).await;
    let sent = shop.proxy.count("eth_sendRawTransactionSync");
    let answer = shop.present(&third).await;
    assert_eq!((answer.status, answer.kind()), (503, "overloaded"));
    assert_eq!(answer.problem["moneyMoved"], false);
    assert_eq!(shop.proxy.count("eth_sendRawTransactionSync"), sent);
    shop.chain.mine(1).await;
    shop.clock.advance(Duration::from_secs(3));
    for credential in &waiting {
        assert_eq!(shop.present(credential).await.status, 200);
    }
    // What was in flight is not, so there is room.
    shop.present(&third).await.assert_unresolved();
    shop.chain.mine(1).await;
    shop.clock.advance(Duration::from_secs(3));
    assert_eq!(shop.present(&third).await.status, 200);
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 3 * PRICE);
}

#[tokio::test]
async fn the_fees_in_flight_have_an_end() {
    let open = sponsored(|sponsor| {
        sponsor.fee = Amount::new(48_000);
        sponsor.fees_in_flight = Amount::new(95_999);
    });
    let shop = Shop::open_with("tempo: fees in flight", |setup| {
        open(setup);
        setup.mining = Mining::Manual;
        setup.options.patience = Duration::from_millis(200);
    });
    let Some(shop) = shop.await else {
        return;
    };
    let buyer = Buyer::number(0);
    let first = pay(&shop, &buyer, |_, _| {}).await;
    shop.present(&first).await.assert_unresolved();
    let second = pay(&shop, &buyer, |_, _| {}).await;
    let answer = shop.present(&second).await;
    assert_eq!((answer.status, answer.kind()), (503, "overloaded"));
    let told = answer.problem["detail"].as_str().unwrap();
    assert!(told.contains("fees"), "{told}");
    // One that may cost a little less fits.
    let third = pay(&shop, &buyer, |_, t| t.gas_limit -= 1000).await;
    shop.present(&third).await.assert_unresolved();
}

#[tokio::test]
async fn it_never_runs_dry() {
    let open = sponsored(|sponsor| {
        sponsor.fee_tokens = vec![known::PATH_USD, known::ALPHA_USD];
    });
    let Some(shop) = Shop::open_with("tempo: a dry sponsor", open).await else {
        return;
    };
    let (buyer, sponsor) = (Buyer::number(0), account(SPONSOR).address());
    let alpha = known::ALPHA_USD.address;
    let before = [fees(&shop).await, shop.balance(alpha, sponsor).await];
    assert_eq!(
        shop.present(&pay(&shop, &buyer, |_, _| {}).await)
            .await
            .status,
        200
    );
    assert!(fees(&shop).await < before[0]);
    // The first token is spent, so the next is taken.
    shop.drain(PATH_USD, sponsor).await;
    let has = shop.balance(alpha, sponsor).await;
    let answer = shop.present(&pay(&shop, &buyer, |_, _| {}).await).await;
    let fee = tip20::fee_of(&shop.receipt(answer.hash()).await.unwrap());
    let spent = has - shop.balance(alpha, sponsor).await;
    assert_eq!(u128::from(spent), fee.units());
    // And when there is less than may be in flight, nothing more is sponsored.
    shop.drain(alpha, sponsor).await;
    let last = pay(&shop, &buyer, |_, _| {}).await;
    let answer = shop.present(&last).await;
    assert_eq!((answer.status, answer.kind()), (503, "rail-unavailable"));
    assert_eq!(answer.problem["moneyMoved"], false);
    shop.fund(PATH_USD, sponsor, 499_999).await;
    assert_eq!(shop.present(&last).await.status, 503);
    shop.fund(PATH_USD, sponsor, 1).await;
    assert_eq!(shop.present(&last).await.status, 200);
}

#[tokio::test]
async fn a_sponsored_transaction_that_fails_costs_its_fee_and_no_more() {
    let shop = Shop::open_with("tempo: a sponsor's loss", |setup| {
        sponsored(|sponsor| sponsor.in_flight = 1)(setup);
        setup.mining = Mining::Manual;
        setup.options.patience = Duration::from_millis(200);
    });
    let Some(shop) = shop.await else {
        return;
    };
    // Two payments of one who has money for one: each is good when it is looked at.
    let buyer = Buyer::with(SigningKey::from_bytes([9; 32]).unwrap().into());
    shop.chain.mine(1).await;
    let giver = Buyer::number(2);
    let asked = shop.ask().await;
    let gift = Transaction {
        calls: vec![farthing_tempo::Call {
            to: Some(PATH_USD),
            value: U256::ZERO,
            input: tip20::calls::transfer(buyer.address(), Amount::new(PRICE.into()), None),
        }],
        sponsored: false,
        fee_token: Some(PATH_USD),
        ..giver.transaction(&asked, shop.now())
    };
    let gift = giver.sign(gift).whole().unwrap();
    let bytes = serde_json::json!([gift.raw().bytes()]).to_string();
    shop.chain.rpc("eth_sendRawTransaction", &bytes).await;
    shop.chain.mine(1).await;
    let credential = pay(&shop, &buyer, |_, _| {}).await;
    let before = fees(&shop).await;
    shop.present(&credential).await.assert_unresolved();
    // By the time of the block the money is gone.
    shop.drain(PATH_USD, buyer.address()).await;
    shop.chain.mine(1).await;
    shop.clock.advance(Duration::from_secs(3));
    let answer = shop.present(&credential).await;
    answer.assert_refused("verification-failed", "it failed");
    let lost = before - fees(&shop).await;
    assert!(lost > 0 && lost <= 48_000, "{lost}");
    assert_eq!(shop.runs(), 0);
    // What was in flight is free again.
    let next = pay(&shop, &Buyer::number(0), |_, _| {}).await;
    shop.present(&next).await.assert_unresolved();
    shop.chain.mine(1).await;
    shop.clock.advance(Duration::from_secs(3));
    assert_eq!(shop.present(&next).await.status, 200);
}

#[tokio::test]
async fn fees_for_payments_that_failed_are_lost_up_to_a_bound_in_an_hour() {
    let open = sponsored(|sponsor| {
        sponsor.fee = Amount::new(48_000);
        sponsor.fees_in_flight = Amount::new(48_000);
        sponsor.fees_lost = Amount::new(95_999);
    });
    let shop = Shop::open_with("tempo: a sponsor's losses", |setup| {
        open(setup);
        setup.mining = Mining::Manual;
        setup.options.patience = Duration::from_millis(200);
    });
    let Some(shop) = shop.await else {
        return;
    };
    let hour = 60 * 60;
    shop.later(Duration::from_secs(hour - shop.now() % hour + 60))
        .await;
    // What ends well costs the sponsor nothing of it, however often.
    for _ in 0..3 {
        let good = pay(&shop, &Buyer::number(0), |_, _| {}).await;
        shop.present(&good).await.assert_unresolved();
        shop.later(Duration::from_secs(3)).await;
        assert_eq!(shop.present(&good).await.status, 200);
    }
    // One has the money when it is looked at, and takes it away before the block.
    let thief = Buyer::number(1);
    let bad = pay(&shop, &thief, |_, _| {}).await;
    let before = fees(&shop).await;
    shop.present(&bad).await.assert_unresolved();
    shop.drain(PATH_USD, thief.address()).await;
    shop.later(Duration::from_secs(3)).await;
    let answer = shop.present(&bad).await;
    answer.assert_refused("verification-failed", "it failed");
    assert!(fees(&shop).await < before);
    // What it could have cost is counted, so another of the same size is one too many, whoever asks.
    let next = pay(&shop, &Buyer::number(0), |_, _| {}).await;
    let sent = shop.proxy.count("eth_sendRawTransactionSync");
    let answer = shop.present(&next).await;
    assert_eq!((answer.status, answer.kind()), (503, "overloaded"));
    assert_eq!(answer.problem["moneyMoved"], false);
    let told = answer.problem["detail"].as_str().unwrap();
    assert!(told.contains("in an hour"), "{told}");
    assert_eq!(shop.proxy.count("eth_sendRawTransactionSync"), sent);
    // One that may cost a little less fits.
    let less = pay(&shop, &Buyer::number(0), |_, t| t.gas_limit -= 1000).await;
    shop.present(&less).await.assert_unresolved();
    shop.later(Duration::from_secs(3)).await;
    assert_eq!(shop.present(&less).await.status, 200);
    // An hour later all of it is there again.
    shop.later(Duration::from_secs(hour)).await;
    let next = pay(&shop, &Buyer::number(0), |_, _| {}).await;
    shop.present(&next).await.assert_unresolved();
    shop.later(Duration::from_secs(3)).await;
    assert_eq!(shop.present(&next).await.status, 200);
}

#[tokio::test]
async fn many_at_once_stay_within_the_bound() {
    let open = sponsored(|sponsor| {
        sponsor.in_flight = 3;
        sponsor.fees_in_flight = Amount::new(150_000);
    });
    let Some(shop) = Shop::open_with("tempo: many sponsored", open).await else {
        return;
    };
    let buyer = Buyer::number(0);
    let mut credentials = Vec::new();
    for _ in 0..20 {
        credentials.push(pay(&shop, &buyer, |_, _| {}).await);
    }
    let mut served = 0;
    while !credentials.is_empty() {
        let all = credentials.iter().map(|one| shop.present(one));
        let answers = futures_util::future::join_all(all).await;
        let before = credentials.len();
        let mut at = 0;
        credentials.retain(|_| {
            at += 1;
            answers[at - 1].status != 200
        });
        served += before - credentials.len();
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((answer.status, answer.kind()), (503, "overloaded"));
        }
    }
    assert_eq!((served, shop.runs()), (20, 20));
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 20 * PRICE);
}

#[tokio::test]
async fn an_access_key_may_be_authorized_on_the_way_where_the_sponsor_says_so() {
    let open = sponsored(|sponsor| sponsor.authorizations = true);
    let Some(shop) = Shop::open_with("tempo: a sponsored key", open).await else {
        return;
    };
    let root = SigningKey::from_bytes([9; 32]).unwrap();
    let owner = root.address();
    shop.fund(PATH_USD, owner, PRICE).await;
    let key = SigningKey::from_bytes([10; 32]).unwrap();
    let authorization = KeyAuthorization::new(CHAIN, KeyKind::Secp256k1, key.address());
    let authorization = authorization.sign(&root.into());
    let buyer = Buyer::with(AccountKey::from(AccessKey {
        account: owner,
        key: key.into(),
        authorization: Some(authorization.clone()),
    }));
    let credential = pay(&shop, &buyer, |_, t| {
        t.key_authorization = Some(authorization);
    })
    .await;
    let answer = shop.present(&credential).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let none: Address = owner;
    assert_eq!(shop.balance(PATH_USD, none).await, 0);
}
