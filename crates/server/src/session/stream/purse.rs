//! What a stream has paid for and not handed over.

use farthing_core::{intent::session::Balance, value::Amount};

use crate::session::meter::{Meter, MeterError, Tried};

/// Units that were charged for pieces to come. What is left at the end goes back.
#[derive(Debug)]
pub(super) struct Purse {
    meter: Meter,
    /// How many units are charged at once, where the balance has them.
    slice: u64,
    paid: u64,
}

impl Purse {
    pub(super) const fn new(meter: Meter, slice: u64) -> Self {
        Self {
            meter,
            slice,
            paid: 0,
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
        let tried = self.meter.pay(self.meter.cost(units)?).await?;
        if let Tried::Done(_) = tried {
            self.paid += units;
        }
        Ok(tried)
    }

    /// What a piece lacks, as an amount.
    pub(super) fn lacks(&self, units: u64) -> Result<Amount, MeterError> {
        self.meter.cost(units.saturating_sub(self.paid))
    }

    /// A piece was handed over, and is paid for.
    pub(super) fn delivered(&mut self, units: u64) {
        self.paid = self.paid.saturating_sub(units);
        self.meter.delivered(units, self.value(units));
    }

    /// Gives back what was not handed over.
    pub(super) async fn end(mut self) {
        let left = self.value(self.paid);
        self.paid = 0;
        if let Err(error) = self.meter.take_back(left).await {
            tracing::warn!(channel = %self.meter.channel(), "what was charged ahead could not be given back: {error}");
        }
    }

    /// What units cost that were charged: a product that was made before.
    fn value(&self, units: u64) -> Amount {
        self.meter.cost(units).unwrap_or_default()
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        let left = self.value(self.paid);
        self.meter.tariff().take_back_later(left);
    }
}
