//! What a seller says of a channel, and how much of it is believed.

use farthing_core::{
    header::{PAYMENT_RECEIPT, payment_receipt},
    intent::session::ChannelId,
    noun::{Receipt, session::SessionReceipt},
    value::Amount,
};
use http::HeaderMap;

use super::{
    keeper::Keeper,
    purse::{Purse, less},
};
use crate::{client::Inner, error::Error};

/// The receipt of an answer.
pub(super) fn of(headers: &HeaderMap) -> Option<(Receipt, SessionReceipt)> {
    let receipt = payment_receipt::parse(headers.get(PAYMENT_RECEIPT)?).ok()?;
    let session = SessionReceipt::read(&receipt).ok()?;
    Some((receipt, session))
}

/// What a receipt that is believed says of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) accepted: Amount,
    pub(super) spent: Amount,
    pub(super) by: By,
    /// Whether it is known to speak of the request it came with: see [`Purse::prompt`].
    pub(super) is_prompt: bool,
}

/// Where a receipt stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// In the head of an answer. Some sellers write it before they charge for that answer.
    Head,
    /// At the end of a stream, after all of it was charged.
    End,
}

impl Purse {
    /// Whether a receipt has to speak of the request that it came with, for which so much was counted:
    /// without it no more was owed than it says was spent.
    pub(super) fn is_told_promptly(&self, said: &SessionReceipt, counted: Amount) -> bool {
        said.spent > less(self.owed, counted)
    }
}

/// What a receipt is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// What may be.
    Good(Told),
    /// It is about another channel, and none to us.
    Foreign,
    /// It says what cannot be.
    Lie,
}

impl Inner {
    /// Weighs a receipt against our own count. One that cannot be is written down, and the channel
    /// pays nothing more.
    pub(super) async fn weigh(
        &self,
        keeper: &Keeper,
        channel: &ChannelId,
        said: &SessionReceipt,
        (by, counted): (By, Amount),
    ) -> Result<Word, Error> {
        if said.channel != *channel {
            return Ok(Word::Foreign);
        }
        let Some(held) = self.fresh(keeper).await? else {
            return Ok(Word::Foreign);
        };
        let purse = held.record;
        let (allowed, signed) = (self.allowed(keeper, &purse), purse.signed);
        if said.spent <= allowed && said.accepted <= signed {
            let proves = |purse: &Purse| by == By::Head && purse.is_told_promptly(said, counted);
            if said.spent > purse.owed || (!purse.prompt && proves(&purse)) {
                let noted = self.note(keeper, |purse| {
                    purse.prompt |= proves(purse);
                    // A stream used it.
                    purse.owed = purse.owed.max(said.spent);
                    true
                });
                noted.await?;
            }
            return Ok(Word::Good(Told {
                accepted: said.accepted,
                spent: said.spent,
                by,
                is_prompt: purse.prompt || proves(&purse),
            }));
        }
        let why = match said.spent > allowed {
            true => format!(
                "its seller says that {} was spent, and no more than {allowed} was owed",
                said.spent
            ),
            false => format!(
                "its seller says that {} was accepted, and no more than {signed} was signed",
                said.accepted
            ),
        };
        tracing::warn!(channel = %channel, "{why}");
        self.note(keeper, |purse| {
            purse.dispute = Some(why.as_str().into());
            true
        })
        .await?;
        Ok(Word::Lie)
    }
}
