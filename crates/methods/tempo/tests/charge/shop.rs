//! A seller on loopback, in front of a chain of the test's own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy_primitives::address;
use axum::{Router, http::StatusCode, routing::any};
use farthing_core::{
    header::{payment_receipt, www_authenticate},
    memory::MemoryBackend,
    noun::Receipt,
    port::clock::Clock,
    value::{Secret, Timestamp},
};
use farthing_evm::{Address, ChainId, Node, Receipt as ChainReceipt, TxHash, keccak256};
use farthing_server::{Gate, Route, layer::PaymentLayer};
use farthing_tempo::{Network, SignedTransaction, Tempo, TempoOptions, tip20};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Mining, Turn},
    clock::FakeClock,
    peer,
};
use serde_json::{Value, json};

use crate::{
    buyer::{Asked, Buyer},
    proxy::{Proxy, http_client},
};

pub(crate) const CHAIN: ChainId = match ChainId::new(42_431) {
    Ok(chain) => chain,
    Err(_) => unreachable!(),
};

/// Who is paid.
pub(crate) const PAYEE: Address = Address::repeat_byte(0x42);

/// What a request costs, in base units.
pub(crate) const PRICE: u64 = 2_000;

pub(crate) const PATH_USD: Address = address!("20c0000000000000000000000000000000000000");

/// The account that sponsors, where a test has one sponsor.
pub(crate) const SPONSOR: usize = 4;

/// The price, and nothing else.
pub(crate) fn route() -> Route {
    Route::priced("$0.002").unwrap()
}

/// A route with terms for this method.
pub(crate) fn route_with(terms: &Value) -> Route {
    let terms = terms.as_object().unwrap().clone();
    route().terms("tempo", terms).unwrap()
}

/// What a test sells, and what it can see of it.
pub(crate) struct Shop {
    pub(crate) chain: Turn,
    pub(crate) proxy: Proxy,
    pub(crate) node: Node,
    pub(crate) gate: Gate,
    pub(crate) clock: FakeClock,
    pub(crate) http: reqwest::Client,
    address: String,
    runs: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

/// What a shop is made of, to be changed by a test.
pub(crate) struct Setup {
    pub(crate) mining: Mining,
    pub(crate) route: Route,
    pub(crate) options: TempoOptions,
}

impl Shop {
    /// A shop with a route, and the usual options. `None` where there is no chain to be had.
    pub(crate) async fn open(test: &str, route: Route) -> Option<Self> {
        Self::open_with(test, |setup| setup.route = route).await
    }

    pub(crate) async fn open_with(test: &str, change: impl FnOnce(&mut Setup)) -> Option<Self> {
        let url = "http://127.0.0.1:1".parse().unwrap();
        let options = TempoOptions {
            patience: Duration::from_secs(3),
            ..TempoOptions::new(Network::dev(CHAIN, url), PAYEE)
        };
        let mut setup = Setup {
            mining: Mining::Automatic,
            route: route(),
            options,
        };
        change(&mut setup);
        let options = ChainOptions::tempo(CHAIN.get()).mining(setup.mining);
        let chain = peer::or_skip(test, Chain::shared(&options).await)?;
        let proxy = Proxy::to(chain.url()).await;
        let mut options = setup
            .options
            .network
            .clone()
            .at(vec![proxy.url().parse().unwrap()]);
        let mut reached = options.as_mut().unwrap().node();
        reached.block_time = Duration::from_millis(100);
        reached.attempt = Duration::from_secs(2);
        reached.deadline = Duration::from_secs(4);
        reached.rounds = 1;
        let node = Node::connect(reached).await.unwrap();
        // The chain's time stands still between blocks; the seller's begins with it and goes on.
        chain.mine(1).await;
        let clock = FakeClock::going(Timestamp::from_secs(chain.time().await));
        let tempo = Tempo::new(node.clone(), setup.options).unwrap();
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new([7; 32]))
            .store(Arc::new(MemoryBackend::new()))
            .clock(Arc::new(clock.clone()))
            .method(Arc::new(tempo))
            .build()
            .unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let fails = Arc::new(AtomicBool::new(false));
        let address = serve(&gate, setup.route, runs.clone(), fails.clone()).await;
        Some(Self {
            chain,
            proxy,
            node,
            gate,
            clock,
            http: http_client(),
            address,
            runs,
            fails,
        })
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// Whether the handler fails from now on.
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> reqwest::RequestBuilder {
        self.http.get(format!("{}/paid", self.address))
    }

    /// What is asked for, every offer of it.
    pub(crate) async fn offers(&self) -> Vec<Asked> {
        let response = self.get().send().await.unwrap();
        assert_eq!(response.status(), 402);
        let lines = response.headers().get_all("www-authenticate").iter();
        www_authenticate::parse(lines.map(|line| line.as_bytes()))
            .into_iter()
            .map(|challenge| Asked::read(challenge.unwrap()))
            .collect()
    }

    /// The first offer.
    pub(crate) async fn ask(&self) -> Asked {
        self.offers().await.remove(0)
    }

    pub(crate) async fn present(&self, credential: &str) -> Answer {
        let request = self.get().header("authorization", credential);
        Answer::read(request.send().await.unwrap()).await
    }

    /// Pays as a buyer should, and is served.
    pub(crate) async fn buy(&self, buyer: &Buyer, asked: &Asked) -> Answer {
        let transaction = buyer.transaction(asked, self.now());
        self.present(&buyer.pull(asked, transaction)).await
    }

