//! The chain, the shops on it, the buyers, and what is in the books when they have gone.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use farthing_client::{Client, CloseHow, Closing, Options, Policy, Purse};
use farthing_core::{
    domain::{channels::Channels, settlements::Settlements},
    intent::session::{Channel, ChannelId, Protocol, Standing},
    port::clock::Clock,
    value::{Amount, Price, Timestamp},
};
use farthing_evm::{Address, Node, Outbox};
use farthing_tempo::{
    AccountKey, Network, PayerOptions, method,
    session::{Escrow, SessionPayerOptions, TempoSessionPayer},
    token::known,
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Turn, channels, reserve_proxy::ReserveProxy},
    clock::FakeClock,
    peer,
    process::Mortal,
};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::shop::{self, CHAIN, PAYEE, Told, escrow, key};

/// What a buyer has to lose.
const WEALTH: u128 = 10_000_000;

/// A chain, and one seller's file.
pub(crate) struct Market {
    pub(crate) chain: Turn,
    pub(crate) escrow: Escrow,
    pub(crate) clock: FakeClock,
    pub(crate) dir: TempDir,
    pub(crate) proxy: ReserveProxy,
    http: reqwest::Client,
    /// What the seller and the contract had before.
    before: (u128, u128),
}

/// One account, and as many clients with it as there are processes of it.
pub(crate) struct Buyer {
    account: usize,
    pub(crate) clients: Vec<Client>,
    had: u128,
}

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

impl Market {
    /// `None` where there is no chain to be had.
    pub(crate) async fn open(test: &str, protocol: Protocol) -> Option<Self> {
        farthing_testkit::trace::start();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = ChainOptions::tempo(CHAIN.get());
        let test = format!("sessions, all of them: {test}");
        let chain = peer::or_skip(&test, Chain::shared(&options).await)?;
        channels::install_reserve(&chain).await;
        let deployed = channels::deploy_escrow(&chain).await;
        for number in [0, 2, 3] {
            let to = ACCOUNTS[number].address;
            let token = known::ALPHA_USD.address.to_string();
            chain
                .give_token(ACCOUNTS[4].address, &token, to, WEALTH)
                .await;
        }
        chain.mine(1).await;
        let clock = FakeClock::going(Timestamp::from_secs(chain.time().await));
        let proxy = ReserveProxy::start(&chain).await;
        let mut market = Self {
            chain,
            escrow: escrow(protocol, deployed),
            clock,
            dir: TempDir::new().unwrap(),
            proxy,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            before: (0, 0),
        };
        market.before = (market.sellers().await, market.locked().await);
        Some(market)
    }

    /// Starts a shop over the seller's file. Port 0 is any.
    pub(crate) fn shop(&self, port: u16) -> Mortal {
        self.shop_by(&self.proxy.url(), port)
    }

    /// The same with another way to the chain.
    pub(crate) fn shop_by(&self, node: &str, port: u16) -> Mortal {
        shop::start(&Told {
            dir: self.dir.path(),
            node,
            escrow: self.escrow,
            now: self.clock.now().as_secs(),
            port,
        })
    }

    /// A buyer with so many clients over one file, as separate processes have.
    pub(crate) async fn buyer(&self, account: usize, clients: usize) -> Buyer {
        let file = self.dir.path().join(format!("buyer-{account}.db"));
        let mut all = Vec::new();
        for _ in 0..clients {
            all.push(self.client(account, file.clone()).await);
        }
        Buyer {
            account,
            clients: all,
            had: self.has(key(account).address()).await,
        }
    }

    async fn client(&self, account: usize, file: PathBuf) -> Client {
        let store = shop::store(&file);
        let network = Network::dev(CHAIN, self.proxy.url().parse().unwrap());
        let mut reached = network.node();
        reached.block_time = Duration::from_millis(100);
        let node = Node::connect(reached).await.unwrap();
        let options = SessionPayerOptions {
            paying: PayerOptions {
                fee_token: Some(known::PATH_USD),
                ..SessionPayerOptions::default().paying
            },
            escrows: vec![self.escrow],
            ..SessionPayerOptions::default()
        };
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let with = (Outbox::new(Arc::clone(&store)), Arc::clone(&clock));
        let key = AccountKey::from(key(account));
        let payer = TempoSessionPayer::new(key, network, node, with, options).unwrap();
        let policy = Policy::new()
            .max_per_request(price("$0.01"))
            .max_deposit(price("$1"))
            .max_fee(price("$0.10"));
        let options = Options {
            backoff: Duration::from_millis(50),
            wait: Duration::from_secs(10),
            ..Options::default()
        };
        Client::builder()
            .session_payer(Arc::new(payer))
            .policy(policy)
            .backend(store)
            .clock(clock)
            .options(options)
            .build()
            .unwrap()
    }

    /// Lets everybody's time go on.
    pub(crate) async fn later(&self, by: Duration, shops: &[&Mortal]) {
        self.chain.advance(by).await;
        self.clock.advance(by);
        for shop in shops {
            self.post(shop, &format!("/later/{}", by.as_secs())).await;
        }
    }

