//! Presence: this process says that it serves, and asks whether others may.
//!
//! What was charged for a request that is still being served is waited for before its channel is closed.
//! Of what this process serves it knows; of what another one does it knows only how long a request may
//! take. Where all the others are gone, there is nothing to wait for.

use std::time::Duration;

use farthing_core::{domain::presence::Said, port::backend::StoreError, value::Timestamp};

use super::till::Till;

impl Till {
    /// Says that this process is there, for as long as [`alive`](super::TillOptions::alive) says.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn say_present(&self) -> Result<(), StoreError> {
        let now = self.now();
        self.say(now, now.saturating_add(self.0.options.alive))
            .await
    }

    /// Says that this process serves nothing any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn say_gone(&self) -> Result<(), StoreError> {
        let now = self.now();
        self.say(now, now).await
    }

    /// Whether a process that serves is there. It settles what is wanted, and knows what it delivered and
    /// did not write down yet.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_served(&self) -> Result<bool, StoreError> {
        let presence = &self.0.presence;
        let alive = self.0.options.alive;
        presence
            .is_anybody_there(&self.0.who, self.now(), alive)
            .await
    }

    /// Whether nobody can be serving what was charged at a time, unless it is this process: the others are
    /// gone, and one of them was there.
    pub(super) async fn are_others_gone(&self, charged: Timestamp) -> Result<bool, StoreError> {
        let presence = &self.0.presence;
        let alive = self.0.options.alive;
        presence
            .are_gone(&self.0.who, charged, self.now(), alive)
            .await
    }

    /// Says so again and again, until the till is stopped. Only who serves has anything in flight.
    pub(super) async fn keep_present(&self) {
        if self.0.memory.is_none() {
            return;
        }
        let every = (self.0.options.alive / 3).max(Duration::from_millis(1));
        while !self.0.stop.is_cancelled() {
            if let Err(error) = self.say_present().await {
                tracing::warn!("the store could not be told that this process is there: {error}");
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.0.stop.cancelled() => {}
            }
        }
        if let Err(error) = self.say_gone().await {
            tracing::debug!("the store could not be told that this process is gone: {error}");
        }
    }

    async fn say(&self, now: Timestamp, until: Timestamp) -> Result<(), StoreError> {
        let since = *self.0.since.get_or_init(|| now);
        let who = self.0.who;
        let said = Said { who, since, until };
        self.0.presence.say(said, now).await
    }
}
