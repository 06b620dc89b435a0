//! What a stream has paid for and not handed over.

use farthing_core::{intent::session::Balance, value::Amount};

use crate::session::meter::{Meter, MeterError, Tried};

/// Units that were charged for pieces to come. What is left at the end goes back.
#[derive(Debug)]
pub(super) struct Ahead {
    meter: Meter,
    /// How many units are charged at once, where the balance has them.
    slice: u64,
    paid: u64,
    /// How much of it is on credit, which is used up first: what goes back at the end was charged.
    lent: Amount,
}

impl Ahead {
    pub(super) const fn new(meter: Meter, slice: u64) -> Self {
        Self {
            meter,
            slice,
            paid: 0,
            lent: Amount::ZERO,
        }
    }

    /// Tries to charge what a piece costs beyond what was charged before. Not to be dropped
    /// half-way.
    pub(super) async fn cover(&mut self, units: u64) -> Result<Tried<Balance>, MeterError> {
        let lacks = units.saturating_sub(self.paid);
        if lacks == 0 {
            return Ok(Tried::Done(self.meter.balance()));
        }
        if lacks < self.slice
            && let Tried::Done(balance) = self.charge(self.slice).await?
        {
            return Ok(Tried::Done(balance));
        }
        self.charge(lacks).await
    }

    async fn charge(&mut self, units: u64) -> Result<Tried<Balance>, MeterError> {
        let cost = self.meter.cost(units)?;
        let tried = self.meter.pay(cost).await?;
        if let Tried::Done(paid) = &tried {
            self.paid += units;
            let lent = cost.checked_sub(paid.charged).unwrap_or_default();
            self.lent = self.lent.checked_add(lent).unwrap_or(self.lent);
        }
        Ok(tried.map(|paid| paid.outcome))
    }

    /// What a piece lacks, as an amount.
    pub(super) fn lacks(&self, units: u64) -> Result<Amount, MeterError> {
        self.meter.cost(units.saturating_sub(self.paid))
    }

    /// A piece was handed over, and is paid for.
    pub(super) fn delivered(&mut self, units: u64) {
        self.paid = self.paid.saturating_sub(units);
        let price = self.value(units);
        let lent = self.lent.min(price);
        self.lent = self.lent.checked_sub(lent).unwrap_or_default();
        // What is on credit was charged before, and ended then.
        let charged = price.checked_sub(lent).unwrap_or_default();
        self.meter.delivered(units, charged);
    }

    /// Gives back what was not handed over.
    pub(super) async fn end(mut self) {
        let left = self.left();
        (self.paid, self.lent) = (0, Amount::ZERO);
        if let Err(error) = self.meter.take_back(left).await {
            tracing::warn!(channel = %self.meter.channel(), "what was charged ahead could not be given back: {error}");
        }
    }

    /// What was charged for what was not handed over.
    fn left(&self) -> Amount {
        let left = self.value(self.paid);
        left.checked_sub(self.lent).unwrap_or_default()
    }

    /// What units cost that were charged: a product that was made before.
    fn value(&self, units: u64) -> Amount {
        self.meter.cost(units).unwrap_or_default()
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        let left = self.left();
        self.meter.tariff().take_back_later(left);
    }
}
