//! Opening a channel, and locking more in it: what is signed is kept before it is shown, and shown
//! as it is until the rail says how it ended.

use std::{future::Future, pin::pin};

use farthing_core::{
    domain::claims::{ChangeError, Debts},
    intent::session::{OnChain, Seen},
    port::{
        method::{Fault, Refusal as Refused},
        session_payer::{Locking, SessionPayer},
    },
    value::{Amount, Secret},
};
use http::Method;
use reqwest::Request;
use tokio::sync::MutexGuard;

use super::{
    fault::SessionFault,
    keeper::{Flight, Keeper},
    offer::SessionChoice,
    present::{Shown, bare},
    purse::{Flying, Purse, Stage, less, more},
    store::{Begun, HeldPurse, Step, Which, erase_locking, keep_locking},
};
use crate::{
    approve::Ask,
    client::Inner,
    error::{Error, PayerFault, Refused as Forbidden},
    outgoing::Toll,
    pay::{payment_id, store_error},
    target::Target,
};

/// How often a lease is renewed before it runs out.
const BEATS: u32 = 3;

/// Units that are locked where the seller advises nothing.
const UNITS: u128 = 1000;

/// How a request finds its channel.
pub(super) enum Door<'k> {
    /// It pays.
    Open(Purse),
    /// It is ours to open, and this opens it. The others wait at the door.
    Opening {
        door: MutexGuard<'k, ()>,
        purse: Purse,
        transaction: Secret,
    },
}

