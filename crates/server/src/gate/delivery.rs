//! The handler's answer on its way out: gathered, sent, and watched until its last byte.

use bytes::Bytes;
use farthing_core::{
    domain::{
        claims::{Change, ChangeError, Held},
        responses::{Responses, Slot, Stored},
    },
    header::{MONEY_MOVED, PAYMENT_RECEIPT},
    payment::{Answer, Event, Payment, SettlePolicy, State},
    port::backend::Write,
    value::Timestamp,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Gate, settle};
use crate::{
    abort,
    body::{Counts, GateBody},
    refused::Refused,
    route::{Judgement, Route},
    session,
};

/// What became of a handler.
pub(crate) enum HandlerAnswer<B> {
    /// It answered.
    Answered(Response<B>),
    /// It panicked.
    Panicked,
    /// It took too long.
    TimedOut,
}

/// An answer, as far as it is decided what it is worth.
pub(super) enum Gathered<B> {
    /// Served, and in memory whole.
    Served(Response<Bytes>),
    /// Served, too large for memory or of unknown length.
    Streamed(Response<B>, Counts),
    /// Not served; with the service's own answer where it gave one.
    Unserved(Option<Response<GateBody<B>>>, Refused),
}

/// Looks at an answer, and takes it into memory where it has to be held or may be sent again.
pub(super) async fn gather<B>(
    answer: HandlerAnswer<B>,
    route: &Route,
    policy: SettlePolicy,
) -> Gathered<B>
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
    if !response.status().is_success() {
        return Gathered::Unserved(Some(response.map(GateBody::inner)), Refused::NotServed);
    }
    let exact = response.body().size_hint().exact();
    let is_stored = exact.is_some_and(|size| size <= route.store_up_to as u64);
    let mut limit = route.hold_up_to;
    if policy == SettlePolicy::First && is_stored {
        limit = route.store_up_to;
    } else if policy == SettlePolicy::First {
        match route
            .served
            .judge(response.status(), response.headers(), None)
        {
            Judgement::Served if exact.is_some() => {
                return Gathered::Streamed(response, Counts::LastByte);
            }
            Judgement::Served => return Gathered::Streamed(response, Counts::FirstByte),
            Judgement::NotServed => {
                let own = response.map(GateBody::inner);
                return Gathered::Unserved(Some(own), Refused::NotServed);
            }
            // It is held to be looked at.
            Judgement::Unclear => {}
        }
    }
    let (parts, body) = response.into_parts();
    let bytes = match Limited::new(body, limit).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            let refused = if error.is::<http_body_util::LengthLimitError>() {
                Refused::TooLargeToHold
            } else {
                Refused::NotServed
            };
            return Gathered::Unserved(None, refused);
        }
    };
    // All that is held is looked at: what is not served goes out for nothing.
    match route
        .served
        .judge(parts.status, &parts.headers, Some(&bytes))
    {
        Judgement::Served => Gathered::Served(Response::from_parts(parts, bytes)),
        Judgement::NotServed => {
            let own = Response::from_parts(parts, GateBody::held(bytes));
            Gathered::Unserved(Some(own), Refused::NotServed)
        }
        Judgement::Unclear => Gathered::Unserved(None, Refused::Unclear),
    }
}

/// The answer as it is stored, where it is small enough.
pub(crate) fn store(response: &Response<Bytes>, limit: usize) -> Option<Stored> {
    let headers = response.headers().iter();
    (response.body().len() <= limit).then(|| Stored {
        status: response.status().as_u16(),
        headers: headers
            .map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec()))
            .collect(),
        body: response.body().to_vec(),
    })
}

