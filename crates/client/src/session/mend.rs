//! What to do when a seller refuses a session's payment.

use std::time::Duration;

use farthing_core::{
    domain::claims::{ChangeError, Debts},
    intent::session::{OnChain, Seen},
    noun::{
        problem::{Problem, ProblemKind, Retry},
        session::NeedVoucher,
    },
    payment::Moved,
    port::session_payer::SessionPayer,
    value::{Amount, Secret},
};
use http::{HeaderMap, Method};
use reqwest::Response;

use super::{
    booked,
    buy::Trade,
    fault::SessionFault,
    keeper::{Flight, Keeper, Refusal},
    lock::Sight,
    present::{Shown, bare},
    purse::{Purse, Stage, more},
    receipt,
    store::{HeldPurse, Step, Which, erase_locking},
};
use crate::{
    client::Inner,
    error::{Error, Said},
    pay::store_error,
};

/// How a refusal is mended.
pub(super) enum Mended {
    /// The same, with a voucher of this amount.
    Voucher(Amount),
    /// The same, with the highest that is signed by now.
    Again,
    /// Nothing was charged: the request is counted anew.
    Anew,
    /// It was no refusal of the payment, but the service's own answer.
    Answer(Response),
}

impl Inner {
    /// Mends what a voucher was refused for.
    pub(super) async fn mend(
        &self,
        trade: &mut Trade<'_>,
        flight: &mut Flight,
        purse: &Purse,
        said: Said,
        headers: &HeaderMap,
    ) -> Result<Mended, Error> {
        let kind = said.problem.as_ref().and_then(Problem::kind);
        self.keepers.forget(trade.target);
        if is_about_another(&said, purse) {
            return Err(refused(said));
        }
        if let Some(anew) = self.other_price(trade, headers)? {
            return Ok(anew);
        }
        match kind {
            Some(ProblemKind::SessionChannelNotFound | ProblemKind::SessionChannelFinalized) => {
                self.gone(trade, purse, said).await
            }
            Some(ProblemKind::SessionInsufficientBalance) => {
                let required = required(&said);
                let Some(required) = required.filter(|required| *required > trade.said) else {
                    return self.overtaken(trade, said).await;
                };
                Box::pin(self.more(trade, flight, required)).await
            }
            Some(ProblemKind::SessionAmountExceedsDeposit) => {
                self.look_at_deposit(trade, purse).await?;
                let needed = trade.said;
                let what = (trade.target, &trade.request);
                self.top_up(&trade.keeper, &trade.choice, what, needed)
                    .await?;
                match std::mem::replace(&mut trade.renewed, true) {
                    true => Err(refused(said)),
                    false => Ok(Mended::Again),
                }
            }
            Some(ProblemKind::SessionDeltaTooSmall) if !trade.outbid => {
                trade.outbid = true;
                Box::pin(self.outbid(trade, said)).await
            }
            _ => {
                let (highest, state) = self.highest(&trade.keeper).await?;
                drop(state);
                if highest > trade.said {
                    trade.overtaken += 1;
                    return Ok(Mended::Voucher(highest));
                }
                self.renew(trade, said, headers)
            }
        }
    }

    async fn overtaken(&self, trade: &mut Trade<'_>, said: Said) -> Result<Mended, Error> {
        trade.overtaken += 1;
        if trade.overtaken > 3 {
            return Err(refused(said));
        }
        let highest = self.highest(&trade.keeper).await?.0;
        Ok(Mended::Voucher(highest))
    }