    pub(crate) async fn post(&self, shop: &Mortal, path: &str) -> String {
        let url = url(shop.address(), path);
        let answer = self.http.post(url).send().await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }

    /// Lets a shop end by itself, with everything that is under way.
    pub(crate) async fn drain(&self, shop: Mortal) {
        self.post(&shop, "/drain").await;
        tokio::task::spawn_blocking(|| shop.ended()).await.unwrap();
    }

    pub(crate) async fn has(&self, who: Address) -> u128 {
        let token = known::ALPHA_USD.address.to_string();
        self.chain.token_balance(&token, &who.to_string()).await
    }

    async fn sellers(&self) -> u128 {
        self.has(key(PAYEE).address()).await
    }

    async fn locked(&self) -> u128 {
        self.has(self.escrow.contract).await
    }

    /// What the seller was paid since the market opened.
    pub(crate) async fn paid(&self) -> u128 {
        self.sellers().await - self.before.0
    }

    /// Waits until the seller was paid so much.
    pub(crate) async fn is_paid(&self, expected: u128) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until && self.paid().await < expected {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(self.paid().await, expected);
    }

    /// Waits until the seller knows that channels are over: its watcher needs a moment to hear of it.
    pub(crate) async fn are_over(&self, ids: &[ChannelId]) {
        for id in ids {
            for _ in 0..600 {
                if self.books(id).await.standing() == Standing::Closed {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// What the seller's file says of a channel.
    pub(crate) async fn books(&self, id: &ChannelId) -> Channel {
        let channels = Channels::new(shop::store(&self.dir.path().join("store.db")));
        let held = channels.load(id).await.unwrap();
        held.expect("it is in the books").channel().clone()
    }

    /// The seller's file, the chain and the buyers' purses agree on channels that are all closed.
    pub(crate) async fn all_is_even(&self, buyers: &[(&Buyer, &ChannelId)]) {
        let mut settled = 0;
        for (buyer, id) in buyers {
            let channel = self.books(id).await;
            let balance = channel.balance();
            let told = format!("{balance:?}");
            assert_eq!(channel.standing(), Standing::Closed, "{told}");
            assert_eq!(channel.lost(), Amount::ZERO, "{told}");
            assert_eq!(balance.settled, balance.spent, "{told}");
            assert!(balance.spent <= balance.accepted, "{told}");
            assert!(balance.accepted <= balance.deposit, "{told}");
            let has = self.has(key(buyer.account).address()).await;
            assert_eq!(buyer.had - has, balance.spent.units(), "{told}");
            settled += balance.settled.units();
        }
        assert_eq!(self.paid().await, settled);
        assert_eq!(self.locked().await, self.before.1, "nothing is left locked");
        let settlements = Settlements::new(shop::store(&self.dir.path().join("store.db")));
        let currency = known::ALPHA_USD.currency().code;
        let totals = settlements.totals(&method(), &currency).await.unwrap();
        assert_eq!(totals.settled, Amount::new(settled));
        assert_eq!(totals.lost, Amount::ZERO);
    }
}

impl Buyer {
    /// The one channel it has.
    pub(crate) async fn purse(&self) -> Purse {
        let mut purses = self.clients[0].sessions().list(None, 9).await.unwrap();
        assert_eq!(purses.len(), 1, "one channel is enough: {purses:?}");
        purses.remove(0)
    }

    /// Closes it, and goes on asking while the chain does not show its end.
    pub(crate) async fn close(&self, market: &Market, shop: &Mortal, how: CloseHow) -> Closing {
        self.close_by(market, &[shop], how).await
    }

    /// The same without a seller who listens.
    pub(crate) async fn close_alone(&self, market: &Market) -> Closing {
        self.close_by(market, &[], CloseHow::Alone).await
    }

    async fn close_by(&self, market: &Market, shops: &[&Mortal], how: CloseHow) -> Closing {
        let id = self.purse().await.id;
        for _ in 0..10 {
            match self.clients[0].sessions().close(id, how).await.unwrap() {
                Closing::Asked(_) => market.later(Duration::from_secs(5), shops).await,
                closing => return closing,
            }
        }
        unreachable!("the chain does not show its end")
    }

    /// Buys so often with each client, so many at once, and gives how many were served.
    pub(crate) async fn buys(&self, url: &str, each: usize, at_once: usize) -> usize {
        let mut calls = tokio::task::JoinSet::new();
        for client in &self.clients {
            for lane in 0..at_once {
                let (client, url) = (client.clone(), url.to_owned());
                let count = each / at_once + usize::from(lane < each % at_once);
                calls.spawn(async move {
                    for _ in 0..count {
                        let answer = client.get(&url).send().await.unwrap();
                        assert_eq!(answer.text().await.unwrap(), "sunny");
                    }
                    count
                });
            }
        }
        calls.join_all().await.into_iter().sum()
    }
}

pub(crate) fn url(at: SocketAddr, path: &str) -> String {
    format!("http://{at}{path}")
}
