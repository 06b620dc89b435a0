//! Locking more in a channel: what is signed is kept before it is shown, and shown as it is until the
//! rail says how it ended.

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
    store::{HeldPurse, Step, Which, erase_locking, keep_locking},
};
use crate::{
    client::Inner,
    error::{Error, Said},
    pay::store_error,
    target::Target,
};

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
            if self.purses.locking(id, Which::TopUp).await?.is_none()
                && !self
                    .sign_top_up(held, choice, (target, needed), &mut overtaken)
                    .await?
            {
                continue;
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
        if served {
            return self.topped_up(keeper, kept.amount, None).await;
        }
        let held = self.fresh(keeper).await?.ok_or(SessionFault::NoChannel)?;
        let keeping = held.record.keeping().ok_or(SessionFault::NoChannel)?;
        let sight = self.sight(&*choice.payer, &keeping).await?;
        if let Sight::There(Seen {
            state: OnChain::Open { deposit, .. },
            ..
        }) = sight
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
            purse.lease_until = Timestamp::EPOCH;
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
}
