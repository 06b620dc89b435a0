//! Finding a transfer for each leg.

use farthing_core::value::Amount;
use farthing_evm::{Address, U256};

use super::{Leg, Legs, Memo, MemoRule};

/// A transfer of the legs' token, wherever it was read.
pub(super) struct Moved {
    pub(super) recipient: Address,
    pub(super) amount: U256,
    pub(super) memo: Option<Memo>,
}

/// Why transfers do not pay a request. The payer's mistake, or worse; nothing is said of what moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// A call is something else than a transfer of the token.
    #[error("call {at} is {what}, and only transfers of the requested token belong here")]
    Call {
        /// Which one, from zero.
        at: usize,
        /// What it is.
        what: &'static str,
    },
    /// There are more transfers, or fewer, than were asked for.
    #[error("{expected} transfers were asked for, and these are {found}")]
    Count {
        /// How many were asked for.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Nobody is paid what was asked for somebody.
    #[error("there is no transfer of {amount} to {recipient}")]
    Missing {
        /// Who should be paid.
        recipient: Address,
        /// How much.
        amount: Amount,
    },
    /// A transfer is there, and its memo says that it is for something else.
    #[error("the transfer of {amount} to {recipient} does not carry the memo of this challenge")]
    Memo {
        /// Who should be paid.
        recipient: Address,
        /// How much.
        amount: Amount,
    },
    /// A receipt tells the same log twice. Its node is broken or lies.
    #[error("the receipt has log {index} twice")]
    Repeated {
        /// The log's number in its block.
        index: u64,
    },
}

/// Finds a transfer of its own for each leg.
///
/// The legs that take the fewest transfers choose first: one that wants a certain memo, then one that
/// wants a memo of the challenge, then one that takes any. What one of them may take is all that the next
/// may take, or none of it; so where there is a way to serve them all, this one does.
pub(super) fn find_all(legs: &Legs, moved: &[Moved]) -> Result<(), Mismatch> {
    let choosiness = |leg: &&Leg| match leg.memo {
        MemoRule::Exactly(_) => 0,
        MemoRule::Bound(_) => 1,
        MemoRule::Any => 2,
    };
    let mut choosy: Vec<&Leg> = legs.iter().collect();
    choosy.sort_by_key(choosiness);
    let mut taken = vec![false; moved.len()];
    for leg in choosy {
        let pays = |moved: &Moved| {
            moved.recipient == leg.recipient && moved.amount == U256::from(leg.amount.units())
        };
        let free = |at: usize| !taken[at] && pays(&moved[at]);
        let found =
            (0..moved.len()).find(|at| free(*at) && leg.memo.admits(moved[*at].memo.as_ref()));
        let Some(found) = found else {
            let (recipient, amount) = (leg.recipient, leg.amount);
            return Err(if (0..moved.len()).any(free) {
                Mismatch::Memo { recipient, amount }
            } else {
                Mismatch::Missing { recipient, amount }
            });
        };
        taken[found] = true;
    }
    Ok(())
}
