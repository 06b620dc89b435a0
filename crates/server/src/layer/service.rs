//! The service: decides at once what needs no waiting, and lets the gate own the rest.

use std::{
    mem,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use farthing_core::header::{
    IDEMPOTENCY_KEY,
    authorization::{self, Found},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use tokio::sync::oneshot;
use tower_service::Service;

use super::{PaymentFuture, Pricing, panic::CatchPanic, peer};
use crate::{
    body::GateBody,
    gate::{Admission, Gate, HandlerAnswer, HasBody, Permit, PreparedRoute},
    refused::Refused,
};

/// A service with a price in front of it.
#[derive(Clone, Debug)]
pub struct PaymentService<S> {
    inner: S,
    gate: Gate,
    pricing: Arc<Pricing>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S> PaymentService<S> {
    pub(super) const fn new(inner: S, gate: Gate, pricing: Arc<Pricing>) -> Self {
        Self {
            inner,
            gate,
            pricing,
        }
    }
}

impl<S, Q, B> Service<Request<Q>> for PaymentService<S>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    Q: http_body::Body<Data = Bytes> + From<Bytes> + Send + 'static,
    Q::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<GateBody<B>>;
    type Error = S::Error;
    type Future = PaymentFuture<S::Future, B, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let route = match self.pricing.find(&request) {
            Ok(Some(route)) => Arc::clone(route),
            Ok(None) => return PaymentFuture::free(self.inner.call(request)),
            Err(refused) => {
                return PaymentFuture::answered(self.gate.turn_away(&refused).map(GateBody::held));
            }
        };
        if is_preflight(&request) {
            return PaymentFuture::answered(nothing());
        }
        let (parts, body) = request.into_parts();
        let exposed = parts.headers.contains_key(header::ORIGIN);
        if authorization::find(&parts.headers) == Found::None && route.answers_at_once() {
            let response = offer(&self.gate, &route, &parts);
            return PaymentFuture::answered(expose(exposed, response.map(GateBody::held)));
        }
        // The service that was polled ready does the work, a clone of it stays here.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let gate = self.gate.clone();
        PaymentFuture::paying(Box::pin(async move {
            let response = pay(gate, route, inner, parts, body).await;
            Ok(expose(exposed, response))
        }))
    }
}

/// Answers an unpaid request without waiting for anything.
fn offer(gate: &Gate, route: &Arc<PreparedRoute>, parts: &Parts) -> Response<Bytes> {
    let now = gate.now();
    let asked = gate
        .limit(peer(&parts.extensions), now)
        .and_then(|()| match route.is_ready() {
            true => gate.ask(route, parts, None, now),
            false => Err(Refused::NotReady),
        });
    match asked {
        Ok(asked) => gate.offer_fixed(&asked, &parts.headers),
        Err(refused) => gate.turn_away(&refused),
    }
}

/// From here on the gate's own task does the work, and the request only waits for it: a caller
/// that goes away takes nothing with it.
async fn pay<S, Q, B>(
    gate: Gate,
    route: Arc<PreparedRoute>,
    inner: S,
    mut parts: Parts,
    body: Q,
) -> Response<GateBody<B>>
where
    S: Service<Request<Q>, Response = Response<B>> + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    Q: http_body::Body<Data = Bytes> + From<Bytes> + Send + 'static,
    Q::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if parts.method == Method::POST && !body.is_end_stream() {
        // A head need not say that a body follows, as in HTTP/2.
        parts.extensions.insert(HasBody);
    }
    let head_only = parts.method == Method::HEAD;
    let peer = peer(&parts.extensions);
    if let Err(refused) = gate.limit(peer, gate.now()) {
        return gate.turn_away(&refused).map(GateBody::held);
    }
    let bound = route.bound_body();
    let limit = bound.or_else(|| {
        parts
            .headers
            .contains_key(&IDEMPOTENCY_KEY)
            .then_some(IDEMPOTENT_BODY)
    });
    let (body, bytes, _held) = match limit {
        None => (body, None, None),
        Some(limit) => match read(&gate, &parts, body, limit).await {
            Ok((bytes, held)) => (Q::from(bytes.clone()), Some(bytes), Some(held)),
            Err(refused) => return gate.turn_away(&refused).map(GateBody::held),
        },
    };
    let (answer, answered) = oneshot::channel();
    let owner = gate.clone();
    owner.track(async move {
        let response = match gate.admit_asked(&route, &parts, bytes).await {
            Admission::Offer(response) => response.map(GateBody::held),
            Admission::Respond(response) => response,
            Admission::Proceed(permit) => run(*permit, inner, parts, body).await,
        };
        // Nobody waits any more: dropping the response tells its body that it was not delivered.
        let _ = answer.send(response);
    });
    match answered.await {
        Ok(mut response) => {
            if head_only {
                response.body_mut().head_is_all();
            }
            response
        }
        Err(_) => owner.turn_away(&Refused::Internal).map(GateBody::held),
    }
}

