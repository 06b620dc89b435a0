//! Every way to pay, end to end: the client, the seller and the chain agree to the unit.

use farthing_client::{Outlay, Standing};
use farthing_core::port::payer::Payer as _;
use farthing_evm::{Address, SigningKey};
use farthing_tempo::{Mode, Nonces, P256Key, PayerOptions, token::known};
use serde_json::{Value, json};

use crate::market::{
    ALPHA, Market, PATH, PAYEE, PRICE, account, generous, key, price, route, sponsor, sponsored,
};

fn other(number: u8) -> Address {
    Address::repeat_byte(0x50 + number)
}

fn pushing() -> PayerOptions {
    PayerOptions {
        mode: Mode::Push,
        ..PayerOptions::default()
    }
}

/// Buys once, and answers with what it cost.
async fn buy(market: &Market, client: &farthing_client::Client) -> Outlay {
    let response = client.get(&market.url).send().await.unwrap();
    let paid = response.paid().cloned().unwrap();
    assert_eq!(response.text().await.unwrap(), "sunny");
    assert_eq!(paid.standing, Standing::Paid);
    paid
}

/// Pays by one way with one set of terms, and checks everybody's balance and the budget.
async fn check(name: &str, terms: Value, paid: [u64; 3], options: PayerOptions) {
    let Some(market) = Market::open(name, route(terms), |_| {}).await else {
        return;
    };
    let who = [account(0), PAYEE, other(1), other(2)];
    let mut before = Vec::new();
    for one in who {
        before.push(market.balance(PATH, one).await);
    }
    let client = market.client(market.payer_with(key(0), options), generous());
    let outlay = buy(&market, &client).await;
    let fee = market
        .fee(outlay.reference.as_ref().unwrap().as_str())
        .await;
    let total: u64 = paid.iter().sum();
    assert_eq!(
        before[0] - market.balance(PATH, who[0]).await,
        total + fee,
        "{name}"
    );
    for (at, amount) in paid.into_iter().enumerate() {
        let after = market.balance(PATH, who[at + 1]).await;
        assert_eq!(after - before[at + 1], amount, "{name}: {at}");
    }
    // The budget has counted what it could have cost, which is no less than what it did.
    let payment = client.payment(outlay.payment).await.unwrap().unwrap();
    let most = u64::try_from(payment.fee.unwrap().amount.units()).unwrap();
    assert!(most >= fee, "{name}: {most} and {fee}");
    assert_eq!(
        market.used(&client).await,
        u128::from(total + most),
        "{name}"
    );
    assert_eq!(market.runs(), 1);
}

fn splits() -> Value {
    let memo = format!("0x{}", "22".repeat(32));
    json!([
        {"recipient": other(1), "amount": "500"},
        {"recipient": other(2), "amount": "1", "memo": memo},
    ])
}

#[tokio::test]
async fn the_seller_sends_it() {
    let memo = format!("0x{}", "11".repeat(32));
    let ours = PayerOptions::default;
    check("payer: pull", json!({}), [PRICE, 0, 0], ours()).await;
    check(
        "payer: pull, memo",
        json!({"memo": memo}),
        [PRICE, 0, 0],
        ours(),
    )
    .await;
    let terms = json!({"splits": splits()});
    check("payer: pull, splits", terms, [PRICE - 501, 500, 1], ours()).await;
    let only = json!({"supportedModes": ["pull"]});
    check("payer: pull only", only, [PRICE, 0, 0], pushing()).await;
    let named = PayerOptions {
        client: Some("an agent".into()),
        ..ours()
    };
    check("payer: named", json!({}), [PRICE, 0, 0], named).await;
}

#[tokio::test]
async fn the_buyer_sends_it() {
    check("payer: push", json!({}), [PRICE, 0, 0], pushing()).await;
    let terms = json!({"splits": splits()});
    check(
        "payer: push, splits",
        terms,
        [PRICE - 501, 500, 1],
        pushing(),
    )
    .await;
    let only = json!({"supportedModes": ["push"]});
    let ours = PayerOptions::default();
    check("payer: push only", only, [PRICE, 0, 0], ours).await;
}

#[tokio::test]
async fn a_lane_of_its_own() {
    let options = PayerOptions {
        nonces: Nonces::Lanes {
            validity: std::time::Duration::from_secs(120),
        },
        ..PayerOptions::default()
    };
    check("payer: lane", json!({}), [PRICE, 0, 0], options).await;
}

#[tokio::test]
async fn the_seller_pays_the_fee() {
    for terms in [json!({}), json!({"splits": splits()})] {
        let open = Market::open("payer: sponsored", route(terms.clone()), sponsored);
        let Some(market) = open.await else {
            return;
        };
        // Exactly the price, and nothing for a fee.
        let key = SigningKey::from_bytes([9; 32]).unwrap();
        let payer = key.address();
        market.fund(PATH, payer, PRICE).await;
        let fees = market.balance(PATH, sponsor()).await;
        let client = market.client(market.payer_with(key.into(), pushing()), generous());
        let outlay = buy(&market, &client).await;
        let fee = market
            .fee(outlay.reference.as_ref().unwrap().as_str())
            .await;
        assert_eq!(market.balance(PATH, payer).await, 0, "{terms}");
        assert_eq!(fees - market.balance(PATH, sponsor()).await, fee);
        assert_eq!(market.used(&client).await, u128::from(PRICE));
        let payment = client.payment(outlay.payment).await.unwrap().unwrap();
        assert_eq!(payment.fee, None);
    }
}

