//! The scout: which of the channels in this process's memory are due.
//!
//! What is spent is known in memory first, and the settler may be another process. So each process
//! looks over its own channels now and then and puts on the agenda what is due. What is not in
//! memory any more is found in the list of what is exposed.

use farthing_core::{
    domain::settlements::Wish,
    intent::session::{Balance, ChannelId, Terms},
    port::{backend::StoreError, session::Session},
    value::{Amount, MethodId},
};

use super::policy::unsettled;
use crate::session::till::Till;

impl Till {
    /// Looks over the channels in memory, and says how many of them were put on the agenda.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn scout(&self, method: &MethodId) -> Result<usize, StoreError> {
        let (Some(desk), Some(memory)) = (self.desk(method), &self.0.memory) else {
            return Ok(0);
        };
        let (now, options) = (self.now(), &self.0.options.settle);
        let mut due = Vec::new();
        {
            let mut memo = desk.settler.memo();
            memo.tidy(now, options.serve_within.max(options.age).saturating_mul(2));
            memory.each(&mut |id: &ChannelId, terms: &Terms, balance: Balance| {
                let open = unsettled(balance.spent, balance.settled);
                if terms.method != *method {
                    return;
                }
                if open.is_zero() {
                    memo.clear(id);
                    return;
                }
                let sighting = memo.sight(id, balance.spent, now);
                let is_due = open >= self.threshold(&*desk.rail, terms)
                    || now.since(sighting.unsettled_since) >= options.age
                    || now.since(sighting.unchanged_since) >= options.idle;
                if is_due && !memo.is_passed(id, now) {
                    // It is on the agenda from here on, and looked at again after a while.
                    memo.pass(id, now.saturating_add(options.every.saturating_mul(4)));
                    due.push(id.clone());
                }
            });
        }
        for id in &due {
            let wanted = &self.0.settlements;
            wanted.want(method, id, Wish::Settle, (now, now)).await?;
        }
        Ok(due.len())
    }

    /// How much a channel may have unsettled before it is settled.
    pub(super) fn threshold(&self, rail: &dyn Session, terms: &Terms) -> Amount {
        let price = &self.0.options.settle.amount;
        let currency = rail.currency(&terms.currency);
        currency
            .and_then(|currency| price.in_currency(currency).ok())
            .unwrap_or(Amount::new(u128::MAX))
    }
}
