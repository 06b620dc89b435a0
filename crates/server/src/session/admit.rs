//! A request with a session's credential: what has to hold before a handler runs.
//!
//! ```text
//! authentic ─▶ read ─▶ the route's channel ─▶ heard ─▶ a place ─▶ signature ─▶ allowance ─▶ one durable step
//! ```
//!
//! What costs little comes first, and nothing is written before the last. A credential consumes
//! nothing: it is bound to our challenge, the realm and the method, its channel to what the route asks
//! for, and what is charged is the route's price of today, whatever the challenge said.
//!
//! What is in the store if the process dies after each step, as `tests/seat_crash` proves:
//!
//! | step | in the store | what becomes of it |
//! |---|---|---|
//! | the signature was checked | nothing | the credential is as good as before |
//! | it was charged | the voucher, the charge, unsure, and with a key the call | counts as spent when the channel closes; with its key it is served again |
//! | the handler answered | the same | the same |
//! | it was not served, and that was written | the voucher | nothing was charged |

use std::sync::Arc;

use bytes::Bytes;
use farthing_core::{
    binding::Slots,
    domain::channels::{ChannelError, Purchase, Step},
    intent::session::{Balance, Channel, ChannelId, Protocol, Refused as Short, Standing},
    noun::CredentialRef,
    port::session::{Action, Funding, Said, Shown},
    value::{Amount, ChallengeId},
};
use http::{Method, Response, StatusCode, request::Parts};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    DeafError, FundingAsked, Live, NotClosed, Seat, Sessions, Silent,
    calls::{Began, Keyed},
    receipt,
    seat::{Spent, Taking},
};
use crate::{
    abort,
    body::GateBody,
    gate::{Admission, Asked, Gate, Known, Metered},
    refused::Refused,
};

/// What a session's credential leads to, where it is not refused.
pub(super) enum Pass {
    /// The handler runs.
    Serve(Box<Seat>),
    /// It is answered without.
    Answer(Response<Bytes>),
}

/// Why it is refused, and the channel that is told about, where its signer is known to have asked.
pub(super) struct Halt {
    refused: Refused,
    about: Option<Arc<Live>>,
}

impl<T: Into<Refused>> From<T> for Halt {
    fn from(refused: T) -> Self {
        Self {
            refused: refused.into(),
            about: None,
        }
    }
}

/// A credential that is ours, on a route that offers sessions.
struct Good<'a> {
    sessions: &'a Sessions,
    metered: &'a Metered,
    shown: Shown<'a>,
}

impl Gate {
    /// Admits a request whose credential is a session's.
    pub(crate) async fn admit_session<B>(
        &self,
        asked: &Asked,
        (credential, slots): (&CredentialRef<'_>, &Slots<'_>),
        parts: &Parts,
    ) -> Admission<B>
    where
        B: http_body::Body<Data = Bytes>,
    {
        let halt = match self.pass_session(asked, credential, slots, parts).await {
            Ok(Pass::Serve(seat)) => return Admission::Proceed(Box::new((*seat).into())),
            Ok(Pass::Answer(response)) => {
                return Admission::Respond(response.map(GateBody::held));
            }
            Err(halt) => halt,
        };
        let response = Box::pin(self.refuse_session(asked, parts, &halt)).await;
        Admission::Respond(response.map(GateBody::held))
    }

    /// Answers what is refused, with what is known of its channel.
    async fn refuse_session(&self, asked: &Asked, parts: &Parts, halt: &Halt) -> Response<Bytes> {
        self.press(halt).await;
        let known = match &halt.about {
            Some(live) if halt.refused.is_payable() => self.known_channel(asked, live).await,
            _ => None,
        };
        self.refuse_known(asked, parts, &halt.refused, known.as_ref())
            .await
    }

    /// Where a cap refuses somebody, the settler frees what it can.
    async fn press(&self, halt: &Halt) {
        let (Some(live), Some(sessions)) = (&halt.about, self.sessions()) else {
            return;
        };
        let Refused::Channel(_, error) = &halt.refused else {
            return;
        };
        if !matches!(**error, ChannelError::Refused(Short::ExposureFull)) {
            return;
        }
        if let Err(error) = sessions.till().pressed(&live.terms().method).await {
            tracing::warn!("the settler is not told that too much is unsettled: {error}");
        }
    }

