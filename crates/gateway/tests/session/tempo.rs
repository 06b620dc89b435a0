//! Channels on a chain of our own, in the contracts of both protocols, to the unit on both sides.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use farthing::{
    client::{CloseHow, Closing},
    clock::SystemClock,
    core::{intent::session::Protocol, memory::MemoryBackend},
    evm::{Address, ChainId, Node, Outbox, Receipt, SigningKey},
    server::session::NotClosed,
    store::{SqliteBackend, SqliteOptions},
    tempo::{
        AccountKey, Network,
        session::{Escrow, SessionPayerOptions, TempoSessionPayer},
        tip20,
    },
};
use farthing_gateway::{
    config::{Config, Store},
    serve::{self, Deps, Gateway},
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Turn, channels, reserve_proxy::ReserveProxy},
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

/// A chain with the contracts of both protocols, and money for a buyer and a seller.
struct Market {
    chain: Turn,
    proxy: ReserveProxy,
    first: Escrow,
    network: Network,
    node: Node,
}

impl Market {
    /// `None` where there is no chain to be had.
    async fn open(test: &str) -> Option<Self> {
        let chain = peer::or_skip(test, Chain::shared(&ChainOptions::tempo(CHAIN)).await)?;
        channels::install_reserve(&chain).await;
        let id = ChainId::new(CHAIN).unwrap();
        let first = Escrow {
            chain: id,
            contract: channels::deploy_escrow(&chain).await,
            protocol: Protocol::V1,
        };
        // A chain that waited for its turn has an old last block.
        chain.mine(1).await;
        let proxy = ReserveProxy::start(&chain).await;
        let rich = ACCOUNTS[0].address;
        chain.set_balance(rich, 1 << 80).await;
        for seed in [1, 2] {
            let who = format!("{:#x}", key(seed).address());
            let token = format!("{:#x}", path_usd());
            chain.send_token(rich, &token, &who, FUNDS).await;
        }
        let network = Network::dev(id, proxy.url().parse().unwrap());
        let node = Node::connect(network.node()).await.unwrap();
        Some(Self {
            chain,
            proxy,
            first,
            network,
            node,
        })
    }

    /// What buyer and seller have.
    async fn have(&self) -> [u128; 2] {
        let mut have = [0; 2];
        for (seed, has) in [1, 2].into_iter().zip(&mut have) {
            let balance = tip20::balance(&self.node, path_usd(), key(seed).address()).await;
            *has = balance.unwrap().units();
        }
        have
    }

    /// The number of the last block.
    async fn height(&self) -> u64 {
        let number = self.chain.rpc("eth_blockNumber", "[]").await;
        let digits = number.as_str().unwrap().trim_start_matches("0x");
        u64::from_str_radix(digits, 16).unwrap()
    }

    /// What buyer and seller paid in fees since a block.
    async fn fees_since(&self, block: u64) -> [u128; 2] {
        let mut fees = [0; 2];
        for number in block + 1..=self.height().await {
            let asked = format!("[\"{number:#x}\"]");
            let receipts = self.chain.rpc("eth_getBlockReceipts", &asked).await;
            let receipts: Vec<Receipt> = serde_json::from_value(receipts).unwrap();
            for receipt in receipts {
                for (seed, fee) in [1, 2].into_iter().zip(&mut fees) {
                    if receipt.from == key(seed).address() {
                        *fee += tip20::fee_of(&receipt).units();
                    }
                }
            }
        }
        fees
    }

    /// A gateway with channels in these contracts.
    async fn gateway(&self, folder: &Path, to: &Upstream, escrows: &str) -> Gateway {
        let secret = folder.join("settle-key");
        fs::write(&secret, "02".repeat(32)).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let file = folder.join("farthing.toml");
        let at = port();
        let text = format!(
            "site = \"{at}\"\nto = \"{}\"\nlisten = \"{at}\"\n\
             [pay.tempo]\nnetwork = {{ name = \"dev\", chain_id = {CHAIN}, block_time = \"100ms\" }}\n\
             rpc = \"{}\"\nrecipient = \"{:#x}\"\n\
             [pay.tempo.session]\nkey = {{ file = \"settle-key\" }}\nescrows = [{escrows}]\n\
             [routes]\n\"GET /a\" = {{ session = \"$0.001\" }}\n\
             \"GET /words\" = {{ session = {{ price = \"$0.002\", usage = \"events\" }} }}\n",
            to.url(),
            self.proxy.url(),
            key(2).address(),
        );
        fs::write(&file, text).unwrap();
        let config = Config::read(&file).unwrap_or_else(|findings| panic!("{findings:?}"));
        let deps = Deps::new(Arc::new(SystemClock));
        Gateway::start(config, deps).await.unwrap()
    }

