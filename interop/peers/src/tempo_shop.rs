//! A Farthing server that is paid on a Tempo chain.

use std::{net::SocketAddr, sync::Arc};

use farthing::{
    client::{Client, Policy},
    clock::SystemClock,
    core::{memory::MemoryBackend, value::Secret},
    evm::{Node, SigningKey},
    server::{
        Gate, Paid, Route,
        discovery::{Discovery, PricedRouter, Service},
    },
    tempo::{
        AccountKey, Mode, Network, PayerOptions, Sponsor, Tempo, TempoOptions, TempoPayer,
        token::known,
    },
};
use farthing_testkit::chain::DevAccount;
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::chain::{BUYER, PARTNER, Rig, SELLER, SPONSOR};

/// A running shop; it ends when this is dropped.
#[derive(Debug)]
pub struct TempoShop {
    /// Where it listens: `http://127.0.0.1:40001`.
    pub url: String,
    server: JoinHandle<()>,
}

impl TempoShop {
    /// Opens one with a route for each of [`KINDS`](crate::chain::KINDS).
    ///
    /// # Panics
    /// When it cannot be opened: then nothing else can be tested.
    pub async fn open(rig: &Rig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new([7; 32]))
            .store(Arc::new(MemoryBackend::new()))
            .clock(Arc::new(SystemClock))
            .method(Arc::new(tempo(rig).await))
            .build()
            .expect("the shop is configured rightly");
        let app = routes().into_iter().fold(
            PricedRouter::new(&gate),
            |app, (operation, price, terms)| {
                let route = Route::priced(price).expect("a price");
                let route = route.terms("tempo", terms).expect("a method's name");
                app.priced(operation, route, |_: Paid| async { "bought" })
                    .expect("the route is right")
            },
        );
        let service = Service::new("Chain", "1.0.0").expect("a title and a version");
        let app = app
            .discovered(Discovery::new(service))
            .expect("the routes can be told of");
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move {
            let served = axum::serve(listener, app).await;
            served.expect("serving ends with the test");
        });
        Self {
            url: format!("http://{address}"),
            server,
        }
    }
}

impl Drop for TempoShop {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The network of a rig, with its one node.
///
/// # Panics
/// When the rig's chain cannot be named.
#[must_use]
pub fn network(rig: &Rig) -> Network {
    let url = rig.url().parse().expect("a chain has a URL");
    let network = Network::moderato().at(vec![url]);
    network.expect("one endpoint is enough")
}

/// A node of a rig's chain.
///
/// # Panics
/// When it does not answer.
pub async fn node(rig: &Rig) -> Node {
    let node = Node::connect(network(rig).node()).await;
    node.expect("the chain answers")
}

/// The key of an account that everybody knows.
///
/// # Panics
/// When it is no key.
#[must_use]
pub fn signing_key(account: DevAccount) -> SigningKey {
    let byte = |at: usize| u8::from_str_radix(&account.key[2 * at..2 * at + 2], 16);
    let bytes = std::array::from_fn(|at| byte(at).expect("a key is hexadecimal"));
    SigningKey::from_bytes(bytes).expect("the accounts have keys")
}

/// A client of ours with the buyer's key, which sends in the mode it is told to, where it has a choice.
///
/// # Panics
/// When it cannot be made.
pub async fn client(rig: &Rig, mode: Option<&str>) -> Client {
    let options = PayerOptions {
        mode: match mode {
            Some("push") => Mode::Push,
            _ => Mode::Pull,
        },
        ..PayerOptions::default()
    };
    let key = AccountKey::from(signing_key(BUYER));
    let payer = TempoPayer::new(key, network(rig), node(rig).await, options);
    let cent = "$0.01".parse().expect("a price");
    Client::builder()
        .payer(payer.expect("the payer is configured rightly"))
        .policy(Policy::new().max_per_request(cent))
        .backend(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(SystemClock))
        .build()
        .expect("nothing is missing")
}

async fn tempo(rig: &Rig) -> Tempo {
    let seller = SELLER.parse().expect("an address");
    let sponsor = Sponsor::new(signing_key(SPONSOR), known::PATH_USD);
    let options = TempoOptions {
        tokens: vec![known::PATH_USD],
        sponsor: Some(sponsor),
        ..TempoOptions::new(network(rig), seller)
    };
    Tempo::new(node(rig).await, options).expect("the method is configured rightly")
}

/// What each route is, what it costs, and on which terms.
fn routes() -> [(&'static str, &'static str, Map<String, Value>); 7] {
    let splits = json!([
        { "amount": "2000", "recipient": PARTNER },
        { "amount": "1000", "recipient": PARTNER, "memo": format!("0x{}", "5a".repeat(32)) },
    ]);
    let own = |mut terms: Value| {
        terms["feePayer"] = false.into();
        object(terms)
    };
    [
        ("GET /plain", "$0.01", own(json!({}))),
        (
            "GET /pull",
            "$0.01",
            own(json!({ "supportedModes": ["pull"] })),
        ),
        (
            "GET /push",
            "$0.01",
            own(json!({ "supportedModes": ["push"] })),
        ),
        ("GET /split", "$0.01", own(json!({ "splits": splits }))),
        (
            "GET /sponsored",
            "$0.01",
            object(json!({ "feePayer": true })),
        ),
        (
            "GET /sponsored-split",
            "$0.01",
            object(json!({ "feePayer": true, "splits": splits })),
        ),
        ("GET /proof", "$0", object(json!({}))),
    ]
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("terms are an object"),
    }
}