    async fn pass_session(
        &self,
        asked: &Asked,
        credential: &CredentialRef<'_>,
        slots: &Slots<'_>,
        parts: &Parts,
    ) -> Result<Pass, Halt> {
        let id = credential
            .challenge_id()
            .map_err(|error| Refused::Malformed(error.into()))?;
        let metered = self.session_asked_for(asked, slots, id.as_str())?;
        let sessions = self.sessions().ok_or(Refused::UnknownMethod)?;
        let expires = slots.expires().ok_or(Refused::NotOurs)?;
        // One that ended is as if it had never been (section "Voucher Payload"); the buyer signs the
        // same voucher for the fresh one.
        if expires <= asked.now() {
            return Err(Refused::ChallengeOver.into());
        }
        let shown = Shown {
            challenge: &id,
            realm: self.realm(),
            request: &metered.request,
            expires,
            source: credential.source(),
            payload: credential.payload(),
            now: asked.now(),
        };
        let good = Good {
            sessions,
            metered,
            shown,
        };
        // What comes once in a channel's life is kilobytes of state, and the task of each request would be
        // as large as the largest.
        match metered.rail.read(&shown).map_err(Refused::Method)? {
            Action::Voucher(said) => self.take_voucher(asked, parts, &good, said).await,
            Action::Open(funding) => {
                Box::pin(self.open_channel(asked, parts, &good, funding)).await
            }
            Action::TopUp(funding) => Box::pin(self.top_up_channel(asked, &good, funding)).await,
            Action::Close(said) => Box::pin(self.close_channel(asked, &good, said)).await,
            _ => Err(Refused::UnknownMethod.into()),
        }
    }

    async fn take_voucher(
        &self,
        asked: &Asked,
        parts: &Parts,
        good: &Good<'_>,
        said: Said,
    ) -> Result<Pass, Halt> {
        let live = self.channel(good, &said.channel).await?;
        // What is closed stays so, whatever another process knows.
        if live.last().standing == Standing::Closed {
            return Err(channel_error(ChannelError::Refused(Short::Closed), &live).into());
        }
        let buys = asked.buys(parts);
        if buys && !asked.route.is_ready() {
            return Err(Refused::NotReady.into());
        }
        self.hear(good).await?;
        let slot = self.take_place()?;
        self.go_on_with(asked, good, live, said, (buys, slot)).await
    }

    /// Goes on with a voucher whose channel is known, and serves its request.
    async fn go_on_with(
        &self,
        asked: &Asked,
        good: &Good<'_>,
        live: Arc<Live>,
        said: Said,
        (buys, slot): (bool, OwnedSemaphorePermit),
    ) -> Result<Pass, Halt> {
        // The allowance is its signer's: whoever knows the channel's name could use it up.
        let voucher = live.check(&said).map_err(Refused::Method)?;
        live.admit_voucher(asked.now())
            .map_err(Refused::RateLimited)?;
        abort::point("voucher-checked");
        let rule = good.metered.rule;
        if !buys {
            let taken = live
                .step(move |channel| {
                    let added = channel.accept(&voucher, rule)?.added;
                    Ok(Step::to((added, channel.balance())))
                })
                .await;
            let (added, balance) = taken.map_err(|error| halt(error, &live))?;
            live.tell_voucher(added);
            let receipt = receipt::of(&live, good.shown.challenge, asked.now(), &balance, None);
            return Ok(Pass::Answer(managed(asked.method(), &receipt)));
        }
        let metering = asked.route.metering().ok_or(Refused::Internal)?;
        let price = match metering.by_use {
            true => Amount::ZERO,
            false => good.metered.request.amount,
        };
        let keyed = Keyed::of(asked, &live, price, (&voucher, rule));
        let guarded = keyed.as_ref().map(|keyed| keyed.begin(asked.now()));
        let (guards, writes) = guarded
            .as_ref()
            .map_or_else(Default::default, |(_, rows)| rows.clone());
        let purchase = Purchase {
            voucher: Some(voucher),
            rule,
            price,
            guards,
            writes,
        };
        let charged = match metering.by_use {
            true => {
                let estimate = good
                    .metered
                    .request
                    .amount
                    .checked_mul(metering.estimate.into())
                    .ok_or(Refused::Internal)?;
                pay_later(&live, purchase, estimate).await
            }
            false => match live.pay(purchase).await {
                Ok(admitted) => admitted.charge.map_err(ChannelError::from),
                Err(error) => Err(error),
            },
        };
        let (spent, call) = match (charged, keyed) {
            (Ok(balance), _) => {
                let units = u64::from(!metering.by_use);
                let spent = Spent {
                    price,
                    open: price,
                    credit: Amount::ZERO,
                    units,
                    balance,
                };
                (spent, guarded.map(|(call, _)| call))
            }
            // Under a key it may be a request that was charged before.
            (Err(error), Some(keyed)) => {
                match Box::pin(self.repeated(asked, &live, keyed, error)).await? {
                    Began::Served(answer) => {
                        return Ok(Pass::Answer(self.told_again(asked, good, &live, answer)));
                    }
                    Began::Again(spent, call) => (spent, Some(call)),
                }
            }
            (Err(error), None) => return Err(halt(error, &live)),
        };
        abort::point("charged");
        // What is charged by use gives it back when it is.
        if !metering.by_use {
            live.give_back_voucher();
        }
        let taking = Taking {
            asked,
            metered: good.metered,
            live,
            challenge: good.shown.challenge,
            takes_trailers: asked.takes_trailers(),
        };
        let seat = Seat::new(self, taking, spent, call, slot)?;
        Ok(Pass::Serve(Box::new(seat)))
    }

