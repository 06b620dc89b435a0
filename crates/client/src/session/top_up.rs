//! Locking more in a channel: what is signed is kept before it is shown, and shown as it is until the
//! rail says how it ended, or its seller does. In the second case it is kept on, until the rail shows it.

use farthing_core::{
    domain::claims::{ChangeError, Debts},
    intent::session::{OnChain, Seen},
    value::{Amount, PaymentId, Timestamp},
};
use http::Method;
use reqwest::Request;

use super::{
    fault::SessionFault,
    keeper::Keeper,
    lock::{BEATS, Sight},
    offer::SessionChoice,
    present::{Shown, bare},
    purse::{Purse, Stage, less, more},
    store::{HeldPurse, KeptLocking, Step, Which, erase_locking, keep_locking},
};
use crate::{
    client::Inner,
    error::{Error, Said},
    pay::store_error,
    target::Target,
};

/// What a top-up came to.
#[derive(Clone, Copy)]
enum Added {
    /// It never came.
    Nothing,
    /// So much is locked by now.
    Proven(Amount),
    /// Its seller says that it added so much.
    Said(Amount),
}

impl Inner {
    /// Locks more in a channel, so that it holds at least so much.
    pub(super) async fn top_up(
        &self,
        keeper: &Keeper,
        choice: &SessionChoice,
        (target, request): (&Target, &Request),
        needed: Amount,
    ) -> Result<(), Error> {
        let _door = keeper.funding.lock().await;
        let mut overtaken = 0;
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
            match self.purses.locking(id, Which::TopUp).await? {
                Some(kept) if held.record.adding.is_none() => {
                    self.prove_top_up(held, choice, &kept).await?;
                    continue;
                }
                None if !self
                    .sign_top_up(held, choice, (target, needed), &mut overtaken)
                    .await? =>
                {
                    continue;
                }
                _ => {}
            }
            let showing = self.show_top_up(keeper, choice, request, id);
            self.at_work(keeper, showing).await?;
        }
    }

    /// Signs a top-up and keeps it; `false` where the purse changed meanwhile, or less may be locked.
    async fn sign_top_up(
        &self,
        held: HeldPurse,
        choice: &SessionChoice,
        (target, needed): (&Target, Amount),
        overtaken: &mut u32,
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
            lock_up_to: self.policy.locked_in(&choice.quote.currency),
            writes: vec![keep_locking(purse.id, Which::TopUp, &locking, adds)?],
            ..Step::to(purse)
        };
        match self.purses.step(held, step).await {
            Ok(_) => Ok(true),
            Err(ChangeError::Stale) => Ok(false),
            Err(ChangeError::Short(_)) => {
                choice.overtaken(adds, overtaken)?;
                Ok(false)
            }
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
        id: PaymentId,
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
            Shown::Served(_) => (true, Said::default()),
            Shown::Refused(said, _) | Shown::Silent(said) | Shown::Other(_, said) => (false, said),
        };
        let held = self.fresh(keeper).await?.ok_or(SessionFault::NoChannel)?;
        let keeping = held.record.keeping().ok_or(SessionFault::NoChannel)?;
        let sight = self.sight(&*choice.payer, &keeping).await;
        if let Ok(Sight::There(Seen {
            state: OnChain::Open { deposit, .. },
            ..
        })) = sight
            && deposit >= more(held.record.deposit, kept.amount)
        {
            return self.topped_up(keeper, Added::Proven(deposit)).await;
        }
        match sight {
            // Its books are the rail.
            Ok(Sight::Blind) if served => {
                let all = more(held.record.deposit, kept.amount);
                return self.topped_up(keeper, Added::Proven(all)).await;
            }
            // The rail may show it a little later than its seller.
            _ if served => return self.topped_up(keeper, Added::Said(kept.amount)).await,
            sight => drop(sight?),
        }
        let asked = choice.payer.may_come(&kept.transaction, self.clock.now());
        if self.within(asked).await.unwrap_or(true) {
            return Err(SessionFault::Waits {
                doing: "topped up",
                said: Box::new(said),
            }
            .into());
        }
        self.topped_up(keeper, Added::Nothing).await?;
        Err(SessionFault::Refused(Box::new(said)).into())
    }

    /// Looks whether a top-up came that its seller said it sent. Until it did, or never can, no other is
    /// signed: a seller that keeps them back could send all of them later.
    async fn prove_top_up(
        &self,
        held: HeldPurse,
        choice: &SessionChoice,
        kept: &KeptLocking,
    ) -> Result<(), Error> {
        let keeping = held.record.keeping().ok_or(SessionFault::NoChannel)?;
        let seen = match self.sight(&*choice.payer, &keeping).await? {
            Sight::There(Seen {
                state: OnChain::Open { deposit, .. },
                ..
            }) => Some(deposit),
            _ => None,
        };
        let came = seen.is_some_and(|seen| seen >= held.record.deposit);
        if !came {
            let asked = choice.payer.may_come(&kept.transaction, self.clock.now());
            if self.within(asked).await? {
                return Err(SessionFault::Waits {
                    doing: "topped up",
                    said: Box::new(Said::default()),
                }
                .into());
            }
        }
        let without = less(held.record.deposit, kept.amount);
        let purse = Purse {
            deposit: seen.unwrap_or(without),
            lease_until: Timestamp::EPOCH,
            ..held.record.clone()
        };
        let step = Step {
            writes: vec![erase_locking(purse.id, Which::TopUp)],
            ..Step::to(purse)
        };
        match self.purses.step(held, step).await {
            Ok(_) | Err(ChangeError::Stale) => Ok(()),
            Err(error) => Err(store_error(error).into()),
        }
    }

    /// A top-up is over, or its seller says so. What is only said is kept, and counts as locked, until its
    /// rail shows it.
    async fn topped_up(&self, keeper: &Keeper, added: Added) -> Result<(), Error> {
        loop {
            let held = self.fresh(keeper).await?.ok_or(SessionFault::NoChannel)?;
            if held.record.adding.is_none() {
                return Ok(());
            }
            let mut purse = held.record.clone();
            let mut writes = vec![erase_locking(purse.id, Which::TopUp)];
            match added {
                Added::Nothing => {}
                Added::Proven(deposit) => purse.deposit = deposit,
                Added::Said(amount) => {
                    purse.deposit = more(purse.deposit, amount);
                    writes.clear();
                }
            }
            purse.adding = None;
            purse.lease_until = Timestamp::EPOCH;
            let step = Step {
                writes,
                ..Step::to(purse)
            };
            match self.purses.step(held, step).await {
                Ok(_) => return self.fresh(keeper).await.map(drop),
                Err(ChangeError::Stale) => {}
                Err(error) => return Err(store_error(error).into()),
            }
        }
    }
}
