//! A request that a channel pays for: what its handler runs under, and how its answer is finished.
//!
//! It was charged before the handler runs. What is not served is taken back before anybody is told so,
//! and what was served is noted with the channel's next step: until then it counts as unsure, which
//! keeps it from the rail and from nobody's balance.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    domain::{
        calls::HeldCall,
        channels::{ChannelError, Step},
        responses::Stored,
    },
    header::{MONEY_MOVED, PAYMENT_RECEIPT},
    intent::session::{Balance, Channel},
    value::{Amount, ChallengeId, Currency, PaymentId, Reference},
};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Live,
    meter::{CallRow, Meter, Tariff},
    receipt,
};
use crate::{
    abort,
    body::GateBody,
    event::What,
    gate::{self, Asked, Gate, HandlerAnswer, Metered, Paid, PreparedRoute},
    refused::Refused,
    route::Judgement,
};

/// A request that a channel pays for. One that is dropped without being finished stays charged.
#[must_use = "a seat has to be finished with the handler's answer"]
pub(crate) struct Seat {
    gate: Gate,
    route: Arc<PreparedRoute>,
    live: Arc<Live>,
    challenge: ChallengeId,
    currency: Currency,
    payment: PaymentId,
    attempt: u8,
    spent: Spent,
    meter: Meter,
    row: Option<CallRow>,
    opened_by: Option<Reference>,
    slot: OwnedSemaphorePermit,
}

/// What was charged before the handler runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) price: Amount,
    /// What of it nobody has said yet to be served or not.
    pub(super) open: Amount,
    /// What was charged on top when the same request was served before.
    pub(super) credit: Amount,
    pub(super) units: u64,
    /// What was there after it.
    pub(super) balance: Balance,
}

/// What a seat is made of, apart from what was spent for it.
pub(super) struct Taking<'a> {
    pub(super) asked: &'a Asked,
    pub(super) metered: &'a Metered,
    pub(super) live: Arc<Live>,
    pub(super) challenge: &'a ChallengeId,
    pub(super) takes_trailers: bool,
}

/// An answer, as far as it is decided what it is worth.
enum Gathered<B> {
    /// Served; in memory, where it is kept for those who repeat the request.
    Served(Response<GateBody<B>>, Option<Stored>),
    /// Not served; with the service's own answer where it gave one.
    Unserved(Option<Response<GateBody<B>>>, Refused),
}

impl Seat {
    pub(super) fn new(
        gate: &Gate,
        taking: Taking<'_>,
        spent: Spent,
        call: Option<HeldCall>,
        slot: OwnedSemaphorePermit,
    ) -> Result<Self, Refused> {
        let Taking {
            asked,
            metered,
            live,
            challenge,
            takes_trailers,
        } = taking;
        let sessions = gate.sessions().ok_or(Refused::Internal)?;
        let metering = asked.route.metering().ok_or(Refused::Internal)?;
        let payment = PaymentId::made_at(asked.now(), crate::random::entropy()?);
        let within = metering
            .voucher_wait
            .unwrap_or(sessions.options().voucher_wait);
        let attempt = call.as_ref().map_or(1, |call| call.call().attempts);
        let row = call.map(CallRow::new);
        let meter = Meter::new(Tariff {
            live: Arc::clone(&live),
            price: metered.request.amount,
            challenge: challenge.clone(),
            paid: spent.units,
            credit: spent.credit,
            row: row.clone(),
            within,
            takes_trailers,
            till: Some(sessions.till().clone()),
            closing: sessions.closing().clone(),
            work: gate.work().clone(),
            clock: Arc::clone(gate.clock()),
        });
        Ok(Self {
            gate: gate.clone(),
            route: Arc::clone(&asked.route),
            currency: metered.currency.clone(),
            attempt,
            challenge: challenge.clone(),
            live,
            payment,
            spent,
            meter,
            row,
            opened_by: None,
            slot,
        })
    }

    /// The same, whose channel was opened with this request.
    pub(super) fn opened_by(mut self, reference: Option<Reference>) -> Self {
        self.opened_by = reference;
        self
    }

