//! Who works on a payment: the lease that running work renews, and when a payment is free.
//!
//! A payment that somebody works on must not be presented by somebody else, for its answer is on
//! the way to its worker. Work of this client is known in memory; work of another process is
//! known by the lease in the record.

use std::{
    collections::HashSet,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use farthing_core::value::{PaymentId, Timestamp};

use crate::{
    client::Inner,
    error::Error,
    outgoing::{HeldPayment, Outgoing, Standing},
};

/// How often a lease is renewed, and looked at, before it runs out.
const BEATS: u32 = 3;

/// The payments this client works on at the moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Works(Arc<Mutex<HashSet<PaymentId>>>);

/// Work on one payment. The work is over when this is dropped, however it ends.
#[derive(Debug)]
pub(crate) struct Work {
    works: Works,
    payment: PaymentId,
}

impl Works {
    /// Begins to work on a payment, unless somebody in this client does.
    pub(crate) fn begin(&self, payment: PaymentId) -> Option<Work> {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.insert(payment).then(|| Work {
            works: self.clone(),
            payment,
        })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut set = self.works.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.remove(&self.payment);
    }
}

/// A payment that nobody else works on.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) held: HeldPayment,
    pub(crate) work: Work,
}

impl Inner {
    /// Until when work that is alive now counts as alive.
    pub(crate) fn lease(&self) -> Timestamp {
        self.clock.now().saturating_add(self.options.lease)
    }

    /// Awaits something and keeps the lease meanwhile. A renewal that fails stops nothing: if the
    /// payment was taken over, the next step finds out.
    pub(crate) async fn leased<T>(
        &self,
        held: HeldPayment,
        work: impl Future<Output = T>,
    ) -> (HeldPayment, T) {
        let mut work = pin!(work);
        let mut held = held;
        loop {
            tokio::select! {
                biased;
                out = &mut work => return (held, out),
                () = tokio::time::sleep(self.options.lease / BEATS) => {
                    match self.book.renew(held.clone(), self.lease()).await {
                        Ok(renewed) => held = renewed,
                        Err(error) => tracing::warn!(%error, "a lease was not renewed"),
                    }
                }
            }
        }
    }

    /// Takes a pending payment over, if nobody works on it.
    pub(crate) async fn take(&self, held: HeldPayment) -> Result<Option<Taken>, Error> {
        if held.record.standing.is_pending() {
            self.take_to_ask(held).await
        } else {
            Ok(None)
        }
    }

    /// The same for one that was served, so that there is nothing to do for it but to ask its rail.
    pub(crate) async fn take_to_ask(&self, held: HeldPayment) -> Result<Option<Taken>, Error> {
        let record = &held.record;
        let is_free = record.worker == self.id || record.lease_until <= self.clock.now();
        if !is_free {
            return Ok(None);
        }
        let Some(work) = self.works.begin(record.id) else {
            return Ok(None);
        };
        match self.book.take_over(held, self.id, self.lease()).await {
            Ok(held) => Ok(Some(Taken { held, work })),
            Err(farthing_core::domain::claims::ChangeError::Store(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// The same, waiting for as long as it takes to know whether another process still works on
    /// it: a worker that is alive renews its lease before a whole one has passed.
    pub(crate) async fn take_when_free(&self, held: HeldPayment) -> Result<Option<Taken>, Error> {
        let (id, seen) = (held.record.id, held.record.beat);
        let mut held = held;
        for beat in 0..=BEATS {
            if held.record.worker != self.id && beat == BEATS && held.record.beat == seen {
                // The clock may stand still, the lease may lie far ahead: nobody was heard of for
                // a whole lease.
                held.record.lease_until = Timestamp::EPOCH;
            }
            let record = held.record.clone();
            if let Some(taken) = self.take(held).await? {
                return Ok(Some(taken));
            }
            if is_elsewhere_alive(&record, self.id, seen) || beat == BEATS {
                return Ok(None);
            }
            tokio::time::sleep(beat_of(self.options.lease)).await;
            match self.book.load(id).await? {
                Some(next) => held = next,
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// Whether a record shows that its worker goes on, or is done, or that it is one of ours.
fn is_elsewhere_alive(record: &Outgoing, us: PaymentId, seen: u32) -> bool {
    record.worker == us || record.standing != Standing::Signed || record.beat != seen
}

fn beat_of(lease: Duration) -> Duration {
    lease / BEATS + Duration::from_millis(1)
}
