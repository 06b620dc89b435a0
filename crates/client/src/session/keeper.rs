//! One channel in this process: whoever wants to pay out of it asks its keeper.
//!
//! What is signed is written down before it leaves. The requests that wait while one such write is
//! under way are written down together by the next, and then carry the same voucher, which is the
//! highest that was signed: one of them raises what the seller accepts, and all are charged from the
//! balance, in whatever order they arrive. A voucher that a higher one overtook on the way is refused
//! and charged nothing; its request then goes out again with the highest ([`super::buy`]).

use std::sync::{
    Arc, Mutex as Short, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use farthing_core::value::Amount;
use tokio::sync::{Mutex, oneshot};

use super::{
    purse::{Place, Purse, less, more},
    receipt::{By, Told},
    store::HeldPurse,
};
use crate::error::Error;

/// One channel in this process.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) scope: Box<str>,
    /// The purse as it was read or written last; none where it has to be read.
    pub(super) state: Mutex<Option<HeldPurse>>,
    /// Held while the channel is opened or topped up: the others wait for it.
    pub(super) funding: Mutex<()>,
    waiting: Short<Vec<Wish>>,
    air: Short<Air>,
    begun: AtomicU64,
}

/// What this process has under way.
#[derive(Debug, Default)]
pub(super) struct Air {
    pub(super) amount: Amount,
    /// How much more streams may yet use.
    pub(super) more: Amount,
    pub(super) flights: usize,
    /// Where the last of them was served that its seller gave a receipt for.
    pub(super) place: Option<Place>,
    /// How flights ended, until the next write takes them along.
    pub(super) ends: Vec<Ended>,
}

/// A request that wants to pay.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) price: Amount,
    pub(super) least: Amount,
    pub(super) reply: oneshot::Sender<Result<Amount, Refusal>>,
}

/// Why a wish was not granted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The channel does not pay: it is being opened, or at its end, or there is none.
    Shut,
    /// The deposit does not reach. It has to be so much.
    Deposit(Amount),
    /// What happened.
    Error(Error),
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It was charged: at the most what was reserved for it.
    Charged,
    /// It was charged, and used so much.
    Used(Amount),
    /// It was not charged.
    Free,
    /// Nobody said whether it was charged.
    Unsure,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    amount: Amount,
    /// How much more it may have used.
    more: Amount,
    how: How,
    told: Option<Told>,
    /// The step that was the last one then, where nothing else was under way: what the seller says of
    /// the channel is about this request and what was before it.
    alone: Option<u64>,
}

/// A request that is under way. Dropped without an end, nobody knows whether it was charged.
#[derive(Debug)]
pub(super) struct Flight {
    keeper: Arc<Keeper>,
    pub(super) amount: Amount,
    /// How much more it may yet use.
    more: Amount,
    number: u64,
    alone: bool,
    /// Whether it was shown once and nobody said what became of it: then no later word says that it
    /// was not charged.
    doubtful: bool,
    /// The step of the purse that counted it.
    pub(super) step: u64,
    over: bool,
}

impl Keeper {
    pub(super) fn new(scope: Box<str>) -> Self {
        Self {
            scope,
            state: Mutex::default(),
            funding: Mutex::default(),
            waiting: Short::default(),
            air: Short::default(),
            begun: AtomicU64::new(0),
        }
    }

    pub(super) fn air(&self) -> MutexGuard<'_, Air> {
        self.air.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, Vec<Wish>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that is under way from now on. What it costs was counted.
    pub(super) fn take_off(self: &Arc<Self>, amount: Amount, step: u64) -> Flight {
        let mut air = self.air();
        let alone = air.flights == 0 && air.ends.is_empty() && air.amount == amount;
        air.flights += 1;
        drop(air);
        Flight {
            keeper: Arc::clone(self),
            amount,
            more: Amount::ZERO,
            number: self.begun.fetch_add(1, Ordering::SeqCst) + 1,
            alone,
            doubtful: false,
            step,
            over: false,
        }
    }
}

impl Flight {
    /// Whether nothing else of this process was under way since it began.
    fn is_alone(&self) -> bool {
        self.alone && self.keeper.begun.load(Ordering::SeqCst) == self.number
    }

