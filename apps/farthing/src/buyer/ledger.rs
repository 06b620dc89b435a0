//! Paying on a ledger with a wallet that is opened only to sign.

use std::sync::Arc;

use farthing::{
    core::{
        port::{
            BoxFuture,
            method::{Fault, Refusal},
            payer::{Offer, Payer, Proof, Quote, Resolved},
        },
        value::{MethodId, Timestamp},
    },
    ledger::{LedgerPayer, method},
};

use super::keyring::Keyring;
use crate::keystore::{KeystoreError, Kind, SecretKey};

/// The ledger's payer of a run.
pub(super) struct OnLedger {
    keyring: Arc<Keyring>,
    method: MethodId,
    /// Judges offers. It has a key that is nobody's and signs nothing.
    judge: LedgerPayer,
}

impl OnLedger {
    pub(super) fn new(keyring: Arc<Keyring>) -> Result<Self, KeystoreError> {
        // A known key would be somebody's account, whom nobody could pay then.
        let nobody = SecretKey::random(Kind::Ed25519)?.account_key();
        let nobody = nobody.expect("every seed is an Ed25519 key");
        Ok(Self {
            keyring,
            method: method(),
            judge: LedgerPayer::new(nobody),
        })
    }
}

impl Payer for OnLedger {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn quote(&self, offer: &Offer) -> Result<Quote, Refusal> {
        let quote = self.judge.quote(offer)?;
        let Some(signer) = &self.keyring.signer else {
            if self.keyring.is_dry {
                return Ok(quote);
            }
            return Err(self.keyring.nobody());
        };
        let account = signer.holder.account.as_ref().ok_or_else(no_account)?;
        let payee = offer.request.recipient.as_ref();
        if payee.is_some_and(|payee| payee.as_str() == account.did().as_str()) {
            return Err(Refusal::new(
                Fault::Unsupported,
                "an account cannot pay itself",
            ));
        }
        Ok(Quote {
            payer: account.did().clone(),
            ..quote
        })
    }

    fn sign<'a>(
        &'a self,
        offer: &'a Offer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Proof, Refusal>> {
        Box::pin(async move {
            let key = self.keyring.open().await?.ledger.ok_or_else(no_account)?;
            LedgerPayer::new(key).sign(offer, now).await
        })
    }

    fn resolve<'a>(&'a self, proof: &'a Proof, now: Timestamp) -> BoxFuture<'a, Resolved> {
        self.judge.resolve(proof, now)
    }
}

fn no_account() -> Refusal {
    Refusal::new(
        Fault::Unsupported,
        "the wallet has no account on a ledger: its key is of another kind",
    )
}