    /// The channel of a voucher, where it is one that the route is paid by.
    async fn channel(&self, good: &Good<'_>, id: &ChannelId) -> Result<Arc<Live>, Refused> {
        let found = good.sessions.find(id).await;
        let live = found.map_err(Refused::Store)?.ok_or(Refused::NoChannel)?;
        let (terms, request) = (live.terms(), &good.metered.request);
        let is_the_routes = terms.method == *good.metered.rail.method()
            && terms.realm == *self.realm()
            && terms.currency == request.currency
            && terms.payee == request.recipient;
        if !is_the_routes {
            return Err(Refused::NoChannel);
        }
        Ok(live)
    }

    /// Whether the rail was heard of lately enough for what is served now to be settled in time.
    async fn hear(&self, good: &Good<'_>) -> Result<(), Refused> {
        let (till, method) = (good.sessions.till(), good.metered.rail.method());
        match till.heard(method) {
            Ok(()) => Ok(()),
            Err(Silent::NotYet) => match till.hear(method).await {
                Ok(()) => Ok(()),
                // Nothing is known of the rail then: it may be as well as ever.
                Err(DeafError::Store(error)) => Err(Refused::Store(error)),
                Err(error) => {
                    tracing::warn!(%method, "the rail could not be caught up with: {error}");
                    Err(Refused::Silent)
                }
            },
            Err(_) => Err(Refused::Silent),
        }
    }

    fn take_place(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.place().ok_or(Refused::Overloaded)
    }

    async fn open_channel(
        &self,
        asked: &Asked,
        parts: &Parts,
        good: &Good<'_>,
        funding: Funding,
    ) -> Result<Pass, Halt> {
        let buys = asked.buys(parts);
        if buys && !asked.route.is_ready() {
            return Err(Refused::NotReady.into());
        }
        self.hear(good).await?;
        good.is_near(&funding)?;
        let slot = self.take_place()?;
        let till = good.sessions.till();
        let funded = till.open(&good.funding(&funding)).await;
        let funded = funded.map_err(|error| Refused::Session(Box::new(error.problem())))?;
        let found = good.sessions.find(&funded.channel).await;
        let live = found.map_err(Refused::Store)?.ok_or(Refused::Internal)?;
        match funding.voucher {
            Some(said) => {
                // Whoever shows the opening of another's channel again has nothing written.
                if live.check(&said).is_ok() {
                    good.sessions.remember(&live).await;
                }
                let pass = self
                    .go_on_with(asked, good, live, said, (buys, slot))
                    .await?;
                Ok(match pass {
                    Pass::Serve(seat) => Pass::Serve(Box::new(seat.opened_by(funded.reference))),
                    answer @ Pass::Answer(_) => answer,
                })
            }
            None => {
                let balance = live.last().balance;
                let receipt = receipt::of(&live, good.shown.challenge, asked.now(), &balance, None)
                    .sent(funded.reference);
                Ok(Pass::Answer(managed(asked.method(), &receipt)))
            }
        }
    }

    async fn top_up_channel(
        &self,
        asked: &Asked,
        good: &Good<'_>,
        funding: Funding,
    ) -> Result<Pass, Halt> {
        let _slot = self.take_place()?;
        let till = good.sessions.till();
        let funded = till.top_up(&good.funding(&funding)).await;
        let funded = funded.map_err(|error| Refused::Session(Box::new(error.problem())))?;
        let found = good.sessions.find(&funded.channel).await;
        let live = found.map_err(Refused::Store)?.ok_or(Refused::Internal)?;
        let balance = live.last().balance;
        let receipt = receipt::of(&live, good.shown.challenge, asked.now(), &balance, None)
            .sent(funded.reference);
        Ok(Pass::Answer(managed(asked.method(), &receipt)))
    }
}

