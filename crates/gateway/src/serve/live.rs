//! What a reload replaces, all of it at once: rules, upstreams, documents, the gate.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use farthing::{
    core::{
        header::{PAYMENT_AUTHORIZATION, authorization},
        noun::problem::{Problem, ProblemKind},
        payment::Moved,
    },
    server::{
        Gate, PreparedRoute, Route,
        layer::{PaymentLayer, PaymentService, Peer, Pricing},
    },
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    chain,
    change::Changes,
    documents::Documents,
    error::LiveError,
    service::Going,
    sessions,
    till::{Parts, Till, Told},
    tls,
    via::Via,
};
use crate::{
    answer,
    config::{Config, Rule, RulePrice, Trust, Upstream},
    door::{self, Site},
    forward::{Forward, ForwardError, ForwardOptions, Pools, RequestBody},
    metered::Metered,
    observe::metrics::{Metrics, RouteMetrics},
    routes::{Found, Table},
    served,
};

/// All that a request needs.
pub(super) struct Live {
    pub(super) config: Config,
    pub(super) site: Site,
    pub(super) till: Arc<Till>,
    pub(super) table: Table<Leaf>,
    pub(super) documents: Documents,
    pub(super) http: auto::Builder<TokioExecutor>,
    pub(super) tls: Option<tls::Loaded>,
}

/// Where a rule leads.
#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) metrics: Arc<RouteMetrics>,
    upstream: Arc<str>,
    /// The route, where it has a price.
    route: Option<Arc<PreparedRoute>>,
    /// Whether a POST with nothing but a voucher is for its channel, and asks for nothing.
    takes_vouchers: bool,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Free(Forward),
    Priced(PaymentService<Metered>, Forward),
}

/// Streams of one HTTP/2 connection at the same time.
const STREAMS: u32 = 128;

/// Streams of one HTTP/2 connection that may be reset before anybody looked at them.
const RESETS: usize = 32;

/// Header lines of one request.
const HEADERS: usize = 100;

impl Live {
    /// Makes everything ready. Nothing of what runs is touched.
    ///
    /// # Errors
    /// When what was told cannot be done.
    pub(super) async fn new(
        config: Config,
        parts: &Parts,
        pools: &Pools,
        before: Option<&Self>,
    ) -> Result<Self, LiveError> {
        let tls = match &config.listen.trust {
            Trust::Tls(files) => Some(tls::load(files)?),
            Trust::Loopback | Trust::BehindTls(_) => None,
        };
        let told = Told {
            realm: &config.site,
            pay: &config.pay,
            limits: &config.limits,
            store: &config.store,
        };
        let till = Till::open(told, parts, before.map(|live| &live.till)).await?;
        let made = table(&config, &till.gate, pools, &parts.metrics).and_then(|table| {
            let rules = table.rules();
            let rules: Vec<_> = rules
                .map(|(key, leaf)| (key.clone(), leaf.route.clone()))
                .collect();
            let before = before.map(|live| &live.documents);
            Ok((Documents::new(&config, &rules, before)?, table))
        });
        let (documents, table) = match made {
            Ok(made) => made,
            Err(error) => {
                // A gate that nobody will use does not stay on the books of its store.
                if before.is_none_or(|live| !Arc::ptr_eq(&live.till, &till)) {
                    till.gate.drain().await;
                }
                return Err(error);
            }
        };
        Ok(Self {
            site: Site::new(&config.site),
            till,
            table,
            documents,
            http: http(&config),
            tls,
            config,
        })
    }

    /// What is different from this one to the next.
    pub(super) fn changes_to(&self, next: &Self) -> Changes {
        let mut changes = Changes::between(&self.config, &next.config);
        let leaf = |live: &Self| live.tls.as_ref().map(|tls| tls.leaf.clone());
        if leaf(self) != leaf(next) {
            changes.settings.push("the certificate");
        }
        if !self.till.has_secret_of(&next.till) {
            changes.settings.push("the challenge secret");
        }
        if !self.documents.are_like(&next.documents) {
            changes.settings.push("the service's own document");
        }
        // Rules are told by themselves; what is left is a file of certificates that an upstream is
        // believed by.
        if changes.is_empty() && !self.ways().eq(next.ways()) {
            changes.settings.push("the certificates of an upstream");
        }
        changes
    }

    /// Asks the upstream for what it says of itself, beside the serving.
    ///
    /// # Errors
    /// When there is no way to it any more.
    pub(super) fn refresh(&self, pools: &Pools) -> Result<(), ForwardError> {
        let forward = forward(&self.config, &self.config.upstream, pools)?;
        self.documents.fetch(forward);
        Ok(())
    }

