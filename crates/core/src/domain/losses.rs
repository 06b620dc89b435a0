//! Losses: what a rail takes for itself although nothing moved, bounded by the hour.
//!
//! Where we pay a rail for a peer, what it took for a payment that failed is gone, and whoever can make
//! payments fail could have it done without end. So a claim reserves what may be lost on a counter that
//! carries the hour in its name. It is given back when value moved, and when the rail took nothing;
//! what the rail did take stays. Nothing has to be taken off later: the next hour has another counter.
//!
//! What is under way counts as lost until it is known not to be. So nothing beyond the limit can be
//! lost of what began within an hour, however many payments fail at once.

use super::claims::Debit;
use crate::value::{Amount, Timestamp};

/// What the names of the counters begin with. No method may have one that does.
const PREFIX: &str = "lost ";

/// An hour in seconds: what a counter is for.
const HOUR: u64 = 60 * 60;

/// What may be lost of a payment that begins now, beside everything that may be or was lost of its scope
/// within this hour. The scope is the method's word for whose money it is.
#[must_use]
pub fn debit(scope: &str, amount: Amount, limit: Amount, now: Timestamp) -> Debit {
    Debit {
        counter: format!("{PREFIX}{} {scope}", now.as_secs() / HOUR).into(),
        amount,
        limit,
        keep: false,
    }
}

/// The scope of a debit that counts what may be lost; `None` of any other.
#[must_use]
pub fn scope(debit: &Debit) -> Option<&str> {
    let (_, scope) = debit.counter.strip_prefix(PREFIX)?.split_once(' ')?;
    Some(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hour_has_a_counter_of_its_own() {
        let debit = |scope, at| {
            let at = Timestamp::from_secs(at);
            debit(scope, Amount::new(3), Amount::new(9), at)
        };
        let first = debit("rail/fees", 7200);
        assert_eq!(first, debit("rail/fees", 10_799));
        assert_ne!(first.counter, debit("rail/fees", 10_800).counter);
        assert_ne!(first.counter, debit("rail/other", 7200).counter);
        assert_eq!(scope(&first), Some("rail/fees"));
        let budget = Debit {
            counter: "spent lost 1 rail".into(),
            ..first
        };
        assert_eq!(scope(&budget), None);
    }
}
