//! The rail: what is locked, what was paid out, and whether it is over.

use std::time::Duration;

use farthing_core::{
    intent::session::{Closing, OnChain, Protocol, Seen, Voucher},
    value::{Amount, Timestamp},
};

/// How long a payer waits for the end it asked for.
pub(super) const GRACE: Duration = Duration::from_secs(900);

#[derive(Debug)]
pub(super) struct Rail {
    pub(super) protocol: Protocol,
    pub(super) deposit: u128,
    pub(super) settled: u128,
    block: u64,
    requested: Option<Timestamp>,
    is_over: bool,
    /// Whether its payer ended it.
    pub(super) is_withdrawn: bool,
    /// Settlements and closes that it took.
    pub(super) taken: usize,
}

impl Rail {
    pub(super) const fn new(protocol: Protocol, deposit: u128) -> Self {
        Self {
            protocol,
            deposit,
            settled: 0,
            block: 1,
            requested: None,
            is_over: false,
            is_withdrawn: false,
            taken: 0,
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn seen(&self) -> Seen {
        let settled = Amount::new(self.settled);
        let state = if self.is_over {
            OnChain::Finalized {
                settled: Some(settled),
            }
        } else {
            OnChain::Open {
                deposit: Amount::new(self.deposit),
                settled,
                close_requested_at: self.requested,
            }
        };
        Seen {
            block: self.block,
            state,
        }
    }

    pub(super) const fn top_up(&mut self, more: u128) {
        if !self.is_over {
            self.block += 1;
            self.deposit += more;
            self.requested = None;
        }
    }

    pub(super) fn request_close(&mut self, now: Timestamp) {
        if !self.is_over {
            self.block += 1;
            self.requested.get_or_insert(now);
        }
    }

    pub(super) fn withdraw(&mut self, now: Timestamp) {
        let is_due = self
            .requested
            .is_some_and(|at| at.saturating_add(GRACE) <= now);
        if is_due && !self.is_over {
            self.block += 1;
            self.is_over = true;
            self.is_withdrawn = true;
        }
    }

    /// Pays out up to a voucher. One that adds nothing is not taken.
    pub(super) fn settle(&mut self, voucher: &Voucher) {
        let to = voucher.cumulative().units();
        if !self.is_over && to > self.settled && to <= self.deposit {
            self.block += 1;
            self.settled = to;
            self.taken += 1;
        }
    }

    /// Closes, if the rail would: what is captured is allowed by the voucher.
    pub(super) fn close(&mut self, closing: &Closing<'_>) -> Result<(), String> {
        if self.is_over {
            return Ok(());
        }
        let capture = closing.capture.units();
        let allowed = match (self.protocol, closing.voucher) {
            // By the first protocol only the payer can close what has no voucher.
            (Protocol::V1, None) => return Ok(()),
            (Protocol::V1, Some(voucher)) => voucher.cumulative().units() == capture,
            (Protocol::V2, None) => capture <= self.settled,
            (Protocol::V2, Some(voucher)) => voucher.cumulative().units() >= capture,
        };
        // Another process may have settled more since it was looked at.
        if capture < self.settled {
            return Ok(());
        }
        if !allowed || capture > self.deposit {
            return Err(format!("the rail refuses {closing:?}"));
        }
        self.block += 1;
        self.settled = capture;
        self.is_over = true;
        self.taken += 1;
        Ok(())
    }
}