    /// Which connections the rules use, each pool by its own number.
    fn ways(&self) -> impl Iterator<Item = usize> {
        let healths = self.table.rules().map(|(_, leaf)| leaf.forward().health());
        healths.map(|health| Arc::as_ptr(&health).addr())
    }

    /// How often upstreams failed, by upstream.
    pub(super) fn failures(&self) -> BTreeMap<String, u64> {
        let (mut seen, mut failures) = (Vec::new(), BTreeMap::new());
        for (_, leaf) in self.table.rules() {
            let health = leaf.forward().health();
            // Rules share the way to their upstream.
            if seen.iter().any(|known| Arc::ptr_eq(known, &health)) {
                continue;
            }
            let sum: &mut u64 = failures.entry(leaf.upstream.to_string()).or_default();
            *sum += health.failures();
            seen.push(health);
        }
        failures
    }

    /// Tells of the rules that count from now on.
    pub(super) fn keep(&self, metrics: &Metrics) {
        let rules = self.table.rules();
        metrics.keep(rules.map(|(_, leaf)| Arc::clone(&leaf.metrics)));
    }

    /// Answers a request, or sets it on its way, and says under which name it is counted.
    pub(super) fn answer(
        &self,
        metrics: &Metrics,
        via: Via,
        request: Request<Incoming>,
    ) -> (Going, Arc<RouteMetrics>) {
        if let Err(refused) = door::check(&request, &self.site) {
            return refused_at(metrics, &metrics.door, &refused.problem());
        }
        let path = request.uri().path();
        if let Some(page) = self
            .documents
            .answer(request.method(), path, request.headers())
        {
            return (held(page), Arc::clone(&metrics.discovery));
        }
        if let Some(leaf) = self.handed_in(&request) {
            return self.pass(metrics, leaf, via, request);
        }
        match self.table.find(request.method(), path) {
            Found::Rule(leaf) => self.pass(metrics, leaf, via, request),
            Found::TwoWays { written, plain } if written.is_free() && plain.is_free() => {
                self.pass(metrics, written, via, request)
            }
            Found::TwoWays { .. } => {
                let problem = as_far_as_known(two_ways(), request.headers());
                refused_at(metrics, &metrics.door, &problem)
            }
            Found::OtherMethod(methods) => other_method(metrics, &methods, request.headers()),
            Found::None => {
                let problem = as_far_as_known(none(), request.headers());
                refused_at(metrics, &metrics.unmatched, &problem)
            }
        }
    }

    /// The rule whose channels a POST with nothing but a credential is about: that is how vouchers are
    /// handed in, at the address of what they pay for, by whichever method that is asked.
    fn handed_in<B: http_body::Body>(&self, request: &Request<B>) -> Option<&Leaf> {
        if *request.method() != Method::POST
            || !request.body().is_end_stream()
            || request.uri().query().is_some_and(|query| !query.is_empty())
            || !is_presented(request.headers())
        {
            return None;
        }
        let rules = self.table.matching(request.uri().path()).into_iter();
        // What is written for another path is not looked for behind a more specific one.
        let mut rules = rules.map(|(key, leaf)| (&key.pattern, leaf)).peekable();
        let nearest = rules.peek()?.0;
        let mut nearest = rules.take_while(|(pattern, _)| *pattern == nearest);
        nearest.find_map(|(_, leaf)| leaf.takes_vouchers.then_some(leaf))
    }

    fn pass(
        &self,
        metrics: &Metrics,
        leaf: &Leaf,
        via: Via,
        mut request: Request<Incoming>,
    ) -> (Going, Arc<RouteMetrics>) {
        let going = match &leaf.way {
            Way::Free(forward) => Going::Free {
                future: forward.send(request.map(RequestBody::from), Some(via)),
            },
            Way::Priced(priced, forward) => {
                if let Some(problem) = self.not_for_sale(&via, forward, &request) {
                    let problem = as_far_as_known(problem, request.headers());
                    return refused_at(metrics, &leaf.metrics, &problem);
                }
                let extensions = request.extensions_mut();
                extensions.insert(Peer(via.client));
                extensions.insert(via);
                // It is ready at all times: so is what it stands in front of.
                Going::Priced {
                    future: priced.clone().call(request.map(RequestBody::from)),
                    till: Arc::clone(&self.till),
                }
            }
        };
        (going, Arc::clone(&leaf.metrics))
    }

