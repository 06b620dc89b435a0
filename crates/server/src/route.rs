//! A route: what it costs, and what serving it means.

use std::{fmt, future::Future, pin::Pin, str::FromStr, sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    domain::credit::{Limits, LimitsError},
    payment::SettlePolicy,
    value::{MethodId, Price, PriceError, RouteId, TextError},
};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use serde_json::{Map, Value};

use crate::session::Metering;

/// What a route costs and how it is served.
///
/// ```
/// use std::time::Duration;
/// use farthing_core::payment::SettlePolicy;
/// use farthing_server::Route;
///
/// let render = Route::priced("$0.05")?
///     .named("POST /render")?
///     .settle(SettlePolicy::After)
///     .retryable(true)
///     .redeliver_for(Duration::from_secs(15 * 60))
///     .bind_body(64 * 1024);
/// # let _ = render;
/// # Ok::<(), farthing_server::RouteError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) id: Option<RouteId>,
    pub(crate) asks: Asks,
    pub(crate) terms: Vec<(MethodId, Map<String, Value>)>,
    pub(crate) description: Option<Box<str>>,
    pub(crate) settle: Option<SettlePolicy>,
    pub(crate) served: Served,
    pub(crate) retryable: bool,
    pub(crate) bind_body: Option<usize>,
    pub(crate) deadline: Duration,
    pub(crate) redeliver: Duration,
    pub(crate) store_up_to: usize,
    pub(crate) hold_up_to: usize,
    pub(crate) remember_answers: Duration,
    pub(crate) ready: Ready,
    pub(crate) credit: Option<Limits>,
    pub(crate) metering: Option<Metering>,
    pub(crate) serves_empty_posts: bool,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Asks {
    Fixed(Vec<Ask>),
    Dynamic(Dynamic),
}

/// A price, on one method or on every method the gate has.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Option<MethodId>,
    pub(crate) price: Price,
}

