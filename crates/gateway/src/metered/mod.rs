//! What a metered rule charges, by what the service's answer comes to.
//!
//! A stream of events is read, and each event sent on once it is paid for, with the gate's own events
//! in between; those that the service may have made up itself are left out. Anything else that is
//! counted by its bytes is charged at once where its head says how many they are, and else flows in
//! pieces. What the service counts itself is known from the head of its answer, or from its end: such an
//! answer is held, and charged before any of it goes out.
//!
//! | counted | a stream of events | any other answer |
//! |---|---|---|
//! | events | each one | one unit |
//! | bytes | each event's | by its length, before the first byte; each piece's where none is said |
//! | a header | by the header, before the first byte | the same |
//! | a place in JSON | each event one, and at the place what is missing to what it says | what it says, held until it is read |
//!
//! An answer that does not say what it should goes to nobody: the service behind, or the rule, is not
//! as the seller believes, and what is sold would be given away.

mod body;
mod count;
mod pieces;

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use farthing::{
    core::{
        encoding::sse,
        intent::session::{ChannelId, Need, Refused},
        noun::problem::{Problem, ProblemKind},
        payment::Moved,
    },
    server::session::{Meter, MeterError},
};
use http::{HeaderMap, HeaderName, Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use tower_service::Service;

pub(crate) use body::MeteredBody;

use crate::{
    answer,
    config::{NotJson, Rule, Usage},
    forward::{Forward, ForwardFuture, RequestBody, UpstreamBody},
    observe::metrics::Metrics,
};
use count::Count;
use pieces::{Chunks, Events};

/// The largest answer that is held to be counted, where its rule does not say.
const HELD: usize = 1024 * 1024;

/// Asks an upstream, and charges what its answers come to.
#[derive(Clone, Debug)]
pub(crate) struct Metered {
    forward: Forward,
    counting: Option<Arc<Counting>>,
    metrics: Arc<Metrics>,
}

/// How a rule's answers are counted.
#[derive(Debug)]
struct Counting {
    usage: Usage,
    least: u64,
    /// Units of a stream that are charged in one write.
    ahead: u64,
    /// The largest answer that is held to be counted.
    hold: usize,
}

pin_project_lite::pin_project! {
    /// A request on its way to the upstream and back.
    pub(crate) struct MeteredFuture {
        #[pin]
        kind: Kind,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProjection]
    enum Kind {
        Plain { #[pin] future: ForwardFuture },
        Counted { future: Counted },
    }
}

type Counted = Pin<Box<dyn Future<Output = Response<MeteredBody>> + Send>>;

impl Metered {
    /// The way to an upstream for a rule: what is paid at once, or costs the same for each request, goes
    /// by untouched.
    pub(crate) fn new(forward: Forward, rule: &Rule, metrics: Arc<Metrics>) -> Self {
        let (session, hold) = (rule.session.as_ref(), rule.hold_up_to);
        let counted = session.filter(|session| session.usage.is_counted());
        let counting = counted.map(|session| {
            Arc::new(Counting {
                usage: session.usage.clone(),
                least: session.least,
                ahead: session.ahead,
                hold: hold.unwrap_or(HELD),
            })
        });
        Self {
            forward,
            counting,
            metrics,
        }
    }
}

impl Service<Request<RequestBody>> for Metered {
    type Response = Response<MeteredBody>;
    type Error = Infallible;
    type Future = MeteredFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.forward.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> MeteredFuture {
        let meter = request.extensions().get::<Meter>().cloned();
        let future = self.forward.call(request);
        let kind = match (&self.counting, meter) {
            (Some(counting), Some(meter)) => {
                let paying = Paying {
                    meter,
                    metrics: Arc::clone(&self.metrics),
                };
                Kind::Counted {
                    future: Box::pin(counted(future, Arc::clone(counting), paying)),
                }
            }
            _ => Kind::Plain { future },
        };
        MeteredFuture { kind }
    }
}

impl Future for MeteredFuture {
    type Output = Result<Response<MeteredBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Plain { future } => {
                let answered = future.poll(context);
                answered.map(|answer| answer.map(|it| it.map(MeteredBody::upstream)))
            }
            KindProjection::Counted { future } => future.as_mut().poll(context).map(Ok),
        }
    }
}