/// The largest body that is read for the sake of an idempotency key, where the route does not
/// bind bodies.
const IDEMPOTENT_BODY: usize = 1024 * 1024;

async fn run<S, Q, B>(
    mut permit: Permit,
    mut inner: S,
    parts: Parts,
    body: Q,
) -> Response<GateBody<B>>
where
    S: Service<Request<Q>, Response = Response<B>> + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut request = Request::from_parts(parts, body);
    permit.extend(request.extensions_mut());
    strip(request.headers_mut());
    let handling = CatchPanic::new(async move { inner.call(request).await });
    // Pinned here: whoever takes it by value has a copy of it in its own state, and so has whoever waits for that.
    let deadline = pin!(tokio::time::timeout(permit.deadline(), handling));
    let answer = match permit.keep_alive(deadline).await {
        Ok(Ok(Ok(Ok(response)))) => HandlerAnswer::Answered(response),
        Ok(Ok(Ok(Err(_)) | Err(_))) => HandlerAnswer::Panicked,
        Ok(Err(_)) => HandlerAnswer::TimedOut,
        Err(refused) => return permit.lost(&refused),
    };
    permit.finish_with(answer).await
}

/// A handler has no use for the credential, and a log it writes must not have it.
fn strip(headers: &mut HeaderMap) {
    let others: Vec<HeaderValue> = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter(|value| !authorization::is_payment(value))
        .cloned()
        .collect();
    headers.remove(header::AUTHORIZATION);
    headers.remove(farthing_core::header::PAYMENT_AUTHORIZATION);
    for value in others {
        headers.append(header::AUTHORIZATION, value);
    }
}

/// Reads a request body into memory, within the bounds of the route and of the process. A body
/// that says it is too large is not read at all.
async fn read<Q>(
    gate: &Gate,
    parts: &Parts,
    body: Q,
    limit: usize,
) -> Result<(Bytes, tokio::sync::OwnedSemaphorePermit), Refused>
where
    Q: http_body::Body<Data = Bytes>,
    Q::Error: Into<BoxError>,
{
    let said = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let size = said.or(body.size_hint().exact()).unwrap_or(limit as u64);
    if size > limit as u64 {
        return Err(Refused::BodyTooLarge);
    }
    let collecting = collect(gate, body, limit);
    match tokio::time::timeout(gate.body_within(), collecting).await {
        Ok(collected) => collected,
        Err(_) => Err(Refused::BodyBroken),
    }
}

/// Takes a body in piece by piece, and room for what is there: a body that is promised and does
/// not come takes none from the others.
async fn collect<Q>(
    gate: &Gate,
    body: Q,
    limit: usize,
) -> Result<(Bytes, tokio::sync::OwnedSemaphorePermit), Refused>
where
    Q: http_body::Body<Data = Bytes>,
    Q::Error: Into<BoxError>,
{
    let mut body = pin!(Limited::new(body, limit));
    let (mut bytes, mut held) = (BytesMut::new(), gate.hold_body(0)?);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Refused::BodyTooLarge
            } else {
                Refused::BodyBroken
            }
        })?;
        if let Ok(data) = frame.into_data() {
            held.merge(gate.hold_body(data.len() as u64)?);
            bytes.extend_from_slice(&data);
        }
    }
    Ok((bytes.freeze(), held))
}

/// A preflight asks whether it may ask. It is not charged, and so the service behind does not see
/// it: a handler that takes any method would serve it.
fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn nothing<B>() -> Response<GateBody<B>> {
    let mut response = Response::new(GateBody::held(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Lets a script of another origin read what it needs to pay.
fn expose<B>(exposed: bool, mut response: Response<GateBody<B>>) -> Response<GateBody<B>> {
    if exposed {
        response.headers_mut().append(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("WWW-Authenticate, Payment-Receipt, Payment-Session, Payment-Session-Snapshot, Money-Moved, Retry-After"),
        );
    }
    response
}