/// Of two currencies, the one that is there.
#[tokio::test]
async fn it_pays_with_what_it_has() {
    let both = |options: &mut farthing_tempo::TempoOptions| {
        options.tokens = vec![known::PATH_USD, known::ALPHA_USD];
    };
    let Some(market) = Market::open("payer: two currencies", route(json!({})), both).await else {
        return;
    };
    let key = SigningKey::from_bytes([9; 32]).unwrap();
    let account = key.address();
    market.fund(ALPHA, account, 50_000).await;
    let client = market.client(market.payer(key.into()), generous());
    let outlay = buy(&market, &client).await;
    assert_eq!(outlay.currency, known::ALPHA_USD.currency());
    let fee = market
        .fee(outlay.reference.as_ref().unwrap().as_str())
        .await;
    assert_eq!(market.balance(ALPHA, account).await, 50_000 - PRICE - fee);
    // One budget, whatever the token.
    let payment = client.payment(outlay.payment).await.unwrap().unwrap();
    let most = payment.fee.unwrap().amount.units();
    assert_eq!(market.used(&client).await, u128::from(PRICE) + most);
}

#[tokio::test]
async fn nothing_is_answered_with_a_signature() {
    let free = farthing_server::Route::priced("$0").unwrap();
    let Some(market) = Market::open("payer: proof", free, |_| {}).await else {
        return;
    };
    let before = market.balance(PATH, account(0)).await;
    let client = market.client(market.payer(key(0)), generous());
    let trips = market.node.round_trips();
    buy(&market, &client).await;
    assert_eq!(market.node.round_trips(), trips, "nobody was asked");
    assert_eq!(market.balance(PATH, account(0)).await, before);
    assert_eq!(market.used(&client).await, 0);
}

#[tokio::test]
async fn a_key_on_the_other_curve() {
    let Some(market) = Market::open("payer: P-256", route(json!({})), |_| {}).await else {
        return;
    };
    for options in [PayerOptions::default(), pushing()] {
        let key = P256Key::from_bytes([7; 32]).unwrap();
        let account = key.address();
        market.fund(PATH, account, 50_000).await;
        let before = market.balance(PATH, account).await;
        let client = market.client(market.payer_with(key.into(), options), generous());
        let outlay = buy(&market, &client).await;
        let fee = market
            .fee(outlay.reference.as_ref().unwrap().as_str())
            .await;
        assert_eq!(before - market.balance(PATH, account).await, PRICE + fee);
    }
}

/// Many at once, from one account, to a payee that is new: each is served and each is paid once.
#[tokio::test]
async fn forty_at_once_from_one_account() {
    let Some(market) = Market::open("payer: forty", route(json!({})), |_| {}).await else {
        return;
    };
    let before = market.balance(PATH, account(0)).await;
    let client = market.client(market.payer(key(0)), generous());
    let calls: Vec<_> = (0..40)
        .map(|count| {
            let call = client.get(format!("{}?{count}", market.url)).send();
            tokio::spawn(async move { call.await.unwrap().paid().cloned().unwrap() })
        })
        .collect();
    let mut fees = 0;
    for call in calls {
        let outlay = call.await.unwrap();
        fees += market.fee(outlay.reference.unwrap().as_str()).await;
    }
    assert_eq!(market.runs(), 40);
    assert_eq!(market.balance(PATH, PAYEE).await, 40 * PRICE);
    assert_eq!(
        before - market.balance(PATH, account(0)).await,
        40 * PRICE + fees
    );
}

#[tokio::test]
async fn balances_are_those_of_the_chain() {
    let Some(market) = Market::open("payer: balances", route(json!({})), |_| {}).await else {
        return;
    };
    let key = SigningKey::from_bytes([9; 32]).unwrap();
    market.fund(ALPHA, key.address(), 777).await;
    let balances = market.payer(key.into()).balances().await.unwrap();
    let told: Vec<_> = balances.iter().map(|one| one.amount.units()).collect();
    assert_eq!(told, [0, 777, 0, 0]);
    assert_eq!(balances[1].currency, known::ALPHA_USD.currency());
}

/// A budget without room for the fee pays nothing, however little the chain asks for at the moment.
#[tokio::test]
async fn a_fee_is_within_the_budget() {
    let Some(market) = Market::open("payer: fee and budget", route(json!({})), |_| {}).await else {
        return;
    };
    let before = market.balance(PATH, account(0)).await;
    let policy =
        farthing_client::Policy::new().budget(farthing_client::Limit::total(price("$0.002")));
    let client = market.client(market.payer(key(0)), policy);
    let error = client.get(&market.url).send().await.unwrap_err();
    assert!(error.to_string().starts_with("a fee of 0.0"), "{error}");
    assert_eq!(market.balance(PATH, account(0)).await, before);
    assert_eq!((market.used(&client).await, market.runs()), (0, 0));
}
