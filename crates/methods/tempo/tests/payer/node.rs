//! A node that says what a test wants it to, and counts how often it is asked.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::post};
use farthing_evm::{Node, NodeOptions};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::market::CHAIN;

/// The time of its last block.
pub(crate) const TIME: u64 = 1_800_000_000;

/// What it says.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    pub(crate) time: u64,
    pub(crate) base_fee: u128,
    /// How much everybody has of every token.
    pub(crate) balance: u128,
    /// What it takes a payment to need.
    pub(crate) gas: Option<u64>,
    /// Who has nothing, as the end of a call's data.
    pub(crate) poor: Vec<String>,
}

pub(crate) struct FakeNode {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    says: Mutex<Says>,
    exchanges: AtomicUsize,
}

impl FakeNode {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let says = Says {
            time: TIME,
            base_fee: 12_000_000_000,
            balance: 1_000_000,
            gas: None,
            poor: Vec::new(),
        };
        let shared = Arc::new(Shared {
            says: Mutex::new(says),
            exchanges: AtomicUsize::new(0),
        });
        let app = Router::new()
            .route("/", post(answer))
            .with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            shared,
            task,
        }
    }

    pub(crate) async fn node(&self) -> Node {
        let url = format!("http://{}/", self.address).parse().unwrap();
        let mut options = NodeOptions::new(CHAIN, vec![url]);
        options.rounds = 1;
        options.deadline = Duration::from_secs(4);
        let node = Node::connect(options).await.unwrap();
        self.shared.exchanges.store(0, Ordering::SeqCst);
        node
    }

    pub(crate) fn say(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.shared.says.lock().unwrap());
    }

    pub(crate) fn exchanges(&self) -> usize {
        self.shared.exchanges.load(Ordering::SeqCst)
    }

    /// Nobody is there any more.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, Json(asked): Json<Value>) -> Json<Value> {
    shared.exchanges.fetch_add(1, Ordering::SeqCst);
    let says = shared.says.lock().unwrap().clone();
    Json(match asked {
        Value::Array(all) => all.iter().map(|one| one_answer(&says, one)).collect(),
        one => one_answer(&says, &one),
    })
}

fn one_answer(says: &Says, asked: &Value) -> Value {
    let id = asked["id"].clone();
    let zeros = format!("0x{}", "00".repeat(32));
    let result = match asked["method"].as_str().unwrap() {
        "eth_chainId" => json!(format!("0x{:x}", CHAIN.get())),
        "eth_getBlockByNumber" => json!({
            "hash": zeros,
            "parentHash": zeros,
            "number": "0x10",
            "timestamp": format!("0x{:x}", says.time),
            "baseFeePerGas": format!("0x{:x}", says.base_fee),
        }),
        "eth_call" => {
            let data = asked["params"][0]["data"].as_str().unwrap();
            let is_poor = says.poor.iter().any(|end| data.ends_with(end));
            json!(format!("0x{:064x}", if is_poor { 0 } else { says.balance }))
        }
        "eth_estimateGas" if says.gas.is_some() => json!(format!("0x{:x}", says.gas.unwrap())),
        method => {
            let error = json!({"code": -32601, "message": format!("no {method}")});
            return json!({"jsonrpc": "2.0", "id": id, "error": error});
        }
    };
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}
