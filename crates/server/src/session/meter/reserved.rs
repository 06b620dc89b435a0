//! Estimates: what is held for a request until its cost is known.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::channels::{ChannelError, Rows, Step},
    intent::session::{Balance, Channel, Refused, ReservationId},
    value::Timestamp,
};

use super::{Meter, MeterError, Tried, Wait};

/// How long an estimate is held after it was drawn on last. One that a dead process left comes free
/// by then.
const HELD_FOR: Duration = Duration::from_secs(10 * 60);

/// Units that are held for one request. What is not drawn is given back when it is dropped.
#[derive(Debug)]
#[must_use = "what is held is given back when this is dropped"]
pub struct Reserved {
    meter: Meter,
    id: ReservationId,
    is_over: bool,
}

impl Meter {
    /// Holds units, so that no other request can spend them before this one's cost is known. Waits
    /// for a voucher as [`Meter::charge`] does.
    ///
    /// # Errors
    /// As [`Meter::charge`].
    pub async fn reserve(&self, units: u64) -> Result<Reserved, MeterError> {
        let price = self.cost(units)?;
        let mut wait = None;
        loop {
            let (meter, price) = (self.clone(), self.uncredited(price));
            // What is held is given back also where nobody waits for it any more.
            let tried = self.detached(async move {
                let (now, until) = meter.hold();
                let step = move |channel: &mut Channel| {
                    channel.lapse(now);
                    Ok(Step::to(channel.reserve(price, until)?))
                };
                let tried = meter.backed(step).await?;
                Ok(tried.map(|id| Reserved {
                    meter,
                    id,
                    is_over: false,
                }))
            });
            match tried.await? {
                Tried::Done(reserved) => return Ok(reserved),
                tried => Wait::on(&mut wait, self, price, &tried).await?,
            }
        }
    }

    fn hold(&self) -> (Timestamp, Timestamp) {
        let now = self.tariff().clock.now();
        (now, now.saturating_add(HELD_FOR))
    }

    /// Takes a step for which more may have to be drawn.
    async fn backed<T: Send + 'static>(
        &self,
        step: impl FnMut(&mut Channel) -> Result<Step<T>, Refused> + Send + 'static,
    ) -> Result<Tried<T>, MeterError> {
        match self.tariff().live.step(step).await {
            Ok(outcome) => Ok(Tried::Done(outcome)),
            Err(ChannelError::Refused(Refused::Short(need))) => Ok(Tried::Short(need)),
            Err(ChannelError::Refused(Refused::ExposureFull)) => Ok(Tried::Full),
            Err(error) => Err(MeterError::of(error)),
        }
    }
}

impl Reserved {
    /// Charges units of what is held, before what they pay for is delivered. What is beyond the
    /// estimate is charged from the balance, and waits for a voucher where that is out.
    ///
    /// # Errors
    /// As [`Meter::charge`]; what was held stays so.
    pub async fn draw(&mut self, units: u64) -> Result<Balance, MeterError> {
        self.take(units, false).await
    }

    /// Charges the last units, and gives back the rest.
    ///
    /// # Errors
    /// As [`Meter::charge`].
    pub async fn correct(mut self, units: u64) -> Result<Balance, MeterError> {
        self.take(units, true).await
    }

    async fn take(&mut self, units: u64, is_last: bool) -> Result<Balance, MeterError> {
        let price = self.meter.cost(units)?;
        let mut wait = None;
        loop {
            let (meter, id) = (self.meter.clone(), self.id);
            let tried = self.meter.detached(async move {
                let (_, until) = meter.hold();
                let step = |price, (guards, writes): Rows| {
                    meter.backed(move |channel: &mut Channel| {
                        let balance = match is_last {
                            true => channel.correct(id, price)?,
                            false => channel.draw(id, price, until)?,
                        };
                        Ok(Step::to(balance).with(guards.clone(), writes.clone()))
                    })
                };
                let tried = meter.beyond_credit(price, step).await?;
                if let Tried::Done(paid) = &tried {
                    meter.note(units, paid.charged);
                    let amount = paid.charged;
                    meter.tariff().live.tell_charged(amount);
                }
                Ok(tried)
            });
            match tried.await? {
                Tried::Done(paid) => {
                    self.is_over = is_last;
                    return Ok(paid.outcome);
                }
                tried => Wait::on(&mut wait, &self.meter, price, &tried).await?,
            }
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (id, tariff) = (self.id, self.meter.tariff());
        let live = Arc::clone(&tariff.live);
        tariff.later(async move {
            let refunded = live.step(move |channel| {
                match channel.refund(id) {
                    // It ran out, or its last draw ended it while its caller went away.
                    Err(Refused::NoReservation) => {}
                    refunded => {
                        refunded?;
                    }
                }
                Ok(Step::to(()))
            });
            if let Err(error) = refunded.await {
                tracing::debug!(channel = %live.id(), "an estimate stays held until it runs out: {error}");
            }
        });
    }
}
