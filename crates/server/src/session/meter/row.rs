//! The row of a request under a key: what was charged for it is written there with each charge.
//!
//! So who repeats the request after its stream broke, or after the process died, is not charged again
//! for what was charged before. One run of a request owns its row at a time: a charge of one that was
//! taken over does not hold, and neither does it after a write that nobody knows the fate of.

use std::sync::Arc;

use farthing_core::{
    domain::{
        calls::HeldCall,
        channels::{ChannelError, Rows, Step},
    },
    value::{Amount, Timestamp},
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{event::What, session::Live};

/// The row of a request under a key. Each who writes it has it alone, until it is written.
#[derive(Clone, Debug)]
pub(crate) struct CallRow(Arc<Mutex<Option<HeldCall>>>);

impl CallRow {
    pub(crate) fn new(call: HeldCall) -> Self {
        Self(Arc::new(Mutex::new(Some(call))))
    }

    /// The row as it was written last; none where it was erased.
    pub(crate) async fn lock(&self) -> MutexGuard<'_, Option<HeldCall>> {
        self.0.lock().await
    }
}

/// What is written of a call with a charge of its meter.
pub(super) fn charged(
    call: Option<&HeldCall>,
    price: Amount,
    now: Timestamp,
) -> (Option<HeldCall>, Rows) {
    let Some(call) = call.filter(|_| !price.is_zero()) else {
        return Default::default();
    };
    let before = call.call().metered;
    let (next, rows) = call.metered(before.checked_add(price).unwrap_or(before), now);
    (Some(next), rows)
}

/// Takes back what was charged and not delivered, and says how much that was.
pub(super) async fn take_back(
    live: &Live,
    row: Option<&CallRow>,
    price: Amount,
    now: Timestamp,
) -> Result<Amount, ChannelError> {
    let mut row = match row {
        Some(row) => Some(row.lock().await),
        None => None,
    };
    let call = row.as_ref().and_then(|row| (**row).clone());
    let step = live.step(move |channel| {
        let taken = channel.unserved(price);
        Ok(match &call {
            None => Step::to((taken, None)),
            Some(call) => {
                let left = call.call().metered.checked_sub(taken).unwrap_or_default();
                let (next, (guards, writes)) = call.metered(left, now);
                Step::to((taken, Some(next))).with(guards, writes)
            }
        })
    });
    let (taken, next) = step.await?;
    if let (Some(row), Some(next)) = (&mut row, next) {
        **row = Some(next);
    }
    if !taken.is_zero() {
        live.tell(|| What::GivenBack { amount: taken });
    }
    Ok(taken)
}
