//! Closing a channel: with its seller, or without.
//!
//! With its seller it costs nothing and is done at once: the seller hands in what it is owed, and the
//! rest comes back. A seller that does not answer, or will not, is not needed: the rail is asked for the
//! channel's end, the seller has the rail's grace to hand in what it has, and then what is left is
//! withdrawn. Each of these is one job of the rail, however often it is asked for.

use std::sync::Arc;

use farthing_core::{
    domain::claims::ChangeError,
    intent::session::{OnChain, Protocol, Seen},
    port::{method::Outcome, session_payer::SessionPayer},
    value::{Amount, PaymentId, Timestamp},
};
use http::Method;
use reqwest::Request;
use url::Url;

use super::{
    fault::SessionFault,
    lock::Sight,
    offer::SessionChoice,
    present::{Shown, bare},
    purse::{Purse, Stage},
    receipt,
    store::{HeldPurse, Step, Which},
};
use crate::{
    client::Inner,
    error::{Error, RequestFault, Said, TransportError},
    pay::store_error,
    target::Target,
};

/// How a channel is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// By its seller, who is asked to.
    Together,
    /// Without its seller: the rail is asked, and after its grace what is left is withdrawn.
    Alone,
}

/// How far a closing is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closing {
    /// The rail closed it.
    Closed(Box<Purse>),
    /// The seller says that it closes it, and the rail does not show it yet.
    Asked(Box<Purse>),
    /// The rail was asked for its end. What is left can be withdrawn then.
    Waits {
        /// The purse.
        purse: Box<Purse>,
        /// From when on.
        until: Timestamp,
    },
}

impl Inner {
    /// The payer that keeps a purse's channel.
    pub(super) fn payer_of(&self, purse: &Purse) -> Result<Arc<dyn SessionPayer>, Error> {
        let keeping = purse.keeping();
        let keeps = |payer: &&Arc<dyn SessionPayer>| {
            *payer.method() == purse.rail
                && keeping.as_ref().is_none_or(|keeping| payer.keeps(keeping))
        };
        let payer = self.session_payers.iter().find(keeps).cloned();
        payer.ok_or_else(|| SessionFault::NoPayer(purse.rail.as_str().into()).into())
    }

    pub(super) async fn close(&self, id: PaymentId, how: How) -> Result<Closing, Error> {
        let held = self.purses.load(id).await?.ok_or(SessionFault::NoChannel)?;
        let payer = self.payer_of(&held.record)?;
        let held = self.to_be_closed(held, &payer).await?;
        if let Some(closed) = self.if_finalized(&held, &payer).await? {
            return Ok(closed);
        }
        match how {
            How::Together => self.close_together(held, &payer).await,
            How::Alone => self.close_alone(held, &payer).await,
        }
    }

    /// Ends what a purse pays: its scope is free for another one from then on.
    async fn to_be_closed(
        &self,
        held: HeldPurse,
        payer: &Arc<dyn SessionPayer>,
    ) -> Result<HeldPurse, Error> {
        let mut held = held;
        loop {
            let id = held.record.id;
            match held.record.stage {
                Stage::Closing => return Ok(held),
                stage @ (Stage::Closed | Stage::Lost) => {
                    return Err(SessionFault::Stage(stage.as_str()).into());
                }
                Stage::Opening => {
                    let kept = self.purses.locking(id, Which::Opening).await?;
                    let kept = kept.ok_or(SessionFault::Stage("being opened"))?;
                    let after = self
                        .opening_outcome(held, &**payer, &kept.transaction)
                        .await?;
                    let still = after.filter(|held| held.record.stage == Stage::Open);
                    held = still.ok_or(SessionFault::Stage("being opened, or was never there"))?;
                }
                Stage::Open => {
                    let purse = Purse {
                        stage: Stage::Closing,
                        ..held.record.clone()
                    };
                    let step = Step {
                        frees: true,
                        ..Step::to(purse)
                    };
                    match self.purses.step(held, step).await {
                        Ok(closing) => return Ok(closing),
                        Err(ChangeError::Stale) => {
                            let again = self.purses.load(id).await?;
                            held = again.ok_or(SessionFault::NoChannel)?;
                        }
                        Err(error) => return Err(store_error(error).into()),
                    }
                }
            }
        }
    }

    /// The rail's word that it is over already, written down.
    async fn if_finalized(
        &self,
        held: &HeldPurse,
        payer: &Arc<dyn SessionPayer>,
    ) -> Result<Option<Closing>, Error> {
        let keeping = held.record.keeping().ok_or(SessionFault::NoChannel)?;
        let seen = match self.sight(&**payer, &keeping).await? {
            Sight::There(seen) if matches!(seen.state, OnChain::Finalized { .. }) => seen,
            _ => return Ok(None),
        };
        self.closed(held, seen).await.map(Some)
    }

