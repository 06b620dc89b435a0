//! Payments whose answer is on its way out, from the head to the last state being written.
//!
//! Without this, a credential presented again in the instant after its answer would be told that
//! it is in flight, where a moment later it is told that it was used. One whose answer takes
//! longer than a replay is patient is told that it is in flight. What is here is a convenience of
//! one process: the store decides.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use farthing_core::value::ChallengeId;
use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Finishing(Mutex<HashMap<ChallengeId, Arc<Notify>>>);

/// How long a replay waits for the state it is about.
const PATIENCE: Duration = Duration::from_secs(2);

impl Finishing {
    /// Marks a payment until the guard is dropped.
    pub(super) fn begin(&self, challenge: &ChallengeId) -> Finish<'_> {
        self.map().insert(challenge.clone(), Arc::default());
        Finish {
            of: self,
            challenge: challenge.clone(),
        }
    }

    /// Waits for a payment that is being finished.
    pub(super) async fn wait(&self, challenge: &ChallengeId) {
        let Some(notify) = self.map().get(challenge).cloned() else {
            return;
        };
        let notified = notify.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if self.map().contains_key(challenge) {
            // Running out of patience is no error: the store then says what it knows.
            let _ = tokio::time::timeout(PATIENCE, notified).await;
        }
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<ChallengeId, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A payment that is being finished.
pub(super) struct Finish<'a> {
    of: &'a Finishing,
    challenge: ChallengeId,
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        if let Some(notify) = self.of.map().remove(&self.challenge) {
            notify.notify_waiters();
        }
    }
}
