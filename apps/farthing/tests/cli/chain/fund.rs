//! Test money: from a network's faucet, and from a development chain's first account.

use axum::{Json, Router, extract::State, routing::post};
use farthing::evm::Address;
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions},
    peer,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::world::{PATH_USD, address};
use crate::world::owner;

/// What a faucet gives here.
const GIFT: u128 = 7_000_000;

/// In front of a node, knowing what a node of the test network knows besides: how to give money away.
#[derive(Clone)]
struct Faucet {
    url: String,
    http: reqwest::Client,
}

impl Faucet {
    async fn open(chain: &Chain) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let faucet = Self {
            url: chain.url(),
            http: reqwest::Client::new(),
        };
        // The accounts of the chain have no coin to pay for a transaction of the usual kind with.
        chain.set_balance(ACCOUNTS[1].address, 1 << 80).await;
        let app = Router::new()
            .route("/", post(Self::answer))
            .with_state(faucet);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        format!("http://{at}")
    }

    async fn answer(State(faucet): State<Self>, Json(asked): Json<Value>) -> Json<Value> {
        let is_fund = |one: &Value| one["method"] == "tempo_fundAddress";
        let first = asked.as_array().map_or(&asked, |all| &all[0]);
        if !is_fund(first) {
            return Json(faucet.ask(&asked).await);
        }
        let to: Address = first["params"][0].as_str().unwrap().parse().unwrap();
        let data = farthing::tempo::tip20::calls::transfer(
            to,
            farthing::core::value::Amount::new(GIFT),
            None,
        );
        let call = json!({ "from": ACCOUNTS[1].address, "to": PATH_USD, "data": data });
        let send = json!({
            "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [call],
        });
        let hash = faucet.ask(&send).await["result"].clone();
        let answer = json!({ "jsonrpc": "2.0", "id": first["id"], "result": [hash] });
        Json(match asked.is_array() {
            true => json!([answer]),
            false => answer,
        })
    }

    async fn ask(&self, asked: &Value) -> Value {
        let request = self.http.post(&self.url).body(asked.to_string());
        let request = request.header("content-type", "application/json");
        let answer = request.send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }
}

#[test]
fn a_test_networks_faucet_is_asked() {
    let chain = Chain::start(&ChainOptions::tempo(42_431));
    let Some(chain) = peer::or_skip("a faucet", chain) else {
        return;
    };
    let runtime = Runtime::new().unwrap();
    let url = runtime.block_on(Faucet::open(&chain));
    let (machine, _) = owner();
    let made = machine.run(&["wallet", "create", "--json"]).ends(0).json();
    machine
        .run(&["networks", "add", "moderato", "--rpc", &url])
        .ends(0);
    machine.run(&["networks", "use", "moderato"]).ends(0);
    let told = machine.run(&["wallet", "fund", "--json"]).ends(0).json();
    assert_eq!(
        (&told["network"], &told["funded"]),
        (&json!("moderato"), &json!(true))
    );
    assert_eq!(told["transactions"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(address(&told["address"]), address(&made["address"]));
    // It has arrived when the command ends.
    let balance = machine.run(&["wallet", "balance", "--json"]).ends(0).json();
    assert_eq!(
        balance["balances"][0]["amount"],
        GIFT.to_string(),
        "{balance}"
    );
}

/// Whoever answers on a network of one's own need not have the money that everybody's key is for.
#[test]
fn a_chain_without_free_money_says_so() {
    let chain = Chain::start(&ChainOptions::evm(1338));
    let Some(chain) = peer::or_skip("no faucet", chain) else {
        return;
    };
    let (machine, _) = owner();
    machine.run(&["wallet", "create"]).ends(0);
    let url = chain.url();
    let add = [
        "networks",
        "add",
        "plain",
        "--chain-id",
        "1338",
        "--rpc",
        &url,
    ];
    machine.run(&add).ends(0);
    let told = machine
        .run(&["wallet", "fund", "--network", "plain", "--json"])
        .json();
    assert_eq!(told["moneyMoved"], false, "{told}");
    assert_ne!(told["exitCode"], 0);
}
