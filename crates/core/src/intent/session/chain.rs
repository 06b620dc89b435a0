//! The rail's side of a channel: what it says, and what it is handed.

use super::{
    Balance, Channel, Protocol, Refused, Voucher,
    channel::{Stage, less},
};
use crate::value::{Amount, Timestamp};

/// What the rail says of a channel, as of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The number of the block. What was seen earlier never undoes what was seen later.
    pub block: u64,
    /// What it says.
    pub state: OnChain,
}

impl Seen {
    /// Whether it proves that the channel was there. A rail that keeps nothing of channels that ended may
    /// say the same of one that never was.
    #[must_use]
    pub const fn proves_it_was(&self) -> bool {
        !matches!(self.state, OnChain::Finalized { settled: None })
    }
}

/// A channel on its rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChain {
    /// It is there.
    Open {
        /// What is locked, with what was paid out of it.
        deposit: Amount,
        /// What was paid out.
        settled: Amount,
        /// When the payer asked for its end, if that stands.
        close_requested_at: Option<Timestamp>,
    },
    /// It was closed or withdrawn.
    Finalized {
        /// What was paid out in all, where the rail still says.
        settled: Option<Amount>,
    },
}

impl OnChain {
    /// A channel that was just opened.
    #[must_use]
    pub const fn open(deposit: Amount) -> Self {
        Self::Open {
            deposit,
            settled: Amount::ZERO,
            close_requested_at: None,
        }
    }
}

/// What to close a channel with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing<'a> {
    /// What is paid out in all. Never more than was spent, but for what the rail had paid already.
    pub capture: Amount,
    /// The voucher that allows it. By the second protocol none where nothing is added to what was paid
    /// out; by the first none where we have none, and then only the payer can close it.
    pub voucher: Option<&'a Voucher>,
    /// What was spent and cannot be had, for want of a voucher that says no more than that.
    pub lost: Amount,
}

impl Channel {
    /// Takes in what the rail says: a top-up, a settlement, a request to close, or one taken back.
    /// What was seen in an earlier block than something else is passed over.
    ///
    /// # Errors
    /// [`Refused::Contradiction`] when it cannot be: what is locked or paid out never falls.
    pub fn observe(&mut self, seen: Seen) -> Result<Balance, Refused> {
        if seen.block < self.block || self.stage == Stage::Closed {
            return Ok(self.balance());
        }
        match seen.state {
            OnChain::Open {
                deposit,
                settled,
                close_requested_at,
            } => {
                let falls = deposit < self.deposit || settled < self.settled;
                if falls || settled > deposit || deposit > self.protocol.most() {
                    return Err(Refused::Contradiction);
                }
                self.deposit = deposit;
                self.close_requested_at = close_requested_at;
                self.paid_out(settled);
            }
            OnChain::Finalized { settled } => {
                let settled = settled.unwrap_or(self.settled);
                if settled < self.settled || settled > self.deposit {
                    return Err(Refused::Contradiction);
                }
                self.paid_out(settled);
                self.stage = Stage::Closed;
                self.awaited = None;
            }
        }
        self.block = seen.block;
        Ok(self.balance())
    }

    /// Stops the service, so that the channel can be closed. A buyer that closes sends a voucher;
    /// without one it is the seller who closes. What is reserved may still be charged.
    ///
    /// # Errors
    /// When the voucher says less than was spent or paid out, or more than is locked.
    pub fn close(&mut self, voucher: Option<&Voucher>) -> Result<Balance, Refused> {
        if self.stage == Stage::Closed {
            return Err(Refused::Closed);
        }
        if let Some(voucher) = voucher {
            let owed = self.spent.max(self.settled);
            if voucher.cumulative() < owed {
                return Err(Refused::ClosesBelow { owed });
            }
            if voucher.cumulative() > self.deposit {
                return Err(Refused::ExceedsDeposit {
                    deposit: self.deposit,
                });
            }
            self.farewell = Some(voucher.clone());
        }
        self.stage = Stage::Closing;
        self.awaited = None;
        Ok(self.balance())
    }

    /// Whether nothing is reserved and nothing is being served any more, so that what is spent is
    /// final once it is closing. Where an owner died over it, [`lapse`](Channel::lapse) and
    /// [`make_sure`](Channel::make_sure) end that.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.reservations.open.is_empty() && self.unsure.is_zero()
    }

    /// What to settle while the channel goes on: the highest kept voucher that says no more than
    /// what is sure, where that is more than was paid out.
    #[must_use]
    pub fn to_settle(&self) -> Option<&Voucher> {
        if self.stage == Stage::Closed {
            return None;
        }
        let voucher = self.kept.within(self.sure())?;
        (voucher.cumulative() > self.settled).then_some(voucher)
    }

    /// What to close with now: all that was spent, also what is unsure. A close is final, so it is
    /// asked once the channel [is idle](Channel::is_idle).
    #[must_use]
    pub fn closing(&self) -> Closing<'_> {
        let voucher = match self.protocol {
            // What it says is what it moves: the buyer's last one where that is exact or nearest.
            // A rail that moves what a voucher says closes with none that says less than it paid out
            // already, and with nothing but a voucher.
            Protocol::V1 => {
                let owed = self.spent.max(self.settled);
                let farewell = self.farewell.as_ref();
                let farewell = farewell.filter(|it| it.cumulative() <= owed);
                let best = self.kept.within(owed).into_iter().chain(farewell);
                let best = best.max_by_key(|it| it.cumulative());
                best.filter(|it| it.cumulative() >= self.settled)
            }
            Protocol::V2 => {
                let farewell = self.farewell.as_ref();
                let farewell = farewell.filter(|it| it.cumulative() >= self.spent);
                let covering = self.kept.covering(self.spent).or(farewell);
                covering.filter(|_| self.spent > self.settled)
            }
        };
        let capture = match (voucher, self.protocol) {
            (None, _) => self.settled,
            (Some(voucher), Protocol::V1) => voucher.cumulative(),
            (Some(_), Protocol::V2) => self.spent,
        };
        Closing {
            capture,
            voucher,
            lost: less(self.spent, capture),
        }
    }

    /// What was spent and will never be paid out, of a channel that is closed.
    #[must_use]
    pub fn lost(&self) -> Amount {
        match self.stage {
            Stage::Closed => less(self.spent, self.settled),
            Stage::Open | Stage::Closing => Amount::ZERO,
        }
    }

    /// The rail paid so much out. A voucher that says so exists, whether or not we have it; what it
    /// allowed beyond what we charged is the buyer's to use.
    fn paid_out(&mut self, settled: Amount) {
        self.settled = settled;
        self.accepted = self.accepted.max(settled);
    }
}
