//! Our own payloads: written into credentials, and read again when the rail is asked about one.

use farthing_core::port::{
    method::{Fault, Refusal},
    payer::Proof,
};
use farthing_evm::{Bytes, TxHash};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// What a credential holds (Tempo draft, "Credential Schema").
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Payload {
    /// A signed transaction for the seller to send, or our half of one.
    Transaction {
        /// Its bytes.
        signature: Bytes,
    },
    /// The hash of one that we sent.
    Hash {
        /// The hash.
        hash: TxHash,
    },
    /// A signature over the challenge.
    Proof {
        /// The signature.
        signature: Bytes,
    },
}

impl Payload {
    pub(super) fn write(&self) -> Result<Box<RawValue>, Refusal> {
        to_raw_value(self).map_err(|error| {
            Refusal::new(Fault::Internal, "the payment cannot be written").caused_by(error)
        })
    }

    /// Reads the payload of a proof; `None` where it is none of ours.
    pub(super) fn of(proof: &Proof) -> Option<Self> {
        serde_json::from_str(proof.payload.get()).ok()
    }
}
