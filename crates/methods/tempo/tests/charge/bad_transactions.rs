//! Transactions that are not the payment that was asked for: none of them is ever sent.

use alloy_primitives::address;
use farthing_evm::{Address, Bytes, ChainId, SigningKey, U256};
use farthing_tempo::{
    AccessListEntry, AccountKey, Call, Delegation, EXPIRING_NONCE_KEY, Transaction,
};
use serde_json::{Value, json};

use crate::{
    buyer::{Asked, Buyer, account, present, source, transaction_payload},
    shop::{PATH_USD, PAYEE, Shop, route_with},
};

const ALPHA_USD: Address = address!("20c0000000000000000000000000000000000001");

const THIEF: Address = Address::repeat_byte(0x66);

const YEAR: u64 = 365 * 24 * 60 * 60;

fn split() -> Value {
    json!({"splits": [{"recipient": Address::repeat_byte(0x51), "amount": "500"}]})
}

/// A call that moves a token.
fn transfer(token: Address, to: Address, amount: u64) -> Call {
    let mut input = vec![0xa9, 0x05, 0x9c, 0xbb];
    input.extend_from_slice(to.into_word().as_slice());
    input.extend_from_slice(&U256::from(amount).to_be_bytes::<32>());
    Call {
        to: Some(token),
        value: U256::ZERO,
        input: input.into(),
    }
}

/// The data of a call, with a byte changed.
fn changed(call: &mut Call, at: usize, by: u8) {
    let mut input = call.input.to_vec();
    input[at] = input[at].wrapping_add(by);
    call.input = input.into();
}

/// A shop that has seen nothing but what it refused.
async fn refuses(
    shop: &Shop,
    kind: &str,
    detail: &str,
    change: impl FnOnce(&Asked, &mut Transaction),
) {
    let buyer = Buyer::number(0);
    let asked = shop.ask().await;
    let mut transaction = buyer.transaction(&asked, shop.now());
    change(&asked, &mut transaction);
    let answer = shop.present(&buyer.pull(&asked, transaction)).await;
    answer.assert_refused(kind, detail);
}

/// That nothing was sent, served or paid.
async fn untouched(shop: &Shop) {
    assert_eq!(shop.runs(), 0);
    assert_eq!(shop.proxy.count("eth_sendRawTransactionSync"), 0);
    assert_eq!(shop.proxy.count("eth_sendRawTransaction"), 0);
    assert_eq!(shop.balance(PATH_USD, PAYEE).await, 0);
    assert_eq!(shop.balance(PATH_USD, THIEF).await, 0);
}

#[tokio::test]
async fn calls_that_are_another_payment() {
    let Some(shop) = Shop::open("tempo: other calls", route_with(&split())).await else {
        return;
    };
    let invalid = "verification-failed";
    refuses(&shop, invalid, "chain 1337", |_, t| {
        t.chain = ChainId::new(1337).unwrap();
    })
    .await;
    refuses(
        &shop,
        invalid,
        "call 0 is a call of another contract",
        |_, t| {
            t.calls[0].to = Some(ALPHA_USD);
        },
    )
    .await;
    for by in [1, u8::MAX] {
        // The last byte of the amount, then of the recipient.
        for (at, leg) in [(67, 0), (67, 1), (35, 0), (35, 1)] {
            refuses(&shop, invalid, "there is no transfer of", |_, t| {
                changed(&mut t.calls[leg], at, by);
            })
            .await;
        }
    }
    refuses(&shop, invalid, "does not carry the memo", |_, t| {
        t.calls[0] = transfer(PATH_USD, PAYEE, 1_500);
    })
    .await;
    let another = shop.ask().await;
    refuses(&shop, invalid, "does not carry the memo", |_, t| {
        t.calls = another.legs().calls(None);
    })
    .await;
    refuses(&shop, invalid, "2 transfers were asked for", |_, t| {
        t.calls.pop();
    })
    .await;
    refuses(&shop, invalid, "2 transfers were asked for", |_, t| {
        t.calls.push(transfer(PATH_USD, THIEF, 1_000_000));
    })
    .await;
    refuses(
        &shop,
        invalid,
        "call 1 is another call of the token",
        |_, t| {
            // approve(thief, all)
            changed(&mut t.calls[1], 0, 0x60);
        },
    )
    .await;
    refuses(&shop, invalid, "a call with value", |_, t| {
        t.calls[0].value = U256::from(1);
    })
    .await;
    refuses(&shop, invalid, "the making of a contract", |_, t| {
        t.calls[0].to = None
    })
    .await;
    untouched(&shop).await;
}