    async fn closed(&self, held: &HeldPurse, seen: Seen) -> Result<Closing, Error> {
        let ended = self.end(held.clone(), Some(seen)).await?;
        let purse = match ended {
            Some(held) => held.record,
            None => self.reload(held.record.id).await?.record,
        };
        Ok(Closing::Closed(Box::new(purse)))
    }

    async fn reload(&self, id: PaymentId) -> Result<HeldPurse, Error> {
        let held = self.purses.load(id).await?;
        held.ok_or_else(|| SessionFault::NoChannel.into())
    }

    /// Asks the seller where it served last, and where that does not close it, where it was opened.
    async fn close_together(
        &self,
        held: HeldPurse,
        payer: &Arc<dyn SessionPayer>,
    ) -> Result<Closing, Error> {
        let (id, opened_at) = (held.record.id, held.record.opened_at.clone());
        let url = held.record.url.clone();
        match (self.close_at(held, payer, &url).await, opened_at) {
            (Err(error), Some(url)) => {
                let held = self.reload(id).await?;
                if !held.record.stage.is_live() {
                    return Err(error);
                }
                tracing::debug!(%error, "a channel is closed where it was opened");
                self.close_at(held, payer, &url).await
            }
            (done, _) => done,
        }
    }

    /// Asks the seller. What it is shown says no more than is owed, where what it says is what moves.
    async fn close_at(
        &self,
        held: HeldPurse,
        payer: &Arc<dyn SessionPayer>,
        url: &str,
    ) -> Result<Closing, Error> {
        let purse = held.record.clone();
        let keeping = purse.keeping().ok_or(SessionFault::NoChannel)?;
        let (choice, request) = self.offer_for(&purse, url).await?;
        let request = bare(&request, request.method().clone());
        let mut says = farewell(&purse);
        let mut tried = Vec::new();
        let said = loop {
            tried.push(says);
            let payload = choice.payer.voucher(&keeping, says, true);
            let header = Self::session_header(&choice, payload.map_err(SessionFault::Rail)?)?;
            match self.show_aside(&request, &header).await? {
                Shown::Served(response) => {
                    return self.closed_by_seller(held, payer, response.headers()).await;
                }
                Shown::Silent(said) => break said,
                // Some refuse in words of their own.
                Shown::Refused(said, _) | Shown::Other(_, said) => {
                    match next_farewell(&purse, &said, &tried) {
                        Some(next) => says = next,
                        None => break said,
                    }
                }
            }
        };
        if let Some(closed) = self.if_finalized(&held, payer).await? {
            return Ok(closed);
        }
        Err(SessionFault::Refused(Box::new(said)).into())
    }

    async fn closed_by_seller(
        &self,
        held: HeldPurse,
        payer: &Arc<dyn SessionPayer>,
        headers: &http::HeaderMap,
    ) -> Result<Closing, Error> {
        let said = receipt::of(headers)
            .map(|(_, said)| said)
            .filter(|said| Some(&said.channel) == held.record.channel.as_ref());
        // A seller that says that it took less than it was owed frees no budget by saying so.
        let spent = said.as_ref().map(|said| said.spent);
        let spent = spent.map(|spent| spent.max(held.record.sure()).min(held.record.signed));
        let reference = said.and_then(|said| said.transaction);
        // Kept before the rail is asked, which may keep nothing of a channel that is over.
        let mut held = held;
        let held = loop {
            let (id, before) = (held.record.id, held.record.clone());
            if !before.stage.is_live() {
                return Ok(Closing::Closed(Box::new(before)));
            }
            let purse = Purse {
                reference: reference.clone().or(before.reference.clone()),
                paid_out: spent.or(before.paid_out),
                ..before
            };
            match self.purses.step(held, Step::to(purse)).await {
                Ok(held) => break held,
                Err(ChangeError::Stale) => held = self.reload(id).await?,
                Err(error) => return Err(store_error(error).into()),
            }
        };
        let keeping = held.record.keeping().ok_or(SessionFault::NoChannel)?;
        if let Ok(Sight::Blind) = self.sight(&**payer, &keeping).await {
            // The rail is the seller's own books: its word is all there is.
            let seen = Seen {
                block: 0,
                state: OnChain::Finalized { settled: spent },
            };
            return self.closed(&held, seen).await;
        }
        // That it is closed is the rail's to say.
        match self.if_finalized(&held, payer).await {
            Ok(Some(closed)) => Ok(closed),
            Ok(None) | Err(Error::Rail(_)) => Ok(Closing::Asked(Box::new(held.record))),
            Err(error) => Err(error),
        }
    }

