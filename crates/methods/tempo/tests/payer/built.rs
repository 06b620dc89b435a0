//! What is built for an offer, to the byte, against a node that always says the same.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use farthing_core::{
    port::payer::{Offer, Payer as _, Proof},
    value::Timestamp,
};
use farthing_evm::{Bytes, SigningKey};
use farthing_tempo::{
    AccountKey, Authored, Mode, Network, NetworkOptions, Nonces, P256Key, PayerOptions, Received,
    TempoPayer, Token, tip20::calls::read_transfer, token::known,
};
use serde_json::{Value, json};

use crate::{
    market::CHAIN,
    node::{FakeNode, TIME},
    offer::{SELLER, offer, offer_with},
};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(TIME);

pub(crate) fn network() -> Network {
    Network::dev(CHAIN, "http://127.0.0.1:1".parse().unwrap())
}

pub(crate) fn key() -> AccountKey {
    SigningKey::from_bytes([7; 32]).unwrap().into()
}

pub(crate) async fn payer_with(
    node: &FakeNode,
    key: AccountKey,
    change: impl FnOnce(&mut PayerOptions),
) -> TempoPayer {
    let mut options = PayerOptions::default();
    change(&mut options);
    TempoPayer::new(key, network(), node.node().await, options).unwrap()
}

pub(crate) async fn payer(node: &FakeNode) -> TempoPayer {
    payer_with(node, key(), |_| {}).await
}

pub(crate) fn payload(proof: &Proof) -> Value {
    serde_json::from_str(proof.payload.get()).unwrap()
}