/// A route that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The price is none.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// The name or a method's name is none.
    #[error(transparent)]
    Name(#[from] TextError),
    /// The limits of credit cannot be.
    #[error(transparent)]
    Credit(#[from] LimitsError),
    /// A fixed price on a method, on a route whose price depends on the request. One of the two
    /// would have to be dropped.
    #[error("a route whose price depends on the request takes no fixed price on {0}")]
    Dynamic(MethodId),
    /// The name of a unit is none.
    #[error("{0:?} is no name of a unit: it has to be short, visible ASCII")]
    Unit(Box<str>),
}

impl Route {
    /// A route at one price, on every method the gate has.
    ///
    /// # Errors
    /// When the price is not written as one.
    pub fn priced(price: &str) -> Result<Self, RouteError> {
        let ask = Ask {
            method: None,
            price: Price::from_str(price)?,
        };
        Ok(Self::asking(Asks::Fixed(vec![ask])))
    }

    /// A route that is paid for out of channels only, one unit for each request.
    ///
    /// ```
    /// use farthing_server::{Route, session::Metering};
    ///
    /// let lookup = Route::session("$0.0001")?.named("GET /lookup")?;
    /// // Paid at once, or out of a channel by what is used.
    /// let chat = Route::priced("$0.01")?.with_session(Metering::by_use("$0.000025", "word")?);
    /// # let _ = (lookup, chat);
    /// # Ok::<(), farthing_server::RouteError>(())
    /// ```
    ///
    /// # Errors
    /// When the price is not written as one.
    pub fn session(price: &str) -> Result<Self, RouteError> {
        Ok(Self::metered(Metering::per_request(price)?))
    }

    /// A route that is paid for out of channels only.
    #[must_use]
    pub fn metered(metering: Metering) -> Self {
        Self::asking(Asks::Fixed(Vec::new())).with_session(metering)
    }

    /// A route whose price depends on the request.
    #[must_use]
    pub fn dynamic(price: Dynamic) -> Self {
        Self::asking(Asks::Dynamic(price))
    }

    fn asking(asks: Asks) -> Self {
        Self {
            id: None,
            asks,
            terms: Vec::new(),
            description: None,
            settle: None,
            served: Served::default(),
            retryable: false,
            bind_body: None,
            deadline: Duration::from_secs(60),
            redeliver: Duration::from_secs(15 * 60),
            store_up_to: 64 * 1024,
            hold_up_to: 1024 * 1024,
            remember_answers: Duration::from_secs(24 * 60 * 60),
            ready: Ready::default(),
            credit: None,
            metering: None,
            serves_empty_posts: false,
        }
    }

    /// Offers to be paid out of a channel too, beside the route's price.
    #[must_use]
    pub fn with_session(mut self, metering: Metering) -> Self {
        self.metering = Some(metering);
        self
    }

    /// Whether a POST without a body and without a query asks for what the route sells.
    ///
    /// The protocol's clients send their vouchers that way to the address of what they buy, also while
    /// it streams. So such a POST hands in its voucher and is answered with a receipt, and the handler
    /// does not run, unless the route says otherwise here. A request of any other kind but HEAD buys.
    #[must_use]
    pub const fn serves_empty_posts(mut self, serves: bool) -> Self {
        self.serves_empty_posts = serves;
        self
    }

    /// A price on one method. With it, a method is offered at its own price only.
    ///
    /// # Errors
    /// When the price or the method's name is none, or the route's price depends on the request.
    pub fn price_on(mut self, method: &str, price: &str) -> Result<Self, RouteError> {
        let method = MethodId::from_str(method)?;
        let Asks::Fixed(asks) = &mut self.asks else {
            return Err(RouteError::Dynamic(method));
        };
        asks.push(Ask {
            method: Some(method),
            price: Price::from_str(price)?,
        });
        Ok(self)
    }

    /// What this route says to one method alone, such as how the price is split. The method's
    /// documentation tells what it understands; one that understands it not stops the start. Said
    /// again, it counts as it was said last.
    ///
    /// # Errors
    /// When the method's name is none.
    pub fn terms(mut self, method: &str, terms: Map<String, Value>) -> Result<Self, RouteError> {
        let method = MethodId::from_str(method)?;
        self.terms.retain(|(known, _)| *known != method);
        self.terms.push((method, terms));
        Ok(self)
    }

    pub(crate) fn terms_of(&self, method: &MethodId) -> Option<&Map<String, Value>> {
        let mut terms = self.terms.iter();
        terms.find_map(|(known, terms)| (known == method).then_some(terms))
    }

    /// The name the route has in records. Without one it is called by its method and the path
    /// pattern it was matched by.
    ///
    /// # Errors
    /// When the name is empty, too long, or has control characters.
    pub fn named(mut self, id: &str) -> Result<Self, RouteError> {
        self.id = Some(RouteId::from_str(id)?);
        Ok(self)
    }

    /// What the buyer is told it is.
    #[must_use]
    pub fn described(mut self, description: &str) -> Self {
        self.description = Some(description.into());
        self
    }

    /// When value moves. The default is the method's.
    #[must_use]
    pub const fn settle(mut self, policy: SettlePolicy) -> Self {
        self.settle = Some(policy);
        self
    }

    /// What counts as served. The default is any 2xx.
    #[must_use]
    pub fn served(mut self, served: Served) -> Self {
        self.served = served;
        self
    }

    /// Whether the handler may run again when a paid answer was lost. GET and HEAD always may.
    #[must_use]
    pub const fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// Binds a payment to the body of its request, of at most so many bytes.
    #[must_use]
    pub const fn bind_body(mut self, at_most: usize) -> Self {
        self.bind_body = Some(at_most);
        self
    }

    /// How long the handler may take, and before it whatever finds a dynamic price. The default is
    /// a minute.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long a paid answer may be fetched again. Afterwards the payment is owed. The default
    /// is a quarter of an hour.
    #[must_use]
    pub const fn redeliver_for(mut self, window: Duration) -> Self {
        self.redeliver = window;
        self
    }

    /// Serves before value is known to have moved, as soon as a rail has taken the payment: so much
    /// for each payer, and so much for all payers together, such as `"$1"` and `"$20"`. Whoever has
    /// more under way waits for the rail like everybody else, and so does a payer whom the method
    /// does not prove.
    ///
    /// What a rail refuses after it was served is lost. It stays on the limits, so that nobody gets
    /// more of it and the loss of all together has an end, until the operator writes it off. The
    /// limits are counted together for all routes on one store that give credit in one unit.
    ///
    /// # Errors
    /// When the limits are no prices, in two units, or make no sense together.
    pub fn credit(mut self, per_payer: &str, in_total: &str) -> Result<Self, RouteError> {
        let limits = Limits::new(&Price::from_str(per_payer)?, &Price::from_str(in_total)?)?;
        self.credit = Some(limits);
        Ok(self)
    }

    /// Asks whether the service behind can serve at the moment, before anything is offered or
    /// claimed. While it says no, an unpaid request is answered with 503 and no payment is taken;
    /// what is already paid keeps its attempts, and a stored answer is delivered all the same.
    ///
    /// It is asked on every request, and must not block.
    #[must_use]
    pub fn ready_when(mut self, ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.ready = Ready(Some(Arc::new(ready)));
        self
    }

    /// The largest answer that is stored for another delivery. The default is 64 KiB.
    #[must_use]
    pub const fn store_up_to(mut self, bytes: usize) -> Self {
        self.store_up_to = bytes;
        self
    }

    /// The largest answer that is held until it is settled. The default is 1 MiB; a larger one is
    /// not released and not charged.
    #[must_use]
    pub const fn hold_up_to(mut self, bytes: usize) -> Self {
        self.hold_up_to = bytes;
        self
    }

    /// How long an answer is kept for its `Idempotency-Key`. The default is a day.
    #[must_use]
    pub const fn remember_answers_for(mut self, time: Duration) -> Self {
        self.remember_answers = time;
        self
    }
}

/// Whether the service behind can serve at the moment.
#[derive(Clone, Default)]
pub(crate) struct Ready(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Ready {
    pub(crate) fn now(&self) -> bool {
        self.0.as_ref().is_none_or(|ready| ready())
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Ready(asked)"
        } else {
            "Ready(always)"
        })
    }
}