    /// Asks the rail, and withdraws what is left once its grace is over.
    pub(super) async fn close_alone(
        &self,
        held: HeldPurse,
        payer: &Arc<dyn SessionPayer>,
    ) -> Result<Closing, Error> {
        let purse = held.record.clone();
        let keeping = purse.keeping().ok_or(SessionFault::NoChannel)?;
        let now = self.clock.now();
        let Some(asked) = purse.close_requested_at else {
            let at = match payer.request_close(&keeping, job(purse.id, b'c')).await {
                Outcome::Settled { at, .. } => at,
                outcome => return self.not_done(&held, payer, outcome).await,
            };
            let purse = Purse {
                close_requested_at: Some(at),
                ..purse
            };
            let written = self.purses.step(held, Step::to(purse.clone())).await;
            // Asking again is the same job, so nothing is lost where somebody was faster.
            if let Err(error) = written {
                tracing::debug!(%error, "when a channel's end was asked for is written down later");
            }
            return Ok(Closing::Waits {
                until: at.saturating_add(payer.grace()),
                purse: Box::new(purse),
            });
        };
        let until = asked.saturating_add(payer.grace());
        if now < until {
            let purse = Box::new(purse);
            return Ok(Closing::Waits { purse, until });
        }
        let outcome = payer.withdraw(&keeping, job(purse.id, b'w')).await;
        if !matches!(outcome, Outcome::Settled { .. }) {
            return self.not_done(&held, payer, outcome).await;
        }
        let closed = self.if_finalized(&held, payer).await?;
        Ok(closed.unwrap_or_else(|| Closing::Asked(Box::new(purse))))
    }

    /// What the rail was asked for is not done: perhaps because the seller was faster.
    async fn not_done(
        &self,
        held: &HeldPurse,
        payer: &Arc<dyn SessionPayer>,
        outcome: Outcome,
    ) -> Result<Closing, Error> {
        if let Some(closed) = self.if_finalized(held, payer).await? {
            return Ok(closed);
        }
        Err(match outcome {
            Outcome::Refused(refusal) => SessionFault::Rail(refusal).into(),
            _ => SessionFault::Waits {
                doing: "closed",
                said: Box::new(Said::default()),
            }
            .into(),
        })
    }

    /// A challenge for a purse, from where it was served.
    async fn offer_for(&self, purse: &Purse, url: &str) -> Result<(SessionChoice, Request), Error> {
        let wrong = |error: TransportError| RequestFault::Build(error);
        let url: Url = url.parse().map_err(|e: url::ParseError| wrong(e.into()))?;
        let method = Method::from_bytes(purse.method.as_bytes()).map_err(|e| wrong(e.into()))?;
        let target = Target::new(method.clone(), url.clone());
        let mut request = Request::new(method, url);
        request
            .headers_mut()
            .insert(farthing_core::header::ACCEPT_PAYMENT, self.accept.clone());
        let asked = request.try_clone().ok_or(RequestFault::BodyOnce)?;
        let response = self.ask_unpaid(asked).await?;
        let choices = match self.sessions_offered(&target, response.headers()) {
            Ok(choices) => choices,
            Err(Some(error)) => return Err(error),
            Err(None) => Vec::new(),
        };
        let same = choices
            .into_iter()
            .find(|choice| choice.scope == purse.scope);
        let said = Said {
            status: Some(response.status()),
            problem: None,
        };
        let choice = same.ok_or_else(|| SessionFault::Refused(Box::new(said)))?;
        Ok((choice, request))
    }
}

/// What the closing voucher says. Where a close may capture less than its voucher says, the highest that
/// was signed does; else what the seller's receipts say was spent. Our own count may be too high: who died
/// over a request may never have sent it. A seller to whom more is owed says so, and gets it up to what our
/// count allows.
fn farewell(purse: &Purse) -> Amount {
    match purse.protocol {
        Protocol::V2 => purse.signed,
        Protocol::V1 => purse.spent.min(purse.signed),
    }
}

/// What to say where a farewell was refused: what the seller says is missing, as far as it may be owed;
/// else what is owed for sure, what is counted, and all that may be owed.
fn next_farewell(purse: &Purse, said: &Said, tried: &[Amount]) -> Option<Amount> {
    let problem = said.problem.as_ref();
    let lacks = problem.and_then(|problem| problem.extra.get("requiredCumulative"));
    let lacks: Option<Amount> = lacks.and_then(|lacks| lacks.as_str()?.parse().ok());
    let counts = [purse.sure(), purse.due(), purse.owed];
    let [sure, due, owed] = counts.map(|most| most.min(purse.signed));
    let mut options = [
        lacks.filter(|lacks| *lacks <= owed),
        Some(sure),
        Some(due),
        Some(owed),
    ]
    .into_iter()
    .flatten();
    let most = tried.iter().copied().max().unwrap_or_default();
    options.find(|option| *option > most)
}

/// The id of one of a purse's jobs. The same job is done once.
fn job(id: PaymentId, what: u8) -> [u8; 16] {
    let mut job = *id.as_bytes();
    job[15] ^= what;
    job
}