impl Gate {
    /// Closes a channel at its buyer's wish, and says what came of it. What the receipt calls accepted
    /// is what the buyer closed with: it need not be the most that it ever said.
    async fn close_channel(
        &self,
        asked: &Asked,
        good: &Good<'_>,
        said: Said,
    ) -> Result<Pass, Halt> {
        let live = self.channel(good, &said.channel).await?;
        live.check(&said).map_err(Refused::Method)?;
        live.admit_voucher(asked.now())
            .map_err(Refused::RateLimited)?;
        // It waits for its rail, and for its till's places: none is taken from those who pay.
        let closed = good.sessions.till().close(&said).await;
        let end = match closed {
            Ok(end) => end,
            Err(NotClosed::Channel(error)) => return Err(halt(error, &live)),
            Err(error) => return Err(Refused::Session(Box::new(error.problem())).into()),
        };
        let balance = Balance {
            accepted: said.cumulative,
            spent: end.spent,
            ..live.last().balance
        };
        let receipt = receipt::of(&live, good.shown.challenge, asked.now(), &balance, None)
            .sent(end.reference);
        Ok(Pass::Answer(managed(asked.method(), &receipt)))
    }
}

impl<'a> Good<'a> {
    /// Whether a channel's first voucher is one that the channel would take, before anything is sent.
    fn is_near(&self, funding: &Funding) -> Result<(), Refused> {
        let (Some(said), Some(ahead)) = (&funding.voucher, self.metered.rule.ahead) else {
            return Ok(());
        };
        let is_first = self.metered.request.protocol() == Ok(Protocol::V1);
        if !is_first || said.cumulative <= ahead.most() {
            return Ok(());
        }
        let refused = Short::Ahead {
            needed: ahead.price,
            most: ahead.most(),
        };
        let id = funding.channel.clone();
        Err(Refused::Channel(id, Box::new(refused.into())))
    }

    fn funding<'f>(&'f self, funding: &'f Funding) -> FundingAsked<'f> {
        FundingAsked {
            shown: self.shown,
            funding,
            method: self.metered.rail.method(),
        }
    }
}

/// Takes a voucher, and looks whether the balance covers what a request by use may cost at first.
/// Nothing is charged yet.
async fn pay_later(
    live: &Live,
    purchase: Purchase,
    estimate: Amount,
) -> Result<Balance, ChannelError> {
    let Purchase {
        voucher,
        rule,
        guards,
        writes,
        ..
    } = purchase;
    let taken = live.step(move |channel: &mut Channel| {
        let mut added = Amount::ZERO;
        if let Some(voucher) = &voucher {
            added = channel.accept(voucher, rule)?.added;
        }
        // Only looked at: what it costs is charged by its meter.
        let covered = channel.clone().charge(estimate);
        Ok(match covered {
            Ok(_) => Step::to((added, Ok(channel.balance()))).with(guards.clone(), writes.clone()),
            // The voucher is kept all the same.
            Err(refused @ Short::Short(_)) => Step::to((added, Err(refused))),
            // More is drawn, so that what the handler begins with can be settled.
            Err(refused) => return Err(refused),
        })
    });
    let (added, covered) = taken.await?;
    live.tell_voucher(added);
    covered.map_err(ChannelError::from)
}

/// A step of a channel that was refused, to somebody who is known to be its signer.
pub(super) fn halt(error: ChannelError, live: &Arc<Live>) -> Halt {
    Halt {
        refused: channel_error(error, live),
        about: Some(Arc::clone(live)),
    }
}

fn channel_error(error: ChannelError, live: &Live) -> Refused {
    match error {
        ChannelError::Store(error) => Refused::Store(error),
        error => Refused::Channel(live.id().clone(), Box::new(error)),
    }
}

/// The answer to what needs no handler: a receipt, and nothing else.
pub(super) fn managed(method: &Method, receipt: &receipt::Told) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    if *method != Method::HEAD {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    receipt.put(response.headers_mut());
    response
}

impl Gate {
    /// What is known of a channel, to tell its signer with a refusal.
    async fn known_channel(&self, asked: &Asked, live: &Arc<Live>) -> Option<Known> {
        let price = match asked.route.metering()?.by_use {
            true => Amount::ZERO,
            false => self.session_price(asked, live)?,
        };
        Known::of(live, price).await
    }

    /// What a unit costs here in a channel's currency.
    pub(super) fn session_price(&self, asked: &Asked, live: &Live) -> Option<Amount> {
        let terms = live.terms();
        let mut offers = asked.route.offers.iter().filter_map(|it| it.metered());
        let offer = offers.find(|it| {
            it.rail.method() == &terms.method && it.request.currency == terms.currency
        })?;
        Some(offer.request.amount)
    }

    /// Answers a repeated request with what it was answered before, and a receipt of today.
    fn told_again(
        &self,
        asked: &Asked,
        good: &Good<'_>,
        live: &Live,
        (mut response, units): (Response<Bytes>, u64),
    ) -> Response<Bytes> {
        let balance = live.last().balance;
        let id: &ChallengeId = good.shown.challenge;
        receipt::of(live, id, asked.now(), &balance, Some(units)).put(response.headers_mut());
        response
    }
}
