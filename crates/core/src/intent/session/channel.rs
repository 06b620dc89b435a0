//! A channel as its seller keeps it: what a voucher raises, and what a request costs.

use super::{
    Need, OnChain, Protocol, Refused, Rule, Seen, Voucher, exposure::Grant, kept::Kept,
    reserve::Reservations,
};
use crate::value::{Amount, Timestamp};

/// A channel.
///
/// `unsure ≤ spent` and `spent + reserved ≤ accepted ≤ deposit` hold of every value of this type, also of one that is
/// read from a store. Each step either happens whole or is [`Refused`] and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub(super) protocol: Protocol,
    pub(super) stage: Stage,
    pub(super) deposit: Amount,
    pub(super) accepted: Amount,
    pub(super) spent: Amount,
    /// The part of it that was charged for requests still being served.
    pub(super) unsure: Amount,
    /// What was made sure without anybody's word.
    pub(super) left_over: Amount,
    pub(super) settled: Amount,
    /// The block as of which the rail's side is known.
    pub(super) block: u64,
    pub(super) close_requested_at: Option<Timestamp>,
    pub(super) kept: Kept,
    /// What the buyer closed with. It may say less than is accepted.
    pub(super) farewell: Option<Voucher>,
    pub(super) reservations: Reservations,
    /// What a paused stream waits for: a voucher that says at least this.
    pub(super) awaited: Option<Amount>,
    pub(super) grant: Grant,
    /// The number of the stream that has the channel's place.
    pub(super) stream: u64,
}

/// How far a channel is, apart from what its payer asked of the rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Closing,
    Closed,
}

/// Whether a channel serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It does.
    Open,
    /// Its payer asked the rail to close it, at this time. It serves again after a top-up.
    CloseRequested(Timestamp),
    /// It is being closed. What was reserved is still charged.
    Closing,
    /// It is closed, for good.
    Closed,
}

/// What is there, as a receipt tells it: after the charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// What vouchers said.
    pub accepted: Amount,
    /// What was charged.
    pub spent: Amount,
    /// The part of it that was charged for requests still being served. It is taken back where
    /// they are not served.
    pub unsure: Amount,
    /// What is held for requests whose cost is not known yet.
    pub reserved: Amount,
    /// What the rail has paid out.
    pub settled: Amount,
    /// What is locked on the rail.
    pub deposit: Amount,
}

impl Balance {
    /// What a request can be charged.
    #[must_use]
    pub fn available(&self) -> Amount {
        less(less(self.accepted, self.spent), self.reserved)
    }
}

/// What a voucher did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// By how much it raised what is accepted. Nothing for one that was there already.
    pub added: Amount,
    /// Whether a paused stream may go on.
    pub resumes: bool,
}

/// What a voucher and a charge in one step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// What the voucher did. It is kept, whatever became of the charge.
    pub voucher: Acceptance,
    /// The balance after the charge, or why nothing was charged.
    pub charge: Result<Balance, Refused>,
}

impl Channel {
    /// A channel as the rail shows it. What it has paid out already counts as spent: a voucher for
    /// it was handed in, even where our books of it are lost.
    ///
    /// # Errors
    /// When it is closed or closing, or holds what no channel of its protocol can.
    pub fn open(protocol: Protocol, seen: Seen) -> Result<Self, Refused> {
        let (deposit, settled) = match seen.state {
            OnChain::Finalized { .. } => return Err(Refused::Closed),
            OnChain::Open {
                close_requested_at: Some(_),
                ..
            } => {
                return Err(Refused::CloseRequested);
            }
            OnChain::Open {
                deposit,
                settled,
                close_requested_at: None,
            } => (deposit, settled),
        };
        if settled > deposit || deposit > protocol.most() {
            return Err(Refused::Contradiction);
        }
        Ok(Self {
            protocol,
            stage: Stage::Open,
            deposit,
            accepted: settled,
            spent: settled,
            unsure: Amount::ZERO,
            left_over: Amount::ZERO,
            settled,
            block: seen.block,
            close_requested_at: None,
            kept: Kept::default(),
            farewell: None,
            reservations: Reservations::default(),
            awaited: None,
            grant: Grant::default(),
            stream: 0,
        })
    }

    /// By which rules it is kept on its rail.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What is there.
    #[must_use]
    pub fn balance(&self) -> Balance {
        Balance {
            accepted: self.accepted,
            spent: self.spent,
            unsure: self.unsure,
            reserved: self.reservations.sum(),
            settled: self.settled,
            deposit: self.deposit,
        }
    }

