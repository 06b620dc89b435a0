//! What is charged for requests that are still being served.
//!
//! A request is charged before it is served, or a process that dies would have served it for
//! nothing. So a charge comes before anybody knows whether it was earned: the handler may yet fail.
//! Until that is known the amount counts as spent, which keeps others from spending it, and it is
//! *unsure*, which keeps it from the rail: money that was paid out cannot be taken back.
//!
//! ```text
//!            0 ───── settled ───── sure ───── spent ───── accepted
//!                    on the rail   served     charged     by vouchers
//! ```
//!
//! Amounts are counted and not requests, because a request is one number in a durable row less:
//! [`served`](Channel::served) is said of it with whatever is written of the channel next, and who
//! never says it, because it died, has left an amount that [`make_sure`](Channel::make_sure) ends.
//! Then the buyer has paid for the one request in flight, and fetches its answer with its
//! idempotency key.

use super::{
    Channel,
    channel::{less, more},
};
use crate::value::Amount;

impl Channel {
    /// What was charged for requests that are still being served.
    #[must_use]
    pub const fn unsure(&self) -> Amount {
        self.unsure
    }

    /// What was charged and will not be taken back. It never falls, and what is paid out while the
    /// channel goes on is at most this.
    #[must_use]
    pub fn sure(&self) -> Amount {
        less(self.spent, self.unsure)
    }

    /// Says that requests which were charged this much in all were served. It need not be written
    /// at once: until it is, less is settled than could be.
    ///
    /// Whoever says it may be late, and [`make_sure`](Channel::make_sure) came before. Then its amount
    /// is among what was left over, and nothing that is in flight now becomes sure by its word.
    pub fn served(&mut self, amount: Amount) {
        let late = self.left_over.min(amount);
        self.left_over = less(self.left_over, late);
        self.unsure = less(self.unsure, less(amount, late));
        self.prune();
    }

    /// Takes back what requests were charged that were not served, and says how much that was.
    ///
    /// It is less than `amount` only where another made it sure already, because it took us for
    /// dead, or where the rail paid it out without having it from us.
    #[must_use = "what cannot be taken back stays charged"]
    pub fn unserved(&mut self, amount: Amount) -> Amount {
        let over = self.unsure.min(amount);
        let taken = over.min(less(self.spent, self.settled));
        self.unsure = less(self.unsure, over);
        self.spent = less(self.spent, taken);
        self.prune();
        taken
    }

    /// Counts as served whatever was charged, and says how much of it was unsure. It is for a
    /// channel on which nothing has happened for longer than a request can take: whoever served
    /// those requests is dead, and how much of their answers arrived is known by nobody.
    ///
    /// What the dead never say stays left over, and as much of what others say later is taken for
    /// theirs: so a little too much is unsure until the channel is unused again, and never too little.
    pub fn make_sure(&mut self) -> Amount {
        let unsure = std::mem::take(&mut self.unsure);
        self.left_over = more(self.left_over, unsure);
        self.prune();
        unsure
    }

    /// Forgets the vouchers that will never be handed in.
    pub(super) fn prune(&mut self) {
        let sure = self.sure();
        self.kept.settle_below(sure);
    }
}