/// What a route calls served: the status, and where it says so the body.
#[derive(Clone, Default)]
pub struct Served(Option<Arc<Judge>>);

type Judge = dyn Fn(StatusCode, &HeaderMap, Option<&[u8]>) -> Judgement + Send + Sync;

/// What is found of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is what was paid for.
    Served,
    /// It is not. Under `after` it goes to the buyer all the same, and nothing is charged.
    NotServed,
    /// What was shown of it does not tell. Where the body was not shown, it is taken into memory as
    /// far as [`Route::hold_up_to`] allows and asked about again. Where it was, nobody gets it: it
    /// may be worth its price, and would be given away.
    Unclear,
}

impl Served {
    /// Decides by a function of the status, the headers, and the body where it is in memory: all that
    /// is held under `after`, and under `first` what is not larger than the route stores.
    ///
    /// Under `after` the answer that is not served goes to the buyer, who did not pay: a function
    /// that says so of what it cannot read gives it away.
    #[must_use]
    pub fn when(
        judge: impl Fn(StatusCode, &HeaderMap, Option<&[u8]>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::judged(move |status, headers, body| {
            if judge(status, headers, body) {
                Judgement::Served
            } else {
                Judgement::NotServed
            }
        })
    }

    /// The same by a function that may also say that it cannot tell.
    #[must_use]
    pub fn judged(
        judge: impl Fn(StatusCode, &HeaderMap, Option<&[u8]>) -> Judgement + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(judge)))
    }

    pub(crate) fn judge(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Judgement {
        match &self.0 {
            // A receipt goes only on a 2xx, so nothing else can have been served.
            _ if !status.is_success() => Judgement::NotServed,
            Some(judge) => judge(status, headers, body),
            None => Judgement::Served,
        }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Served(judged)"
        } else {
            "Served(2xx)"
        })
    }
}

/// A price that depends on the request, by an async function of the inputs it declares.
///
/// What is not declared is not shown: a price that depended on it could be paid for one request
/// and used for another. The declared inputs become part of what the payment is bound to.
#[derive(Clone)]
pub struct Dynamic {
    pub(crate) headers: Vec<HeaderName>,
    pub(crate) body: bool,
    pub(crate) price: Arc<PriceFn>,
}

type PriceFn = dyn Fn(Inputs) -> PriceFuture + Send + Sync;
type PriceFuture = Pin<Box<dyn Future<Output = Result<Price, PricingError>> + Send>>;

/// A price that could not be found. The request is answered with an error and costs nothing.
pub type PricingError = Box<dyn std::error::Error + Send + Sync>;

/// What a price may depend on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inputs {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// The declared headers.
    pub headers: HeaderMap,
    /// The body, where it is declared.
    pub body: Option<Bytes>,
}

impl Dynamic {
    /// A price by method, path and query.
    pub fn new<F, T>(price: F) -> Self
    where
        F: Fn(Inputs) -> T + Send + Sync + 'static,
        T: Future<Output = Result<Price, PricingError>> + Send + 'static,
    {
        Self {
            headers: Vec::new(),
            body: false,
            price: Arc::new(move |inputs| Box::pin(price(inputs))),
        }
    }

    /// Lets the price depend on a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.headers.push(name);
        self
    }

    /// Lets the price depend on the body. The route has to bind it.
    #[must_use]
    pub const fn body(mut self) -> Self {
        self.body = true;
        self
    }
}

impl fmt::Debug for Dynamic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dynamic")
            .field("headers", &self.headers)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
