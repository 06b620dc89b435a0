//! A node in front of the chain, for peers that try a batch before it is sent.
//!
//! A public node tries the calls of a batch; the development node takes a batch for the making of a
//! contract. Here each call is tried on its own. Everything else goes through as it is.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::chain::Rig;

/// The node; it ends when this is dropped.
#[derive(Debug)]
pub struct Batches {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Batches {
    /// Opens one on a free port of loopback.
    ///
    /// # Panics
    /// When it cannot be opened: then nothing else can be tested.
    pub async fn before(rig: Arc<Rig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let app = Router::new().route("/", post(answer)).with_state(rig);
        let server = tokio::spawn(async move {
            let served = axum::serve(listener, app).await;
            served.expect("serving ends with the test");
        });
        Self { address, server }
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(rig): State<Arc<Rig>>, Json(asked): Json<Value>) -> Json<Value> {
    let method = asked["method"].as_str().unwrap_or_default();
    let params = &asked["params"];
    let mut answer = if method == "eth_call" && params[0]["calls"].is_array() {
        attempt(&rig, params).await
    } else {
        rig.chain().ask(method, &params.to_string()).await
    };
    answer["id"] = asked["id"].clone();
    Json(answer)
}

/// Tries each call on its own, the one beside the batch last: the first that fails is the answer.
async fn attempt(rig: &Rig, params: &Value) -> Value {
    let batch = &params[0];
    let calls = batch["calls"].as_array().into_iter().flatten();
    let beside = Some(batch).filter(|call| call["to"].is_string());
    let mut last = Value::Null;
    for call in calls.chain(beside) {
        let data = [&call["input"], &call["data"]];
        let data = data.into_iter().find(|data| data.is_string());
        let one = json!({ "from": batch["from"], "to": call["to"], "data": data });
        let at = params.get(1).cloned().unwrap_or_else(|| "latest".into());
        last = rig
            .chain()
            .ask("eth_call", &json!([one, at]).to_string())
            .await;
        if last.get("error").is_some() {
            break;
        }
    }
    last
}
