//! The buyer's side of the fake method.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use farthing_core::{
    intent::charge::CHARGE,
    noun::Expires,
    port::{
        BoxFuture,
        method::{Fault, Refusal},
        payer::{Balance, Offer, Payer, Proof, Quote, Resolved},
    },
    value::{Amount, ClaimKey, Did, MethodId, Reference, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{rail::FakeRail, signature};

/// A proof of the fake method: the payload of its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FakeProof {
    /// What makes it one of a kind: the rail moves value once for it.
    pub nonce: String,
    /// What stands for the payer's signature.
    pub signature: String,
}

impl FakeProof {
    /// Reads a payload; longer nonces than any payer makes are no proof.
    #[must_use]
    pub fn read(payload: &RawValue) -> Option<Self> {
        serde_json::from_str(payload.get())
            .ok()
            .filter(|proof: &Self| !proof.nonce.is_empty() && proof.nonce.len() <= 200)
    }
}

/// Pays on the fake rail from one account.
#[derive(Debug)]
pub struct FakePayer {
    method: MethodId,
    account: Did,
    rail: Arc<FakeRail>,
    nonces: AtomicU64,
}

impl FakePayer {
    /// Pays from an account of a rail.
    #[must_use]
    pub fn new(rail: Arc<FakeRail>, account: Did) -> Self {
        Self {
            method: super::method(),
            account,
            rail,
            nonces: AtomicU64::new(0),
        }
    }

    /// The account it pays from.
    #[must_use]
    pub const fn account(&self) -> &Did {
        &self.account
    }

    /// How many proofs it made.
    #[must_use]
    pub fn signed(&self) -> u64 {
        self.nonces.load(Ordering::SeqCst)
    }

    /// A proof for an offer, whatever the offer says, under a nonce.
    #[must_use]
    pub fn prove(&self, offer: &Offer, nonce: String) -> FakeProof {
        let challenge = &offer.challenge;
        let signature = signature(
            &self.account,
            &nonce,
            &challenge.id,
            &challenge.realm,
            &offer.request,
        );
        FakeProof { nonce, signature }
    }
}

impl Payer for FakePayer {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn quote(&self, offer: &Offer) -> Result<Quote, Refusal> {
        let (challenge, currency) = (&offer.challenge, super::currency());
        if challenge.method != self.method
            || challenge.intent.as_str() != CHARGE
            || offer.request.currency != currency.code
        {
            return Err(Refusal::new(
                Fault::Unsupported,
                "this payer pays charges in the fake dollar",
            ));
        }
        Ok(Quote::new(currency, self.account.clone()))
    }

    fn sign<'a>(
        &'a self,
        offer: &'a Offer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Proof, Refusal>> {
        Box::pin(async move {
            self.quote(offer)?;
            if offer.challenge.is_expired(now) {
                return Err(Refusal::new(Fault::Expired, "the challenge expired"));
            }
            let number = self.nonces.fetch_add(1, Ordering::SeqCst);
            let nonce = format!("{}-{number}", self.account.specific_id());
            let key = ClaimKey::proof(&self.method, &nonce).ok();
            let expires = offer.challenge.expires.as_ref().map(Expires::at);
            let payload = to_raw_value(&self.prove(offer, nonce)).map_err(|error| {
                Refusal::new(Fault::Internal, "the proof cannot be written").caused_by(error)
            })?;
            let until = expires.unwrap_or(Timestamp::FAR);
            Ok(Proof {
                key,
                ..Proof::new(payload, Some(self.account.clone()), until)
            })
        })
    }

    fn resolve<'a>(&'a self, proof: &'a Proof, _now: Timestamp) -> BoxFuture<'a, Resolved> {
        let nonce = FakeProof::read(&proof.payload).map(|proof| proof.nonce);
        let truth = self.rail.truth();
        let resolved = match nonce {
            Some(nonce) if truth.refused.contains(&nonce) => Resolved::Dead,
            Some(nonce) => truth
                .moved
                .get(&nonce)
                .and_then(|transfer| Reference::new(transfer.reference.as_str()).ok())
                .map_or(Resolved::Unknown, |reference| Resolved::Moved { reference }),
            None => Resolved::Dead,
        };
        Box::pin(std::future::ready(resolved))
    }

    fn balances(&self) -> BoxFuture<'_, Result<Vec<Balance>, Refusal>> {
        let amount = self.rail.truth().balance(self.account.as_str());
        let balance = Balance {
            currency: super::currency(),
            amount: Amount::new(amount),
        };
        Box::pin(std::future::ready(Ok(vec![balance])))
    }
}
