//! Chains that are not what they should be, and files that change.

use farthing::{evm::RpcError, tempo::Mode};
use farthing_gateway::serve::{LiveError, StartError};
use farthing_testkit::chain::{Chain, ChainOptions, Mining};
use tokio::net::TcpListener;

use crate::{
    rig::until,
    world::{FUNDS, PATH_USD, World, buyer, seller},
};

const ROUTES: &str = "\"GET /a\" = \"$0.002\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_chain_stops_the_start_and_a_reload() {
    let Some(world) = World::open("gateway: another chain").await else {
        return;
    };
    let other = Chain::start(&ChainOptions::tempo(1338)).unwrap();
    let wrong = world.file(&other.url(), "", ROUTES);
    let started = world.start(&wrong).await.map(|_| ());
    assert!(
        matches!(
            started,
            Err(StartError::Setup(LiveError::Chain(RpcError::WrongChain {
                found: 1338,
                ..
            })))
        ),
        "{started:?}"
    );
    let shop = world.gateway("", ROUTES).await;
    world.file(&other.url(), "", ROUTES);
    shop.reload().await.unwrap_err();
    // It goes on as before.
    let answer = shop.pay("/a", &world.payer(1, Mode::Pull)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.has(PATH_USD, seller()).await, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_chain_is_told_and_nothing_moves() {
    let Some(world) = World::open("gateway: a silent chain").await else {
        return;
    };
    // Connections are taken, and nobody answers.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    let pay = "[admin]\nlisten = \"127.0.0.1:0\"";
    let shop = world.start(&world.file(&url, pay, ROUTES)).await.unwrap();
    let ready = readiness(&shop).await;
    assert_eq!(ready["ready"], false, "{ready}");
    assert_eq!(ready["reasons"][0]["what"], "rail", "{ready}");
    assert_eq!(ready["rails"][0]["reachable"], false, "{ready}");
    assert!(shop.sample("farthing_rail_up{rail=\"tempo\"}").await.abs() < 0.5);

    let payer = world.payer(1, Mode::Pull);
    let credential = shop.credential("/a", &payer).await;
    let answer = shop.present("/a", &credential).await;
    let problem = answer.problem();
    assert_eq!(
        (answer.status, &problem["moneyMoved"]),
        (503, &false.into()),
        "{problem}"
    );
    assert_eq!(world.has(PATH_USD, buyer()).await, FUNDS);
    assert!(world.upstream.asked().is_empty());

    // Told of another endpoint, the same gateway is paid.
    world.file(&world.chain.url(), pay, ROUTES);
    shop.reload().await.unwrap();
    until("ready", async || readiness(&shop).await["ready"] == true).await;
    let answer = shop.present("/a", &credential).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.has(PATH_USD, seller()).await, 2_000);
}

async fn readiness(shop: &crate::world::Shop) -> serde_json::Value {
    let admin = shop.gateway.admin_address().unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let all = crate::rig::exchange(admin, request).await;
    let answer = crate::rig::Answer::read_all(&all).remove(0);
    let ready: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status == 200, ready["ready"] == true, "{answer:?}");
    ready
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_recipient_counts_at_once_and_an_old_challenge_is_not_paid_to_anybody() {
    let Some(world) = World::open("gateway: another recipient").await else {
        return;
    };
    let shop = world.gateway("", ROUTES).await;
    let payer = world.payer(1, Mode::Pull);
    let old = shop.credential("/a", &payer).await;
    let file = world.path("farthing.toml");
    let (before, other) = (format!("{:#x}", seller()), crate::world::key(21).address());
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&before, &format!("{other:#x}"))).unwrap();
    let changes = shop.reload().await.unwrap();
    assert_eq!(changes.settings, ["pay"]);
    let answer = shop.present("/a", &old).await;
    assert_eq!(answer.status, 402, "{answer:?}");
    assert_eq!(world.has(PATH_USD, buyer()).await, FUNDS, "nothing moved");
    let answer = shop.pay("/a", &payer).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.has(PATH_USD, other).await, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_not_in_a_block_is_pending_and_served_once_it_is() {
    let Some(world) = World::with("gateway: pending", Mining::Manual).await else {
        return;
    };
    let shop = world.gateway("", ROUTES).await;
    let credential = shop.credential("/a", &world.payer(1, Mode::Pull)).await;
    let answer = shop.present("/a", &credential).await;
    let problem = answer.problem();
    assert_eq!(answer.status, 503, "{problem}");
    assert!(answer.get("retry-after").is_some());
    assert!(
        world.upstream.asked().is_empty(),
        "nothing is served before the block"
    );
    let pending: f64 = shop
        .sample("farthing_undecided_payments{state=\"pending\"}")
        .await;
    assert!((pending - 1.0).abs() < 0.5, "{pending}");
    world.chain.mine(1).await;
    let mut last = answer;
    until("served", async || {
        last = shop.present("/a", &credential).await;
        last.status == 200
    })
    .await;
    assert!(last.receipt().is_some());
    assert_eq!(world.has(PATH_USD, seller()).await, 2_000);
    assert_eq!(world.upstream.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_what_the_file_says_stops_the_start() {
    let Some(world) = World::open("gateway: a token of one's own").await else {
        return;
    };
    let own = "tokens = [{ address = \"0x20c0000000000000000000000000000000000077\", symbol = \"OwnUSD\", unit = \"USD\" }]";
    let file = world.file(&world.chain.url(), own, ROUTES);
    let started = world.start(&file).await.map(|_| ());
    assert!(
        matches!(started, Err(StartError::Setup(LiveError::Token { .. }))),
        "{started:?}"
    );
}