/// The transaction of a proof: in its payload, or in its errand.
pub(crate) fn transaction(proof: &Proof) -> Received {
    let bytes: Bytes = match &proof.errand {
        Some(errand) => errand.expose().to_vec().into(),
        None => payload(proof)["signature"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap(),
    };
    Received::decode(&bytes).unwrap()
}

/// A name, an offer, and how the payer is set up for it.
type Case = (&'static str, Offer, fn(&mut PayerOptions));

/// The cases whose bytes are kept.
fn cases() -> Vec<Case> {
    let chain = CHAIN.get();
    let memo = format!("0x{}", "5a".repeat(32));
    let with = |details: Value| offer_with(|parts| parts.details = details);
    let splits = json!([
        {"recipient": "0x5151515151515151515151515151515151515151", "amount": "500"},
        {"recipient": "0x5252525252525252525252525252525252525252", "amount": "1", "memo": memo},
    ]);
    let as_it_is: fn(&mut PayerOptions) = |_| {};
    vec![
        ("plain", offer(), as_it_is),
        ("named", offer(), |options| {
            options.client = Some("an agent".into())
        }),
        (
            "memo",
            with(json!({"chainId": chain, "memo": memo})),
            as_it_is,
        ),
        (
            "splits",
            with(json!({"chainId": chain, "splits": splits})),
            as_it_is,
        ),
        (
            "sponsored",
            with(json!({"chainId": chain, "feePayer": true})),
            as_it_is,
        ),
        ("push", offer(), |options| options.mode = Mode::Push),
        (
            "push only",
            with(json!({"chainId": chain, "supportedModes": ["push"]})),
            as_it_is,
        ),
        (
            "pull only",
            with(json!({"chainId": chain, "supportedModes": ["pull"]})),
            |options| {
                options.mode = Mode::Push;
            },
        ),
        ("fee in another token", offer(), |options| {
            options.fee_token = Some(known::BETA_USD)
        }),
        ("lane", offer(), |options| {
            options.nonces = Nonces::Lanes {
                validity: Duration::from_secs(120),
            };
        }),
        ("nothing", offer_with(|parts| parts.amount = 0), as_it_is),
    ]
}

#[tokio::test]
async fn what_is_signed_is_what_it_was() {
    let node = FakeNode::start().await;
    let mut told = String::new();
    for (name, offer, change) in cases() {
        let payer = payer_with(&node, key(), change).await;
        let quote = payer.quote(&offer).unwrap();
        let proof = payer.sign(&offer, NOW).await.unwrap();
        writeln!(told, "== {name}").unwrap();
        let fee = quote.fee.map(|fee| fee.currency.display(fee.most));
        writeln!(
            told,
            "quote: fee at most {}",
            fee.unwrap_or_else(|| "nothing".to_owned())
        )
        .unwrap();
        for share in &quote.shares {
            writeln!(told, "quote: {} to {}", share.amount, share.recipient).unwrap();
        }
        let fee = proof.fee.as_ref().map(|fee| fee.currency.display(fee.most));
        writeln!(told, "fee: {}", fee.unwrap_or_else(|| "nothing".to_owned())).unwrap();
        writeln!(told, "until: +{}", proof.valid_until.as_secs() - TIME).unwrap();
        writeln!(
            told,
            "key: {}",
            proof.key.as_ref().map_or("none", |key| key.as_str())
        )
        .unwrap();
        writeln!(told, "source: {}", proof.source.as_ref().unwrap()).unwrap();
        if quote.shares.is_empty() {
            writeln!(told, "payload: {}", proof.payload.get()).unwrap();
            continue;
        }
        describe(&mut told, transaction(&proof).authored());
        match proof.errand.is_some() {
            true => writeln!(
                told,
                "payload: {}\nerrand: {}",
                proof.payload.get(),
                transaction(&proof).encode()
            ),
            false => writeln!(told, "payload: {}", proof.payload.get()),
        }
        .unwrap();
    }
    check_golden("built.txt", &told);
}

fn describe(told: &mut String, authored: &Authored) {
    let transaction = authored.transaction();
    writeln!(
        told,
        "gas: {} at {}",
        transaction.gas_limit, transaction.max_fee_per_gas
    )
    .unwrap();
    let lane = if transaction.is_expiring_nonce() {
        "expiring".to_owned()
    } else {
        format!("{:#x}", transaction.nonce_key)
    };
    writeln!(told, "nonce: {lane}, {}", transaction.nonce).unwrap();
    let fees = transaction.fee_token.map(|token| token.to_string());
    writeln!(
        told,
        "fee token: {}",
        fees.unwrap_or_else(|| "the sponsor's".to_owned())
    )
    .unwrap();
    for call in &transaction.calls {
        let transfer = read_transfer(&call.input).unwrap();
        let memo = transfer.memo.map(|memo| memo.to_string());
        let memo = memo.unwrap_or_else(|| "none".to_owned());
        writeln!(
            told,
            "call: {} to {}, memo {memo}",
            transfer.amount, transfer.recipient
        )
        .unwrap();
    }
}

/// Compares with a file beside the tests; with `REWRITE_GOLDEN=1` the file is written.
fn check_golden(name: &str, told: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/payer")
        .join(name);
    if std::env::var_os("REWRITE_GOLDEN").is_some() {
        fs::write(&path, told).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        told, kept,
        "{name} is other than it was; see REWRITE_GOLDEN"
    );
}

#[tokio::test]
async fn one_round_trip_serves_all_payments_of_a_block() {
    let node = FakeNode::start().await;
    let payer = payer(&node).await;
    let id = |count: u32| offer_with(|parts| parts.id = format!("challenge-{count}"));
    let mut hashes = std::collections::HashSet::new();
    for count in 0..10 {
        let proof = payer.sign(&id(count), NOW).await.unwrap();
        hashes.insert(payload(&proof)["signature"].as_str().unwrap().to_owned());
    }
    assert_eq!((node.exchanges(), hashes.len()), (1, 10));
    // The next block.
    let later = NOW.saturating_add(Duration::from_millis(500));
    payer.sign(&id(10), later).await.unwrap();
    assert_eq!(node.exchanges(), 2);
}

/// Money that is spent in this block is not counted on a second time.
#[tokio::test]
async fn payments_of_a_block_do_not_count_on_the_same_money() {
    let node = FakeNode::start().await;
    node.say(|says| says.balance = 20_000);
    let payer = payer(&node).await;
    let mut signed = 0;
    for count in 0..10 {
        let offer = offer_with(|parts| parts.id = format!("challenge-{count}"));
        match payer.sign(&offer, NOW).await {
            Ok(_) => signed += 1,
            Err(refusal) => assert!(
                refusal.to_string().contains("not enough pathUSD"),
                "{refusal}"
            ),
        }
    }
    // Two thousand, and at most three thousand for the fee.
    assert!((4..=5).contains(&signed), "{signed}");
}

/// Two payments of one second that want the same are two transactions, whatever the seller's memo.
#[tokio::test]
async fn payments_that_want_the_same_are_told_apart() {
    let node = FakeNode::start().await;
    let payer = payer(&node).await;
    let memo = format!("0x{}", "5a".repeat(32));
    let same = |id: &str| {
        offer_with(|parts| {
            parts.id = id.to_owned();
            parts.details = json!({"chainId": CHAIN.get(), "memo": memo, "feePayer": true});
        })
    };
    let one = payer.sign(&same("a"), NOW).await.unwrap();
    let other = payer.sign(&same("b"), NOW).await.unwrap();
    let (one, other) = (transaction(&one), transaction(&other));
    assert_eq!(
        one.authored().transaction().calls,
        other.authored().transaction().calls
    );
    assert_ne!(one.authored().identity(), other.authored().identity());
}

#[tokio::test]
async fn a_recipient_that_is_new_takes_more_gas_and_a_node_may_know_better() {
    let node = FakeNode::start().await;
    let gas = async |node: &FakeNode| {
        let proof = payer(node).await.sign(&offer(), NOW).await.unwrap();
        transaction(&proof).authored().transaction().gas_limit
    };
    let known = gas(&node).await;
    node.say(|says| says.poor = vec![format!("{SELLER:x}")]);
    let new = gas(&node).await;
    assert!(new >= known + 250_000, "{known}, {new}");
    node.say(|says| says.gas = Some(500_000));
    assert_eq!(gas(&node).await, 625_000);
    node.say(|says| says.gas = Some(21_000));
    assert_eq!(gas(&node).await, new);
}

#[tokio::test]
async fn a_key_on_the_other_curve_pays() {
    let node = FakeNode::start().await;
    let key = P256Key::from_bytes([7; 32]).unwrap();
    let account = key.address();
    let payer = payer_with(&node, key.into(), |_| {}).await;
    let proof = payer.sign(&offer(), NOW).await.unwrap();
    assert_eq!(transaction(&proof).authored().sender(), account);
}

/// Euros pay for things and for no fees: those are in dollars.
#[tokio::test]
async fn what_pays_no_fees_is_paid_with_a_fee_in_another_token() {
    let node = FakeNode::start().await;
    let of = |tokens: &[Token]| {
        Network::custom(NetworkOptions {
            chain: CHAIN,
            name: "euro".to_owned(),
            endpoints: vec!["http://127.0.0.1:1".parse().unwrap()],
            block_time: Duration::from_millis(500),
            tokens: tokens.to_vec(),
            sockets: Vec::new(),
            faucet: false,
        })
        .unwrap()
    };
    let offer = offer_with(|parts| {
        parts.currency = known::EURC_E.currency().code.as_str().to_owned();
    });
    let both = of(&[known::EURC_E, known::USDC_E]);
    let options = PayerOptions::default;
    let payer = TempoPayer::new(key(), both, node.node().await, options()).unwrap();
    let (quote, proof) = (
        payer.quote(&offer).unwrap(),
        payer.sign(&offer, NOW).await.unwrap(),
    );
    assert_eq!(&*quote.currency.symbol, "EUR");
    let fee = proof.fee.as_ref().unwrap();
    assert_eq!(fee.currency, known::USDC_E.currency());
    let signed = transaction(&proof);
    let signed = signed.authored().transaction();
    assert_eq!(signed.fee_token, Some(known::USDC_E.address));
    assert_eq!(signed.calls[0].to, Some(known::EURC_E.address));
    // With nothing to pay a fee in, there is no payment.
    let only = of(&[known::EURC_E]);
    let payer = TempoPayer::new(key(), only, node.node().await, options()).unwrap();
    let refusal = payer.quote(&offer).unwrap_err();
    assert!(
        refusal.to_string().contains("no token that pays fees"),
        "{refusal}"
    );
}