    /// Some sellers take no voucher that says what the one before it said, though it left a balance:
    /// what was signed for a request that was then not charged stands in the way of the next. So that one
    /// is signed a step higher: a price more than is owed, and never further.
    async fn outbid(&self, trade: &mut Trade<'_>, said: Said) -> Result<Mended, Error> {
        let (host, step) = (
            trade.target.host(),
            trade.choice.amount().max(trade.choice.least),
        );
        for _ in 0..2 {
            match self.pass(&trade.keeper, host, trade.said, step).await {
                Ok(Some(signed)) => return Ok(Mended::Voucher(signed)),
                Ok(None) => return Err(refused(said)),
                Err(Refusal::Shut) => return Ok(Mended::Anew),
                Err(Refusal::Error(error)) => return Err(error),
                Err(Refusal::Deposit(needed)) => {
                    let what = (trade.target, &trade.request);
                    self.top_up(&trade.keeper, &trade.choice, what, needed)
                        .await?;
                }
            }
        }
        Err(SessionFault::Contended.into())
    }

    /// Signs what a seller says is missing, as far as our own count allows it; for a unit that is not
    /// a request, also what one request may cost.
    async fn more(
        &self,
        trade: &mut Trade<'_>,
        flight: &mut Flight,
        required: Amount,
    ) -> Result<Mended, Error> {
        for _ in 0..2 {
            match self.reach(trade, flight, required).await {
                Ok(signed) => return Ok(Mended::Voucher(signed)),
                Err(Refusal::Shut) => return Ok(Mended::Anew),
                Err(Refusal::Error(error)) => return Err(error),
                Err(Refusal::Deposit(needed)) => {
                    let what = (trade.target, &trade.request);
                    self.top_up(&trade.keeper, &trade.choice, what, needed)
                        .await?;
                }
            }
        }
        Err(SessionFault::Contended.into())
    }

    /// The same, where the deposit reaches.
    async fn reach(
        &self,
        trade: &Trade<'_>,
        flight: &mut Flight,
        required: Amount,
    ) -> Result<Amount, Refusal> {
        let (keeper, host) = (&trade.keeper, trade.target.host());
        match is_metered(trade) {
            true => {
                self.raise(keeper, flight, host, required, &trade.choice)
                    .await
            }
            false => self.heal(keeper, host, required).await,
        }
    }

    /// Takes the challenge that came with a refusal where it asks for another price than the one that was
    /// answered, which may have been remembered.
    fn other_price(
        &self,
        trade: &mut Trade<'_>,
        headers: &HeaderMap,
    ) -> Result<Option<Mended>, Error> {
        if trade.renewed {
            return Ok(None);
        }
        let choices = match self.sessions_offered(trade.target, headers) {
            Ok(choices) => choices,
            Err(Some(error)) => return Err(error),
            Err(None) => return Ok(None),
        };
        let other = choices.into_iter().find(|choice| {
            choice.scope == trade.choice.scope && choice.amount() != trade.choice.amount()
        });
        let Some(other) = other else { return Ok(None) };
        trade.renewed = true;
        trade.choice = other;
        Ok(Some(Mended::Anew))
    }

    /// Takes the challenge that came with a refusal, once.
    fn renew(
        &self,
        trade: &mut Trade<'_>,
        said: Said,
        headers: &HeaderMap,
    ) -> Result<Mended, Error> {
        if std::mem::replace(&mut trade.renewed, true) {
            return Err(refused(said));
        }
        let choices = match self.sessions_offered(trade.target, headers) {
            Ok(choices) => choices,
            Err(Some(error)) => return Err(error),
            Err(None) => return Err(refused(said)),
        };
        let same = choices
            .into_iter()
            .find(|choice| choice.scope == trade.choice.scope);
        let Some(choice) = same else {
            return Err(refused(said));
        };
        let same_price = choice.amount() == trade.choice.amount();
        trade.choice = choice;
        Ok(match same_price {
            true => Mended::Again,
            false => Mended::Anew,
        })
    }

