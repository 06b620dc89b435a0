//! Counting what requests cost, and signing for it: each step is written down before it has an effect.

use std::sync::Arc;

use farthing_core::{
    domain::claims::{ChangeError, Debts},
    intent::session::Protocol,
    value::{Amount, Timestamp},
};
use tokio::sync::oneshot;

use super::{
    booked,
    fault::SessionFault,
    keeper::{Flight, Keeper, Refusal, Wish, correct},
    offer::SessionChoice,
    purse::{Flying, Purse, Stage, less, more},
    store::{HeldPurse, Step},
};
use crate::{client::Inner, error::Error, pay::store_error};

/// How often others may get ahead of one step.
const TRIES: usize = 64;

impl Inner {
    /// Counts a price, and signs for it where what was signed does not cover it: what comes back is
    /// how much the request's voucher says.
    pub(super) async fn board(
        &self,
        keeper: &Arc<Keeper>,
        host: &str,
        (price, least): (Amount, Amount),
    ) -> Result<(Flight, Amount), Refusal> {
        loop {
            let (reply, mut answer) = oneshot::channel();
            keeper.waiting().push(Wish {
                price,
                least,
                reply,
            });
            let mut state = keeper.state.lock().await;
            let granted = match answer.try_recv() {
                Ok(granted) => granted,
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.grant_all(keeper, &mut state, host).await;
                    match answer.try_recv() {
                        Ok(granted) => granted,
                        Err(_) => continue,
                    }
                }
                // Whoever took it along was stopped.
                Err(oneshot::error::TryRecvError::Closed) => continue,
            };
            let step = state.as_ref().map_or(0, HeldPurse::fence);
            return granted.map(|cumulative| (keeper.take_off(price, step), cumulative));
        }
    }

    async fn grant_all(&self, keeper: &Keeper, state: &mut Option<HeldPurse>, host: &str) {
        let wishes = std::mem::take(&mut *keeper.waiting());
        let prices: Vec<_> = wishes.iter().map(|wish| wish.price).collect();
        let least = wishes.iter().map(|wish| wish.least).max();
        let together = self
            .grant(keeper, state, host, &prices, least.unwrap_or_default())
            .await;
        match together {
            Ok(cumulative) => {
                for wish in wishes {
                    if wish.reply.send(Ok(cumulative)).is_err() {
                        // It left while it was counted.
                        keeper.abandon(wish.price);
                    }
                }
            }
            Err(refusal) if wishes.len() == 1 => {
                if let Some(only) = wishes.into_iter().next() {
                    let _ = only.reply.send(Err(refusal));
                }
            }
            // What is too much for all may do for some.
            Err(_) => {
                for wish in wishes {
                    let one = [wish.price];
                    let granted = self.grant(keeper, state, host, &one, wish.least).await;
                    let is_granted = granted.is_ok();
                    if wish.reply.send(granted).is_err() && is_granted {
                        keeper.abandon(wish.price);
                    }
                }
            }
        }
    }

    /// Counts prices and signs for them, in one step.
    async fn grant(
        &self,
        keeper: &Keeper,
        state: &mut Option<HeldPurse>,
        host: &str,
        prices: &[Amount],
        least: Amount,
    ) -> Result<Amount, Refusal> {
        let sum = prices.iter().fold(Amount::ZERO, |sum, one| more(sum, *one));
        for _ in 0..TRIES {
            let now = self.clock.now();
            let held = self.current(keeper, state).await?;
            let held = held.ok_or(Refusal::Shut)?;
            if held.record.stage != Stage::Open {
                *state = None;
                return Err(Refusal::Shut);
            }
            if let Some(why) = &held.record.dispute {
                return Err(SessionFault::Disputed(why.clone()).into());
            }
            let (mut purse, ends) = self.landed(keeper, &held, now, sum);
            purse.owed = more(purse.owed, sum);
            purse.used_at = now;
            if purse.due() > purse.signed {
                purse.signed = self.to_sign(&purse, least)?;
            }
            let signed = purse.signed;
            let charged = less(signed, held.record.signed);
            if let Some(after) = self.charge(keeper, held, purse, charged, host).await? {
                let mut air = keeper.air();
                air.ends.drain(..ends);
                air.amount = more(air.amount, sum);
                *state = Some(after);
                return Ok(signed);
            }
            *state = None;
        }
        Err(contended())
    }

    /// How much the next voucher says, for what is due.
    fn to_sign(&self, purse: &Purse, least: Amount) -> Result<Amount, Refusal> {
        let due = purse.due();
        if due > purse.deposit {
            return Err(Refusal::Deposit(due));
        }
        // A seller may want vouchers to rise by steps.
        let mut to = due.max(more(purse.signed, least));
        if purse.protocol == Protocol::V2 {
            let ahead = self.policy.ahead_in(&purse.currency());
            to = to.max(more(due, ahead));
        }
        Ok(to.min(purse.deposit))
    }

    /// Writes a step that charges the budgets; `None` where somebody was faster.
    async fn charge(
        &self,
        keeper: &Keeper,
        held: HeldPurse,
        purse: Purse,
        charged: Amount,
        host: &str,
    ) -> Result<Option<HeldPurse>, Error> {
        let currency = purse.currency();
        let now = self.clock.now();
        let debits = match charged.is_zero() {
            true => Vec::new(),
            false => self.debits(host, &currency, charged, now).await?,
        };
        let mut purse = purse;
        booked::book(&mut purse, held.record.signed, &debits);
        let step = Step {
            // What was signed before is spent for good.
            debts: Debts::Settle,
            debits,
            ..Step::to(purse)
        };
        match self.purses.step(held, step).await {
            Ok(held) => Ok(Some(held)),
            Err(ChangeError::Stale) => Ok(None),
            Err(ChangeError::Exceeded(debit)) => {
                tracing::debug!(scope = %keeper.scope, "a budget leaves no room for a voucher");
                let asked = currency.display(charged);
                Err(self.exceeded(host, &currency, &debit, asked, now))
            }
            Err(error) => Err(store_error(error).into()),
        }
    }

    /// The purse with what ended since it was written, and how many ends that were.
    fn landed(
        &self,
        keeper: &Keeper,
        held: &HeldPurse,
        now: Timestamp,
        adding: Amount,
    ) -> (Purse, usize) {
        let mut purse = held.record.clone();
        let air = keeper.air();
        let others_fly = purse.others_fly(self.id, now);
        for end in &air.ends {
            end.apply(&mut purse);
        }
        correct(&mut purse, &air, held.fence(), others_fly);
        if let Some(place) = &air.place {
            purse.move_to(place);
        }
        purse.fly(Flying {
            worker: self.id,
            amount: more(air.amount, adding),
            more: air.more,
            at: now,
        });
        (purse, air.ends.len())
    }

    /// Signs for more of a request that is under way, so that the channel's voucher says `required`; not
    /// for more than one request may cost.
    pub(super) async fn raise(
        &self,
        keeper: &Arc<Keeper>,
        flight: &mut Flight,
        host: &str,
        required: Amount,
        choice: &SessionChoice,
    ) -> Result<Amount, Refusal> {
        let mut state = keeper.state.lock().await;
        let held = self
            .current(keeper, &mut state)
            .await?
            .ok_or(Refusal::Shut)?;
        let (purse, _) = self.landed(keeper, &held, self.clock.now(), Amount::ZERO);
        if required <= purse.signed {
            return Ok(purse.signed);
        }
        if required <= purse.owed {
            return self.catch_up(keeper, &mut state, host, required).await;
        }
        // What nobody was sure of counts as charged before anything is counted for this request.
        let by = less(required, purse.owed);
        let currency = &choice.quote.currency;
        let cost = more(flight.amount, by);
        if let Some(cap) = self.policy.request_cap(host, currency)
            && cost > cap
        {
            return Err(SessionFault::Cap {
                asked: currency.display(cost).into(),
                cap: currency.display(cap).into(),
            }
            .into());
        }
        self.grant(keeper, &mut state, host, &[by], choice.least)
            .await?;
        flight.grow(by);
        flight.step = state.as_ref().map_or(0, HeldPurse::fence);
        self.catch_up(keeper, &mut state, host, required).await
    }

    /// Signs up to what the seller asks for, as far as our own count allows it: what nobody was sure
    /// of was charged after all.
    pub(super) async fn heal(
        &self,
        keeper: &Keeper,
        host: &str,
        required: Amount,
    ) -> Result<Amount, Refusal> {
        let mut state = keeper.state.lock().await;
        self.catch_up(keeper, &mut state, host, required).await
    }

    async fn catch_up(
        &self,
        keeper: &Keeper,
        state: &mut Option<HeldPurse>,
        host: &str,
        required: Amount,
    ) -> Result<Amount, Refusal> {
        for _ in 0..TRIES {
            let now = self.clock.now();
            let held = self.current(keeper, state).await?.ok_or(Refusal::Shut)?;
            let (mut purse, ends) = self.landed(keeper, &held, now, Amount::ZERO);
            if required <= purse.signed {
                return Ok(purse.signed);
            }
            let allowed = self.allowed(keeper, &purse);
            // What a stream used beyond its count came out of the balance of this request.
            if required <= allowed {
                purse.owed = purse.owed.max(required);
            } else {
                return Err(SessionFault::AsksTooMuch { required, allowed }.into());
            }
            if required > purse.deposit {
                return Err(Refusal::Deposit(required));
            }
            purse.unsure = purse.unsure.min(less(purse.owed, required));
            purse.signed = required;
            let charged = less(required, held.record.signed);
            if let Some(after) = self.charge(keeper, held, purse, charged, host).await? {
                keeper.air().ends.drain(..ends);
                *state = Some(after);
                return Ok(required);
            }
            *state = None;
        }
        Err(contended())
    }

    /// Signs a voucher that passes one that says `said`, by a step and only where that goes no further
    /// than a step beyond what is owed.
    pub(super) async fn pass(
        &self,
        keeper: &Keeper,
        host: &str,
        said: Amount,
        step: Amount,
    ) -> Result<Option<Amount>, Refusal> {
        let mut state = keeper.state.lock().await;
        for _ in 0..TRIES {
            state.take();
            let held = self.current(keeper, &mut state).await?;
            let held = held.ok_or(Refusal::Shut)?;
            let (mut purse, ends) = self.landed(keeper, &held, self.clock.now(), Amount::ZERO);
            if purse.signed > said {
                return Ok(Some(purse.signed));
            }
            purse.signed = more(said, step);
            if purse.signed > more(purse.owed, step) {
                return Ok(None);
            }
            if purse.signed > purse.deposit {
                return Err(Refusal::Deposit(purse.signed));
            }
            let (signed, charged) = (purse.signed, less(purse.signed, held.record.signed));
            if let Some(after) = self.charge(keeper, held, purse, charged, host).await? {
                keeper.air().ends.drain(..ends);
                *state = Some(after);
                return Ok(Some(signed));
            }
        }
        Err(contended())
    }

    /// The purse as it was read last.
    pub(super) async fn known(&self, keeper: &Keeper) -> Result<Option<HeldPurse>, Error> {
        let mut state = keeper.state.lock().await;
        self.current(keeper, &mut state).await
    }

    /// A flight that was counted beside the wishes.
    pub(super) async fn first_flight(&self, keeper: &Arc<Keeper>, price: Amount) -> Flight {
        let state = keeper.state.lock().await;
        let step = state.as_ref().map_or(0, HeldPurse::fence);
        let mut air = keeper.air();
        air.amount = more(air.amount, price);
        drop(air);
        keeper.take_off(price, step)
    }

    /// The highest that was signed, and nothing higher for as long as the guard is held.
    pub(super) async fn highest<'a>(
        &self,
        keeper: &'a Keeper,
    ) -> Result<(Amount, tokio::sync::MutexGuard<'a, Option<HeldPurse>>), Error> {
        let mut state = keeper.state.lock().await;
        // Another process may have signed more.
        *state = None;
        let held = self.current(keeper, &mut state).await?;
        Ok((
            held.map(|held| held.record.signed).unwrap_or_default(),
            state,
        ))
    }

    /// Writes down what ended, where nothing else is under way that would.
    pub(super) async fn settle_down(&self, keeper: &Keeper) {
        let is_idle = || {
            let air = keeper.air();
            air.flights == 0 && !air.ends.is_empty()
        };
        if !is_idle() {
            return;
        }
        let mut state = keeper.state.lock().await;
        for _ in 0..TRIES {
            if !is_idle() {
                return;
            }
            let now = self.clock.now();
            let held = match self.current(keeper, &mut state).await {
                Ok(Some(held)) => held,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "what a session's request cost is written down later");
                    return;
                }
            };
            let (purse, ends) = self.landed(keeper, &held, now, Amount::ZERO);
            match self.purses.step(held, Step::to(purse)).await {
                Ok(held) => {
                    keeper.air().ends.drain(..ends);
                    *state = Some(held);
                    return;
                }
                Err(ChangeError::Stale) => *state = None,
                Err(error) => {
                    *state = None;
                    tracing::warn!(%error, "what a session's request cost is written down later");
                    return;
                }
            }
        }
    }

    /// Takes a step that charges nothing.
    pub(super) async fn note(
        &self,
        keeper: &Keeper,
        mut change: impl FnMut(&mut Purse) -> bool,
    ) -> Result<Option<Purse>, Error> {
        let mut state = keeper.state.lock().await;
        for _ in 0..TRIES {
            *state = None;
            let Some(held) = self.current(keeper, &mut state).await? else {
                return Ok(None);
            };
            let mut purse = held.record.clone();
            if !change(&mut purse) {
                return Ok(Some(held.record));
            }
            match self.purses.step(held, Step::to(purse)).await {
                Ok(held) => {
                    let purse = held.record.clone();
                    *state = Some(held);
                    return Ok(Some(purse));
                }
                Err(ChangeError::Stale) => {}
                Err(error) => return Err(store_error(error).into()),
            }
        }
        Err(SessionFault::Contended.into())
    }

    /// The purse as it is in the store now.
    pub(super) async fn fresh(&self, keeper: &Keeper) -> Result<Option<HeldPurse>, Error> {
        let mut state = keeper.state.lock().await;
        *state = None;
        self.current(keeper, &mut state).await
    }

    /// The purse as it was read last, or as it is in the store.
    async fn current(
        &self,
        keeper: &Keeper,
        state: &mut Option<HeldPurse>,
    ) -> Result<Option<HeldPurse>, Error> {
        if state.is_none() {
            *state = self.purses.of(&keeper.scope).await?;
        }
        Ok(state.clone())
    }

    /// What the seller may have charged in all: what was counted, and what streams that go on may
    /// have used beyond it.
    pub(super) fn allowed(&self, keeper: &Keeper, purse: &Purse) -> Amount {
        let others = purse.others_may_use(self.id, self.clock.now());
        more(purse.owed, more(keeper.air().more, others))
    }
}

fn contended() -> Refusal {
    SessionFault::Contended.into()
}
