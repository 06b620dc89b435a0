//! Sellers who ask for something else, and nodes that lie.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::HeaderValue,
    response::Response,
    routing::any,
};
use farthing_client::Error;
use farthing_core::{
    header::{authorization, www_authenticate},
    payment::Moved,
    port::{
        method::{Fault, Refusal},
        payer::{Funds, Offer, Payer as _},
    },
    value::Realm,
};
use farthing_evm::{Bytes, ChainId, Node};
use farthing_tempo::{
    Memo, Mode, Network, Nonces, PayerError, PayerOptions, Received, TempoPayer, attribution,
    tip20::calls::read_transfer, token::known,
};
use serde_json::{Value, json};

use crate::{
    built::{NOW, key, network, payer, payer_with, transaction},
    market::{CHAIN, Market, PATH, account, generous, route},
    node::{FakeNode, TIME},
    offer::{SELLER, offer, offer_with},
};

/// What an offer is refused with: by the quote, and by whoever signs without having asked for one.
async fn refused(payer: &TempoPayer, offer: &Offer) -> String {
    let quoted = payer.quote(offer).unwrap_err();
    assert_eq!(quoted.fault, Fault::Unsupported, "{quoted}");
    let signed = payer.sign(offer, NOW).await.unwrap_err();
    assert_eq!(signed.to_string(), quoted.to_string());
    quoted.to_string()
}

#[tokio::test]
async fn what_is_asked_for_elsewhere_or_in_another_way_is_refused() {
    let node = FakeNode::start().await;
    let payer = payer(&node).await;
    let details = |details: Value| offer_with(|parts| parts.details = details);
    let chain = CHAIN.get();
    let of = |recipient: &str, amount: &str| json!({"recipient": recipient, "amount": amount});
    let to = "0x5151515151515151515151515151515151515151";
    let own = format!("{:#x}", payer.account());
    let cases = [
        (details(json!({"chainId": 4217})), "on chain 4217"),
        (details(json!({"chainId": "42431"})), "details"),
        (
            details(json!({"chainId": chain, "surcharge": "1"})),
            "details",
        ),
        (
            details(json!({"chainId": chain, "feePayer": true, "supportedModes": ["push"]})),
            "details",
        ),
        (
            details(json!({"chainId": chain, "supportedModes": []})),
            "details",
        ),
        (details(json!({"chainId": chain, "splits": []})), "details"),
        (
            details(json!({"chainId": chain, "splits": [of(to, "0")]})),
            "details",
        ),
        (
            details(json!({"chainId": chain, "splits": vec![of(to, "1"); 11]})),
            "details",
        ),
        // The whole amount, more than it, and more than there is.
        (
            details(json!({"chainId": chain, "splits": [of(to, "2000")]})),
            "with transfers",
        ),
        (
            details(json!({"chainId": chain, "splits": [of(to, "1999"), of(to, "1")]})),
            "with transfers",
        ),
        (
            details(json!({"chainId": chain, "splits": [of(to, "2001")]})),
            "with transfers",
        ),
        (
            details(
                json!({"chainId": chain, "splits": [of(to, &u128::MAX.to_string()), of(to, "2001")]}),
            ),
            "details",
        ),
        (
            details(json!({"chainId": chain, "splits": [of(&own, "1")]})),
            "cannot pay itself",
        ),
        (
            offer_with(|parts| parts.recipient = Some(own.clone())),
            "cannot pay itself",
        ),
        (offer_with(|parts| parts.recipient = None), "with transfers"),
        (
            offer_with(|parts| parts.recipient = Some("alice".to_owned())),
            "with transfers",
        ),
        (
            offer_with(|parts| parts.currency = "usd".to_owned()),
            "does not know the token",
        ),
        (
            offer_with(|parts| {
                parts.currency = "0x20c0000000000000000000000000000000000099".to_owned()
            }),
            "does not know the token",
        ),
    ];
    for (offer, expect) in cases {
        let said = refused(&payer, &offer).await;
        assert!(said.contains(expect), "{said:?} says nothing of {expect:?}");
        // Its reason is the one to tell, unless the chain is another's or cannot be read.
        let is_ours = !said.contains("is on chain") && !said.contains("details");
        assert_eq!(payer.is_on_network(&offer), is_ours, "{said}");
    }
    assert_eq!(node.exchanges(), 0, "nobody was asked");
}

