//! The vouchers that are kept: the highest that says no more than what is sure, and those above it.

use std::sync::Arc;

use super::{Voucher, channel::less};
use crate::{bounds, value::Amount};

/// Vouchers in rising order. They are shared: a step is taken on a copy of its channel, and few steps
/// change them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept(Arc<[Voucher]>);

impl Kept {
    /// Keeps a voucher that says more than each before it.
    pub(super) fn push(&mut self, voucher: Voucher, sure: Amount) {
        let from = if voucher.cumulative() <= sure {
            self.0.len()
        } else {
            self.needed_from(sure)
        };
        self.0 = self.0[from..].iter().cloned().chain([voucher]).collect();
        if self.0.len() > bounds::VOUCHERS {
            self.thin_out();
        }
    }

    /// Forgets what will never be handed in: all below the highest that says no more than `sure`,
    /// because that never falls.
    pub(super) fn settle_below(&mut self, sure: Amount) {
        let from = self.needed_from(sure);
        if from > 0 {
            self.0 = Arc::from(&self.0[from..]);
        }
    }

    fn needed_from(&self, sure: Amount) -> usize {
        let within = self.0.partition_point(|it| it.cumulative() <= sure);
        within.saturating_sub(1)
    }

    /// The highest that says no more than an amount.
    pub(super) fn within(&self, amount: Amount) -> Option<&Voucher> {
        let within = self.0.partition_point(|it| it.cumulative() <= amount);
        self.0[..within].last()
    }

    /// The lowest that says an amount or more.
    pub(super) fn covering(&self, amount: Amount) -> Option<&Voucher> {
        let below = self.0.partition_point(|it| it.cumulative() < amount);
        self.0.get(below)
    }

    pub(super) fn as_slice(&self) -> &[Voucher] {
        &self.0
    }

    /// What was read. Whether it is in order is asked of the channel.
    pub(super) fn of(vouchers: Vec<Voucher>) -> Self {
        Self(vouchers.into())
    }

    pub(super) fn holds(&self, accepted: Amount) -> bool {
        let rising = self
            .0
            .windows(2)
            .all(|two| two[0].cumulative() < two[1].cumulative());
        let last = self.0.last();
        rising
            && self.0.len() <= bounds::VOUCHERS
            && last.is_none_or(|last| last.cumulative() <= accepted)
    }

    /// A buyer who signs many ahead does not make the row grow: the one between its neighbours that
    /// are nearest to each other goes. The first and the last stay.
    fn thin_out(&mut self) {
        let gap = |at: usize| less(self.0[at + 1].cumulative(), self.0[at - 1].cumulative());
        if let Some(at) = (1..self.0.len() - 1).min_by_key(|at| gap(*at)) {
            let (before, after) = (&self.0[..at], &self.0[at + 1..]);
            self.0 = before.iter().chain(after).cloned().collect();
        }
    }
}
