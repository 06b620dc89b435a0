//! What became of a payment: asked of the chain, by what only this payment can have left there.
//!
//! | what the seller was given | how it is found | when it is dead |
//! |---|---|---|
//! | our transaction, whole | by its hash | the chain's time has passed its end, and it is in no block |
//! | our half of one | the seller's signature is part of its hash, which we do not know: by the log of its first transfer, from us, with its memo | the same |
//! | a hash | by it | the same |
//! | a signature for nothing | nothing can move | at once |
//!
//! A transaction that failed in a block moved nothing but its fee, which was ours or the sponsor's.

use std::time::Duration;

use farthing_core::{
    port::{
        method::{Fault, Refusal},
        payer::{Errand, Proof, Resolved},
    },
    value::{Reference, Timestamp},
};
use farthing_evm::{
    Fate, Mortality, RawTransaction, Receipt, RpcError, SendError, TxHash, Watched, look, wait,
};
use tokio::time;

use super::{TempoPayer, payload::Payload, search};
use crate::transaction::{Received, SignedTransaction};

/// How long an errand is waited for. Whoever asks has a deadline of their own.
const PATIENCE: Duration = Duration::from_secs(15);

impl TempoPayer {
    /// What became of a proof.
    pub(super) async fn outcome(&self, proof: &Proof) -> Resolved {
        let found = match Payload::of(proof) {
            Some(Payload::Proof { .. }) => return Resolved::Dead,
            Some(Payload::Hash { hash }) => self.fate(hash, proof.valid_until).await,
            Some(Payload::Transaction { signature }) => match Received::decode(&signature) {
                Ok(Received::Whole(whole)) => self.fate(whole.hash(), ends(&whole, proof)).await,
                Ok(Received::Half(half)) => {
                    let node = self.views.node();
                    let trace = search::Trace::of_transfer(half.authored());
                    let block_time = self.network.block_time();
                    let searched =
                        search::find(node, half.authored(), trace.as_ref(), block_time).await;
                    return searched.unwrap_or_else(|error| unknown(&error));
                }
                Err(_) => return Resolved::Unknown,
            },
            None => return Resolved::Unknown,
        };
        match found {
            Ok(fate) => resolved(&fate),
            Err(error) => unknown(&error),
        }
    }

    async fn fate(&self, hash: TxHash, end: Timestamp) -> Result<Fate, RpcError> {
        look(self.views.node(), &watched(hash, end, None)).await
    }

    /// Sends what was signed, again if need be, and waits until it is in a block.
    pub(super) async fn send(&self, proof: &Proof) -> Errand {
        let bytes = proof.errand.as_ref().map(|errand| errand.expose());
        let signed = bytes.and_then(|bytes| Received::decode(bytes).ok());
        let Some(signed) = signed.and_then(Received::whole) else {
            return Errand::Failed(Refusal::new(
                Fault::Internal,
                "what was kept of the payment is no transaction",
            ));
        };
        let end = ends(&signed, proof);
        let node = self.views.node();
        let said = node.send_raw_sync(signed.raw()).await;
        let refused = matches!(said, Err(SendError::Refused { .. }));
        if let Ok(Some(receipt)) = &said
            && let Some(done) = included(receipt)
        {
            return done;
        }
        if let Err(error) = &said {
            tracing::debug!(hash = %signed.hash(), %error, "a payment was not taken at once");
        }
        // It may have been sent before, by a process that died, so what the node said decides nothing.
        let watched = watched(signed.hash(), end, Some(signed.raw().clone()));
        let fate = if refused {
            look(node, &watched).await
        } else {
            wait(node, &watched, PATIENCE).await
        };
        match fate {
            Ok(Fate::Included(receipt) | Fate::Reverted(receipt)) => {
                included(&receipt).unwrap_or(Errand::Unknown)
            }
            Ok(Fate::Dead(_)) => Errand::Failed(Refusal::new(
                Fault::Expired,
                "the payment ran out before it was in a block",
            )),
            Ok(_) => Errand::Unknown,
            Err(error) => {
                tracing::debug!(hash = %signed.hash(), %error, "nobody knows what became of a payment");
                Errand::Unknown
            }
        }
    }
}

/// What a receipt says.
fn included(receipt: &Receipt) -> Option<Errand> {
    if receipt.succeeded() {
        let reference = reference(receipt.transaction_hash)?;
        return Some(Errand::Done { reference });
    }
    Some(Errand::Charged(Refusal::new(
        Fault::Insufficient,
        "the chain refused the payment: nothing moved but its fee",
    )))
}

fn resolved(fate: &Fate) -> Resolved {
    match fate {
        Fate::Included(receipt) => reference(receipt.transaction_hash)
            .map_or(Resolved::Unknown, |reference| Resolved::Moved { reference }),
        Fate::Reverted(_) => Resolved::Failed,
        Fate::Dead(_) => Resolved::Dead,
        _ => Resolved::Unknown,
    }
}

pub(crate) fn reference(hash: TxHash) -> Option<Reference> {
    Reference::new(format!("{hash:#x}")).ok()
}

fn unknown(error: &RpcError) -> Resolved {
    tracing::debug!(%error, "the chain does not tell what became of a payment");
    Resolved::Unknown
}

fn watched(hash: TxHash, end: Timestamp, raw: Option<RawTransaction>) -> Watched {
    Watched {
        hash,
        dies: Mortality {
            nonce: None,
            valid_before: Some(end),
        },
        raw,
    }
}

/// The end of a transaction. Each of ours has one.
fn ends(signed: &SignedTransaction, proof: &Proof) -> Timestamp {
    let end = signed.authored().transaction().valid_before;
    end.map_or(proof.valid_until, Timestamp::from_secs)
}

/// A moment, so that two looks are not one.
pub(super) async fn pause(node: &farthing_evm::Node) {
    time::sleep(node.poll()).await;
}
