//! Waiting for a voucher.

use std::{pin::Pin, sync::Arc, time::Duration};

use farthing_core::{
    domain::channels::Step,
    intent::session::{Need, Standing},
    value::Amount,
};
use tokio::{sync::watch, time::Sleep};

use super::{Meter, MeterError, Tried};

/// How often the store is asked whether another process took a voucher of the channel.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A wait until a charge is worth trying again. It has one end, however often it is tried.
pub(in crate::session) struct Wait {
    meter: Meter,
    price: Amount,
    /// What the channel needs; none where it is the seller who is full.
    need: Option<Need>,
    changes: watch::Receiver<u64>,
    end: Pin<Box<Sleep>>,
}

impl Wait {
    /// Waits, after a charge did not succeed; the first time it begins to.
    ///
    /// # Errors
    /// When there is nothing to wait for any more.
    pub(in crate::session) async fn on<T>(
        wait: &mut Option<Self>,
        meter: &Meter,
        price: Amount,
        tried: &Tried<T>,
    ) -> Result<(), MeterError> {
        match wait {
            Some(wait) => wait.again().await,
            // What came between the charge and this is found by the next one.
            None => {
                *wait = Some(Self::begin(meter, price, tried).await?);
                Ok(())
            }
        }
    }

    /// Begins a wait. The charge has to be tried once more before it is waited: from here on no
    /// change is missed.
    ///
    /// # Errors
    /// When the channel serves nothing any more.
    pub(in crate::session) async fn begin<T>(
        meter: &Meter,
        price: Amount,
        tried: &Tried<T>,
    ) -> Result<Self, MeterError> {
        let (tariff, price) = (meter.tariff(), meter.uncredited(price));
        let need = match tried {
            Tried::Short(need) => Some(*need),
            Tried::Done(_) | Tried::Full => None,
        };
        let wait = Self {
            meter: meter.clone(),
            price,
            need,
            changes: tariff.live.changes(),
            end: Box::pin(tokio::time::sleep(tariff.within)),
        };
        if need.is_some() {
            // It is written down, so that also another process knows what is waited for.
            let live = Arc::clone(&tariff.live);
            let paused = meter.detached(async move {
                let paused = live.step(move |channel| Ok(Step::to(channel.pause(price)?)));
                paused.await.map_err(MeterError::of)
            });
            paused.await?;
        }
        Ok(wait)
    }

    /// Resolves when the charge is worth trying again.
    ///
    /// # Errors
    /// When it is not, and never will be.
    pub(in crate::session) async fn again(&mut self) -> Result<(), MeterError> {
        let tariff = self.meter.tariff();
        loop {
            tokio::select! {
                biased;
                () = tariff.closing.cancelled() => return Err(MeterError::Stopping),
                // However much happens on the channel, the wait has its end.
                () = &mut self.end => {
                    return Err(self.need.map_or(MeterError::Full, MeterError::Unpaid));
                }
                // The channel does not go away: we hold it.
                _ = self.changes.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => return Ok(()),
            }
            let known = tariff.live.last();
            let covered = known.balance.available() >= self.price;
            if covered || known.standing != Standing::Open || self.need.is_none() {
                return Ok(());
            }
        }
    }
}

impl Drop for Wait {
    /// Whoever gives up leaves nothing that says it still waits.
    fn drop(&mut self) {
        let tariff = self.meter.tariff();
        if tariff.live.last().awaited.is_none() {
            return;
        }
        let live = Arc::clone(&tariff.live);
        tariff.later(async move {
            let resumed = live.step(|channel| {
                channel.resume();
                Ok(Step::to(()))
            });
            if let Err(error) = resumed.await {
                tracing::debug!(channel = %live.id(), "a pause could not be ended: {error}");
            }
        });
    }
}