#[tokio::test]
async fn a_request_without_a_chain_means_the_test_network_and_no_other() {
    let node = FakeNode::start().await;
    let nameless = offer_with(|parts| parts.details = json!({}));
    assert!(payer(&node).await.quote(&nameless).is_ok());
}

#[tokio::test]
async fn addresses_are_the_same_in_any_case_and_shown_in_one() {
    let node = FakeNode::start().await;
    let payer = payer(&node).await;
    let code = known::ALPHA_USD.currency().code;
    let upper = code.as_str().to_uppercase().replace("0X", "0x");
    let offer = offer_with(|parts| parts.currency = upper.clone());
    let quote = payer.quote(&offer).unwrap();
    assert_eq!(quote.currency.code, code);
    assert_eq!(quote.shares[0].recipient.as_str(), format!("{SELLER:#x}"));
    assert_eq!(quote.network.as_deref(), Some("eip155:42431"));
    assert_eq!(quote.funds, Funds::Unknown);
}

/// Whatever memo a seller would have liked, it is that of the challenge that was answered.
#[tokio::test]
async fn the_memo_is_of_the_challenge_that_is_answered() {
    let node = FakeNode::start().await;
    let payer = payer(&node).await;
    let memo_of = async |offer: &Offer| -> Memo {
        let proof = payer.sign(offer, NOW).await.unwrap();
        let signed = transaction(&proof);
        let call = &signed.authored().transaction().calls[0];
        read_transfer(&call.input).unwrap().memo.unwrap()
    };
    let (one, two) = (
        offer(),
        offer_with(|parts| parts.id = "challenge-2".to_owned()),
    );
    let realm = Realm::new("api.example.com").unwrap();
    assert_eq!(
        memo_of(&one).await,
        attribution(&one.challenge.id, &realm, None)
    );
    assert!(!memo_of(&two).await.is_bound_to(&one.challenge.id, &realm));
}

#[tokio::test]
async fn a_challenge_that_ends_too_soon_is_not_paid_and_one_without_an_end_gets_ours() {
    let node = FakeNode::start().await;
    let payer = payer(&node).await;
    for (ends, until) in [(Some(TIME + 300), 25), (Some(TIME + 10), 10), (None, 25)] {
        let offer = offer_with(|parts| parts.expires = ends);
        let proof = payer.sign(&offer, NOW).await.unwrap();
        assert_eq!(proof.valid_until.as_secs() - TIME, until);
        let signed = transaction(&proof);
        let end = signed.authored().transaction().valid_before;
        assert_eq!(end, Some(TIME + until));
    }
    for ends in [TIME, TIME + 5] {
        let offer = offer_with(|parts| parts.expires = Some(ends));
        let refusal = payer.sign(&offer, NOW).await.unwrap_err();
        assert_eq!(refusal.fault, Fault::Expired, "{ends}: {refusal}");
    }
}

async fn lied_to(change: impl FnOnce(&mut crate::node::Says)) -> Refusal {
    let node = FakeNode::start().await;
    node.say(change);
    payer(&node).await.sign(&offer(), NOW).await.unwrap_err()
}

