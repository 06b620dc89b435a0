//! A chain, a seller on it, and buyers with money.

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc};

use axum::{Router, routing::get};
use farthing::{
    clock::SystemClock,
    core::{
        header::{authorization, payment_receipt, www_authenticate},
        memory::MemoryBackend,
        noun::{Credential, Source},
        port::{
            clock::Clock as _,
            payer::{Offer, Payer as _},
        },
        value::Secret,
    },
    evm::{Address, Node, SigningKey, TxHash},
    server::{Gate, RateLimits, Route, layer::PaymentLayer},
    tempo::{
        AccountKey, Network, NetworkOptions, PayerOptions, Tempo, TempoOptions, TempoPayer,
        token::known,
    },
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Mining},
    peer,
};
use reqwest::{Client, StatusCode, header::AUTHORIZATION};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::Failed;

/// Of no public network.
const CHAIN: u64 = 1337;

/// What every buyer has beside the money it starts with: a hundred dollars.
const FUNDS: u128 = 100_000_000;

/// The chain and the seller; both end when this is dropped.
pub(crate) struct Market {
    chain: Chain,
    network: Network,
    /// The seller's way to the chain.
    pub(crate) node: Node,
    url: String,
    server: JoinHandle<()>,
}

impl Drop for Market {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Market {
    /// Starts the chain, and a server that sells one thing for a cent.
    pub(crate) async fn open(mining: Mining) -> Result<Self, Failed> {
        let options = ChainOptions::tempo(CHAIN).mining(mining);
        let chain = peer::or_skip("bench: a chain", Chain::start(&options));
        let chain = chain.ok_or("there is no chain to be had: cargo xtask tools brings it")?;
        let network = network(&chain, mining)?;
        let node = Node::connect(network.node()).await?;
        let seller = TempoOptions::new(network.clone(), Address::repeat_byte(0x42));
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new([7; 32]))
            .store(Arc::new(MemoryBackend::new()))
            .clock(Arc::new(SystemClock))
            .method(Arc::new(Tempo::new(node.clone(), seller)?))
            .rate_limits(unlimited())
            .build()?;
        let layer = PaymentLayer::new(&gate, Route::priced("$0.01")?)?;
        let app = Router::new().route("/", get(|| async { "bought" }).route_layer(layer));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move {
            // A server that ended shows in the charges.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self {
            chain,
            network,
            node,
            url,
            server,
        })
    }

    /// Another way to the same chain, whose round trips are counted apart.
    pub(crate) async fn another_node(&self) -> Result<Node, Failed> {
        Ok(Node::connect(self.network.node()).await?)
    }

    /// Keys of accounts with money.
    pub(crate) async fn keys(&self, count: usize) -> Result<Vec<SigningKey>, Failed> {
        let rich = ACCOUNTS[0].address;
        self.chain.set_balance(rich, 1 << 80).await;
        let token = known::PATH_USD.address.to_string();
        let mut keys = Vec::with_capacity(count);
        for number in 0..count {
            let mut secret = [0x5a; 32];
            secret[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
            let key = SigningKey::from_bytes(secret)?;
            let to = key.address().to_string();
            self.chain.send_token(rich, &token, &to, FUNDS).await;
            keys.push(key);
        }
        self.chain.mine(1).await;
        Ok(keys)
    }

    /// A buyer who pays from an account, over a node.
    pub(crate) fn buyer(&self, key: SigningKey, node: Node) -> Result<Arc<Buyer>, Failed> {
        let key = AccountKey::from(key);
        let payer = TempoPayer::new(key, self.network.clone(), node, PayerOptions::default())?;
        Ok(Arc::new(Buyer {
            payer,
            http: Client::builder().no_proxy().build()?,
            url: self.url.clone(),
        }))
    }
}

/// A buyer without a policy and without a store: what those cost is measured elsewhere.
pub(crate) struct Buyer {
    payer: TempoPayer,
    http: Client,
    url: String,
}

impl Buyer {
    /// Asks, pays, and gets what was asked for: the transaction that paid.
    pub(crate) async fn charge(&self) -> Result<TxHash, Failed> {
        let asked = self.http.get(&self.url).send().await?;
        let lines = asked.headers().get_all("www-authenticate").iter();
        let mut read = www_authenticate::parse(lines.map(|line| line.as_bytes()));
        let challenge = read.pop().ok_or("no challenge")??;
        let offer = Offer {
            request: challenge.request.decode()?,
            challenge,
        };
        let proof = self.payer.sign(&offer, SystemClock.now()).await?;
        let source = proof.source.as_ref().map(|did| Source::new(did.as_str()));
        let credential = Credential {
            challenge: offer.challenge,
            payload: proof.payload,
            source: source.transpose()?,
        };
        let paid = self.http.get(&self.url);
        let paid = paid.header(AUTHORIZATION, authorization::format(&credential));
        let paid = paid.send().await?;
        if paid.status() != StatusCode::OK {
            return Err(format!("{}: {}", paid.status(), paid.text().await?).into());
        }
        let receipt = paid.headers().get("payment-receipt").ok_or("no receipt")?;
        let receipt = payment_receipt::parse(receipt.as_bytes())?;
        Ok(receipt.reference().as_str().parse()?)
    }
}

fn network(chain: &Chain, mining: Mining) -> Result<Network, Failed> {
    let block_time = match mining {
        Mining::Every(time) | Mining::Both(time) => time,
        Mining::Automatic | Mining::Manual => std::time::Duration::from_millis(100),
    };
    Ok(Network::custom(NetworkOptions {
        chain: farthing::evm::ChainId::new(CHAIN)?,
        name: "bench".to_owned(),
        endpoints: vec![chain.url().parse()?],
        sockets: vec![chain.ws_url().parse()?],
        block_time,
        tokens: known::TEST_TOKENS.to_vec(),
        faucet: false,
    })?)
}

/// Limits that count and never refuse.
fn unlimited() -> RateLimits {
    RateLimits {
        per_peer: NonZeroU32::MAX,
        peer_burst: NonZeroU32::MAX,
        global: NonZeroU32::MAX,
        ..RateLimits::default()
    }
}