#[tokio::test]
async fn whatever_is_smuggled_in() {
    let Some(shop) = Shop::open("tempo: smuggled", route_with(&json!({}))).await else {
        return;
    };
    let invalid = "verification-failed";
    refuses(&shop, invalid, "an access list", |_, t| {
        t.access_list.push(AccessListEntry {
            address: THIEF,
            storage_keys: vec![],
        });
    })
    .await;
    refuses(&shop, invalid, "a delegation", |_, t| {
        t.authorizations.push(Delegation {
            chain: U256::ZERO,
            address: THIEF,
            nonce: 0,
            signature: AccountKey::from(account(0)).sign_hash(THIEF.into_word()),
        });
    })
    .await;
    refuses(&shop, invalid, "a lane that payments cannot use", |_, t| {
        t.nonce_key = U256::from(0x5b) << 248;
    })
    .await;
    refuses(&shop, invalid, "a lane that payments cannot use", |_, t| {
        t.nonce = 1
    })
    .await;
    refuses(&shop, invalid, "sign the whole transaction", |_, t| {
        t.sponsored = true;
        t.fee_token = None;
    })
    .await;
    // Somebody else who pays the fee was not asked for either.
    let (buyer, asked) = (Buyer::number(0), shop.ask().await);
    let half = Transaction {
        sponsored: true,
        fee_token: None,
        ..buyer.transaction(&asked, shop.now())
    };
    let half = buyer.sign(half).half().unwrap();
    let whole = half.cosign(PATH_USD, &account(3));
    let payload = transaction_payload(whole.raw().bytes());
    let answer = shop.present(&buyer.present(&asked, &payload)).await;
    answer.assert_refused(invalid, "sign the whole transaction");
    untouched(&shop).await;
}

#[tokio::test]
async fn gas_fees_and_times_that_are_absurd() {
    let Some(shop) = Shop::open("tempo: absurd", route_with(&json!({}))).await else {
        return;
    };
    let (invalid, expired) = ("verification-failed", "payment-expired");
    refuses(&shop, invalid, "5000000 is the most", |_, t| {
        t.gas_limit = 5_000_001
    })
    .await;
    refuses(&shop, invalid, "5000000 is the most", |_, t| {
        t.gas_limit = u64::MAX
    })
    .await;
    refuses(&shop, invalid, "attodollars for a unit", |_, t| {
        t.max_fee_per_gas = u128::MAX;
    })
    .await;
    refuses(&shop, invalid, "priority fee", |_, t| {
        t.max_priority_fee_per_gas = t.max_fee_per_gas + 1;
    })
    .await;
    refuses(&shop, invalid, "less for a unit of gas", |_, t| {
        t.max_fee_per_gas = 1
    })
    .await;
    let now = shop.now();
    refuses(&shop, invalid, "has no end", |_, t| {
        t.valid_before = None;
        t.nonce_key = U256::ZERO;
    })
    .await;
    for ended in [1, now - 1, now, now + 2] {
        refuses(&shop, expired, "not valid any more", |_, t| {
            t.valid_before = Some(ended);
        })
        .await;
    }
    for far in [now + 70, now + 3600, now + YEAR, u64::MAX] {
        refuses(&shop, invalid, "valid for longer", |_, t| {
            t.valid_before = Some(far);
        })
        .await;
    }
    refuses(&shop, invalid, "not valid yet", |_, t| {
        t.valid_after = Some(now + 10);
        t.valid_before = Some(now + 20);
    })
    .await;
    untouched(&shop).await;
}