    /// Why nobody may be asked for money with this request. Whether the upstream is there, the
    /// gate asks by itself.
    fn not_for_sale<B>(
        &self,
        via: &Via,
        forward: &Forward,
        request: &Request<B>,
    ) -> Option<Problem> {
        if !via.may_pay(&self.config.listen.trust) {
            return Some(unprotected(via));
        }
        let too_large = "The body is larger than this gateway takes.";
        forward
            .is_too_large(request.headers())
            .then(|| problem(ProblemKind::BodyTooLarge, too_large))
    }
}

impl Leaf {
    const fn is_free(&self) -> bool {
        matches!(self.way, Way::Free(_))
    }

    const fn forward(&self) -> &Forward {
        match &self.way {
            Way::Free(forward) | Way::Priced(_, forward) => forward,
        }
    }
}

pub(super) async fn call<S, B>(mut service: S, request: Request<RequestBody>) -> Response<B>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = std::convert::Infallible>,
{
    let ready = std::future::poll_fn(|context| service.poll_ready(context)).await;
    let answered = match ready {
        Ok(()) => service.call(request).await,
        Err(never) => match never {},
    };
    match answered {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn table(
    config: &Config,
    gate: &Gate,
    pools: &Pools,
    metrics: &Arc<Metrics>,
) -> Result<Table<Leaf>, LiveError> {
    let rules = config.rules.iter();
    let leaves = rules
        .map(|rule| leaf(config, rule, gate, pools, metrics))
        .collect::<Result<Vec<_>, _>>()?;
    Table::new(leaves).map_err(LiveError::Shadowed)
}

fn forward(config: &Config, upstream: &Upstream, pools: &Pools) -> Result<Forward, ForwardError> {
    let limits = &config.limits;
    let options = ForwardOptions::new(Site::new(&config.site), limits.body, limits.body_rate);
    Forward::new(upstream, &options, pools)
}

fn leaf(
    config: &Config,
    rule: &Rule,
    gate: &Gate,
    pools: &Pools,
    metrics: &Arc<Metrics>,
) -> Result<(crate::config::RuleKey, Leaf), LiveError> {
    let upstream = rule.upstream.as_ref().unwrap_or(&config.upstream);
    let session = rule.session.as_ref();
    // A stream of events is read whatever is counted of it, and bytes are the same to every buyer.
    let is_counted = session.is_some_and(|session| session.usage.is_counted());
    let is_read = is_counted || !rule.served.not_json.is_empty();
    let forward = forward(config, upstream, pools)?.plain_text(is_read);
    let name = rule.key.to_string();
    let (way, route) = match &rule.price {
        RulePrice::Free => (Way::Free(forward), None),
        RulePrice::Fixed(_) | RulePrice::Session => {
            let source = |source| LiveError::Route {
                rule: name.as_str().into(),
                source,
            };
            let route = route(rule, &name).map_err(source)?;
            let route = route.ok_or_else(|| LiveError::NoPrice(name.as_str().into()))?;
            let route = chain::terms(route, rule, config.pay.tempo.as_ref()).map_err(source)?;
            let behind = forward.clone();
            let route = route.ready_when(move || behind.is_ready());
            let route = gate.route(route).map_err(|source| LiveError::Price {
                rule: name.as_str().into(),
                source,
            })?;
            let layer = PaymentLayer::table(gate, Pricing::one(Arc::clone(&route)));
            (
                Way::Priced(
                    layer.layer(Metered::new(forward.clone(), rule, Arc::clone(metrics))),
                    forward,
                ),
                Some(route),
            )
        }
    };
    let leaf = Leaf {
        metrics: metrics.route(&name),
        upstream: format!("{}://{}", upstream.scheme, upstream.authority).into(),
        route,
        takes_vouchers: session.is_some_and(|session| !session.empty_posts),
        way,
    };
    Ok((rule.key.clone(), leaf))
}

/// What a rule sells; nothing where it says neither what it costs nor by which session.
fn route(rule: &Rule, name: &str) -> Result<Option<Route>, farthing::server::RouteError> {
    let metering = rule.session.as_ref().map(sessions::metering).transpose()?;
    let priced = match (&rule.price, metering) {
        (RulePrice::Fixed(price), None) => Route::priced(&price.to_string())?,
        (RulePrice::Fixed(price), Some(metering)) => {
            Route::priced(&price.to_string())?.with_session(metering)
        }
        (_, Some(metering)) => Route::metered(metering),
        (_, None) => return Ok(None),
    };
    let empty_posts = rule.session.as_ref().is_some_and(|it| it.empty_posts);
    let mut route = priced
        .serves_empty_posts(empty_posts)
        .named(name)?
        .retryable(rule.retryable)
        .served(served::judge(&rule.served));
    if let Some(policy) = rule.settle {
        route = route.settle(policy);
    }
    if let Some(window) = rule.redeliver {
        route = route.redeliver_for(window);
    }
    if let Some(bytes) = rule.bind_body {
        route = route.bind_body(bytes);
    }
    if let Some(bytes) = rule.store_up_to {
        route = route.store_up_to(bytes);
    }
    if let Some(bytes) = rule.hold_up_to {
        route = route.hold_up_to(bytes);
    }
    if let Some(deadline) = rule.deadline {
        route = route.deadline(deadline);
    }
    if let Some(description) = &rule.description {
        route = route.described(description);
    }
    Ok(Some(route))
}

fn http(config: &Config) -> auto::Builder<TokioExecutor> {
    let limits = &config.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_headers(HEADERS)
        .max_buf_size(limits.head.max(8 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .keep_alive_interval(std::time::Duration::from_secs(20));
    builder
}

fn refused_at(
    metrics: &Metrics,
    route: &Arc<RouteMetrics>,
    problem: &Problem,
) -> (Going, Arc<RouteMetrics>) {
    refused_with(metrics, route, problem, |_| {})
}

fn refused_with(
    metrics: &Metrics,
    route: &Arc<RouteMetrics>,
    problem: &Problem,
    more: impl FnOnce(&mut HeaderMap),
) -> (Going, Arc<RouteMetrics>) {
    if let Some(kind) = problem.kind() {
        metrics.refused(kind);
    }
    let mut answer = answer::problem(problem);
    more(answer.headers_mut());
    (held(answer), Arc::clone(route))
}

const fn held(answer: Response<Bytes>) -> Going {
    Going::Held {
        answer: Some(answer),
    }
}

/// A refusal before anybody looked for a payment: nothing moved.
fn problem(kind: ProblemKind, detail: &'static str) -> Problem {
    Problem::new(kind).with_detail(detail).with_moved(Moved::No)
}

/// What is presented may have been paid under rules that are gone, and nobody looked it up here.
fn as_far_as_known(problem: Problem, headers: &HeaderMap) -> Problem {
    match is_presented(headers) {
        true => problem.with_moved(Moved::Unknown),
        false => problem,
    }
}

fn is_presented(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    headers.contains_key(PAYMENT_AUTHORIZATION) || lines.any(authorization::is_payment)
}

fn none() -> Problem {
    problem(
        ProblemKind::NotFound,
        "No rule of this gateway takes the path.",
    )
}

fn two_ways() -> Problem {
    problem(
        ProblemKind::BadRequest,
        "The path can be read in two ways, and they are two rules.",
    )
}

fn unprotected(via: &Via) -> Problem {
    let detail = if via.trusted {
        "Payments are taken over HTTPS only, and the proxy in front does not say that the client came so \
         (X-Forwarded-Proto: https)."
    } else {
        "Payments are taken over HTTPS only, through the proxies that this gateway trusts."
    };
    problem(ProblemKind::BadRequest, detail)
}

fn other_method(
    metrics: &Metrics,
    methods: &[Method],
    headers: &HeaderMap,
) -> (Going, Arc<RouteMetrics>) {
    let problem = problem(
        ProblemKind::MethodNotAllowed,
        "There are rules for this path, for other methods only.",
    );
    let problem = as_far_as_known(problem, headers);
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    refused_with(metrics, &metrics.unmatched, &problem, |headers| {
        if let Ok(allow) = HeaderValue::from_str(&names.join(", ")) {
            headers.insert(header::ALLOW, allow);
        }
    })
}

/// The upstreams of a configuration, each once.
pub(super) fn upstreams(config: &Config) -> Vec<&Upstream> {
    let all = config
        .rules
        .iter()
        .filter_map(|rule| rule.upstream.as_ref());
    let mut upstreams: Vec<&Upstream> = Vec::new();
    for upstream in [&config.upstream].into_iter().chain(all) {
        let is_known = upstreams
            .iter()
            .any(|it| it.scheme == upstream.scheme && it.authority == upstream.authority);
        if !is_known {
            upstreams.push(upstream);
        }
    }
    upstreams
}
