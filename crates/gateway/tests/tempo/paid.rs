//! Payments, to the unit on every side.

use farthing::tempo::Mode;

use crate::world::{ALPHA_USD, FUNDS, PATH_USD, World, buyer, key, seller, sign, sponsor};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_paid_on_the_chain_whoever_sends() {
    let Some(world) = World::open("gateway: paid on Tempo").await else {
        return;
    };
    let shop = world.gateway("", "\"GET /a\" = \"$0.002\"").await;
    let mut spent = 0;
    for (mode, times) in [(Mode::Pull, 1), (Mode::Push, 2)] {
        let payer = world.payer(1, mode);
        let answer = shop.pay("/a", &payer).await;
        assert_eq!((answer.status, answer.text()), (200, "ok"), "{answer:?}");
        let receipt = answer.receipt().unwrap();
        assert_eq!(receipt.method().as_str(), "tempo");
        spent += 2_000 + world.fee(receipt.reference().as_str()).await;
        assert_eq!(world.has(PATH_USD, seller()).await, 2_000 * times);
        assert_eq!(world.has(PATH_USD, buyer()).await, FUNDS - spent);
        assert_eq!(
            world.upstream.asked().len(),
            usize::try_from(times).unwrap()
        );
    }
    let currency = format!("{PATH_USD:#x}");
    let earned = format!("farthing_earned_units_total{{currency=\"{currency}\"}}");
    assert!((shop.sample(&earned).await - 4_000.0).abs() < f64::EPSILON);
    let up = shop.sample("farthing_rail_up{rail=\"tempo\"}").await;
    assert!((up - 1.0).abs() < f64::EPSILON);
    assert!(shop.sample("farthing_rail_block{rail=\"tempo\"}").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_credential_buys_once() {
    let Some(world) = World::open("gateway: once").await else {
        return;
    };
    let shop = world.gateway("", "\"GET /a\" = \"$0.002\"").await;
    let credential = shop.credential("/a", &world.payer(1, Mode::Pull)).await;
    let (one, two) = tokio::join!(
        shop.present("/a", &credential),
        shop.present("/a", &credential)
    );
    let served = [&one, &two].iter().filter(|it| it.status == 200).count();
    assert_eq!(served, 1, "{one:?} {two:?}");
    let again = shop.present("/a", &credential).await;
    assert_eq!(again.status, 402, "{again:?}");
    assert_eq!(world.has(PATH_USD, seller()).await, 2_000);
    assert_eq!(world.upstream.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_and_the_ledger_are_offered_and_the_chosen_one_is_paid() {
    let Some(world) = World::open("gateway: several offers").await else {
        return;
    };
    let account = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    let pay =
        format!("tokens = [\"pathUSD\", \"AlphaUSD\"]\n[pay.ledger]\naccount = \"{account}\"\n");
    let shop = world.gateway(&pay, "\"GET /a\" = \"$0.002\"").await;
    let offers = shop.offers("/a").await;
    let methods: Vec<_> = offers.iter().map(|it| it.method.as_str()).collect();
    assert_eq!(methods, ["tempo", "tempo", "ledger"]);
    let answer = sign(offers[1].clone(), &world.payer(1, Mode::Pull)).await;
    let answer = shop.present("/a", &answer).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let receipt = answer.receipt().unwrap();
    let fee = world.fee(receipt.reference().as_str()).await;
    assert_eq!(world.has(ALPHA_USD, seller()).await, 2_000);
    assert_eq!(world.has(PATH_USD, seller()).await, 0);
    // The fee is paid in the token that was paid.
    assert_eq!(world.has(ALPHA_USD, buyer()).await, FUNDS - 2_000 - fee);
    let document = shop.ask("/openapi.json", &[]).await;
    let document: serde_json::Value = serde_json::from_slice(&document.body).unwrap();
    let told = &document["paths"]["/a"]["get"]["x-payment-info"]["offers"];
    assert_eq!(told.as_array().map(Vec::len), Some(3), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sponsor_pays_the_fee_and_the_buyer_the_price() {
    let Some(world) = World::open("gateway: sponsored").await else {
        return;
    };
    let pay = "sponsor = { key = { file = \"sponsor-key\" } }";
    let shop = world.gateway(pay, "\"GET /a\" = \"$0.002\"").await;
    let answer = shop.pay("/a", &world.payer(1, Mode::Pull)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let fee = world
        .fee(answer.receipt().unwrap().reference().as_str())
        .await;
    assert!(fee > 0);
    assert_eq!(world.has(PATH_USD, seller()).await, 2_000);
    assert_eq!(world.has(PATH_USD, buyer()).await, FUNDS - 2_000);
    let left = world.has(PATH_USD, sponsor()).await;
    assert_eq!(left, FUNDS - fee);
    let told = shop
        .sample("farthing_sponsor_balance_units{token=\"pathUSD\"}")
        .await;
    assert!((told - left as f64).abs() < 0.5, "{told}");
    assert!(shop.sample("farthing_sponsor_in_flight").await.abs() < 0.5);
    assert!(shop.sample("farthing_sponsor_in_flight_units").await.abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_shared_as_the_rule_says_and_a_memo_stands_beside_it() {
    let Some(world) = World::open("gateway: splits and a memo").await else {
        return;
    };
    let (one, two) = (key(11).address(), key(12).address());
    let memo = format!("0x{}", "ab".repeat(32));
    let routes = format!(
        "\"GET /a\" = {{ price = \"$0.01\", memo = \"{memo}\", splits = [{{ recipient = \"{one:#x}\", amount = \"$0.001\" }}, \
         {{ recipient = \"{two:#x}\", amount = \"$0.0025\" }}] }}"
    );
    let shop = world.gateway("", &routes).await;
    let answer = shop.pay("/a", &world.payer(1, Mode::Pull)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let fee = world
        .fee(answer.receipt().unwrap().reference().as_str())
        .await;
    for (who, expect) in [(seller(), 6_500), (one, 1_000), (two, 2_500)] {
        assert_eq!(world.has(PATH_USD, who).await, expect, "{who}");
    }
    assert_eq!(world.has(PATH_USD, buyer()).await, FUNDS - 10_000 - fee);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_of_nothing_is_a_signature() {
    let Some(world) = World::open("gateway: a proof").await else {
        return;
    };
    let shop = world.gateway("", "\"GET /who\" = \"$0\"").await;
    let answer = shop.pay("/who", &world.payer(1, Mode::Pull)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.has(PATH_USD, buyer()).await, FUNDS);
    assert_eq!(world.has(PATH_USD, seller()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_is_not_sent() {
    let Some(world) = World::open("gateway: settle after").await else {
        return;
    };
    let down = crate::rig::Upstream::says(
        "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
    .await;
    let routes = format!(
        "\"GET /a\" = {{ price = \"$0.002\", settle = \"after\", to = \"{}\" }}\n\
         \"GET /b\" = {{ price = \"$0.002\", settle = \"after\" }}",
        down.url()
    );
    let shop = world.gateway("modes = [\"pull\"]", &routes).await;
    let payer = world.payer(1, Mode::Pull);
    let answer = shop.pay("/a", &payer).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(world.has(PATH_USD, seller()).await, 0);
    assert_eq!(world.has(PATH_USD, buyer()).await, FUNDS);
    let answer = shop.pay("/b", &payer).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.has(PATH_USD, seller()).await, 2_000);
}