    /// How much of a token somebody has.
    pub(crate) async fn balance(&self, token: Address, of: Address) -> u64 {
        let balance = tip20::balance(&self.node, token, of).await.unwrap();
        u64::try_from(balance.units()).unwrap()
    }

    /// Sends a transaction without the seller.
    pub(crate) async fn send(&self, signed: &SignedTransaction) -> ChainReceipt {
        let bytes = json!([signed.raw().bytes()]).to_string();
        let sent = self.chain.rpc("eth_sendRawTransaction", &bytes).await;
        assert_eq!(sent, json!(signed.hash()));
        self.mined(signed.hash()).await
    }

    /// The receipt of a transaction, where the chain has one.
    pub(crate) async fn receipt(&self, hash: TxHash) -> Option<ChainReceipt> {
        let hash = json!([hash]).to_string();
        let receipt = self.chain.rpc("eth_getTransactionReceipt", &hash).await;
        serde_json::from_value(receipt).unwrap()
    }

    /// The receipt of a transaction that the node took: the block comes a moment later.
    pub(crate) async fn mined(&self, hash: TxHash) -> ChainReceipt {
        let receipt = self.chain.receipt(&hash.to_string()).await;
        serde_json::from_value(receipt).unwrap()
    }

    /// Gives somebody of what the third account has.
    pub(crate) async fn fund(&self, token: Address, to: Address, amount: u64) {
        let (token, to) = (token.to_string(), to.to_string());
        let giver = ACCOUNTS[2].address;
        let gift = self.chain.give_token(giver, &token, &to, amount.into());
        gift.await;
    }

    /// Lets somebody have nothing of a token any more: its balances stand in the tenth slot's map.
    pub(crate) async fn drain(&self, token: Address, from: Address) {
        let mut slot = from.into_word().to_vec();
        slot.extend([0; 31]);
        slot.push(9);
        let nothing = json!([token, keccak256(&slot), TxHash::ZERO]).to_string();
        self.chain.rpc("anvil_setStorageAt", &nothing).await;
        assert_eq!(self.balance(token, from).await, 0);
    }

    /// Lets the chain's time and the seller's go on together.
    pub(crate) async fn later(&self, by: Duration) {
        self.chain.advance(by).await;
        self.clock.advance(by);
    }
}

async fn serve(
    gate: &Gate,
    route: Route,
    runs: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
) -> String {
    let handler = move || async move {
        runs.fetch_add(1, Ordering::SeqCst);
        match fails.load(Ordering::SeqCst) {
            true => Err(StatusCode::INTERNAL_SERVER_ERROR),
            false => Ok("sunny"),
        }
    };
    let paid = any(handler).layer(PaymentLayer::new(gate, route).unwrap());
    let app = Router::new().route("/paid", paid);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) receipt: Option<Receipt>,
    pub(crate) problem: Value,
    /// Whether another challenge came with it.
    pub(crate) is_fresh: bool,
}

impl Answer {
    async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let receipt = response.headers().get("payment-receipt");
        let receipt = receipt.map(|line| payment_receipt::parse(line.as_bytes()).unwrap());
        let is_fresh = response.headers().contains_key("www-authenticate");
        let body = response.bytes().await.unwrap();
        assert!(receipt.is_none() || status == 200, "a receipt on {status}");
        if status == 200 {
            assert_eq!(&*body, b"sunny");
        }
        let problem = serde_json::from_slice(&body).unwrap_or_default();
        Self {
            status,
            receipt,
            problem,
            is_fresh,
        }
    }

    /// The transaction, or the challenge, that the receipt names.
    pub(crate) fn reference(&self) -> &str {
        let receipt = self.receipt.as_ref();
        let receipt = receipt.unwrap_or_else(|| unreachable!("it was not served: {self:?}"));
        receipt.reference().as_str()
    }

    pub(crate) fn hash(&self) -> TxHash {
        self.reference().parse().unwrap()
    }

    /// The end of the problem's type.
    pub(crate) fn kind(&self) -> &str {
        let kind = self.problem["type"].as_str().unwrap_or_default();
        kind.rsplit(['/', ':']).next().unwrap()
    }

    /// That it was refused for a reason, that nothing moved, and that another challenge is there to be paid.
    pub(crate) fn assert_refused(&self, kind: &str, detail: &str) {
        self.assert_not_taken(kind, detail);
        assert_eq!(self.problem["moneyMoved"], false, "{self:?}");
    }

    /// That it was refused for a reason. What the buyer moved itself is not for the seller to deny.
    pub(crate) fn assert_not_taken(&self, kind: &str, detail: &str) {
        let told = self.problem["detail"].as_str().unwrap_or_default();
        assert_eq!((self.status, self.kind()), (402, kind), "{self:?}");
        assert!(told.contains(detail), "{told:?} says nothing of {detail:?}");
        assert_ne!(self.problem["moneyMoved"], true, "{self:?}");
        assert!(self.is_fresh, "{self:?}");
    }

    /// That the chain could not be asked, which is nobody's fault, and nothing was claimed.
    pub(crate) fn assert_unavailable(&self) {
        assert_eq!(
            (self.status, self.kind()),
            (503, "rail-unavailable"),
            "{self:?}"
        );
        assert_eq!(self.problem["moneyMoved"], false, "{self:?}");
    }

    /// That it was sent, and nobody knows yet.
    pub(crate) fn assert_unresolved(&self) {
        assert_eq!(self.status, 503, "{self:?}");
        let kind = self.kind();
        assert!(
            matches!(kind, "payment-pending" | "payment-unresolved"),
            "{self:?}"
        );
        assert!(
            self.problem["moneyMoved"].is_null(),
            "nobody knows: {self:?}"
        );
    }
}
