//! What a seller says of a channel, and how much of it is believed.

use farthing_core::{
    header::{PAYMENT_RECEIPT, payment_receipt},
    intent::session::ChannelId,
    noun::{Receipt, session::SessionReceipt},
    value::Amount,
};
use http::HeaderMap;

use super::keeper::Keeper;
use crate::{client::Inner, error::Error};

/// The receipt of an answer.
pub(super) fn of(headers: &HeaderMap) -> Option<(Receipt, SessionReceipt)> {
    let receipt = payment_receipt::parse(headers.get(PAYMENT_RECEIPT)?).ok()?;
    let session = SessionReceipt::read(&receipt).ok()?;
    Some((receipt, session))
}

/// What a receipt is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// What may be: accepted, and spent.
    Good(Amount, Amount),
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
            if said.spent > purse.owed {
                // A stream used it.
                let noted = self.note(keeper, |purse| {
                    let rises = said.spent > purse.owed;
                    purse.owed = purse.owed.max(said.spent);
                    rises
                });
                noted.await?;
            }
            return Ok(Word::Good(said.accepted, said.spent));
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
