//! What one request costs out of a channel, while it is answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farthing_core::{
    intent::session::ChannelId,
    noun::session::{Cut, SessionReceipt},
    value::{Amount, Currency, PaymentId},
};
use tokio::sync::watch;

/// What a request costs out of a channel. Of a stream it grows while it is read; clones see the same.
#[derive(Clone, Debug)]
pub struct Bill {
    purse: PaymentId,
    channel: ChannelId,
    currency: Currency,
    unit_price: Amount,
    running: Arc<Mutex<Running>>,
    /// Whether somebody still counts.
    is_open: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Default)]
struct Running {
    cost: Amount,
    receipt: Option<SessionReceipt>,
    trouble: Option<Box<str>>,
    cut: Option<Cut>,
}

impl Bill {
    pub(super) fn new(
        purse: PaymentId,
        channel: ChannelId,
        currency: Currency,
        unit_price: Amount,
    ) -> Self {
        Self {
            purse,
            channel,
            currency,
            unit_price,
            running: Arc::default(),
            is_open: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Under what the channel is kept.
    #[must_use]
    pub const fn purse(&self) -> PaymentId {
        self.purse
    }

    /// The channel.
    #[must_use]
    pub const fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// The currency.
    #[must_use]
    pub const fn currency(&self) -> &Currency {
        &self.currency
    }

    /// What a unit costs.
    #[must_use]
    pub const fn unit_price(&self) -> Amount {
        self.unit_price
    }

    /// What was signed for this request by now, or what the seller said that it used where that is
    /// less.
    #[must_use]
    pub fn cost(&self) -> Amount {
        self.running().cost
    }

    /// The last receipt.
    #[must_use]
    pub fn receipt(&self) -> Option<SessionReceipt> {
        self.running().receipt.clone()
    }

    /// Why nothing more is signed for it, where that is so.
    #[must_use]
    pub fn trouble(&self) -> Option<Box<str>> {
        self.running().trouble.clone()
    }

    /// Why the seller ended its stream before the end, where it says that it did. What came is paid for, and
    /// is not the whole.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        self.running().cut
    }

    /// Waits until nothing more is counted on it, and what was is in the store. Of a stream that is not read
    /// to its end, that is soon after its response was dropped: a program that stops reading waits for it
    /// before it ends.
    pub async fn closed(&self) {
        let mut is_open = self.is_open.subscribe();
        // Its sender lives as long as we do.
        let _ = is_open.wait_for(|open| !open).await;
    }

    /// Keeps it open for as long as what comes back lives.
    pub(super) fn keep_open(&self) -> StillOpen {
        self.is_open.send_replace(true);
        StillOpen(Arc::clone(&self.is_open))
    }

    pub(super) fn costs(&self, cost: Amount) {
        self.running().cost = cost;
    }

    pub(super) fn keep(&self, receipt: &SessionReceipt) {
        self.running().receipt = Some(receipt.clone());
    }

    pub(super) fn cut_off(&self, cut: Cut) {
        self.running().cut = Some(cut);
    }

    pub(super) fn fail(&self, why: &impl ToString) {
        self.running().trouble = Some(why.to_string().into());
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody still counts on a bill.
#[derive(Debug)]
pub(super) struct StillOpen(Arc<watch::Sender<bool>>);

impl Drop for StillOpen {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}
