//! The services: bare ones, and the same behind a price.

use std::sync::Arc;

use axum::{Router, routing::get};
use farthing::{
    core::payment::SettlePolicy,
    server::{
        Gate,
        layer::{PaymentLayer, PaymentService, Pricing},
    },
};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use tower::Layer as _;

use super::{
    disk::Log,
    shop::{key, priced},
};

/// The free path.
pub const FREE: &str = "/free";
/// The priced one.
pub const PAID: &str = "/paid";

/// What every handler answers.
pub(crate) const ANSWER: &str = "{\"city\":\"Ghent\",\"sky\":\"clear\",\"celsius\":21}";

/// A router with no price on anything.
pub fn bare() -> Router {
    Router::new()
        .route(FREE, get(|| async { ANSWER }))
        .route(PAID, get(|| async { ANSWER }))
}

/// The same with the layer around it and a table of prices, in which one route is free.
pub(crate) fn with_table(gate: &Gate) -> PaymentService<Router> {
    let paid = gate
        .route(priced(SettlePolicy::After))
        .expect("the ledger has dollars");
    let table = Pricing::table([("GET /paid", Some(paid)), ("GET /free", None)])
        .expect("two routes that differ");
    PaymentLayer::table(gate, table).layer(bare())
}

/// A price on one route, as the first page of the documentation has it.
pub(crate) fn priced_route(gate: &Gate, policy: SettlePolicy) -> Router {
    let price = PaymentLayer::new(gate, priced(policy)).expect("the ledger has dollars");
    Router::new()
        .route(FREE, get(|| async { ANSWER }))
        .route(PAID, get(|| async { ANSWER }).layer(price))
}

/// Checks a signature that is good.
pub(crate) type Check = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a paid answer cannot do without: the payer's signature is checked, and the payment is
/// written down, each time so many bytes.
pub(crate) fn verifying(check: Check, log: Option<Arc<Log>>, commits: Arc<[usize]>) -> Router {
    let handler = move || {
        let (check, log, commits) = (Arc::clone(&check), log.clone(), Arc::clone(&commits));
        async move {
            assert!(check(), "a good signature verifies");
            if let Some(log) = log {
                for bytes in commits.iter() {
                    log.commit(vec![7; *bytes]).await;
                }
            }
            ANSWER
        }
    };
    Router::new()
        .route(FREE, get(|| async { ANSWER }))
        .route(PAID, get(handler))
}

/// A signature over a message as long as the ledger's.
pub(crate) fn ed25519() -> Check {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("32 bytes are a seed");
    let message = [b'a'; 210];
    let known = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref().to_vec());
    let signature = key(1).sign(&message);
    Arc::new(move || known.verify(&message, &signature).is_ok())
}
