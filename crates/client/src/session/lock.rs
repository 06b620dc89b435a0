//! What may be locked, who is asked, and who does it at the moment.

use std::{convert::Infallible, future::Future, pin::pin};

use farthing_core::{
    domain::claims::{ChangeError, Debit},
    intent::session::Seen,
    port::{
        method::{Fault, Refusal as Refused},
        session_payer::{Keeping, Locking, SessionPayer},
    },
    value::Amount,
};

use super::{
    fault::{LockBound, SessionFault},
    keeper::Keeper,
    offer::SessionChoice,
    purse::{Purse, more},
    store::{HeldPurse, Step},
};
use crate::{
    approve::Ask,
    client::Inner,
    error::{Error, PayerFault, Refused as Forbidden},
    outgoing::Toll,
    pay::store_error,
    target::Target,
};

/// How often a lease is renewed before it runs out.
pub(super) const BEATS: u32 = 3;

/// How often others may lock what there was room for, before it is said that there is none.
const TRIES: u32 = 8;

/// Units that are locked where the seller advises nothing.
const UNITS: u128 = 1000;

/// What the rail says of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// This.
    There(Seen),
    /// That it does not have it.
    Nowhere,
    /// Nothing, ever.
    Blind,
}

impl SessionChoice {
    /// Others locked what there was room for: another look is worth it, or it happened too often. The
    /// counter has the last word, whatever was read of it.
    pub(super) fn overtaken(&self, deposit: Amount, times: &mut u32) -> Result<(), SessionFault> {
        *times += 1;
        if *times < TRIES {
            return Ok(());
        }
        Err(SessionFault::Deposit {
            asked: self.quote.currency.display(deposit).into(),
            cap: "what other channels leave".into(),
            by: LockBound::Locked,
        })
    }
}

impl Inner {
    /// What may be locked: what the seller advises, within the cap, what other channels leave and what
    /// the budgets do.
    pub(super) async fn lockable(
        &self,
        choice: &SessionChoice,
        host: &str,
        purse: Option<&Purse>,
        at_least: Amount,
    ) -> Result<Amount, Error> {
        let currency = &choice.quote.currency;
        let symbol = currency.symbol.clone();
        let cap = self.policy.deposit_in(currency);
        let (cap, said) = cap.ok_or(SessionFault::NoDeposit { symbol })?;
        let advised = choice.offer.request.suggested_deposit;
        let advised = advised
            .or_else(|| choice.amount().checked_mul(UNITS))
            .unwrap_or(cap);
        let held = purse.map_or(Amount::ZERO, |purse| purse.deposit);
        let wanted = more(held, advised);
        let all = self.policy.locked_in(currency);
        let all = all.ok_or_else(|| SessionFault::NoDeposit {
            symbol: currency.symbol.clone(),
        })?;
        let locked = self.purses.locked(&currency.symbol).await?;
        // What this one takes up is in it already.
        let free = all.checked_sub(locked).unwrap_or_default();
        let room = more(held, free.rounded_down(currency));
        let mut most = cap.min(room);
        let now = self.clock.now();
        for bound in self.policy.budgets(host, &currency.symbol)? {
            let used = self.budgets.used(&bound.budget, now).await?;
            let left = bound.budget.limit.checked_sub(used).unwrap_or_default();
            // What vouchers said is in the budget already.
            let signed = purse.map_or(Amount::ZERO, |purse| purse.signed);
            most = most.min(more(signed, left.rounded_down(currency)));
        }
        if at_least > most {
            let left = currency.display(most);
            let (by, cap) = match () {
                () if most < room.min(cap) => {
                    (LockBound::Budgets, format!("{left} that the budgets leave"))
                }
                () if most < cap => (
                    LockBound::Locked,
                    format!("{left} that other channels leave"),
                ),
                () => (LockBound::Deposit, said.to_string()),
            };
            return Err(SessionFault::Deposit {
                asked: currency.display(at_least).into(),
                cap: cap.into(),
                by,
            }
            .into());
        }
        Ok(wanted
            .max(at_least)
            .min(most)
            .min(choice.offer.protocol.most()))
    }