    /// What the handler may know.
    pub(crate) fn paid(&self) -> Paid {
        let terms = self.live.terms();
        Paid {
            payment: self.payment,
            method: terms.method.clone(),
            amount: self.spent.price,
            currency: self.currency.code.clone(),
            payer: Some(terms.payer.clone()),
            reference: None,
            attempt: self.attempt,
            on_credit: false,
            channel: Some(self.live.id().clone()),
        }
    }

    /// What the handler charges by.
    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// How long the handler may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.route.deadline()
    }

    pub(crate) async fn finish_with<B>(self, answer: HandlerAnswer<B>) -> Response<GateBody<B>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        abort::point("seat-answered");
        let gathering = tokio::time::timeout(self.deadline(), self.gather(answer));
        let gathered = gathering
            .await
            .unwrap_or(Gathered::Unserved(None, Refused::NotServedInTime));
        let response = match gathered {
            Gathered::Served(response, stored) => self.served(response, stored).await,
            Gathered::Unserved(own, refused) => self.unserved(own, refused).await,
        };
        drop(self.slot);
        response
    }

    /// Looks at an answer. It is taken into memory only where it is kept for those who repeat the
    /// request, or where its head does not tell what it is worth.
    async fn gather<B>(&self, answer: HandlerAnswer<B>) -> Gathered<B>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut response = match answer {
            HandlerAnswer::Answered(response) => response,
            HandlerAnswer::Panicked => return Gathered::Unserved(None, Refused::NotServed),
            HandlerAnswer::TimedOut => return Gathered::Unserved(None, Refused::NotServedInTime),
        };
        // Only the gate says what was paid.
        response.headers_mut().remove(&PAYMENT_RECEIPT);
        response.headers_mut().remove(&MONEY_MOVED);
        let own = |response: Response<B>| Some(response.map(GateBody::inner));
        if !response.status().is_success() {
            return Gathered::Unserved(own(response), Refused::NotServed);
        }
        let route = self.route.settings();
        let size = response.body().size_hint().exact();
        let is_kept =
            self.row.is_some() && size.is_some_and(|size| size <= route.store_up_to as u64);
        let limit = if is_kept {
            route.store_up_to
        } else {
            match route
                .served
                .judge(response.status(), response.headers(), None)
            {
                Judgement::Served => return Gathered::Served(response.map(GateBody::inner), None),
                Judgement::NotServed => {
                    return Gathered::Unserved(own(response), Refused::NotServed);
                }
                // It is held to be looked at.
                Judgement::Unclear => route.hold_up_to,
            }
        };
        let (parts, body) = response.into_parts();
        let bytes = match Limited::new(body, limit).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Gathered::Unserved(None, Refused::TooLargeToHold);
            }
            Err(_) => return Gathered::Unserved(None, Refused::NotServed),
        };
        let judged = route
            .served
            .judge(parts.status, &parts.headers, Some(&bytes));
        let response = Response::from_parts(parts, bytes);
        match judged {
            Judgement::Served => {
                let kept = self.row.as_ref();
                let stored = kept.and_then(|_| gate::store(&response, route.store_up_to));
                Gathered::Served(response.map(GateBody::held), stored)
            }
            Judgement::NotServed => {
                let own = response.map(GateBody::held);
                Gathered::Unserved(Some(own), Refused::NotServed)
            }
            Judgement::Unclear => Gathered::Unserved(None, Refused::Unclear),
        }
    }

    async fn served<B>(
        &self,
        mut response: Response<GateBody<B>>,
        stored: Option<Stored>,
    ) -> Response<GateBody<B>> {
        let open = self.meter.take_open(true);
        let earned = more(self.spent.open, open);
        match &self.row {
            None => self.live.served(earned),
            Some(row) => self.keep(row, stored, earned).await,
        }
        let balance = if open.is_zero() {
            self.spent.balance
        } else {
            self.live.last().balance
        };
        let units = self.meter.spent_units();
        receipt::of(
            &self.live,
            &self.challenge,
            self.gate.now(),
            &balance,
            Some(units),
        )
        .sent(self.opened_by.clone())
        .put(response.headers_mut());
        response
    }

    /// Keeps the answer for those who repeat the request, and says with it that it was served: so one
    /// of those who may serve it says so, once. Where that fails it was served all the same, whoever
    /// repeats it may have its handler run again, and what it cost stays unsure for a while.
    async fn keep(&self, row: &CallRow, stored: Option<Stored>, earned: Amount) {
        let mut row = row.lock().await;
        let Some(call) = row.clone() else { return };
        let call = call.using(self.meter.spent_units());
        let mut answer = stored.map(forget_cookies);
        loop {
            let is_last = answer.is_none();
            let (next, (guards, writes)) = call.served(answer.take(), self.gate.now());
            let written = self
                .live
                .step(move |channel: &mut Channel| {
                    channel.served(earned);
                    Ok(Step::to(()).with(guards.clone(), writes.clone()))
                })
                .await;
            match written {
                Ok(()) => {
                    *row = Some(next);
                    return;
                }
                // There is no room for the answer.
                Err(ChannelError::Short(_)) if !is_last => {}
                Err(error) => {
                    tracing::warn!(channel = %self.live.id(), "the end of a call could not be recorded: {error}");
                    return;
                }
            }
        }
    }

    /// Takes back what was charged, and forgets the call with it. What was charged when the same
    /// request was served before stays, for the next run of it.
    async fn take_back(&self) -> Result<bool, ChannelError> {
        let open = self.meter.take_open(false);
        let (now, price) = (self.gate.now(), self.spent.open);
        let whole = more(price, open);
        let mut row = match &self.row {
            Some(row) => Some(row.lock().await),
            None => None,
        };
        let call = row.as_ref().and_then(|row| (**row).clone());
        let step = self.live.step(move |channel: &mut Channel| {
            let Some(held) = &call else {
                let taken = channel.unserved(whole);
                return Ok(Step::to((taken, taken == whole, None)));
            };
            let before = held.call().metered.checked_sub(open).unwrap_or_default();
            let is_first = before.is_zero() && price == held.call().price;
            let back = if is_first { whole } else { open };
            let mut next = channel.clone();
            if next.unserved(back) < back {
                // Somebody took us for dead. It stays charged, for those who repeat it.
                let (held, (guards, writes)) = held.served(None, now);
                let nothing = (Amount::ZERO, false, Some(held));
                return Ok(Step::to(nothing).with(guards, writes));
            }
            *channel = next;
            if is_first {
                let (guards, writes) = held.unserved();
                return Ok(Step::to((back, true, None)).with(guards, writes));
            }
            let (held, (guards, writes)) = held.clone().having(before).served(None, now);
            Ok(Step::to((back, false, Some(held))).with(guards, writes))
        });
        let (taken, is_whole, next) = step.await?;
        if let Some(row) = &mut row {
            **row = next;
        }
        if !taken.is_zero() {
            self.live.tell(|| What::GivenBack { amount: taken });
        }
        Ok(is_whole)
    }

    /// What was charged goes back, before anybody is told so.
    async fn unserved<B>(
        &self,
        own: Option<Response<GateBody<B>>>,
        refused: Refused,
    ) -> Response<GateBody<B>> {
        let taken_back = self.take_back().await;
        abort::point("seat-taken-back");
        let is_back = match taken_back {
            Ok(is_whole) => is_whole,
            Err(error) => {
                tracing::warn!(channel = %self.live.id(), "what was not served could not be taken back: {error}");
                false
            }
        };
        if let Refused::TooLargeToHold | Refused::Unclear = &refused {
            tracing::warn!(channel = %self.live.id(), "{refused}");
        }
        match own {
            Some(mut own) => {
                say_moved(own.headers_mut(), is_back);
                own
            }
            None => gate::not_served(&refused, self.live.id(), is_back).map(GateBody::held),
        }
    }
}

/// Says beside the service's own answer that it cost nothing, or that nobody knows.
fn say_moved(headers: &mut HeaderMap, is_back: bool) {
    let moved = if is_back { "false" } else { "unknown" };
    headers.insert(MONEY_MOVED, HeaderValue::from_static(moved));
}

/// A cookie in an answer was meant for one answer only.
fn forget_cookies(mut stored: Stored) -> Stored {
    stored.headers.retain(|(name, _)| &**name != "set-cookie");
    stored
}

fn more(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).unwrap_or(a)
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("channel", self.live.id())
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}