impl Inner {
    /// Finds the channel of an offer, or signs what opens one. Of several who want one, in however
    /// many processes, one does it and the others wait.
    pub(super) async fn door<'k>(
        &self,
        keeper: &'k Keeper,
        choice: &SessionChoice,
        target: &Target,
    ) -> Result<Door<'k>, Error> {
        if let Some(held) = self.known(keeper).await?
            && held.record.stage == Stage::Open
        {
            return Ok(Door::Open(held.record));
        }
        let door = keeper.funding.lock().await;
        loop {
            let Some(held) = self.fresh(keeper).await? else {
                let purse = self.new_purse(keeper, choice, target)?;
                // Whoever began one in between is found the next time round.
                if let Begun::New(held) = self.purses.begin(purse).await? {
                    tracing::debug!(purse = %held.record.id, "a channel is begun");
                }
                continue;
            };
            if held.record.stage != Stage::Opening {
                return Ok(Door::Open(held.record));
            }
            let Some(held) = self.take_work(held).await? else {
                tokio::time::sleep(self.options.lease / BEATS).await;
                continue;
            };
            let id = held.record.id;
            let signed = match self.purses.locking(id, Which::Opening).await? {
                Some(kept) => match self
                    .opened_or_dead(keeper, held, choice, &kept.transaction)
                    .await?
                {
                    Some(held) if held.record.stage == Stage::Opening => {
                        (held.record, kept.transaction)
                    }
                    Some(held) => return Ok(Door::Open(held.record)),
                    None => continue,
                },
                None => match self.sign_opening(held, choice, target).await? {
                    Some(signed) => signed,
                    None => continue,
                },
            };
            let (purse, transaction) = signed;
            return Ok(Door::Opening {
                door,
                purse,
                transaction,
            });
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
    pub(super) async fn at_work<T>(&self, keeper: &Keeper, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                out = &mut work => return out,
                () = tokio::time::sleep(self.options.lease / BEATS) => {
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
        }
    }

    pub(super) fn new_purse(
        &self,
        keeper: &Keeper,
        choice: &SessionChoice,
        target: &Target,
    ) -> Result<Purse, Error> {
        let (offer, quote, now) = (&choice.offer, &choice.quote, self.clock.now());
        Ok(Purse {
            id: payment_id()?,
            scope: keeper.scope.clone(),
            rail: choice.payer.method().clone(),
            network: quote.network.clone(),
            realm: offer.challenge.realm.clone(),
            url: target.kept_url(),
            method: target.method().as_str().into(),
            payee: offer.request.recipient.clone(),
            payer: quote.payer.clone(),
            currency: quote.currency.code.clone(),
            decimals: quote.currency.decimals,
            symbol: quote.currency.symbol.clone(),
            channel: None,
            protocol: offer.protocol,
            details: serde_json::Map::new(),
            stage: Stage::Opening,
            deposit: Amount::ZERO,
            signed: Amount::ZERO,
            owed: Amount::ZERO,
            unsure: Amount::ZERO,
            flying: Vec::new(),
            accepted: Amount::ZERO,
            spent: Amount::ZERO,
            adding: None,
            fee: None,
            dispute: None,
            close_requested_at: None,
            paid_out: None,
            reference: None,
            at: now,
            used_at: now,
            worker: self.id,
            lease_until: self.lease(),
        })
    }

    /// Asks for approval, signs what opens a channel, and keeps it; `None` where somebody took the
    /// purse over meanwhile, and what was signed is thrown away.
    async fn sign_opening(
        &self,
        held: HeldPurse,
        choice: &SessionChoice,
        target: &Target,
    ) -> Result<Option<(Purse, Secret)>, Error> {
        let host = target.host();
        let first = choice.amount().max(choice.least);
        let (held, signing) = self
            .leased_step(held, async {
                let deposit = self.lockable(choice, host, None, first).await?;
                self.ask_to_lock(choice, target, deposit).await?;
                let opening = choice.payer.open(&choice.offer, deposit, self.clock.now());
                let opening = self.within(opening).await?;
                Ok::<_, Error>((deposit, opening))
            })
            .await;
        let (deposit, opening) = match signing {
            Ok(signed) => signed,
            Err(error) => return Err(self.give_way(held, error).await),
        };
        let mut purse = Purse {
            channel: Some(opening.channel.id),
            protocol: opening.channel.protocol,
            details: opening.channel.details,
            deposit,
            signed: first,
            ..held.record.clone()
        };
        let mut debits = self
            .debits(host, &choice.quote.currency, first, self.clock.now())
            .await?;
        debits.extend(self.locking_fee(&mut purse, host, &opening.locking).await?);
        let step = Step {
            debits,
            writes: vec![keep_locking(
                purse.id,
                Which::Opening,
                &opening.locking,
                deposit,
            )?],
            ..Step::to(purse)
        };
        match self.purses.step(held.clone(), step).await {
            Ok(held) => Ok(Some((held.record, opening.locking.transaction))),
            Err(ChangeError::Stale) => Ok(None),
            Err(ChangeError::Exceeded(debit)) => {
                let asked = choice.quote.currency.display(first);
                let now = self.clock.now();
                let error = self.exceeded(host, &choice.quote.currency, &debit, asked, now);
                Err(self.give_way(held, error).await)
            }
            Err(error) => Err(store_error(error).into()),
        }
    }

    /// Ends a purse that nothing was signed for, so that the next one who wants to pay begins anew.
    async fn give_way(&self, held: HeldPurse, error: Error) -> Error {
        let purse = Purse {
            stage: Stage::Lost,
            ..held.record.clone()
        };
        let step = Step {
            debts: Debts::Release,
            frees: true,
            ..Step::to(purse)
        };
        if let Err(failed) = self.purses.step(held, step).await {
            tracing::warn!(error = %failed, "a channel that was not opened is forgotten later");
        }
        error
    }

    /// Awaits something and keeps the lease on a purse that was not written to meanwhile.
    async fn leased_step<T>(
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

    /// What a signed opening came to, by the word of the rail: the channel is there, it may yet come
    /// (the purse is still being opened), or it never will, and the purse is given up: `None`.
    pub(super) async fn opened_or_dead(
        &self,
        keeper: &Keeper,
        held: HeldPurse,
        choice: &SessionChoice,
        transaction: &Secret,
    ) -> Result<Option<HeldPurse>, Error> {
        self.judge_opening(held, &*choice.payer, transaction, keeper)
            .await
    }

    async fn judge_opening(
        &self,
        held: HeldPurse,
        payer: &dyn SessionPayer,
        transaction: &Secret,
        keeper: &Keeper,
    ) -> Result<Option<HeldPurse>, Error> {
        let outcome = self.opening_outcome(held, payer, transaction).await?;
        // What was read before is out of date.
        self.fresh(keeper).await?;
        Ok(outcome)
    }

    /// The same for one whose keeper nobody has.
    pub(super) async fn opening_outcome(
        &self,
        held: HeldPurse,
        payer: &dyn SessionPayer,
        transaction: &Secret,
    ) -> Result<Option<HeldPurse>, Error> {
        let Some(keeping) = held.record.keeping() else {
            return Ok(Some(held));
        };
        let seen = self.within(payer.look(&keeping)).await;
        // A rail that does not answer proves nothing.
        let Ok(seen) = seen else {
            return Ok(Some(held));
        };
        if let Some(seen) = seen {
            return self.seen_open(held, seen).await;
        }
        let may_come = self
            .within(payer.may_come(transaction, self.clock.now()))
            .await;
        if may_come.unwrap_or(true) {
            return Ok(Some(held));
        }
        // It may have come between the two questions.
        if let Some(seen) = self.within(payer.look(&keeping)).await? {
            return self.seen_open(held, seen).await;
        }
        let purse = Purse {
            stage: Stage::Lost,
            ..held.record.clone()
        };
        let step = Step {
            debts: Debts::Release,
            frees: true,
            writes: vec![erase_locking(purse.id, Which::Opening)],
            ..Step::to(purse)
        };
        match self.purses.step(held, step).await {
            Ok(_) | Err(ChangeError::Stale) => Ok(None),
            Err(error) => Err(store_error(error).into()),
        }
    }

    /// The rail has the channel.
    async fn seen_open(&self, held: HeldPurse, seen: Seen) -> Result<Option<HeldPurse>, Error> {
        let mut purse = held.record.clone();
        match seen.state {
            OnChain::Open { deposit, .. } => {
                purse.deposit = deposit;
                purse.stage = Stage::Open;
            }
            OnChain::Finalized { settled } => {
                purse.stage = Stage::Closed;
                purse.paid_out = settled;
            }
        }
        let ended = purse.stage == Stage::Closed;
        let step = Step {
            debts: Debts::Settle,
            frees: ended,
            writes: vec![erase_locking(purse.id, Which::Opening)],
            ..Step::to(purse)
        };
        match self.purses.step(held, step).await {
            Ok(held) if !ended => Ok(Some(held)),
            Ok(_) | Err(ChangeError::Stale) => Ok(None),
            Err(error) => Err(store_error(error).into()),
        }
    }

    /// What may be locked: what the seller advises, within the cap and what the budgets leave.
    async fn lockable(
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
        let wanted = more(purse.map_or(Amount::ZERO, |purse| purse.deposit), advised);
        let mut most = cap;
        let now = self.clock.now();
        for bound in self.policy.budgets(host, &currency.symbol)? {
            let used = self.budgets.used(&bound.budget, now).await?;
            let left = bound.budget.limit.checked_sub(used).unwrap_or_default();
            // What vouchers said is in the budget already.
            let signed = purse.map_or(Amount::ZERO, |purse| purse.signed);
            most = most.min(more(signed, left.rounded_down(currency)));
        }
        if at_least > most {
            return Err(SessionFault::Deposit {
                asked: currency.display(at_least).into(),
                cap: match most < cap {
                    true => format!("{} that the budgets leave", currency.display(most)).into(),
                    false => said.to_string().into(),
                },
            }
            .into());
        }
        Ok(wanted
            .max(at_least)
            .min(most)
            .min(choice.offer.protocol.most()))
    }

    async fn ask_to_lock(
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

    async fn locking_fee(
        &self,
        purse: &mut Purse,
        host: &str,
        locking: &Locking,
    ) -> Result<Vec<farthing_core::domain::claims::Debit>, Error> {
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

    /// The seller has the channel: it pays from now on.
    pub(super) async fn opened(&self, keeper: &Keeper) -> Result<(), Error> {
        let noted = self.note(keeper, |purse| {
            let opens = purse.stage == Stage::Opening;
            if opens {
                purse.stage = Stage::Open;
                purse.lease_until = farthing_core::value::Timestamp::EPOCH;
            }
            opens
        });
        noted.await.map(drop)
    }

    /// Locks more in a channel, so that it holds at least so much.
    pub(super) async fn top_up(
        &self,
        keeper: &Keeper,
        choice: &SessionChoice,
        (target, request): (&Target, &Request),
        needed: Amount,
    ) -> Result<(), Error> {
        let _door = keeper.funding.lock().await;
        loop {
            let held = self.fresh(keeper).await?.ok_or(SessionFault::NoChannel)?;
            if held.record.stage != Stage::Open || held.record.deposit >= needed {
                return Ok(());
            }
            let Some(held) = self.take_work(held).await? else {
                tokio::time::sleep(self.options.lease / BEATS).await;
                continue;
            };
            let id = held.record.id;
            if self.purses.locking(id, Which::TopUp).await?.is_none()
                && !self.sign_top_up(held, choice, target, needed).await?
            {
                continue;
            }
            let showing = self.show_top_up(keeper, choice, request, id);
            self.at_work(keeper, showing).await?;
        }
    }

    /// Signs a top-up and keeps it; `false` where the purse changed meanwhile.
    async fn sign_top_up(
        &self,
        held: HeldPurse,
        choice: &SessionChoice,
        target: &Target,
        needed: Amount,
    ) -> Result<bool, Error> {
        let host = target.host();
        let keeping = held.record.keeping().ok_or(SessionFault::NoChannel)?;
        let upto = self
            .lockable(choice, host, Some(&held.record), needed)
            .await?;
        let adds = less(upto, held.record.deposit);
        self.ask_to_lock(choice, target, adds).await?;
        let now = self.clock.now();
        let signing = choice.payer.top_up(&choice.offer, &keeping, adds, now);
        let locking = self.within(signing).await?;
        let mut purse = Purse {
            adding: Some(adds),
            ..held.record.clone()
        };
        let debits = self.locking_fee(&mut purse, host, &locking).await?;
        let step = Step {
            debts: Debts::Settle,
            debits,
            writes: vec![keep_locking(purse.id, Which::TopUp, &locking, adds)?],
            ..Step::to(purse)
        };
        match self.purses.step(held, step).await {
            Ok(_) => Ok(true),
            Err(ChangeError::Stale) => Ok(false),
            Err(ChangeError::Exceeded(debit)) => {
                let asked = choice.quote.currency.display(adds);
                Err(self.exceeded(host, &choice.quote.currency, &debit, asked, now))
            }
            Err(error) => Err(store_error(error).into()),
        }
    }

    async fn show_top_up(
        &self,
        keeper: &Keeper,
        choice: &SessionChoice,
        request: &Request,
        id: farthing_core::value::PaymentId,
    ) -> Result<(), Error> {
        let Some(kept) = self.purses.locking(id, Which::TopUp).await? else {
            return Ok(());
        };
        let payload = kept.payload.ok_or(SessionFault::NoChannel)?;
        let header = Self::session_header(choice, payload)?;
        // A POST alone is what every server takes for it, where the resource itself is not asked by
        // another method.
        let method = match *request.method() {
            Method::HEAD => Method::GET,
            ref method => method.clone(),
        };
        let shown = self.show_aside(&bare(request, method), &header).await?;
        let (served, said) = match shown {
            Shown::Served(_) => (true, crate::error::Said::default()),
            Shown::Refused(said, _) | Shown::Silent(said) | Shown::Other(_, said) => (false, said),
        };
        if served {
            return self.topped_up(keeper, kept.amount, None).await;
        }
        let held = self.fresh(keeper).await?.ok_or(SessionFault::NoChannel)?;
        let keeping = held.record.keeping().ok_or(SessionFault::NoChannel)?;
        let seen = self.within(choice.payer.look(&keeping)).await?;
        if let Some(OnChain::Open { deposit, .. }) = seen.map(|seen| seen.state)
            && deposit > held.record.deposit
        {
            return self.topped_up(keeper, kept.amount, Some(deposit)).await;
        }
        let asked = choice.payer.may_come(&kept.transaction, self.clock.now());
        if self.within(asked).await.unwrap_or(true) {
            return Err(SessionFault::Waits {
                doing: "topped up",
                said: Box::new(said),
            }
            .into());
        }
        self.topped_up(keeper, Amount::ZERO, None).await?;
        Err(SessionFault::Refused(Box::new(said)).into())
    }

    /// A top-up is over: it added so much, or the rail says what there is.
    pub(super) async fn topped_up(
        &self,
        keeper: &Keeper,
        added: Amount,
        seen: Option<Amount>,
    ) -> Result<(), Error> {
        loop {
            let held = self.fresh(keeper).await?.ok_or(SessionFault::NoChannel)?;
            if held.record.adding.is_none() {
                return Ok(());
            }
            let mut purse = held.record.clone();
            purse.deposit = seen.unwrap_or_else(|| more(purse.deposit, added));
            purse.adding = None;
            purse.lease_until = farthing_core::value::Timestamp::EPOCH;
            let step = Step {
                writes: vec![erase_locking(purse.id, Which::TopUp)],
                ..Step::to(purse)
            };
            match self.purses.step(held, step).await {
                Ok(_) => return self.fresh(keeper).await.map(drop),
                Err(ChangeError::Stale) => {}
                Err(error) => return Err(store_error(error).into()),
            }
        }
    }

    /// Counts a request that opens a channel, or is the first of one that was opened for another.
    pub(super) async fn count_first(
        &self,
        keeper: &std::sync::Arc<Keeper>,
        price: Amount,
    ) -> Result<Flight, Error> {
        let now = self.clock.now();
        self.note(keeper, |purse| {
            purse.owed = more(purse.owed, price);
            purse.used_at = now;
            purse.fly(Flying {
                worker: self.id,
                amount: price,
                more: Amount::ZERO,
                at: now,
            });
            true
        })
        .await?;
        Ok(self.first_flight(keeper, price).await)
    }
}
