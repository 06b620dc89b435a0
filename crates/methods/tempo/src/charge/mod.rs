//! What a charge on Tempo asks for, and whether a transaction does it: the pure part, which both sides
//! share and nobody's network is needed for.
//!
//! A request becomes [`Legs`]: the transfers that pay it. A buyer makes its calls of them
//! ([`Legs::calls`]); a seller checks a transaction that was not sent yet by its calls ([`match_calls`])
//! and one that is in a block by its logs ([`match_logs`]). A request for nothing has no legs; it is
//! answered with a signature ([`Proofs`]).

mod attested;
mod calls;
mod details;
mod leg;
mod logs;
mod matching;
mod memo;
mod proof;
mod splits;
#[cfg(test)]
mod tests;

pub use attested::{Attested, Signer};
pub use calls::match_calls;
pub use details::{Details, DetailsError, Mode, Modes};
pub use leg::{Leg, Legs, LegsError};
pub use logs::match_logs;
pub use matching::Mismatch;
pub use memo::{Binding, Memo, MemoError, MemoRule, attribution};
pub use proof::{ProofVersion, Proofs, SourceError, source};
pub(crate) use splits::can_receive;
pub use splits::{Split, SplitError, Splits};

use std::sync::LazyLock;

use farthing_core::value::MethodId;

/// The method's identifier.
pub const METHOD: &str = "tempo";

/// The identifier as a value.
#[must_use]
pub fn method() -> MethodId {
    static ID: LazyLock<MethodId> =
        LazyLock::new(|| MethodId::new(METHOD).expect("the identifier of tempo is well formed"));
    ID.clone()
}