/// What is charged for one request.
struct Paying {
    meter: Meter,
    metrics: Arc<Metrics>,
}

/// The channel that an answer is paid out of while it goes out: among the answer's extensions.
#[derive(Clone, Debug)]
pub(crate) struct PaidBy(pub(crate) ChannelId);

/// A stream under way, for as long as this is there.
pub(crate) struct Flowing(Arc<Metrics>);

impl Paying {
    fn flows(&self) -> Flowing {
        self.metrics.streams.up();
        Flowing(Arc::clone(&self.metrics))
    }
}

impl Drop for Flowing {
    fn drop(&mut self) {
        self.0.streams.down();
    }
}

/// Why an answer goes to nobody.
enum Stop {
    /// The service does not say what it should.
    Untold(&'static str),
    /// The answer is larger than what is held.
    TooLarge,
    /// It did not come to its end.
    Broken,
    /// It costs more than there is.
    Short(Need),
    /// It could not be charged.
    Meter(MeterError),
}

async fn counted(
    future: ForwardFuture,
    counting: Arc<Counting>,
    paying: Paying,
) -> Response<MeteredBody> {
    let response = match future.await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // What is no 2xx costs nothing.
    if !response.status().is_success() {
        return response.map(MeteredBody::upstream);
    }
    match charged(response, &counting, &paying).await {
        Ok(mut response) => {
            let channel = paying.meter.channel().clone();
            response.extensions_mut().insert(PaidBy(channel));
            response
        }
        Err(stop) => stop
            .answer(&paying.meter)
            .map(|body| MeteredBody::upstream(body.into())),
    }
}

async fn charged(
    response: Response<UpstreamBody>,
    counting: &Counting,
    paying: &Paying,
) -> Result<Response<MeteredBody>, Stop> {
    let is_stream = is_events(response.headers());
    let is_packed = counting.usage.reads() || is_stream;
    if is_packed && is_compressed(response.headers()) {
        return Err(Stop::Untold("its answer is compressed"));
    }
    match &counting.usage {
        Usage::Header(name) => {
            let units = told(response.headers(), name)?;
            charge(&paying.meter, units.max(counting.least)).await?;
            Ok(response.map(MeteredBody::upstream))
        }
        Usage::Events | Usage::Bytes | Usage::Json(_) if is_stream => {
            Ok(stream(response, counting, paying))
        }
        Usage::Bytes => match length(&response) {
            Some(bytes) => {
                let units = Count::new(counting.least).up_to_bytes(bytes);
                charge(&paying.meter, units).await?;
                Ok(response.map(MeteredBody::upstream))
            }
            None => Ok(bytes(response, counting, paying)),
        },
        Usage::Json(place) => held(response, place, counting, paying).await,
        Usage::Events | Usage::Requests => {
            charge(&paying.meter, counting.least.max(1)).await?;
            Ok(response.map(MeteredBody::upstream))
        }
    }
}

/// Each event is paid for before it goes out.
fn stream(
    response: Response<UpstreamBody>,
    counting: &Counting,
    paying: &Paying,
) -> Response<MeteredBody> {
    let (mut parts, body) = response.into_parts();
    let count = Count::new(counting.least);
    let events = Events::new(body, counting.usage.clone(), count);
    let streamed = paying.meter.stream().ahead(counting.ahead).sse(events);
    let (ours, body) = streamed.into_parts();
    // What describes the bytes as the service wrote them is true no more.
    for name in ["content-digest", "digest", "content-md5", "etag"] {
        parts.headers.remove(name);
    }
    flows(&mut parts.headers, ours.headers);
    Response::from_parts(parts, MeteredBody::stream(body, paying.flows()))
}

/// How long an answer is, where that is known before its first byte. One that only tells of a body, as that
/// to a HEAD, has none, whatever its head says.
fn length(response: &Response<UpstreamBody>) -> Option<u64> {
    let body = response.body();
    match body.is_end_stream() {
        true => Some(0),
        false => body.size_hint().exact(),
    }
}

/// Each piece is paid for before it goes out.
fn bytes(
    response: Response<UpstreamBody>,
    counting: &Counting,
    paying: &Paying,
) -> Response<MeteredBody> {
    let (mut parts, body) = response.into_parts();
    let chunks = Chunks::new(body, Count::new(counting.least));
    let streamed = paying.meter.stream().ahead(counting.ahead).bytes(chunks);
    let (ours, body) = streamed.into_parts();
    flows(&mut parts.headers, ours.headers);
    Response::from_parts(parts, MeteredBody::stream(body, paying.flows()))
}

/// The head of an answer that goes out in pieces: how long it will be nobody knows, for it may be cut.
fn flows(headers: &mut HeaderMap, ours: HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    for (name, value) in ours {
        let Some(name) = name else { continue };
        // The service may say of which kind of text its events are.
        if name != header::CONTENT_TYPE {
            headers.insert(name, value);
        }
    }
}

/// The answer is read to its end, charged, and then goes out.
async fn held(
    response: Response<UpstreamBody>,
    place: &NotJson,
    counting: &Counting,
    paying: &Paying,
) -> Result<Response<MeteredBody>, Stop> {
    let (parts, body) = response.into_parts();
    let collected = Limited::new(body, counting.hold).collect().await;
    let body = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(Stop::TooLarge),
        Err(_) => return Err(Stop::Broken),
    };
    let units = count::at(&body, place).ok_or(Stop::Untold("its answer has no number there"))?;
    charge(&paying.meter, units.max(counting.least)).await?;
    let body = MeteredBody::upstream(body.into());
    Ok(Response::from_parts(parts, body))
}