/// A stored answer as a response.
pub(crate) fn restore(stored: Stored) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(stored.body));
    *response.status_mut() = StatusCode::from_u16(stored.status).unwrap_or_default();
    for (name, value) in stored.headers {
        // What was stored was a header, so neither fails; a damaged one is left out.
        if let (Ok(name), Ok(value)) = (
            header::HeaderName::try_from(&*name),
            HeaderValue::from_bytes(&value),
        ) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Puts the receipt on a response, or where value is not known to have moved that it is not. Either
/// is nobody's but the payer's.
fn add_receipt(headers: &mut HeaderMap, payment: &Payment) {
    let told = match settle::receipt(payment) {
        Some(receipt) => {
            let text = farthing_core::header::payment_receipt::format(&receipt);
            (PAYMENT_RECEIPT, HeaderValue::try_from(text))
        }
        None => (MONEY_MOVED, Ok(HeaderValue::from_static("unknown"))),
    };
    if let (name, Ok(value)) = told {
        headers.insert(name, value);
        session::keep_private(headers);
    }
}

impl Gate {
    /// Sends an answer that is in memory, and watches over its delivery in a task of the gate's.
    pub(super) fn deliver<B>(
        &self,
        held: Held<Payment>,
        slot: OwnedSemaphorePermit,
        mut response: Response<Bytes>,
        stored: Option<Stored>,
    ) -> Response<GateBody<B>>
    where
        B: http_body::Body<Data = Bytes>,
    {
        add_receipt(response.headers_mut(), &held.record);
        let (parts, body) = response.into_parts();
        let (body, delivered) = GateBody::held(body).watched(Counts::LastByte);
        let gate = self.clone();
        self.track(async move {
            gate.see_off(held, stored, delivered, Some(slot)).await;
        });
        Response::from_parts(parts, body)
    }

    /// The same for an answer that is not in memory.
    pub(super) fn deliver_stream<B>(
        &self,
        held: Held<Payment>,
        slot: OwnedSemaphorePermit,
        mut response: Response<B>,
        counts: Counts,
    ) -> Response<GateBody<B>>
    where
        B: http_body::Body<Data = Bytes>,
    {
        add_receipt(response.headers_mut(), &held.record);
        let (parts, body) = response.into_parts();
        let (body, delivered) = GateBody::inner(body).watched(counts);
        let gate = self.clone();
        self.track(async move {
            gate.see_off(held, None, delivered, Some(slot)).await;
        });
        Response::from_parts(parts, body)
    }

    /// Sends an answer that was stored before.
    pub(super) fn deliver_again<B>(
        &self,
        (mut response, held): (Response<Bytes>, Held<Payment>),
    ) -> Response<GateBody<B>>
    where
        B: http_body::Body<Data = Bytes>,
    {
        let remembered = held.record.idempotency.is_some();
        let stored = remembered.then(|| store(&response, usize::MAX)).flatten();
        add_receipt(response.headers_mut(), &held.record);
        let (parts, body) = response.into_parts();
        if held.record.state.is_final() || held.record.answer == Answer::Delivered {
            return Response::from_parts(parts, GateBody::held(body));
        }
        let (body, delivered) = GateBody::held(body).watched(Counts::LastByte);
        let gate = self.clone();
        self.track(async move { gate.see_off(held, stored, delivered, None).await });
        Response::from_parts(parts, body)
    }

    /// Waits for the delivery, renewing the lease, and writes down how it ended.
    async fn see_off(
        &self,
        mut held: Held<Payment>,
        stored: Option<Stored>,
        delivered: oneshot::Receiver<()>,
        mut slot: Option<OwnedSemaphorePermit>,
    ) {
        abort::point("delivering");
        let finishing = self.0.finishing.begin(&held.record.challenge);
        tokio::pin!(delivered);
        let went_out = loop {
            tokio::select! {
                biased;
                ended = &mut delivered => break ended.is_ok(),
                () = tokio::time::sleep(self.0.options.lease / 3) => {
                    // Whoever reads slowly, or not at all, keeps no place from another payment,
                    // and no gate from closing: the answer can be presented for again.
                    slot = None;
                    if self.0.work.is_closed() {
                        break false;
                    }
                    let until = self.now().saturating_add(self.0.options.lease);
                    match self.0.payments.renew(held.clone(), until).await {
                        Ok(renewed) => held = renewed,
                        // Whoever took it over delivers it.
                        Err(ChangeError::Stale) => return,
                        Err(error) => tracing::warn!(payment = %held.record.id, "a lease could not be renewed: {error}"),
                    }
                }
            }
        };
        let change = if went_out {
            abort::point("delivered");
            self.delivered(&held.record, stored)
        } else {
            self.undelivered(&held.record, stored)
        };
        if let Some(change) = change
            && self.write(held, change).await.is_err()
        {
            // What the store has is that the answer is on its way: the reconciler frees it when
            // the lease is over, and it can be presented again.
            tracing::warn!("the end of a delivery could not be recorded");
        }
        drop((finishing, slot));
    }

    /// The last byte went out: the credential is used up.
    fn delivered(&self, payment: &Payment, stored: Option<Stored>) -> Option<Change<Payment>> {
        let (now, mut record) = (self.now(), payment.clone());
        let was_stored = record.answer == Answer::Stored;
        settle::advance(&mut record, Event::Deliver, now).ok()?;
        record.lease_until = Timestamp::EPOCH;
        let mut writes = Vec::new();
        // On credit the payment goes on, and its answer is not needed any more.
        if was_stored && record.answer == Answer::Delivered {
            writes.push(Responses::erase(Slot::Payment(record.id)));
        }
        let remembered = record.idempotency.zip(record.remember_until);
        if let (Some((print, until)), Some(stored)) = (remembered, stored) {
            writes.push(remember(print, stored, until));
        }
        Some(Change {
            writes,
            ..Change::to(record)
        })
    }

    /// The connection went before the last byte did: the answer is kept for another time, or the
    /// handler may run again, or the payment is owed.
    fn undelivered(&self, payment: &Payment, stored: Option<Stored>) -> Option<Change<Payment>> {
        let (now, mut record) = (self.now(), payment.clone());
        let mut writes = Vec::new();
        if record.answer != Answer::Stored {
            settle::advance(
                &mut record,
                Event::Serve {
                    stored: stored.is_some(),
                },
                now,
            )
            .ok()?;
            // On credit it is kept for as long as the rail takes.
            let until = record.owed_from().unwrap_or(Timestamp::FAR);
            let slot = Slot::Payment(record.id);
            writes.extend(stored.map(|stored| Responses::write(slot, &stored, until)));
        }
        record.lease_until = Timestamp::EPOCH;
        if record.state == State::Settled && !record.is_deliverable(now) {
            settle::advance(&mut record, Event::Owe, now).ok()?;
        }
        Some(Change {
            writes,
            ..Change::to(record)
        })
    }
}

/// Keeps an answer for its idempotency key. A cookie in it was meant for one answer only.
fn remember(
    print: farthing_core::value::Fingerprint,
    mut stored: Stored,
    until: Timestamp,
) -> Write {
    stored.headers.retain(|(name, _)| &**name != "set-cookie");
    Responses::write(Slot::Idempotency(print), &stored, until)
}
