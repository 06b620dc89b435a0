//! What only a close can take, and that holds up the caps until then.
//!
//! By the second protocol a payer may sign far ahead of what it is served. No voucher says less than
//! was spent then, so nothing can be settled while the channel goes on, and what was served stays
//! exposed. Such a channel is closed, which takes what was spent to the unit; its buyer gets the rest
//! back and opens another.

use farthing_core::{
    domain::channels::Held,
    intent::session::Terms,
    port::{backend::StoreError, session::Session},
    value::MethodId,
};

use super::policy::only_a_close_takes;
use crate::session::till::Till;

impl Till {
    /// Says that somebody was refused because too much is unsettled, to whatever process settles.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn pressed(&self, method: &MethodId) -> Result<(), StoreError> {
        let now = self.now().as_millis();
        let rest = u64::try_from(self.0.options.settle.every.as_millis()).unwrap_or(u64::MAX);
        let name = pressure(method);
        let last = self.0.settlements.cursor(&name).await?;
        // Many are refused at once.
        if last.is_none_or(|last| last.saturating_add(rest) <= now) {
            self.0.settlements.move_cursor(&name, now).await?;
        }
        Ok(())
    }

    /// Whether a channel is to be closed for what only that can take.
    pub(super) async fn is_stuck(
        &self,
        rail: &dyn Session,
        held: &Held,
        terms: &Terms,
    ) -> Result<bool, StoreError> {
        let (channel, now) = (held.channel(), self.now());
        let amount = only_a_close_takes(channel);
        let Some(desk) = self.desk(&terms.method).filter(|_| !amount.is_zero()) else {
            return Ok(false);
        };
        let options = &self.0.options.settle;
        let sighting = {
            let mut memo = desk.settler.memo();
            memo.sight(held.id(), channel.balance().spent, now)
        };
        // One that goes on sending vouchers and is served nothing is as unused as any.
        let unused_since = held.active_at().min(sighting.unchanged_since);
        let is_unused = now.since(unused_since) >= options.idle && !self.is_serving(held.id());
        if amount >= self.threshold(rail, terms) {
            return Ok(is_unused || now.since(sighting.unsettled_since) >= options.age);
        }
        Ok(is_unused && self.is_pressed(&terms.method).await?)
    }

    /// Whether somebody was refused lately because too much is unsettled.
    async fn is_pressed(&self, method: &MethodId) -> Result<bool, StoreError> {
        let last = self.0.settlements.cursor(&pressure(method)).await?;
        let rest = self.0.options.settle.rest().saturating_mul(2);
        let since = self.now().saturating_sub(rest).as_millis();
        Ok(last.is_some_and(|last| last >= since))
    }
}

fn pressure(method: &MethodId) -> String {
    format!("pressed {method}")
}
