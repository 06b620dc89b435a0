//! The channels of a client: listed, looked at, closed, found again.

use farthing_core::value::PaymentId;

use super::{
    close::{Closing, How},
    purse::{ENDED, LIVE, Purse},
    recover::Found,
    sync::Synced,
};
use crate::{client::Client, error::Error};

/// The channels of a client.
#[derive(Clone, Copy, Debug)]
pub struct Sessions<'a> {
    client: &'a Client,
}

impl Client {
    /// The channels that this client pays out of.
    #[must_use]
    pub const fn sessions(&self) -> Sessions<'_> {
        Sessions { client: self }
    }
}

impl Sessions<'_> {
    /// The purses in which money may be locked, the oldest first, going on after the last one of the
    /// page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, after: Option<&Purse>, limit: usize) -> Result<Vec<Purse>, Error> {
        self.page(LIVE, after, limit).await
    }

    /// Those that are closed or lost.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ended(&self, after: Option<&Purse>, limit: usize) -> Result<Vec<Purse>, Error> {
        self.page(ENDED, after, limit).await
    }

    async fn page(
        &self,
        group: &str,
        after: Option<&Purse>,
        limit: usize,
    ) -> Result<Vec<Purse>, Error> {
        let page = self.client.inner.purses.list(group, after, limit).await?;
        Ok(page.into_iter().map(|held| held.record).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn show(&self, id: PaymentId) -> Result<Option<Purse>, Error> {
        let held = self.client.inner.purses.load(id).await?;
        Ok(held.map(|held| held.record))
    }

    /// Closes a channel. From then on it pays nothing, also where the closing does not come through:
    /// then it is asked for again, in the same way or in the other.
    ///
    /// # Errors
    /// When the seller refuses or does not answer, or the rail.
    pub async fn close(&self, id: PaymentId, how: How) -> Result<Closing, Error> {
        self.client.inner.close(id, how).await
    }

    /// Looks at the rail for every channel in which money may be locked, and goes by what it says. What
    /// can be withdrawn by now is. What ended longer ago than [`Options::keep_ended`](crate::Options::keep_ended)
    /// is forgotten.
    ///
    /// # Errors
    /// When the store fails. What one channel's rail does is in its [`Synced`].
    pub async fn sync(&self) -> Result<Vec<Synced>, Error> {
        self.client.inner.sync().await
    }

    /// Asks a seller for channels of ours that the store does not know, and keeps them to be closed.
    /// Nothing is paid out of them: how much was signed is not known, and the seller's word for it is no
    /// evidence.
    ///
    /// # Errors
    /// When the seller or the rail does not answer, or what the seller says contradicts itself.
    pub async fn recover(&self, url: &str) -> Result<Vec<Found>, Error> {
        self.client.inner.recover(url).await
    }
}