    /// The seller says that there is no such channel, or that it is over. The rail decides; then a
    /// new one is opened, once.
    async fn gone(
        &self,
        trade: &mut Trade<'_>,
        purse: &Purse,
        said: Said,
    ) -> Result<Mended, Error> {
        let keeping = purse.keeping().ok_or(SessionFault::NoChannel)?;
        let payer = &*trade.choice.payer;
        let seen = match self.sight(payer, &keeping).await? {
            Sight::There(seen) => Some(seen),
            Sight::Nowhere if self.may_open(payer, purse).await? => {
                return Err(SessionFault::Waits {
                    doing: "opened",
                    said: Box::new(said),
                }
                .into());
            }
            // Where the rail is the seller's own books, its word is all there is.
            Sight::Nowhere | Sight::Blind => None,
        };
        let serves = seen.is_some_and(|seen| {
            matches!(
                seen.state,
                OnChain::Open {
                    close_requested_at: None,
                    ..
                }
            )
        });
        if serves {
            // Its seller will not take it, so that it is closed without it.
            self.note(&trade.keeper, |purse| {
                purse.dispute = Some("its seller says that there is no such channel".into());
                true
            })
            .await?;
            return Err(SessionFault::Denied.into());
        }
        self.ended(&trade.keeper, seen).await?;
        if std::mem::replace(&mut trade.reopened, true) {
            return Err(SessionFault::Unknown(Box::new(said)).into());
        }
        Ok(Mended::Anew)
    }

    /// Whether what opens a channel that the rail does not show may come yet. A seller that keeps it back
    /// and has us open another one could lock as much as often as it likes.
    async fn may_open(&self, payer: &dyn SessionPayer, purse: &Purse) -> Result<bool, Error> {
        let Some(kept) = self.purses.locking(purse.id, Which::Opening).await? else {
            return Ok(false);
        };
        let asked = payer.may_come(&kept.transaction, self.clock.now());
        self.within(asked).await
    }

    /// The rail says that a channel is over, or that it does not have it.
    pub(super) async fn ended(&self, keeper: &Keeper, seen: Option<Seen>) -> Result<(), Error> {
        while let Some(held) = self.fresh(keeper).await? {
            if let Some(_done) = self.end(held, seen).await? {
                break;
            }
        }
        self.fresh(keeper).await.map(drop)
    }

    /// The same for one that was read; `None` where it changed meanwhile.
    pub(super) async fn end(
        &self,
        held: HeldPurse,
        seen: Option<Seen>,
    ) -> Result<Option<HeldPurse>, Error> {
        if !held.record.stage.is_live() {
            // Somebody was faster, and gave back what was to be given back.
            return Ok(Some(held));
        }
        let mut purse = held.record.clone();
        match seen.map(|seen| seen.state) {
            None => purse.stage = Stage::Lost,
            Some(OnChain::Finalized { settled }) => {
                purse.stage = Stage::Closed;
                purse.paid_out = settled.or(purse.paid_out);
            }
            // It was asked to end: it pays nothing more.
            Some(OnChain::Open {
                deposit,
                close_requested_at,
                ..
            }) => {
                purse.stage = Stage::Closing;
                purse.deposit = deposit;
                purse.close_requested_at = close_requested_at.or(purse.close_requested_at);
            }
        }
        let mut writes = Vec::new();
        if !purse.stage.is_live() {
            purse.ended_at = Some(self.clock.now());
            for which in [Which::Opening, Which::TopUp] {
                writes.push(erase_locking(purse.id, which));
            }
        }
        writes.extend(booked::give_back(&mut purse));
        let step = Step {
            debts: Debts::Settle,
            frees: true,
            writes,
            ..Step::to(purse)
        };
        match self.purses.step(held, step).await {
            Ok(held) => Ok(Some(held)),
            Err(ChangeError::Stale) => Ok(None),
            Err(error) => Err(store_error(error).into()),
        }
    }

