//! A payer that counts what it signs and says of a proof what a test wants it to say.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use farthing_core::{
    noun::Expires,
    port::{
        BoxFuture,
        method::{Fault, Refusal},
        payer::{Errand, Fee, Funds, Offer, Payer, Proof, Quote, Resolved, Share},
    },
    value::{Amount, Currency, CurrencyCode, Did, MethodId, Reference, Secret, Timestamp},
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

/// The same dollar with two decimals.
pub fn cents() -> Currency {
    Currency {
        code: CurrencyCode::new("usd2").unwrap(),
        decimals: 2,
        ..dollar()
    }
}

/// What a wallet's errands came to, as the rail has it. Clones of a wallet share it, as processes
/// would.
#[derive(Default)]
pub struct Errands {
    /// What was handed over, as often as it was.
    pub handed: Vec<Vec<u8>>,
    /// What moved: each once, however often it was handed over.
    pub moved: HashSet<Vec<u8>>,
    /// What the next ones come to; `None` does them.
    pub fails: Option<fn() -> Errand>,
}

#[derive(Clone)]
pub struct Wallet {
    pub method: MethodId,
    pub signed: Arc<AtomicUsize>,
    pub resolved: Arc<Mutex<Resolved>>,
    pub fails: Arc<Mutex<Option<Fault>>>,
    /// Set where it moves the money itself.
    pub errands: Option<Arc<Mutex<Errands>>>,
    pub fee: Option<Fee>,
    pub shares: Vec<Share>,
    pub network: Option<&'static str>,
    pub funds: HashMap<CurrencyCode, Funds>,
    pub did: &'static str,
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
            errands: None,
            fee: None,
            shares: Vec::new(),
            network: None,
            funds: HashMap::new(),
            did: "did:test:buyer",
        }
    }

    /// One that hands its payments to the rail itself.
    pub fn pushing() -> Self {
        Self {
            errands: Some(Arc::default()),
            ..Self::new()
        }
    }

    /// The same with a fee on every payment.
    pub fn with_fee(self, units: u128) -> Self {
        let fee = Fee {
            currency: dollar(),
            most: Amount::new(units),
        };
        Self {
            fee: Some(fee),
            ..self
        }
    }

    /// How often something was handed to the rail, and how much of it was different.
    pub fn handed(&self) -> (usize, usize) {
        let errands = self.errands.as_ref().unwrap().lock().unwrap();
        (errands.handed.len(), errands.moved.len())
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
        let known = [dollar(), coin(), cents()];
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
            fee: self.fee.clone(),
            shares: self.shares.clone(),
            network: self.network.map(Into::into),
            funds: self.funds.get(&currency.code).copied().unwrap_or_default(),
            ..Quote::new(currency, Did::new(self.did).unwrap())
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
            let errand = self.errands.as_ref();
            let errand = errand.map(|_| Secret::new(format!("raw bytes {count}").into_bytes()));
            Ok(Proof {
                errand,
                fee: self.fee.clone(),
                ..Proof::new(
                    to_raw_value(&payload).unwrap(),
                    Some(Did::new(self.did).unwrap()),
                    offer.challenge.expires.as_ref().map_or(now, Expires::at),
                )
            })
        })
    }

    fn owns(&self, proof: &Proof) -> bool {
        proof
            .source
            .as_ref()
            .is_some_and(|did| did.as_str() == self.did)
    }

    fn run_errand<'a>(&'a self, proof: &'a Proof, _: Timestamp) -> BoxFuture<'a, Errand> {
        let bytes = proof.errand.as_ref().unwrap().expose().to_vec();
        let mut errands = self.errands.as_ref().unwrap().lock().unwrap();
        errands.handed.push(bytes.clone());
        let came = match errands.fails {
            Some(failing) => failing(),
            None => {
                let reference = String::from_utf8(bytes.clone()).unwrap().replace(' ', "-");
                errands.moved.insert(bytes);
                Errand::Done {
                    reference: Reference::new(reference).unwrap(),
                }
            }
        };
        Box::pin(std::future::ready(came))
    }

    fn resolve<'a>(&'a self, _: &'a Proof, _: Timestamp) -> BoxFuture<'a, Resolved> {
        let resolved = self.resolved.lock().unwrap().clone();
        Box::pin(std::future::ready(resolved))
    }
}