    /// It was shown, and nobody said what became of it.
    pub(super) const fn doubt(&mut self, is_doubtful: bool) {
        self.doubtful |= is_doubtful;
    }

    /// Whether a word that it was not charged is not enough.
    pub(super) const fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// More was counted for it.
    pub(super) fn grow(&mut self, by: Amount) {
        self.amount = more(self.amount, by);
        let spare = self.more.min(by);
        self.more = less(self.more, spare);
        let mut air = self.keeper.air();
        air.more = less(air.more, spare);
    }

    /// It may use so much in all: it is a stream, or its unit is no request.
    pub(super) fn may_use(&mut self, most: Amount) {
        let mut air = self.keeper.air();
        air.more = less(air.more, self.more);
        self.more = less(most, self.amount);
        air.more = more(air.more, self.more);
    }

    /// Ends it. What is learnt is written with the channel's next step.
    pub(super) fn land(mut self, how: How, told: Option<Told>) {
        let alone = self.is_alone().then_some(self.step);
        self.end(how, told, alone);
    }

    fn end(&mut self, how: How, told: Option<Told>, alone: Option<u64>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let how = match how {
            How::Free if self.doubtful => How::Unsure,
            how => how,
        };
        let mut air = self.keeper.air();
        air.flights = air.flights.saturating_sub(1);
        air.amount = less(air.amount, self.amount);
        air.more = less(air.more, self.more);
        air.ends.push(Ended {
            amount: self.amount,
            more: self.more,
            how,
            told,
            alone,
        });
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end(How::Unsure, None, None);
    }
}

impl Ended {
    /// Writes down how a request ended.
    pub(super) fn apply(self, purse: &mut Purse) {
        purse.owed = less(purse.owed, less(self.amount, self.cost()));
        if self.how == How::Unsure {
            // What others left of what is signed, it may have used as well.
            let left = less(purse.signed, purse.owed).min(self.more);
            purse.owed = more(purse.owed, left);
            purse.unsure = more(purse.unsure, more(self.amount, left));
        }
        if let Some(told) = self.told {
            purse.accepted = purse.accepted.max(told.accepted);
            purse.spent = purse.spent.max(told.spent);
            // It was believed, so it was counted; whatever we made of this request, it is owed.
            purse.owed = purse.owed.max(told.spent);
        }
        purse.unsure = purse.unsure.min(purse.owed);
    }

    /// How much of what was counted for it stays owed.
    fn cost(&self) -> Amount {
        match self.how {
            How::Charged | How::Unsure => self.amount,
            How::Used(used) => used.min(self.amount),
            How::Free => Amount::ZERO,
        }
    }
}

/// Takes over what the seller says of the whole channel, where it has to be the whole truth: one
/// request was under way, here and in other processes, from the last step on. It is no more than we
/// counted, or it was not believed.
///
/// Some sellers write the receipt and then charge, and theirs lacks the very request that it comes
/// with: see [`Purse::prompt`].
pub(super) fn correct(purse: &mut Purse, air: &Air, step: u64, others_fly: bool) {
    let [only] = &*air.ends else { return };
    let (Some(told), Some(then)) = (only.told, only.alone) else {
        return;
    };
    if then != step || !air.amount.is_zero() || others_fly {
        return;
    }
    let cost = only.cost();
    let was_unsure = !purse.unsure.is_zero() || !purse.vague.is_zero();
    let truth = match told.by == By::End || purse.prompt {
        true => told.spent,
        // What was served is owed; only what was not known to be can turn out not to be.
        false => more(told.spent, cost).max(purse.due()),
    };
    if truth <= purse.owed {
        purse.owed = truth;
        purse.unsure = Amount::ZERO;
        purse.vague = match was_unsure {
            true => less(truth, told.spent),
            false => Amount::ZERO,
        };
    }
}

impl Keeper {
    /// What was counted for a request that is gone before it was sent.
    pub(super) fn abandon(&self, amount: Amount) {
        let mut air = self.air();
        air.amount = less(air.amount, amount);
        air.ends.push(Ended {
            amount,
            more: Amount::ZERO,
            how: How::Free,
            told: None,
            alone: None,
        });
    }
}
