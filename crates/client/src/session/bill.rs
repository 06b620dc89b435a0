//! What one request costs out of a channel, while it is answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farthing_core::{
    intent::session::ChannelId,
    noun::session::SessionReceipt,
    value::{Amount, Currency, PaymentId},
};

/// What a request costs out of a channel. Of a stream it grows while it is read; clones see the same.
#[derive(Clone, Debug)]
pub struct Bill {
    purse: PaymentId,
    channel: ChannelId,
    currency: Currency,
    unit_price: Amount,
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    cost: Amount,
    receipt: Option<SessionReceipt>,
    trouble: Option<Box<str>>,
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

    pub(super) fn costs(&self, cost: Amount) {
        self.running().cost = cost;
    }

    pub(super) fn keep(&self, receipt: &SessionReceipt) {
        self.running().receipt = Some(receipt.clone());
    }

    pub(super) fn fail(&self, why: &impl ToString) {
        self.running().trouble = Some(why.to_string().into());
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