    pub(super) async fn ask_to_lock(
        &self,
        choice: &SessionChoice,
        target: &Target,
        deposit: Amount,
    ) -> Result<(), Error> {
        if let Some(fee) = &choice.quote.fee {
            self.policy.check_fee(fee)?;
        }
        let Some(approver) = &self.approver.0 else {
            return Ok(());
        };
        let challenge = &choice.offer.challenge;
        let asked = approver.approve(Ask {
            url: target.url().clone(),
            realm: challenge.realm.clone(),
            method: challenge.method.clone(),
            amount: deposit,
            currency: choice.quote.currency.clone(),
            network: choice.quote.network.clone(),
            recipient: Some(choice.offer.request.recipient.clone()),
            shares: Vec::new(),
            fee: choice.quote.fee.clone(),
            is_deposit: true,
            description: challenge
                .description
                .as_ref()
                .map(|text| text.as_str().into()),
        });
        let answer = tokio::time::timeout(self.options.approve_within, asked).await;
        match answer.unwrap_or(false) {
            true => Ok(()),
            false => Err(Forbidden::Approval.into()),
        }
    }

    pub(super) async fn locking_fee(
        &self,
        purse: &mut Purse,
        host: &str,
        locking: &Locking,
    ) -> Result<Vec<Debit>, Error> {
        let fee = locking.fee.as_ref();
        let debits = self.fee_debits(host, fee, self.clock.now()).await?;
        if let Some(fee) = fee {
            let mut toll = Toll::from(fee);
            if let Some(before) = purse.fee.take() {
                toll.amount = more(toll.amount, before.amount);
            }
            purse.fee = Some(toll);
        }
        Ok(debits)
    }

    /// What the rail says of a channel. Some rails are the seller's own books, which nobody else can look
    /// into.
    pub(super) async fn sight(
        &self,
        payer: &dyn SessionPayer,
        channel: &Keeping,
    ) -> Result<Sight, Error> {
        match self.within(payer.look(channel)).await {
            Ok(Some(seen)) => Ok(Sight::There(seen)),
            Ok(None) => Ok(Sight::Nowhere),
            Err(Error::Payer(PayerFault::Payer(refusal)))
                if refusal.fault == Fault::Unsupported =>
            {
                Ok(Sight::Blind)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks a payer, within the time a rail has.
    pub(super) async fn within<T>(
        &self,
        asked: impl Future<Output = Result<T, Refused>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.options.rail_within, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(refusal)) if refusal.fault == Fault::Unavailable => Err(Error::Rail(refusal)),
            Ok(Err(refusal)) => Err(PayerFault::Payer(refusal).into()),
            Err(_) => Err(Error::Rail(Refused::new(
                Fault::Unavailable,
                "the payer did not answer",
            ))),
        }
    }

    /// Takes the work on a purse over, if nobody else does it; `None` where somebody does.
    pub(super) async fn take_work(&self, held: HeldPurse) -> Result<Option<HeldPurse>, Error> {
        let purse = &held.record;
        if purse.worker != self.id && purse.lease_until > self.clock.now() {
            return Ok(None);
        }
        let purse = Purse {
            worker: self.id,
            lease_until: self.lease(),
            ..purse.clone()
        };
        match self.purses.step(held, Step::to(purse)).await {
            Ok(held) => Ok(Some(held)),
            Err(ChangeError::Stale) => Ok(None),
            Err(error) => Err(store_error(error).into()),
        }
    }

    /// Awaits something and keeps the lease on a purse meanwhile.
    ///
    /// Both go on at once: what is done may hold what the renewal waits for, and has to be able to let go
    /// of it.
    pub(super) async fn at_work<T>(&self, keeper: &Keeper, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            out = work => out,
            never = self.renew_for_ever(keeper) => match never {},
        }
    }

    async fn renew_for_ever(&self, keeper: &Keeper) -> Infallible {
        loop {
            tokio::time::sleep(self.options.lease / BEATS).await;
            let until = self.lease();
            let renewed = self.note(keeper, |purse| {
                let ours = purse.worker == self.id;
                if ours {
                    purse.lease_until = until;
                }
                ours
            });
            if let Err(error) = renewed.await {
                tracing::warn!(%error, "a lease was not renewed");
            }
        }
    }

    /// Awaits something and keeps the lease on a purse that was not written to meanwhile.
    pub(super) async fn leased_step<T>(
        &self,
        held: HeldPurse,
        work: impl Future<Output = T>,
    ) -> (HeldPurse, T) {
        let mut work = pin!(work);
        let mut held = held;
        loop {
            tokio::select! {
                biased;
                out = &mut work => return (held, out),
                () = tokio::time::sleep(self.options.lease / BEATS) => {
                    if let Ok(Some(renewed)) = self.take_work(held.clone()).await {
                        held = renewed;
                    }
                }
            }
        }
    }
}
