//! A signed payment, as its buyer and the model know it.

use std::sync::atomic::{AtomicU32, Ordering};

use farthing_core::value::{Amount, ChallengeId};
use http::HeaderValue;

/// What is sold: when it settles, and whether its handler may run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sold {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) rerunnable: bool,
}

/// The routes. `GET` may run again, `POST` may not.
pub(super) const SOLD: [Sold; 6] = [
    Sold {
        path: "/first",
        method: "GET",
        rerunnable: true,
    },
    Sold {
        path: "/first",
        method: "POST",
        rerunnable: false,
    },
    Sold {
        path: "/after",
        method: "GET",
        rerunnable: true,
    },
    Sold {
        path: "/after",
        method: "POST",
        rerunnable: false,
    },
    Sold {
        path: CREDIT,
        method: "GET",
        rerunnable: true,
    },
    Sold {
        path: CREDIT,
        method: "POST",
        rerunnable: false,
    },
];

/// Where the fake rail is given credit.
pub(super) const CREDIT: &str = "/credit";

/// One credential.
#[derive(Debug)]
pub(super) struct Purchase {
    pub(super) sold: Sold,
    pub(super) challenge: ChallengeId,
    pub(super) amount: Amount,
    pub(super) header: HeaderValue,
    /// The proof's nonce, where it is one of the fake rail.
    pub(super) nonce: Option<String>,
    begun: AtomicU32,
    whole: AtomicU32,
}

impl Purchase {
    pub(super) fn new(
        sold: Sold,
        challenge: ChallengeId,
        amount: Amount,
        header: HeaderValue,
        nonce: Option<String>,
    ) -> Self {
        Self {
            sold,
            challenge,
            amount,
            header,
            nonce,
            begun: AtomicU32::new(0),
            whole: AtomicU32::new(0),
        }
    }

    /// Whether it may be served before value is known to have moved.
    pub(super) fn may_be_on_credit(&self) -> bool {
        self.sold.path == CREDIT && self.nonce.is_some()
    }

    /// Some of the answer was read, and if `whole` all of it.
    pub(super) fn read(&self, whole: bool) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if whole {
            self.whole.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How often at least a part of the answer was read.
    pub(super) fn reads(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }

    /// How often the answer was read to its end.
    pub(super) fn whole_reads(&self) -> u32 {
        self.whole.load(Ordering::SeqCst)
    }
}
