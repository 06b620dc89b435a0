//! Reservations: what is held for a request until its cost is known.
//!
//! An estimate is reserved, and what the request turns out to cost is charged before its answer
//! leaves; the rest is free again. A reservation that its owner never ended, because it died, runs
//! out and is given back: what was delivered had been charged by then.

use super::{
    Balance, Channel, Refused,
    channel::{less, more},
};
use crate::{
    bounds,
    value::{Amount, Timestamp},
};

/// A reservation of one channel. No two of a channel ever have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReservationId(pub(super) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reservation {
    pub(super) id: ReservationId,
    pub(super) amount: Amount,
    pub(super) until: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reservations {
    pub(super) open: Vec<Reservation>,
    /// The number of the last one.
    pub(super) last: u64,
}

impl Reservations {
    pub(super) fn sum(&self) -> Amount {
        let amounts = self.open.iter().map(|it| it.amount);
        amounts.fold(Amount::ZERO, more)
    }

    pub(super) fn holds(&self) -> bool {
        self.open.len() <= bounds::RESERVATIONS
            && self.open.windows(2).all(|two| two[0].id < two[1].id)
            && self.open.last().is_none_or(|it| it.id.0 <= self.last)
    }

    fn find(&mut self, id: ReservationId) -> Result<usize, Refused> {
        let at = self.open.iter().position(|it| it.id == id);
        at.ok_or(Refused::NoReservation)
    }
}

impl Channel {
    /// Holds an estimate until a time. What is held is charged to no other request.
    ///
    /// # Errors
    /// When the balance does not cover it, or too many are open.
    pub fn reserve(
        &mut self,
        estimate: Amount,
        until: Timestamp,
    ) -> Result<ReservationId, Refused> {
        self.serves()?;
        if self.reservations.open.len() >= bounds::RESERVATIONS {
            return Err(Refused::TooManyReservations);
        }
        self.affords(estimate)?;
        self.reservations.last += 1;
        let id = ReservationId(self.reservations.last);
        self.reservations.open.push(Reservation {
            id,
            amount: estimate,
            until,
        });
        Ok(id)
    }

    /// Charges a part of what is held, before that part is delivered, and holds the rest until a
    /// later time. What a part costs beyond the estimate is charged from the balance, where the
    /// channel still serves.
    ///
    /// # Errors
    /// When neither covers it; the reservation then stays as it was.
    pub fn draw(
        &mut self,
        id: ReservationId,
        price: Amount,
        until: Timestamp,
    ) -> Result<Balance, Refused> {
        let at = self.reservations.find(id)?;
        let held = self.reservations.open[at].amount;
        let beyond = less(price, held);
        if !beyond.is_zero() {
            self.serves()?;
            self.affords(beyond)?;
        }
        let reservation = &mut self.reservations.open[at];
        reservation.amount = less(held, price);
        reservation.until = reservation.until.max(until);
        self.spend(price);
        Ok(self.balance())
    }

    /// Ends a reservation with what the request cost: that is charged, and the rest is free again.
    ///
    /// # Errors
    /// As [`Channel::draw`].
    pub fn correct(&mut self, id: ReservationId, price: Amount) -> Result<Balance, Refused> {
        self.draw(id, price, Timestamp::EPOCH)?;
        let at = self.reservations.find(id)?;
        self.reservations.open.remove(at);
        Ok(self.balance())
    }

    /// Ends a reservation that cost nothing: the request was not served.
    ///
    /// # Errors
    /// When it is over already.
    pub fn refund(&mut self, id: ReservationId) -> Result<Balance, Refused> {
        self.correct(id, Amount::ZERO)
    }

    /// Gives back what ran out, and says how much that was.
    pub fn lapse(&mut self, now: Timestamp) -> Amount {
        let before = self.reservations.sum();
        self.reservations.open.retain(|it| it.until > now);
        less(before, self.reservations.sum())
    }
}