    /// Whether it serves.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match (self.stage, self.close_requested_at) {
            (Stage::Closed, _) => Standing::Closed,
            (Stage::Closing, _) => Standing::Closing,
            (Stage::Open, Some(at)) => Standing::CloseRequested(at),
            (Stage::Open, None) => Standing::Open,
        }
    }

    /// What a paused stream waits for, if one does.
    #[must_use]
    pub const fn awaited(&self) -> Option<Amount> {
        self.awaited
    }

    /// Takes a voucher whose signature was checked. An equal one raises nothing and buys nothing.
    ///
    /// # Errors
    /// When it falls, is not by the rule, says more than is locked, or the channel does not serve.
    pub fn accept(
        &mut self,
        voucher: &Voucher,
        rule: impl Into<Rule>,
    ) -> Result<Acceptance, Refused> {
        self.serves()?;
        let Rule { least, ahead } = rule.into();
        let cumulative = voucher.cumulative();
        let accepted = self.accepted;
        let added = cumulative
            .checked_sub(accepted)
            .ok_or(Refused::Falls { accepted })?;
        if added.is_zero() {
            self.keep_equal(voucher);
            return Ok(Acceptance {
                added,
                resumes: false,
            });
        }
        if added < least {
            return Err(Refused::DeltaTooSmall { least });
        }
        if cumulative > self.deposit {
            return Err(Refused::ExceedsDeposit {
                deposit: self.deposit,
            });
        }
        if let Some(ahead) = ahead {
            self.is_near(voucher, &ahead)?;
        }
        self.accepted = cumulative;
        self.kept.push(voucher.clone(), self.sure());
        let resumes = self.awaited.is_some_and(|awaited| awaited <= cumulative);
        if resumes {
            self.awaited = None;
        }
        Ok(Acceptance { added, resumes })
    }

    /// Keeps a voucher that says what is accepted, where we have none that does and need one: the rail
    /// of the first protocol closes no channel without, also where nothing was spent.
    fn keep_equal(&mut self, voucher: &Voucher) {
        let last = self.kept.as_slice().last();
        let is_known = last.is_some_and(|last| last.cumulative() == voucher.cumulative());
        if self.protocol == Protocol::V1 && !is_known {
            self.kept.push(voucher.clone(), self.sure());
        }
    }

    /// Charges a price. It has to be durable before what it pays for is delivered, and is unsure
    /// until its request was [`served`](Channel::served) or [not](Channel::unserved).
    ///
    /// # Errors
    /// [`Refused::Short`] when the balance does not cover it.
    pub fn charge(&mut self, price: Amount) -> Result<Balance, Refused> {
        self.serves()?;
        self.affords(price)?;
        self.spend(price);
        Ok(self.balance())
    }

    /// Goes on with a stream, or begins one where it has no number yet: its number, which each of its
    /// charges has to say. The one that began last has the channel's place, in whatever process.
    ///
    /// # Errors
    /// [`Refused::Replaced`] when another one began since.
    pub const fn stream(&mut self, number: Option<u64>) -> Result<u64, Refused> {
        match number {
            Some(number) if number == self.stream => Ok(number),
            Some(_) => Err(Refused::Replaced),
            None => {
                self.stream = self.stream.wrapping_add(1);
                Ok(self.stream)
            }
        }
    }

    /// Takes a voucher and charges a price: the step of every request.
    ///
    /// A voucher that is good stays good where the price is not covered; a bad one is charged
    /// nothing, even where the balance would cover the price.
    ///
    /// # Errors
    /// As [`Channel::accept`].
    pub fn accept_and_charge(
        &mut self,
        voucher: Option<&Voucher>,
        rule: impl Into<Rule>,
        price: Amount,
    ) -> Result<Admitted, Refused> {
        self.serves()?;
        let voucher = match voucher {
            Some(voucher) => self.accept(voucher, rule)?,
            None => Acceptance {
                added: Amount::ZERO,
                resumes: false,
            },
        };
        Ok(Admitted {
            voucher,
            charge: self.charge(price),
        })
    }

    /// Pauses a stream whose next piece costs more than is there, and says what it needs; `None`
    /// where the balance covers it.
    ///
    /// # Errors
    /// When the channel does not serve.
    pub fn pause(&mut self, price: Amount) -> Result<Option<Need>, Refused> {
        self.serves()?;
        let need = self.need(price);
        self.awaited = need.map(|need| need.required);
        Ok(need)
    }

    /// Ends a pause without a voucher: the stream was given up, or goes on from what came free.
    pub const fn resume(&mut self) {
        self.awaited = None;
    }

    /// Whether a request used it since: took a voucher, was charged or taken back, or reserved.
    pub(crate) fn is_used_since(&self, before: &Self) -> bool {
        (self.accepted, self.spent) != (before.accepted, before.spent)
            || self.reservations.last != before.reservations.last
    }

    pub(super) const fn serves(&self) -> Result<(), Refused> {
        match self.standing() {
            Standing::Open => Ok(()),
            Standing::CloseRequested(_) => Err(Refused::CloseRequested),
            Standing::Closing => Err(Refused::Closing),
            Standing::Closed => Err(Refused::Closed),
        }
    }

    /// Whether a price is within the balance and within what may be unsettled.
    pub(super) fn affords(&self, price: Amount) -> Result<(), Refused> {
        match self.need(price) {
            Some(need) => Err(Refused::Short(need)),
            None => self.is_backed(price),
        }
    }

    /// Adds to what is spent, for a request that is being served. The caller looked whether it is
    /// covered.
    pub(super) fn spend(&mut self, price: Amount) {
        self.spent = more(self.spent, price);
        self.unsure = more(self.unsure, price);
    }

    fn need(&self, price: Amount) -> Option<Need> {
        let available = self.balance().available();
        let lacks = price
            .checked_sub(available)
            .filter(|lacks| !lacks.is_zero())?;
        Some(Need {
            lacks,
            required: more(self.accepted, lacks),
            accepted: self.accepted,
            deposit: self.deposit,
        })
    }

    /// What holds of every channel.
    pub(super) fn holds(&self) -> bool {
        let claimed = self.spent.checked_add(self.reservations.sum());
        claimed.is_some_and(|claimed| claimed <= self.accepted)
            && self.unsure <= self.spent
            && self.settled <= self.accepted
            && self.accepted <= self.deposit
            && self.deposit <= self.protocol.most()
            && self.kept.holds(self.accepted)
            && self.reservations.holds()
            && self
                .farewell
                .as_ref()
                .is_none_or(|it| it.cumulative() <= self.deposit)
    }
}

/// The sum, or the most there is: above every deposit, so nothing is ever covered by it.
pub(super) fn more(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).unwrap_or(Amount::new(u128::MAX))
}

/// The difference, or nothing.
pub(super) fn less(a: Amount, b: Amount) -> Amount {
    a.checked_sub(b).unwrap_or_default()
}