    fn payer(&self) -> TempoSessionPayer {
        let outbox = Outbox::new(Arc::new(MemoryBackend::new()));
        let options = SessionPayerOptions {
            escrows: vec![self.first],
            ..SessionPayerOptions::default()
        };
        TempoSessionPayer::new(
            AccountKey::from(key(1)),
            self.network.clone(),
            self.node.clone(),
            (outbox, Arc::new(SystemClock)),
            options,
        )
        .unwrap()
    }
}

/// Requests and a stream out of a channel in these contracts, to its end.
async fn sells(test: &str, escrows: impl FnOnce(&Market) -> String) {
    let Some(market) = Market::open(test).await else {
        return;
    };
    let (height, before) = (market.height().await, market.have().await);
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
    let escrows = escrows(&market);
    let gateway = market.gateway(folder.path(), &upstream, &escrows).await;
    let client = buyer(Arc::new(market.payer()));
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
    let sessions = client.sessions();
    let closing = sessions.close(purses[0].id, CloseHow::Together);
    let Closing::Closed(purse) = closing.await.unwrap() else {
        panic!("it is not closed");
    };
    assert_eq!(purse.paid_out.map(|paid| paid.units()), Some(12_000));
    let stopped = tokio::time::timeout(Duration::from_secs(20), gateway.stop()).await;
    assert!(stopped.unwrap().settled);
    // What was locked and not spent is back; all that went beside what was bought are the fees.
    let (after, fees) = (market.have().await, market.fees_since(height).await);
    assert!(fees.iter().all(|fee| *fee > 0), "{fees:?}");
    assert_eq!(
        [before[0] - after[0], after[1] + fees[1] - before[1]],
        [12_000 + fees[0], 12_000]
    );
}

#[tokio::test]
async fn requests_and_streams_are_paid_out_of_a_channel_in_the_chains_own_reserve() {
    sells("a gateway's channels in the reserve", |_| {
        "\"v2\"".to_owned()
    })
    .await;
}

#[tokio::test]
async fn requests_and_streams_are_paid_out_of_a_channel_in_a_contract_of_the_first_protocol() {
    sells("a gateway's channels of the first protocol", |market| {
        format!("{{ v1 = \"{:#x}\" }}", market.first.contract)
    })
    .await;
}

/// The operator's commands are made of this: the file's till, with the file's key, beside the gateway
/// that runs on the same store.
#[tokio::test]
async fn a_seller_settles_and_closes_beside_its_gateway() {
    let Some(market) = Market::open("settling beside a gateway").await else {
        return;
    };
    let (height, before) = (market.height().await, market.have().await);
    let upstream = Upstream::start(|_, mut conn| {
        Box::pin(async move {
            begins(&mut conn).await;
            ends(&mut conn).await;
        })
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = market.gateway(folder.path(), &upstream, "\"v2\"").await;
    let client = buyer(Arc::new(market.payer()));
    let buys = async || {
        let answer = client.get(format!("http://{}/a", gateway.address()));
        assert_eq!(answer.send().await.unwrap().status().as_u16(), 200);
    };
    buys().await;
    let config = Config::read(&folder.path().join("farthing.toml")).unwrap();
    let Store::Sqlite(path) = &config.store else {
        panic!("it is a file");
    };
    let store = Arc::new(SqliteBackend::open(SqliteOptions::new(path)).unwrap());
    let clock = Arc::new(SystemClock);
    let till = serve::till(&config, store.clone(), clock, None).await;
    let till = till.unwrap();
    let channel = till.list(None, 9).await.unwrap()[0].channel.clone();
    let method = farthing::tempo::method();
    // Whichever of the two settles: it is done once.
    let mut settled = Vec::new();
    while settled.is_empty() {
        till.want_settled(&channel).await.unwrap();
        till.settle(&method).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        settled = till.settlements().payouts(&channel).await.unwrap();
    }
    assert_eq!(settled[0].settled.units(), 1_000);
    let fees = market.fees_since(height).await;
    assert_eq!(settled[0].fee.as_ref().unwrap().amount.units(), fees[1]);
    buys().await;
    let end = loop {
        match till.close_as_seller(&channel).await {
            Ok(end) => break end,
            Err(NotClosed::Pending) => {}
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!((end.settled.units(), end.lost.units()), (2_000, 0));
    let report = till.report().await.unwrap();
    let ever: Vec<_> = report.currencies.values().map(|sums| sums.ever).collect();
    let (after, fees) = (market.have().await, market.fees_since(height).await);
    assert_eq!(ever.len(), 1);
    assert_eq!(
        (
            ever[0].settlements,
            ever[0].settled.units(),
            ever[0].fees.units()
        ),
        (2, 2_000, fees[1])
    );
    assert_eq!(
        [before[0] - after[0], after[1] + fees[1] - before[1]],
        [2_000 + fees[0], 2_000]
    );
    store.close().await;
    gateway.stop().await;
}
