//! From an offer to a signed transaction.

use farthing_core::{
    noun::Expires,
    port::{
        method::{Fault, Refusal},
        payer::{Fee, Offer, Proof},
    },
    value::{Amount, ClaimKey, Secret, Timestamp},
};
use farthing_evm::{PkhDid, keccak256};

use super::{
    TempoPayer,
    bounds::{VALIDITY, tip},
    payload::Payload,
    plan::{Kind, Plan},
    scope,
};
use crate::{
    charge::{self, Legs, Mode, ProofVersion},
    token::Token,
    transaction::{Received, Transaction},
};

impl TempoPayer {
    /// Makes the proof of an offer. What is signed here costs no more than what it says.
    pub(super) async fn prove(&self, offer: &Offer, now: Timestamp) -> Result<Proof, Refusal> {
        if offer.challenge.is_expired(now) {
            return Err(Refusal::new(Fault::Expired, "the challenge expired"));
        }
        let plan = self.plan(offer)?;
        match &plan.kind {
            Kind::Proof => self.attest(offer, now),
            Kind::Transfers {
                legs,
                mode,
                fee_token,
            } => {
                self.transfer(offer, &plan, legs, *mode, *fee_token, now)
                    .await
            }
        }
    }

    /// A signature for nothing. An access key signs for its account.
    fn attest(&self, offer: &Offer, now: Timestamp) -> Result<Proof, Refusal> {
        let challenge = &offer.challenge;
        let digest = self.proofs.digest(
            ProofVersion::V3,
            self.account(),
            &challenge.id,
            &challenge.realm,
        );
        let signature = self.key.sign_hash(digest).to_bytes();
        let until = challenge.expires.as_ref().map(Expires::at);
        let payload = Payload::Proof { signature }.write()?;
        let until = until.unwrap_or_else(|| now.saturating_add(VALIDITY));
        Ok(Proof::new(payload, Some(self.did().into()), until))
    }

    async fn transfer(
        &self,
        offer: &Offer,
        plan: &Plan<'_>,
        legs: &Legs,
        mode: Mode,
        fee_token: Option<&Token>,
        now: Timestamp,
    ) -> Result<Proof, Refusal> {
        let calls = legs.calls(self.options.client.as_deref());
        let grant = self.grant();
        if let Some(grant) = grant {
            scope::check_calls(grant, legs, &calls)?;
            scope::check_limit(grant, plan.token, plan.amount)?;
        }
        let view = self
            .views
            .look(self.wanted(plan, legs, &calls, fee_token), now)
            .await;
        let view = view.map_err(|error| {
            Refusal::new(Fault::Unavailable, "the chain does not answer").caused_by(error)
        })?;
        let expires = offer.challenge.expires.as_ref().map(Expires::at);
        let (until, authorization) = (
            self.until(expires, self.validity(), &view, now)?,
            self.authorization(&view)?,
        );
        if let Some(grant) = grant {
            scope::check_expiry(grant, until)?;
        }
        let gas = self.gas(legs, &view, authorization)?;
        let print = keccak256(offer.challenge.id.as_str());
        let price = self.gas_price(print, &view)?;
        let mut transaction = Transaction::new(self.network.chain(), calls);
        transaction.gas_limit = gas;
        transaction.max_fee_per_gas = price;
        transaction.max_priority_fee_per_gas = tip(view.base_fee);
        transaction.valid_before = Some(until.as_secs());
        transaction.nonce_key = self.nonce_key(offer);
        transaction.fee_token = fee_token.map(|token| token.address);
        transaction.sponsored = fee_token.is_none();
        transaction.key_authorization = authorization.cloned();
        let most = Amount::new(u128::try_from(transaction.max_fee()).unwrap_or(u128::MAX));
        if fee_token.is_some() && most > self.most(legs) {
            return Err(Refusal::new(
                Fault::Unavailable,
                "the chain asks a higher fee than was quoted",
            ));
        }
        self.check_funds(plan.token, plan.amount, fee_token, most, &view)?;
        let signed = transaction.sign(&self.key).map_err(|error| {
            Refusal::new(Fault::Internal, "the payment cannot be signed").caused_by(error)
        })?;
        self.views
            .spend(plan.token.address, self.account(), plan.amount);
        let fee = fee_token.map(|token| {
            self.views.spend(token.address, self.account(), most);
            Fee {
                currency: token.currency(),
                most,
            }
        });
        self.proof(&signed, mode, until, fee)
    }

    fn proof(
        &self,
        signed: &Received,
        mode: Mode,
        until: Timestamp,
        fee: Option<Fee>,
    ) -> Result<Proof, Refusal> {
        let bytes = signed.encode();
        let (name, payload, errand) = match (signed, mode) {
            (Received::Whole(whole), Mode::Push) => {
                let hash = whole.hash();
                let errand = Some(Secret::new(bytes.to_vec()));
                (hash, Payload::Hash { hash }, errand)
            }
            (Received::Whole(whole), Mode::Pull) => (
                whole.hash(),
                Payload::Transaction { signature: bytes },
                None,
            ),
            // The seller's signature is part of the hash it will have.
            (Received::Half(half), _) => {
                let name = half.authored().identity();
                (name, Payload::Transaction { signature: bytes }, None)
            }
        };
        Ok(Proof {
            key: ClaimKey::proof(&charge::method(), &format!("{name:#x}")).ok(),
            errand,
            fee,
            ..Proof::new(payload.write()?, Some(self.did().into()), until)
        })
    }

    pub(crate) fn did(&self) -> PkhDid {
        PkhDid {
            chain: self.network.chain(),
            address: self.account(),
        }
    }
}
