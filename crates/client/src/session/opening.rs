//! Finding the channel of a request, and opening one: what opens it is kept before it is shown, and shown
//! as it is until the rail says how it ended.

use farthing_core::{
    domain::claims::{ChangeError, Debts},
    intent::session::{OnChain, Seen},
    port::session_payer::SessionPayer,
    value::{Amount, Secret, Timestamp},
};
use reqwest::Response;
use tokio::sync::MutexGuard;

use super::{
    booked,
    keeper::{Flight, Keeper},
    lock::BEATS,
    offer::SessionChoice,
    purse::{Flying, Purse, Stage, more},
    receipt,
    store::{Begun, HeldPurse, Step, Which, erase_locking, keep_locking},
};
use crate::{
    client::Inner,
    error::Error,
    pay::{payment_id, store_error},
    target::Target,
};

/// How a request finds its channel.
pub(super) enum Door<'k> {
    /// It pays.
    Open(Purse),
    /// It is ours to open.
    Opening(Opening<'k>),
}

/// What opens a channel, and whose it is to show. The others wait at the door.
pub(super) struct Opening<'k> {
    pub(super) door: MutexGuard<'k, ()>,
    pub(super) purse: Purse,
    pub(super) transaction: Secret,
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
        let (mut overtaken, mut looks) = (0, 0_u32);
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
                looks = looks.saturating_add(1);
                if looks == 2 {
                    self.onlooker.tell(&choice.offer.challenge.realm);
                }
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
                None => match self
                    .sign_opening(held, choice, target, &mut overtaken)
                    .await?
                {
                    Some(signed) => signed,
                    None => continue,
                },
            };
            let (purse, transaction) = signed;
            return Ok(Door::Opening(Opening {
                door,
                purse,
                transaction,
            }));
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
            opened_at: None,
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
            vague: Amount::ZERO,
            flying: Vec::new(),
            accepted: Amount::ZERO,
            spent: Amount::ZERO,
            prompt: false,
            booked: Vec::new(),
            locks: Some(Amount::ZERO),
            adding: None,
            fee: None,
            dispute: None,
            close_requested_at: None,
            paid_out: None,
            reference: None,
            at: now,
            used_at: now,
            ended_at: None,
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
        overtaken: &mut u32,
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
        booked::book(&mut purse, Amount::ZERO, &debits);
        debits.extend(self.locking_fee(&mut purse, host, &opening.locking).await?);
        let step = Step {
            debits,
            lock_up_to: self.policy.locked_in(&choice.quote.currency),
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
            Err(ChangeError::Short(_)) => match choice.overtaken(deposit, overtaken) {
                Ok(()) => Ok(None),
                Err(error) => Err(self.give_way(held, error.into()).await),
            },
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
        if let Err(failed) = self.purses.forget(held).await {
            tracing::warn!(error = %failed, "a channel that was not opened is forgotten later");
        }
        error
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
        if let Some(seen) = seen.filter(Seen::proves_it_was) {
            return self.seen_open(held, seen).await;
        }
        let may_come = self
            .within(payer.may_come(transaction, self.clock.now()))
            .await;
        if may_come.unwrap_or(true) {
            return match seen {
                // It came, and ended.
                Some(seen) => self.seen_open(held, seen).await,
                None => Ok(Some(held)),
            };
        }
        // It may have come between the two questions.
        let again = self.within(payer.look(&keeping)).await?;
        if let Some(seen) = again.filter(Seen::proves_it_was) {
            return self.seen_open(held, seen).await;
        }
        self.never_came(held).await
    }

    /// Gives up a purse whose opening never came and never will, and what was reserved for it.
    pub(super) async fn never_came(&self, held: HeldPurse) -> Result<Option<HeldPurse>, Error> {
        let purse = Purse {
            stage: Stage::Lost,
            ended_at: Some(self.clock.now()),
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
                purse.ended_at = Some(self.clock.now());
                purse.paid_out = settled;
            }
        }
        let ended = purse.stage == Stage::Closed;
        let mut writes = vec![erase_locking(purse.id, Which::Opening)];
        writes.extend(booked::give_back(&mut purse));
        let step = Step {
            debts: Debts::Settle,
            frees: ended,
            writes,
            ..Step::to(purse)
        };
        match self.purses.step(held, step).await {
            Ok(held) if !ended => Ok(Some(held)),
            Ok(_) | Err(ChangeError::Stale) => Ok(None),
            Err(error) => Err(store_error(error).into()),
        }
    }

    /// The seller has the channel: it pays from now on. `served` is the answer to the request that opened
    /// it, where that was served, and what was counted for it.
    pub(super) async fn opened(
        &self,
        keeper: &Keeper,
        served: Option<(&Response, Amount)>,
    ) -> Result<(), Error> {
        let said = served.and_then(|(response, counted)| {
            let (_, said) = receipt::of(response.headers())?;
            Some((said, counted))
        });
        let noted = self.note(keeper, |purse| {
            let opens = purse.stage == Stage::Opening;
            if opens {
                purse.stage = Stage::Open;
                purse.lease_until = Timestamp::EPOCH;
                // Nobody else was counted yet, so this says more than a later one may.
                purse.prompt |= said.as_ref().is_some_and(|(said, counted)| {
                    Some(&said.channel) == purse.channel.as_ref()
                        && purse.is_told_promptly(said, *counted)
                });
            }
            opens
        });
        noted.await.map(drop)
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
