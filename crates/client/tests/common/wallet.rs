//! A payer that counts what it signs and says of a proof what a test wants it to say.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use farthing_core::{
    noun::Expires,
    port::{
        BoxFuture,
        method::{Fault, Refusal},
        payer::{Offer, Payer, Proof, Quote, Resolved},
    },
    value::{Currency, CurrencyCode, Did, MethodId, Timestamp},
};
use serde_json::value::to_raw_value;

/// A dollar with six decimals, as this wallet knows it.
pub fn dollar() -> Currency {
    Currency {
        code: CurrencyCode::new("usd6").unwrap(),
        decimals: 6,
        rail: MethodId::new("fake").unwrap(),
        symbol: "USD".into(),
    }
}

/// The same as a currency without decimals.
pub fn coin() -> Currency {
    Currency {
        code: CurrencyCode::new("coin").unwrap(),
        decimals: 0,
        symbol: "COIN".into(),
        ..dollar()
    }
}

#[derive(Clone)]
pub struct Wallet {
    method: MethodId,
    signed: Arc<AtomicUsize>,
    resolved: Arc<Mutex<Resolved>>,
    fails: Arc<Mutex<Option<Fault>>>,
}

impl Wallet {
    pub fn new() -> Self {
        Self::by("fake")
    }

    pub fn by(method: &str) -> Self {
        Self {
            method: MethodId::new(method).unwrap(),
            signed: Arc::default(),
            resolved: Arc::new(Mutex::new(Resolved::Unknown)),
            fails: Arc::default(),
        }
    }

    /// How often it signed.
    pub fn signed(&self) -> usize {
        self.signed.load(Ordering::SeqCst)
    }

    /// What the rail says from now on.
    pub fn resolve_as(&self, resolved: Resolved) {
        *self.resolved.lock().unwrap() = resolved;
    }

    /// Signing fails from now on.
    pub fn fail_as(&self, fault: Fault) {
        *self.fails.lock().unwrap() = Some(fault);
    }
}

impl Payer for Wallet {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn quote(&self, offer: &Offer) -> Result<Quote, Refusal> {
        let known = [dollar(), coin()];
        let currency = known
            .into_iter()
            .find(|currency| currency.code == offer.request.currency);
        let currency =
            currency.ok_or_else(|| Refusal::new(Fault::Unsupported, "unknown currency"))?;
        let currency = Currency {
            rail: self.method.clone(),
            ..currency
        };
        Ok(Quote {
            currency,
            payer: Did::new("did:test:buyer").unwrap(),
        })
    }

    fn sign<'a>(
        &'a self,
        offer: &'a Offer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Proof, Refusal>> {
        let fault = *self.fails.lock().unwrap();
        Box::pin(async move {
            if let Some(fault) = fault {
                return Err(Refusal::new(fault, "the wallet is told to fail"));
            }
            let count = self.signed.fetch_add(1, Ordering::SeqCst) + 1;
            let payload = serde_json::json!({ "planted": "s3cret-proof", "count": count });
            Ok(Proof {
                payload: to_raw_value(&payload).unwrap(),
                source: Some(Did::new("did:test:buyer").unwrap()),
                key: None,
                valid_until: offer.challenge.expires.as_ref().map_or(now, Expires::at),
            })
        })
    }

    fn resolve<'a>(&'a self, _: &'a Proof, _: Timestamp) -> BoxFuture<'a, Resolved> {
        let resolved = self.resolved.lock().unwrap().clone();
        Box::pin(std::future::ready(resolved))
    }
}
