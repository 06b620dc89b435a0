//! A seller on loopback and a buyer with a store, in front of a chain of the test's own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy_primitives::address;
use axum::{Router, routing::any};
use farthing_client::{Client, Limit, Options, Policy};
use farthing_core::{
    memory::MemoryBackend,
    port::{backend::Backend, clock::Clock},
    value::{Currency, Price, Secret, Timestamp},
};
use farthing_evm::{Address, ChainId, Node, Receipt, SigningKey, TxHash};
use farthing_server::{Gate, Route, layer::PaymentLayer};
use farthing_tempo::{
    AccountKey, Network, PayerOptions, SignedTransaction, Sponsor, Tempo, TempoOptions, TempoPayer,
    tip20, token::known,
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Turn},
    clock::FakeClock,
    peer,
};
use serde_json::json;

pub(crate) const CHAIN: ChainId = match ChainId::new(42_431) {
    Ok(chain) => chain,
    Err(_) => unreachable!(),
};

pub(crate) const PAYEE: Address = Address::repeat_byte(0x42);
pub(crate) const PATH: Address = address!("20c0000000000000000000000000000000000000");
pub(crate) const ALPHA: Address = address!("20c0000000000000000000000000000000000001");

/// What a request costs, in base units.
pub(crate) const PRICE: u64 = 2_000;

/// The account that sponsors.
const SPONSOR: usize = 4;

/// For how long a dead client's work counts as alive.
pub(crate) const LEASE: Duration = Duration::from_secs(4);

/// The key of one of the accounts the chain starts with.
pub(crate) fn signing(number: usize) -> SigningKey {
    SigningKey::from_bytes(ACCOUNTS[number].secret()).unwrap()
}

pub(crate) fn key(number: usize) -> AccountKey {
    signing(number).into()
}

pub(crate) fn account(number: usize) -> Address {
    signing(number).address()
}

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// A dollar a request, ten in total.
pub(crate) fn generous() -> Policy {
    Policy::new()
        .max_per_request(price("$1"))
        .budget(Limit::total(price("$10")))
}

pub(crate) fn dollar() -> Currency {
    known::PATH_USD.currency()
}

pub(crate) struct Market {
    pub(crate) chain: Turn,
    pub(crate) node: Node,
    pub(crate) network: Network,
    pub(crate) clock: FakeClock,
    pub(crate) url: String,
    runs: Arc<AtomicUsize>,
    /// Held open: the seller ends with the test.
    _gate: Gate,
}

pub(crate) fn sponsored(options: &mut TempoOptions) {
    options.sponsor = Some(Sponsor::new(signing(SPONSOR), known::PATH_USD));
}

pub(crate) fn sponsor() -> Address {
    account(SPONSOR)
}

/// The price, with terms for this method.
pub(crate) fn route(terms: serde_json::Value) -> Route {
    let terms = terms.as_object().unwrap().clone();
    Route::priced("$0.002")
        .unwrap()
        .terms("tempo", terms)
        .unwrap()
}

impl Market {
    /// `None` where there is no chain to be had.
    pub(crate) async fn open(
        test: &str,
        route: Route,
        change: impl FnOnce(&mut TempoOptions),
    ) -> Option<Self> {
        let chain = ChainOptions::tempo(CHAIN.get());
        let chain = peer::or_skip(test, Chain::shared(&chain).await)?;
        // A chain that waited for its turn has an old last block.
        chain.mine(1).await;
        let network = Network::dev(CHAIN, chain.url().parse().unwrap());
        let mut reached = network.node();
        reached.block_time = Duration::from_millis(100);
        reached.attempt = Duration::from_secs(10);
        let node = Node::connect(reached).await.unwrap();
        let clock = FakeClock::going(Timestamp::from_secs(chain.time().await));
        let mut options = TempoOptions::new(network.clone(), PAYEE);
        change(&mut options);
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new([7; 32]))
            .store(Arc::new(MemoryBackend::new()))
            .clock(Arc::new(clock.clone()))
            .method(Arc::new(Tempo::new(node.clone(), options).unwrap()))
            .build()
            .unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let url = serve(&gate, route, runs.clone()).await;
        Some(Self {
            chain,
            node,
            network,
            clock,
            url,
            runs,
            _gate: gate,
        })
    }

    pub(crate) fn payer(&self, key: AccountKey) -> TempoPayer {
        self.payer_with(key, PayerOptions::default())
    }

    pub(crate) fn payer_with(&self, key: AccountKey, options: PayerOptions) -> TempoPayer {
        TempoPayer::new(key, self.network.clone(), self.node.clone(), options).unwrap()
    }

    pub(crate) fn client(&self, payer: TempoPayer, policy: Policy) -> Client {
        self.client_on(Arc::new(MemoryBackend::new()), payer, policy)
    }

    pub(crate) fn client_on(
        &self,
        store: Arc<dyn Backend>,
        payer: TempoPayer,
        policy: Policy,
    ) -> Client {
        let options = Options {
            backoff: Duration::from_millis(50),
            lease: LEASE,
            ..Options::default()
        };
        Client::builder()
            .payer(payer)
            .policy(policy)
            .backend(store)
            .clock(Arc::new(self.clock.clone()))
            .options(options)
            .build()
            .unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How often the seller served.
    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    pub(crate) async fn balance(&self, token: Address, of: Address) -> u64 {
        let balance = tip20::balance(&self.node, token, of).await.unwrap();
        u64::try_from(balance.units()).unwrap()
    }

    /// Gives somebody of what the third account has.
    pub(crate) async fn fund(&self, token: Address, to: Address, amount: u64) {
        let (token, to) = (token.to_string(), to.to_string());
        let giver = ACCOUNTS[2].address;
        let gift = self.chain.give_token(giver, &token, &to, amount.into());
        gift.await;
    }

    /// Sends a transaction without anybody's help, and waits for its receipt.
    pub(crate) async fn send(&self, signed: &SignedTransaction) -> Receipt {
        let bytes = json!([signed.raw().bytes()]).to_string();
        let receipt = self.chain.rpc("eth_sendRawTransactionSync", &bytes).await;
        serde_json::from_value(receipt).unwrap()
    }

    /// The receipt of a transaction that was sent: its block is made a moment later.
    pub(crate) async fn receipt(&self, hash: TxHash) -> Receipt {
        let receipt = self.chain.receipt(&hash.to_string()).await;
        serde_json::from_value(receipt).unwrap()
    }

    /// The fee of a transaction, in base units.
    pub(crate) async fn fee(&self, reference: &str) -> u64 {
        let receipt = self.receipt(reference.parse().unwrap()).await;
        u64::try_from(tip20::fee_of(&receipt).units()).unwrap()
    }

    /// What the budgets of a client have counted, in base units of a dollar.
    pub(crate) async fn used(&self, client: &Client) -> u128 {
        client.budgets(&dollar(), None).await.unwrap()[0]
            .used
            .units()
    }

    /// Lets the chain's time and everybody's go on together.
    pub(crate) async fn later(&self, by: Duration) {
        self.chain.advance(by).await;
        self.clock.advance(by);
    }
}

async fn serve(gate: &Gate, route: Route, runs: Arc<AtomicUsize>) -> String {
    let handler = move || async move {
        runs.fetch_add(1, Ordering::SeqCst);
        "sunny"
    };
    let paid = any(handler).layer(PaymentLayer::new(gate, route).unwrap());
    let app = Router::new().route("/paid", paid);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}/paid")
}
