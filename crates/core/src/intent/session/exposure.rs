//! Exposure: what was served and is not paid out yet. A channel may hold as much as it was granted.
//!
//! Grants come out of counters that all channels share and that lie elsewhere in the store, so
//! granting takes two writes, and a process may die between them. What is drawn from the counters
//! is numbered; the channel takes in only what is not older than what it knows of, and it lowers
//! its grant before the counters are told. So a channel never holds more than is counted for it.

use super::{
    Channel, Refused,
    channel::{Stage, less, more},
};
use crate::value::Amount;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) amount: Amount,
    /// The least number of a draw that may be taken in.
    pub(super) number: u64,
}

impl Channel {
    /// What is or may soon be served and not paid out. Of a closed channel nothing is: what was
    /// lost with it is [`lost`](Channel::lost).
    #[must_use]
    pub fn exposure(&self) -> Amount {
        match self.stage {
            Stage::Closed => Amount::ZERO,
            Stage::Open | Stage::Closing => {
                less(more(self.spent, self.reservations.sum()), self.settled)
            }
        }
    }

    /// How much of it may be.
    #[must_use]
    pub const fn granted(&self) -> Amount {
        self.grant.amount
    }

    /// The least number of a draw that may be taken in.
    #[must_use]
    pub const fn grant_number(&self) -> u64 {
        self.grant.number
    }

    /// Takes in what was drawn for the channel in all, under the number of that draw. `false` where
    /// it is outdated: a part of it was given back since.
    #[must_use = "an outdated draw is not taken in"]
    pub fn grant(&mut self, number: u64, drawn: Amount) -> bool {
        let is_current = number >= self.grant.number;
        if is_current {
            self.grant = Grant {
                amount: drawn,
                number,
            };
        }
        is_current
    }

    /// Gives back what is granted beyond the exposure and `spare`, of what was drawn under a number.
    /// Answers what stays granted, which is what is to be counted from then on; `None` where the
    /// number is outdated. Draws up to that number are not taken in afterwards.
    pub fn give_back(&mut self, number: u64, drawn: Amount, spare: Amount) -> Option<Amount> {
        let is_begun = self.grant.number == number.checked_add(1)?;
        if self.grant.number > number && !is_begun {
            return None;
        }
        let stays = self.grant.amount.min(more(self.exposure(), spare));
        if stays < drawn || is_begun {
            self.grant = Grant {
                amount: stays,
                number: number + 1,
            };
        }
        Some(stays)
    }

    pub(super) fn is_backed(&self, price: Amount) -> Result<(), Refused> {
        let claimed = more(more(self.spent, self.reservations.sum()), price);
        let needs = less(claimed, self.settled);
        // What is free costs nothing, also where a cap was lowered below what is out.
        if price.is_zero() || needs <= self.grant.amount {
            return Ok(());
        }
        Err(Refused::Unbacked { needs })
    }
}
