//! Settling at its seller's wish: what a channel has to hand in now, and that it is wanted.
//!
//! It is put on the agenda, as whatever else is due, so that whoever settles takes it: this process or
//! the one that serves. Nobody hands in anything twice for being asked twice.

use farthing_core::{
    domain::settlements::Wish,
    intent::session::{ChannelId, Protocol, Standing},
    port::backend::StoreError,
    value::Amount,
};

use super::policy::unsettled;
use crate::session::till::Till;

/// What there is to be handed in of a channel, when its seller asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payable {
    /// A voucher says so much, which is what is paid out of the channel in all once the rail has it.
    UpTo(Amount),
    /// So much was spent that no voucher can settle: the channel has to be closed for it.
    OnlyByClosing(Amount),
    /// So much was charged for requests that are still being served, and nothing else is unsettled.
    StillServed(Amount),
    /// So much was spent that the rail will not pay by any voucher that is there: the first protocol pays
    /// what a voucher says, and each that is there says more than was spent.
    NoVoucher(Amount),
    /// Everything is settled.
    Nothing,
    /// The channel is being closed, and is settled with that.
    Closing,
    /// It is closed.
    Closed,
}

impl Till {
    /// Wants a channel settled at once, where something of it can be, or may be in a moment; a round of
    /// [`settle`](Self::settle), here or in another process, hands it in. `None` where there is no such
    /// channel.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn want_settled(&self, id: &ChannelId) -> Result<Option<Payable>, StoreError> {
        let payable = self.payable(id).await?;
        if let Some(Payable::UpTo(_) | Payable::StillServed(_)) = payable
            && let Some(terms) = self.0.channels.terms(id).await?
        {
            let (now, wanted) = (self.now(), &self.0.settlements);
            wanted
                .want(&terms.method, id, Wish::Settle, (now, now))
                .await?;
        }
        Ok(payable)
    }

    /// What there is to be handed in of a channel, if its seller asked now. `None` where there is no such
    /// channel.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn payable(&self, id: &ChannelId) -> Result<Option<Payable>, StoreError> {
        if self.0.channels.load(id).await?.is_none() {
            return Ok(None);
        }
        let held = self.made_sure(id).await?;
        let channel = held.channel();
        let balance = channel.balance();
        Ok(Some(match channel.standing() {
            Standing::Closed => Payable::Closed,
            Standing::Closing => Payable::Closing,
            Standing::Open | Standing::CloseRequested(_) => {
                let owed = unsettled(balance.spent, balance.settled);
                match (channel.to_settle(), channel.protocol()) {
                    (Some(voucher), _) => Payable::UpTo(voucher.cumulative()),
                    (None, _) if owed.is_zero() => Payable::Nothing,
                    (None, _) if channel.sure() <= balance.settled => Payable::StillServed(owed),
                    (None, Protocol::V2) => Payable::OnlyByClosing(owed),
                    (None, Protocol::V1) => Payable::NoVoucher(owed),
                }
            }
        }))
    }
}
