//! Channels on a chain of our own, to the unit on both sides.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use farthing::{
    client::{CloseHow, Closing},
    clock::SystemClock,
    core::memory::MemoryBackend,
    evm::{Address, ChainId, Node, Outbox, SigningKey},
    tempo::{
        AccountKey, Network,
        session::{SessionPayerOptions, TempoSessionPayer},
        tip20,
    },
};
use farthing_gateway::{
    config::Config,
    serve::{Deps, Gateway},
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, channels, reserve_proxy::ReserveProxy},
    peer,
};

use crate::{
    rig::Upstream,
    world::{WORDS, begins, buyer, ends, port, sample, sends, words},
};

const CHAIN: u64 = 1337;

/// What each begins with.
const FUNDS: u128 = 10_000_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes([seed; 32]).unwrap()
}

fn path_usd() -> Address {
    "0x20c0000000000000000000000000000000000000"
        .parse()
        .unwrap()
}

#[tokio::test]
async fn requests_and_streams_are_paid_out_of_a_channel_on_the_chain_and_settled() {
    let test = "a gateway's channels on a chain";
    let Some(chain) = peer::or_skip(test, Chain::shared(&ChainOptions::tempo(CHAIN)).await) else {
        return;
    };
    channels::install_reserve(&chain).await;
    chain.mine(1).await;
    let proxy = ReserveProxy::start(&chain).await;
    let rich = ACCOUNTS[0].address;
    chain.set_balance(rich, 1 << 80).await;
    for seed in [1, 2] {
        let who = format!("{:#x}", key(seed).address());
        chain
            .send_token(rich, &format!("{:#x}", path_usd()), &who, FUNDS)
            .await;
    }
    let network = Network::dev(ChainId::new(CHAIN).unwrap(), proxy.url().parse().unwrap());
    let node = Node::connect(network.node()).await.unwrap();
    let has = async |seed: u8| {
        let balance = tip20::balance(&node, path_usd(), key(seed).address()).await;
        balance.unwrap().units()
    };
    // Where accounts are shared with other tests, what is there is counted from.
    let before = (has(1).await, has(2).await);

    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            begins(&mut conn).await;
            for word in WORDS {
                sends(&mut conn, &format!("data: {word}\n\n")).await;
            }
            ends(&mut conn).await;
        })
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("settle-key");
    fs::write(&secret, "02".repeat(32)).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let file = folder.path().join("farthing.toml");
    let at = port();
    let text = format!(
        "site = \"{at}\"\nto = \"{}\"\nlisten = \"{at}\"\n\
         [pay.tempo]\nnetwork = {{ name = \"dev\", chain_id = {CHAIN}, block_time = \"100ms\" }}\n\
         rpc = \"{}\"\nrecipient = \"{:#x}\"\n\
         [pay.tempo.session]\nkey = {{ file = \"settle-key\" }}\n\
         [routes]\n\"GET /a\" = {{ session = \"$0.001\" }}\n\
         \"GET /words\" = {{ session = {{ price = \"$0.002\", usage = \"events\" }} }}\n",
        upstream.url(),
        proxy.url(),
        key(2).address(),
    );
    fs::write(&file, text).unwrap();
    let config = Config::read(&file).unwrap_or_else(|findings| panic!("{findings:?}"));
    let gateway = Gateway::start(config, Deps::new(Arc::new(SystemClock)))
        .await
        .unwrap();

    let outbox = Outbox::new(Arc::new(MemoryBackend::new()));
    let payer = TempoSessionPayer::new(
        AccountKey::from(key(1)),
        network,
        node.clone(),
        (outbox, Arc::new(SystemClock)),
        SessionPayerOptions::default(),
    );
    let client = buyer(Arc::new(payer.unwrap()));
    let url = |path: &str| format!("http://{}{path}", gateway.address());
    for _ in 0..2 {
        let answer = client.get(url("/a")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert!(answer.receipt().is_some());
        assert_eq!(answer.text().await.unwrap(), words(&WORDS));
    }
    let answer = client.get(url("/words")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), words(&WORDS));
    let of = "{method=\"tempo\",currency=\"0x20c0000000000000000000000000000000000000\"}";
    let spent = sample(&gateway, &format!("farthing_channels_spent_units{of}")).await;
    assert_eq!(spent, 12_000.0);

    let purses = client.sessions().list(None, 9).await.unwrap();
    let fee = &purses[0].fee;
    let sessions = client.sessions();
    let closing = sessions.close(purses[0].id, CloseHow::Together);
    let Closing::Closed(purse) = closing.await.unwrap() else {
        panic!("it is not closed");
    };
    assert_eq!(purse.paid_out.map(|paid| paid.units()), Some(12_000));
    let after = (has(1).await, has(2).await);
    let buyers_cost = before.0 - after.0;
    // What it paid and what the fee of its opening was, which is known by its bound.
    assert!(buyers_cost >= 12_000, "{buyers_cost}");
    assert!(buyers_cost <= 12_000 + 100_000, "{buyers_cost} {fee:?}");
    let settlers_fee = before.1 + 12_000 - after.1;
    assert!(settlers_fee < 100_000, "{settlers_fee}");
    tokio::time::timeout(Duration::from_secs(20), gateway.stop())
        .await
        .unwrap();
}
