//! What stands between the seller and its node, and may do something else than pass things on.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// What becomes of an exchange.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// It is passed on, and the answer back.
    Forward,
    /// It is passed on, and the connection breaks before the answer.
    Drop,
    /// Nothing ever comes back.
    Hang,
    /// This comes back instead.
    Say(String),
    /// The answer is changed: the function is given the method, and the answer with its `result`.
    Change(fn(&str, &mut Value)),
}

/// A node's door.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    node: String,
    http: reqwest::Client,
    deeds: Mutex<HashMap<String, Deed>>,
    asked: Mutex<Vec<String>>,
}

impl Proxy {
    /// A door to the node at a URL.
    pub(crate) async fn to(node: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            node,
            http: http_client(),
            deeds: Mutex::default(),
            asked: Mutex::default(),
        });
        let app = Router::new().fallback(pass).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            shared,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is done from now on when a method is asked, alone or with others; `*` is any.
    pub(crate) fn when(&self, method: &str, deed: Deed) {
        let mut deeds = self.shared.deeds.lock().unwrap();
        deeds.insert(method.to_owned(), deed);
    }

    /// Everything is passed on again.
    pub(crate) fn behave(&self) {
        self.shared.deeds.lock().unwrap().clear();
    }

    /// Nobody listens any more.
    pub(crate) async fn close(&self) {
        self.task.abort();
        while tokio::net::TcpStream::connect(self.address).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// How many exchanges had this method in them.
    pub(crate) fn count(&self, method: &str) -> usize {
        let asked = self.shared.asked.lock().unwrap();
        asked
            .iter()
            .filter(|names| names.split(',').any(|name| name == method))
            .count()
    }

    /// What was asked since the last time, an exchange a line.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Another package of this workspace may turn TLS on for all: it then wants its cryptography.
pub(crate) fn http_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn pass(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let names = names(&body);
    let deed = shared.deed(&names);
    shared.asked.lock().unwrap().push(names.join(","));
    match deed {
        Deed::Forward => answer(shared.forward(body).await),
        Deed::Change(change) => {
            let said = shared.forward(body).await;
            answer(changed(&said, &names, change))
        }
        Deed::Drop => {
            shared.forward(body).await;
            broken()
        }
        Deed::Hang => std::future::pending().await,
        Deed::Say(said) => answer(said),
    }
}

impl Shared {
    fn deed(&self, names: &[String]) -> Deed {
        let deeds = self.deeds.lock().unwrap();
        let named = names.iter().find_map(|name| deeds.get(name));
        let deed = named.or_else(|| deeds.get("*"));
        deed.cloned().unwrap_or(Deed::Forward)
    }

    async fn forward(&self, body: Bytes) -> String {
        let asked = self.http.post(&self.node).body(body);
        let asked = asked.header("content-type", "application/json");
        asked.send().await.unwrap().text().await.unwrap()
    }
}

fn names(body: &[u8]) -> Vec<String> {
    let asked: Value = serde_json::from_slice(body).unwrap();
    let all = asked.as_array().cloned().unwrap_or_else(|| vec![asked]);
    let name = |one: &Value| one["method"].as_str().unwrap().to_owned();
    all.iter().map(name).collect()
}

/// The answers, each changed by the method it is to.
fn changed(said: &str, names: &[String], change: fn(&str, &mut Value)) -> String {
    let mut said: Value = serde_json::from_str(said).unwrap();
    match &mut said {
        Value::Array(all) => {
            // Ids count from 1, in the order of the questions.
            for one in all {
                let at = one["id"].as_u64().unwrap() as usize - 1;
                change(&names[at], one);
            }
        }
        one => change(&names[0], one),
    }
    said.to_string()
}

fn answer(body: String) -> Response {
    Response::new(Body::from(body))
}

fn broken() -> Response {
    let cut = futures_util::stream::once(async { Err::<Bytes, _>(io::Error::other("cut")) });
    Response::new(Body::from_stream(cut))
}
