//! How many connections fit into the files that this process may have open.
//!
//! Each connection is one, and the one to the service behind another. Where they run out, nobody is
//! let in, and a request that was paid for cannot be passed on: so no more connections are taken
//! than there is room for both.

use super::StartError;
use crate::config::Limits;

/// What is needed beside connections: the store, listeners, the log.
const RESERVED: u64 = 64;

/// Fewer connections than this are worth a line in the log.
const FEW: usize = 1000;

/// Fewer connections than this are no service.
const FEWEST: u64 = 8;

/// Makes as much room as is wanted, and says how many connections there is room for. The process's
/// limit is raised as far as the system lets it be raised without privilege.
pub(super) fn fit(wanted: usize) -> usize {
    let Some((soft, hard)) = limits() else {
        return wanted;
    };
    let plan = Plan::of(wanted, soft, hard);
    let fits = match plan.raise {
        Some(limit) if !raise(limit, hard) => Plan::of(wanted, soft, soft).fits,
        _ => plan.fits,
    };
    // Fewer than nobody asked for are no news, unless they are few.
    let is_told = wanted != Limits::default().connections;
    if fits < wanted && (is_told || fits < FEW) {
        tracing::warn!(
            "at most {fits} of {wanted} connections are taken: a process may have {hard} files open \
             here, and a connection needs two; raise it (`ulimit -n`, or `LimitNOFILE` of systemd), \
             or lower `connections` in [limits]"
        );
    }
    fits
}

/// Whether there is room enough to begin at all.
///
/// # Errors
/// When there is not.
pub(super) fn check(wanted: usize, fits: usize) -> Result<(), StartError> {
    if fits < wanted && (fits as u64) < FEWEST {
        return Err(StartError::Files {
            needed: RESERVED + 2 * FEWEST,
        });
    }
    Ok(())
}

/// What is to be done about a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    /// What the limit is to be raised to.
    raise: Option<u64>,
    /// How many connections there is room for then.
    fits: usize,
}

impl Plan {
    fn of(wanted: usize, soft: u64, hard: u64) -> Self {
        let needed = (wanted as u64).saturating_mul(2).saturating_add(RESERVED);
        let limit = needed.clamp(soft.min(hard), hard);
        let room = limit.saturating_sub(RESERVED) / 2;
        Self {
            raise: (limit > soft).then_some(limit),
            fits: wanted.min(usize::try_from(room).unwrap_or(usize::MAX)),
        }
    }
}

/// The soft and the hard limit; none where there is no such thing.
#[cfg(unix)]
fn limits() -> Option<(u64, u64)> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let number = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    Some((number(limit.current), number(limit.maximum)))
}

#[cfg(unix)]
fn raise(to: u64, hard: u64) -> bool {
    let limit = rustix::process::Rlimit {
        current: Some(to),
        maximum: (hard != u64::MAX).then_some(hard),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).is_ok()
}

#[cfg(not(unix))]
fn limits() -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn raise(_: u64, _: u64) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_raised_as_far_as_is_needed_and_can_be() {
        for (wanted, soft, hard, raise, fits) in [
            (10_000, 1024, 1_048_576, Some(20_064), 10_000),
            (10_000, 1_048_576, 1_048_576, None, 10_000),
            (10_000, 1024, 4096, Some(4096), 2016),
            (10_000, 4096, 4096, None, 2016),
            (100, 1024, 4096, None, 100),
            (10_000, 1024, u64::MAX, Some(20_064), 10_000),
            (10_000, u64::MAX, u64::MAX, None, 10_000),
            (10_000, 60, 60, None, 0),
        ] {
            let plan = Plan::of(wanted, soft, hard);
            assert_eq!(plan, Plan { raise, fits }, "{wanted} in {soft}, {hard}");
        }
    }

    #[test]
    fn what_is_no_service_does_not_start() {
        for (wanted, fits, good) in [(10_000, 8, true), (10_000, 7, false), (2, 2, true)] {
            assert_eq!(check(wanted, fits).is_ok(), good, "{fits} of {wanted}");
        }
    }
}