    /// Takes over how much the rail says is locked.
    async fn look_at_deposit(&self, trade: &Trade<'_>, purse: &Purse) -> Result<(), Error> {
        let keeping = purse.keeping().ok_or(SessionFault::NoChannel)?;
        let sight = self.sight(&*trade.choice.payer, &keeping).await?;
        let Sight::There(Seen {
            state: OnChain::Open { deposit, .. },
            ..
        }) = sight
        else {
            return Ok(());
        };
        // What its seller says that it sent may come yet, and is locked then.
        if deposit < purse.deposit
            && let Some(kept) = self.purses.locking(purse.id, Which::TopUp).await?
        {
            let asked = trade
                .choice
                .payer
                .may_come(&kept.transaction, self.clock.now());
            if self.within(asked).await? {
                return Ok(());
            }
        }
        let noted = self.note(&trade.keeper, |purse| {
            let changed = purse.deposit != deposit;
            purse.deposit = deposit;
            changed
        });
        noted.await.map(drop)
    }

    /// What an opening came to that was not served.
    pub(super) async fn mend_opening(
        &self,
        trade: &mut Trade<'_>,
        flight: &mut Flight,
        shown: Shown,
        transaction: &Secret,
    ) -> Result<Mended, Error> {
        let held = self
            .fresh(&trade.keeper)
            .await?
            .ok_or(SessionFault::NoChannel)?;
        let keeper = std::sync::Arc::clone(&trade.keeper);
        let after = self
            .opened_or_dead(&keeper, held, &trade.choice, transaction)
            .await?;
        let said = match shown {
            Shown::Other(response, said) => {
                let is_there = after.is_some_and(|held| held.record.stage == Stage::Open);
                if !is_there && let Err(error) = self.seller_has_it(trade, &said, transaction).await
                {
                    tracing::debug!(%error, "what opens the channel is shown again later");
                }
                return Ok(Mended::Answer(response));
            }
            Shown::Refused(said, _) | Shown::Silent(said) => said,
            Shown::Served(_) => Said::default(),
        };
        match after.map(|held| held.record.stage) {
            // It is there: the request was refused for another reason, or not at all.
            Some(Stage::Open) => self.begin_with(trade, flight, &said).await,
            None if std::mem::replace(&mut trade.reopened, true) => Err(refused(said)),
            None => Ok(Mended::Anew),
            Some(_) if self.seller_has_it(trade, &said, transaction).await? => {
                self.begin_with(trade, flight, &said).await
            }
            Some(_) => Box::pin(self.still_opening(trade, said)).await,
        }
    }