#[tokio::test]
async fn a_node_that_lies_does_not_make_a_payment_dear_or_long() {
    let dear = lied_to(|says| says.base_fee = 40_000_000_000).await;
    assert_eq!(
        (dear.fault, dear.to_string().contains("asks more for gas")),
        (Fault::Unavailable, true)
    );
    let absurd = lied_to(|says| says.base_fee = u128::MAX).await;
    assert_eq!(absurd.fault, Fault::Unavailable);
    let future = lied_to(|says| says.time = TIME + 3_600).await;
    assert!(future.to_string().contains("the chain's time"), "{future}");
    let thirsty = lied_to(|says| says.gas = Some(u64::MAX)).await;
    assert!(thirsty.to_string().contains("gas"), "{thirsty}");
    let poor = lied_to(|says| says.balance = 1_999).await;
    assert_eq!(
        (poor.fault, poor.to_string().contains("not enough pathUSD")),
        (Fault::Insufficient, true)
    );
    // Whatever it says, what is signed costs no more than the quote said.
    let fees = [0, 1, 1_000_000, 12_000_000_000, 38_000_000_000];
    for (base_fee, gas) in fees
        .into_iter()
        .flat_map(|fee| [(fee, 50_000), (fee, 300_000)])
    {
        let node = FakeNode::start().await;
        node.say(|says| says.base_fee = base_fee);
        node.say(|says| says.gas = Some(gas));
        let payer = payer(&node).await;
        let quote = payer.quote(&offer()).unwrap().fee.unwrap();
        match payer.sign(&offer(), NOW).await {
            Ok(proof) => {
                let fee = proof.fee.unwrap();
                assert!(fee.most <= quote.most, "{base_fee}, {gas}: {fee:?}");
            }
            Err(refusal) => {
                assert_eq!((base_fee, gas), (38_000_000_000, 300_000), "{refusal}");
                assert!(refusal.to_string().contains("than was quoted"), "{refusal}");
            }
        }
    }
}

#[tokio::test]
async fn a_node_that_is_down_is_nobodys_refusal() {
    let node = FakeNode::start().await;
    let payer = payer(&node).await;
    node.stop();
    let refusal = payer.sign(&offer(), NOW).await.unwrap_err();
    assert_eq!(refusal.fault, Fault::Unavailable, "{refusal}");
}

/// After it looked, it knows what it has, without asking.
#[tokio::test]
async fn what_it_has_is_remembered() {
    let node = FakeNode::start().await;
    let payer = payer(&node).await;
    payer.sign(&offer(), NOW).await.unwrap();
    assert_eq!(payer.quote(&offer()).unwrap().funds, Funds::Enough);
    let dear = offer_with(|parts| parts.amount = 5_000_000);
    assert_eq!(payer.quote(&dear).unwrap().funds, Funds::Short);
    let other = offer_with(|parts| {
        parts.currency = known::BETA_USD.currency().code.as_str().to_owned();
    });
    assert_eq!(payer.quote(&other).unwrap().funds, Funds::Unknown);
}

#[tokio::test]
async fn parts_that_do_not_fit_make_no_payer() {
    let fake = FakeNode::start().await;
    let made = |network: Network, node: Node, change: fn(&mut PayerOptions)| {
        let mut options = PayerOptions::default();
        change(&mut options);
        TempoPayer::new(key(), network, node, options).err()
    };
    let elsewhere = Network::dev(
        ChainId::new(1).unwrap(),
        "http://127.0.0.1:1".parse().unwrap(),
    );
    let node = fake.node().await;
    let dev = || Some(PayerError::OtherChain("dev".into()));
    assert_eq!(made(elsewhere, node.clone(), |_| {}), dev());
    let euro = made(network(), node.clone(), |o| {
        o.fee_token = Some(known::EURC_E)
    });
    assert_eq!(euro, Some(PayerError::FeeToken("EURC.e".into())));
    let unknown = made(network(), node.clone(), |o| {
        o.fee_token = Some(known::USDC_E)
    });
    assert_eq!(unknown, Some(PayerError::FeeToken("USDC.e".into())));
    for seconds in [9, 901] {
        let validity = Duration::from_secs(seconds);
        let options = PayerOptions {
            nonces: Nonces::Lanes { validity },
            ..PayerOptions::default()
        };
        let made = TempoPayer::new(key(), network(), node.clone(), options).err();
        assert_eq!(made, Some(PayerError::Validity), "{seconds}");
    }
    assert_eq!(
        made(network(), node.clone(), |o| o.max_gas = 0),
        Some(PayerError::Gas)
    );
    assert_eq!(
        made(network(), node, |o| o.max_gas_price = 0),
        Some(PayerError::Gas)
    );
}