/// Charges an answer of which nothing went out. Its buyer hears nothing while it waits, so there is no
/// waiting for a voucher: it is told what is missing.
async fn charge(meter: &Meter, units: u64) -> Result<(), Stop> {
    let cost = meter.price_of(units).map_err(Stop::Meter)?;
    let balance = meter.balance();
    if balance.available() < cost {
        let used = balance.spent.checked_add(balance.reserved);
        let required = used.and_then(|used| used.checked_add(cost));
        return Err(Stop::Short(Need {
            lacks: cost.checked_sub(balance.available()).unwrap_or(cost),
            required: required.unwrap_or(cost),
            accepted: balance.accepted,
            deposit: balance.deposit,
        }));
    }
    meter.charge(units).await.map_err(Stop::Meter)?;
    Ok(())
}

/// The units that a header says.
fn told(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Stop> {
    let mut values = headers.get_all(name).iter();
    let (value, another) = (values.next(), values.next());
    let text = value.and_then(|value| value.to_str().ok());
    let units = text.and_then(|text| text.trim().parse().ok());
    match (units, another) {
        (Some(units), None) => Ok(units),
        _ => Err(Stop::Untold("its answer has no such number in its head")),
    }
}

fn is_events(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media
        .and_then(|media| media.to_str().ok())
        .unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case(sse::MEDIA_TYPE)
}

fn is_compressed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

impl Stop {
    fn answer(self, meter: &Meter) -> Response<Bytes> {
        let said = |kind: ProblemKind, detail: &'static str| {
            Problem::new(kind).with_detail(detail).with_moved(Moved::No)
        };
        let problem = match self {
            Self::Untold(why) => {
                tracing::error!(
                    why,
                    "a service did not tell what its answer comes to: it goes to nobody"
                );
                let detail = "The service behind did not say what its answer comes to.";
                said(ProblemKind::UpstreamBroken, detail)
            }
            Self::TooLarge => {
                tracing::error!("an answer is larger than its rule holds to count it");
                let detail = "The answer is larger than this gateway holds to count it.";
                said(ProblemKind::UpstreamBroken, detail)
            }
            Self::Broken => {
                let detail = "The service behind broke its answer off.";
                said(ProblemKind::UpstreamBroken, detail)
            }
            Self::Short(need) => Refused::Short(need).problem(meter.channel()),
            Self::Meter(MeterError::Unpaid(need)) => Refused::Short(need).problem(meter.channel()),
            Self::Meter(error) => {
                tracing::warn!(channel = %meter.channel(), "an answer could not be charged: {error}");
                Problem::new(error.kind()).with_moved(Moved::No)
            }
        };
        answer::problem(&problem)
    }
}