    /// The first voucher after the one that opened the channel: what the seller said it wants for the
    /// request, as far as it may have that. Where the deposit does not reach, whoever sends the voucher
    /// sees to it: here the door is still held.
    async fn begin_with(
        &self,
        trade: &Trade<'_>,
        flight: &mut Flight,
        said: &Said,
    ) -> Result<Mended, Error> {
        let Some(required) = required(said).filter(|required| *required > trade.said) else {
            return Ok(Mended::Again);
        };
        match self.reach(trade, flight, required).await {
            Ok(signed) => Ok(Mended::Voucher(signed)),
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::Shut | Refusal::Deposit(_)) => Ok(Mended::Again),
        }
    }

    /// Whether the seller keeps a channel that the rail says nothing of, though it did not serve the
    /// request that opened it. It does where it misses balance in it. Otherwise it is shown once more
    /// what opened the channel, with nothing to buy: whoever has the channel takes that for the same
    /// opening, and its receipt names it.
    async fn seller_has_it(
        &self,
        trade: &Trade<'_>,
        said: &Said,
        transaction: &Secret,
    ) -> Result<bool, Error> {
        let held = self.fresh(&trade.keeper).await?;
        let purse = held.ok_or(SessionFault::NoChannel)?.record;
        let channel = purse.channel.as_ref().ok_or(SessionFault::NoChannel)?;
        let problem = said.problem.as_ref();
        let need = problem
            .filter(|problem| problem.kind() == Some(ProblemKind::SessionInsufficientBalance))
            .and_then(NeedVoucher::from_problem);
        if need.is_some_and(|need| need.channel == *channel) {
            self.opened(&trade.keeper, None).await?;
            return Ok(true);
        }
        if is_for_good(said) {
            return Ok(false);
        }
        let keeping = purse.keeping().ok_or(SessionFault::NoChannel)?;
        let payer = &trade.choice.payer;
        let payload = payer.present_opening(&keeping, transaction, purse.signed);
        let header = Self::session_header(&trade.choice, payload.map_err(SessionFault::Rail)?)?;
        let request = bare(&trade.request, Method::HEAD);
        let asking = self.show_once(&request, &header);
        let Some(response) = self.at_work(&trade.keeper, asking).await? else {
            return Ok(false);
        };
        let names_it =
            receipt::of(response.headers()).is_some_and(|(_, it)| it.channel == *channel);
        if names_it {
            self.opened(&trade.keeper, None).await?;
        }
        Ok(names_it)
    }

    /// The rail says nothing of an opening that was not served. Where the rail is the seller's own books,
    /// its refusal for good is all that will ever be known; but it proves nothing, for the seller has
    /// what was signed, and could book it later. So the same is shown again until it is too old to be
    /// booked, and only when it is refused then is it given up, and another signed.
    async fn still_opening(&self, trade: &mut Trade<'_>, said: Said) -> Result<Mended, Error> {
        let waits = |said| {
            let said = Box::new(said);
            Err(SessionFault::Waits {
                doing: "opened",
                said,
            }
            .into())
        };
        let held = self.fresh(&trade.keeper).await?;
        let held = held.ok_or(SessionFault::NoChannel)?;
        let keeping = held.record.keeping().ok_or(SessionFault::NoChannel)?;
        if !is_for_good(&said) {
            return waits(said);
        }
        let sight = self.sight(&*trade.choice.payer, &keeping).await;
        let kept = self.purses.locking(held.record.id, Which::Opening).await?;
        let (Ok(Sight::Blind), Some(kept)) = (sight, kept) else {
            return waits(said);
        };
        if self.clock.now() < kept.valid_until.saturating_add(CLOCKS) {
            return Err(refused(said));
        }
        self.never_came(held).await?;
        self.fresh(&trade.keeper).await?;
        match std::mem::replace(&mut trade.reopened, true) {
            true => Err(refused(said)),
            false => Ok(Mended::Anew),
        }
    }
}

/// How far the clocks of a buyer and a seller may be apart.
const CLOCKS: Duration = Duration::from_secs(60);

/// Whether a seller refused, says that nothing moved, and wants nothing of it again.
fn is_for_good(said: &Said) -> bool {
    said.problem.as_ref().is_some_and(|problem| {
        problem.moved == Some(Moved::No)
            && matches!(problem.retry(), Some(Retry::Fresh | Retry::Never))
    })
}

/// Whether a unit is something else than a request, so that one request may cost several.
pub(super) fn is_metered(trade: &Trade<'_>) -> bool {
    let unit = trade.choice.offer.request.unit_type.as_deref();
    unit.is_some_and(|unit| unit != "request")
}

/// What a voucher has to say, by a seller's word.
fn required(said: &Said) -> Option<Amount> {
    let problem = said.problem.as_ref()?;
    if let Some(need) = NeedVoucher::from_problem(problem) {
        return Some(need.required);
    }
    let accepted = problem.extra.get("acceptedCumulative")?;
    let accepted = accepted.as_str()?.parse().ok()?;
    Some(more(accepted, problem.required_top_up?))
}

/// Whether a problem speaks of a channel that is not the one that was used.
fn is_about_another(said: &Said, purse: &Purse) -> bool {
    let named = said
        .problem
        .as_ref()
        .and_then(|problem| problem.channel.as_deref());
    let ours = purse.channel.as_ref().map(|id| id.as_str());
    named.is_some_and(|named| ours.is_none_or(|ours| !ours.eq_ignore_ascii_case(named)))
}

fn refused(said: Said) -> Error {
    SessionFault::Refused(Box::new(said)).into()
}