#[tokio::test]
async fn a_secret_is_not_shown() {
    let node = FakeNode::start().await;
    let payer = payer_with(&node, key(), |options| options.mode = Mode::Push).await;
    let proof = payer.sign(&offer(), NOW).await.unwrap();
    let raw = transaction(&proof).encode().to_string();
    assert!(!format!("{payer:?}").contains(&"07".repeat(32)));
    assert!(!format!("{:?}", proof.errand).contains(&raw[2..]));
}

/// A seller who takes the payment, sends it to the chain, and asks to be paid again.
struct Greedy {
    chain: String,
    http: reqwest::Client,
    challenges: Mutex<Vec<Offer>>,
    taken: AtomicUsize,
}

async fn greedy(State(seller): State<Arc<Greedy>>, request: Request) -> Response {
    if let authorization::Found::One(value) = authorization::find(request.headers()) {
        let credential = authorization::parse(value.as_bytes()).unwrap();
        let payload: Value = serde_json::from_str(credential.payload.get()).unwrap();
        seller.taken.fetch_add(1, Ordering::SeqCst);
        if let Some(signed) = payload["signature"].as_str() {
            let bytes: Bytes = signed.parse().unwrap();
            let whole = Received::decode(&bytes).unwrap().whole().unwrap();
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransactionSync",
                "params": [whole.raw().bytes()]});
            let sent = seller.http.post(&seller.chain).body(body.to_string());
            let sent = sent.header("content-type", "application/json").send().await;
            assert!(sent.unwrap().status().is_success());
        }
    }
    let offer = seller.challenges.lock().unwrap().pop().unwrap();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = axum::http::StatusCode::PAYMENT_REQUIRED;
    let line = www_authenticate::format(&offer.challenge);
    let line = HeaderValue::try_from(line).unwrap();
    response.headers_mut().insert("www-authenticate", line);
    response
}

#[tokio::test]
async fn who_asks_again_after_taking_the_money_gets_it_once() {
    for mode in [Mode::Pull, Mode::Push] {
        let open = Market::open("payer: greedy seller", route(json!({})), |_| {});
        let Some(market) = open.await else {
            return;
        };
        let challenges = (0..10).map(|count| {
            let mut offer = offer_with(|parts| {
                parts.id = format!("challenge-{count}");
                parts.expires = Some(market.now().as_secs() + 300);
            });
            offer.challenge.realm = Realm::new("127.0.0.1").unwrap();
            offer
        });
        let seller = Arc::new(Greedy {
            chain: market.chain.url(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            challenges: Mutex::new(challenges.collect()),
            taken: AtomicUsize::new(0),
        });
        let app = Router::new()
            .fallback(any(greedy))
            .with_state(seller.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let served = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

        let before = market.balance(PATH, account(0)).await;
        let options = PayerOptions {
            mode,
            ..PayerOptions::default()
        };
        let payer = market.payer_with(crate::market::key(0), options);
        let client = market.client(payer, generous().retry_fresh(true));
        let error = client.get(&url).send().await.unwrap_err();
        assert!(matches!(error, Error::Unresolved(_)), "{mode:?}: {error:?}");
        assert_eq!(error.moved(), Moved::Yes, "{mode:?}");
        assert_eq!(seller.taken.load(Ordering::SeqCst), 1, "{mode:?}");
        assert_eq!(market.balance(PATH, SELLER).await, 2_000, "{mode:?}");
        // It is written down as paid, with the transaction's name.
        let resumed = client.resume().await.unwrap();
        let reference = resumed[0].payment.reference.clone().unwrap();
        let fee = market.fee(reference.as_str()).await;
        let spent = before - market.balance(PATH, account(0)).await;
        assert_eq!(spent, 2_000 + fee, "{mode:?}");
        assert!(client.pending(None, 10).await.unwrap().is_empty());
        served.abort();
    }
}