#[tokio::test]
async fn payers_who_cannot_pay() {
    let Some(shop) = Shop::open("tempo: too little", route_with(&json!({}))).await else {
        return;
    };
    let poor = Buyer::with(SigningKey::from_bytes([9; 32]).unwrap().into());
    let pay = async |fee_token: Address| {
        let asked = shop.ask().await;
        let transaction = Transaction {
            fee_token: Some(fee_token),
            ..poor.transaction(&asked, shop.now())
        };
        shop.present(&poor.pull(&asked, transaction)).await
    };
    let short = "payment-insufficient";
    pay(PATH_USD)
        .await
        .assert_refused(short, "0, and 2000 is needed");
    shop.fund(PATH_USD, poor.address(), 1_999).await;
    pay(PATH_USD)
        .await
        .assert_refused(short, "1999, and 2000 is needed");
    shop.fund(PATH_USD, poor.address(), 1).await;
    // The price is there; what the fee may come to is 20 billion attodollars for each of two million.
    let fee = pay(PATH_USD).await;
    fee.assert_refused(short, "2000, and the fee may come to");
    let fee = pay(ALPHA_USD).await;
    fee.assert_refused(short, "0, and the fee may come to");
    // With money for both it pays.
    shop.fund(PATH_USD, poor.address(), 100_000).await;
    untouched(&shop).await;
    assert_eq!(pay(PATH_USD).await.status, 200);
}

#[tokio::test]
async fn credentials_that_are_somebody_elses_or_nobodys() {
    let Some(shop) = Shop::open("tempo: sources", route_with(&json!({}))).await else {
        return;
    };
    let buyer = Buyer::number(0);
    let asked = shop.ask().await;
    let bytes = buyer.sign(buyer.transaction(&asked, shop.now())).encode();
    let payload = transaction_payload(&bytes);
    let named = |text: String| farthing_core::noun::Source::new(text).ok();
    let malformed = "malformed-credential";
    let cases = [
        (
            named(source(THIEF, &asked)),
            "verification-failed",
            "another account",
        ),
        (named("did:key:z6Mk".to_owned()), malformed, "source"),
        (
            named(format!("did:pkh:eip155:1:{}", buyer.address())),
            malformed,
            "source",
        ),
    ];
    for (source, kind, detail) in cases {
        let answer = shop.present(&present(&asked, source, &payload)).await;
        answer.assert_refused(kind, detail);
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    let mut flipped = bytes.to_vec();
    flipped[40] ^= 1;
    let garbage = [
        Bytes::new(),
        Bytes::from_static(&[0x76]),
        Bytes::from_static(&[0x02, 0xc0]),
        bytes.slice(..bytes.len() - 1),
        longer.into(),
    ];
    for bytes in garbage {
        let answer = shop
            .present(&buyer.present(&asked, &transaction_payload(&bytes)))
            .await;
        answer.assert_refused(malformed, "cannot be read");
    }
    // What was signed and then changed was signed by somebody else.
    let answer = shop
        .present(&buyer.present(&asked, &transaction_payload(&flipped.into())))
        .await;
    assert_eq!(answer.status, 402);
    for payload in ["{}", r#"{"type":"proof","signature":"0x00"}"#] {
        let answer = shop.present(&buyer.present(&asked, payload)).await;
        assert_eq!(answer.status, 402, "{answer:?}");
    }
    untouched(&shop).await;
    // A source is not needed where the transaction says who pays.
    let answer = shop.present(&present(&asked, None, &payload)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_lane_of_ones_own_is_taken_in_order() {
    let Some(shop) = Shop::open("tempo: lanes", route_with(&json!({}))).await else {
        return;
    };
    let buyer = Buyer::number(0);
    for (lane, nonce) in [(U256::from(7), 0), (U256::from(7), 1), (U256::ZERO, 0)] {
        let asked = shop.ask().await;
        let transaction = Transaction {
            nonce_key: lane,
            nonce,
            ..buyer.transaction(&asked, shop.now())
        };
        assert_ne!(lane, EXPIRING_NONCE_KEY);
        let answer = shop.present(&buyer.pull(&asked, transaction)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // A nonce that was used: the node says no, and the chain proves that it never will be taken.
    let asked = shop.ask().await;
    let used = Transaction {
        nonce_key: U256::from(7),
        nonce: 1,
        ..buyer.transaction(&asked, shop.now())
    };
    let answer = shop.present(&buyer.pull(&asked, used)).await;
    answer.assert_refused("verification-failed", "took its place");
    assert_eq!(shop.runs(), 3);
}
