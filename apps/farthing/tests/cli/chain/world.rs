//! A chain on this machine, and a seller who is paid on it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::IntoResponse,
    routing::any,
};
use farthing::{
    clock::SystemClock,
    core::{memory::MemoryBackend, value::Secret},
    evm::{Address, ChainId, Node},
    server::{Gate, Route, layer::PaymentLayer},
    tempo::{Network, Tempo, TempoOptions, tip20},
};
use farthing_testkit::{
    chain::{Chain, ChainOptions, Mining, Turn},
    peer,
};
use http::StatusCode;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::world::{Machine, Run, owner};

pub(crate) const PATH_USD: &str = "0x20c0000000000000000000000000000000000000";
pub(crate) const ALPHA_USD: &str = "0x20c0000000000000000000000000000000000001";

/// Who is paid.
pub(crate) const PAYEE: Address = Address::repeat_byte(0x42);

const CHAIN: u64 = 1337;

/// A chain that makes a block a second and one for each transaction, and somebody's machine that knows
/// it as `dev`.
pub(crate) struct Market {
    pub(crate) runtime: Runtime,
    pub(crate) chain: Turn,
    pub(crate) node: Node,
    pub(crate) machine: Machine,
}

impl Market {
    /// `None` where there is no chain to be had.
    pub(crate) fn open(test: &str) -> Option<Self> {
        Self::mining(test, Mining::Both(Duration::from_secs(1)))
    }

    /// The same, with blocks made in another way.
    pub(crate) fn mining(test: &str, mining: Mining) -> Option<Self> {
        let runtime = Runtime::new().unwrap();
        let options = ChainOptions::tempo(CHAIN).mining(mining);
        let chain = runtime.block_on(Chain::shared(&options));
        let chain = peer::or_skip(test, chain)?;
        let node = runtime
            .block_on(Node::connect(network(&chain).node()))
            .unwrap();
        let (machine, _) = owner();
        let market = Self {
            runtime,
            chain,
            node,
            machine,
        };
        let (number, url) = (CHAIN.to_string(), market.chain.url());
        let add = [
            "networks",
            "add",
            "dev",
            "--chain-id",
            &number,
            "--rpc",
            &url,
        ];
        market.run(&add).ends(0);
        market.run(&["networks", "use", "dev"]).ends(0);
        Some(market)
    }

    /// The same, with a wallet that has a hundred dollars; its address comes along.
    pub(crate) fn with_wallet(test: &str) -> Option<(Self, Address)> {
        let market = Self::open(test)?;
        let made = market.run(&["wallet", "create", "--json"]).ends(0).json();
        let address = address(&made["address"]);
        market.run(&["wallet", "fund"]).ends(0);
        assert_eq!(market.balance(PATH_USD, address), 100_000_000);
        Some((market, address))
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.machine.run(args)
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).json()
    }

    /// How much of a token an account has, as the chain has it.
    pub(crate) fn balance(&self, token: &str, of: Address) -> u128 {
        let balance = tip20::balance(&self.node, token.parse().unwrap(), of);
        self.runtime.block_on(balance).unwrap().units()
    }

    /// Gives an account of what one of the chain's own has, and makes the block it is in.
    pub(crate) fn give(&self, to: Address, amount: u128) {
        let giver = farthing_testkit::chain::ACCOUNTS[2].address;
        self.runtime.block_on(async {
            self.chain.set_balance(giver, 1 << 80).await;
            let to = format!("{to:#x}");
            self.chain.send_token(giver, PATH_USD, &to, amount).await;
        });
        self.mine();
        assert_eq!(self.balance(PATH_USD, to), amount);
    }

    /// How many transactions the node has that are in no block.
    pub(crate) fn waiting(&self) -> u64 {
        let status = self.runtime.block_on(self.chain.rpc("txpool_status", "[]"));
        let pending = status["pending"].as_str().unwrap().trim_start_matches("0x");
        u64::from_str_radix(pending, 16).unwrap()
    }

    /// Makes a block.
    pub(crate) fn mine(&self) {
        self.runtime.block_on(self.chain.mine(1));
    }

    /// Lets the chain's time go on.
    pub(crate) fn later(&self, by: Duration) {
        self.runtime.block_on(self.chain.advance(by));
    }

    /// A shop that asks for a payment, takes what was signed, and says nothing of it.
    pub(crate) fn mute_shop(&self, route: Route) -> String {
        let options = TempoOptions::new(network(&self.chain), PAYEE);
        let gate = self.gate(options);
        let paid = any(|| async { "sunny\n" }).layer(PaymentLayer::new(&gate, route).unwrap());
        let mute = middleware::from_fn(|request: Request, next: Next| async move {
            if request.headers().contains_key("authorization") {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
            next.run(request).await
        });
        self.serve(Router::new().route("/paid", paid).layer(mute))
    }

    /// Opens a shop that sells one page.
    pub(crate) fn shop(&self, route: Route, change: impl FnOnce(&mut TempoOptions)) -> String {
        let mut options = TempoOptions::new(network(&self.chain), PAYEE);
        change(&mut options);
        let gate = self.gate(options);
        let paid = any(|| async { "sunny\n" }).layer(PaymentLayer::new(&gate, route).unwrap());
        self.serve(Router::new().route("/paid", paid))
    }

    fn gate(&self, options: TempoOptions) -> Gate {
        Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new([7; 32]))
            .store(Arc::new(MemoryBackend::new()))
            .clock(Arc::new(SystemClock))
            .method(Arc::new(Tempo::new(self.node.clone(), options).unwrap()))
            .build()
            .unwrap()
    }

    fn serve(&self, app: Router) -> String {
        self.runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let at = listener.local_addr().unwrap();
            tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
            format!("http://{at}/paid")
        })
    }
}

pub(crate) fn network(chain: &Chain) -> Network {
    Network::dev(ChainId::new(CHAIN).unwrap(), chain.url().parse().unwrap())
}

pub(crate) fn address(text: &Value) -> Address {
    text.as_str().unwrap().parse().unwrap()
}

pub(crate) fn units(text: &Value) -> u128 {
    text.as_str().unwrap().parse().unwrap()
}
