//! The numbers of a process, and of each of its rules.
//!
//! What a request touches is found once a reload and is then an atomic addition. Nothing is
//! labelled by what a client can choose: a path, a method, an address.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use farthing::{
    core::{
        noun::problem::ProblemKind,
        payment::{Moved, State},
        value::CurrencyCode,
    },
    server::{Event, Progress, What},
};
use http::StatusCode;

use super::{
    exposition::Exposition, gauges, histogram::Histogram, rail::RailState, sessions::SessionState,
    stored::Stored,
};

/// The numbers of a process.
#[derive(Debug)]
pub(crate) struct Metrics {
    routes: ArcSwap<Routes>,
    /// What no rule takes.
    pub(crate) unmatched: Arc<RouteMetrics>,
    /// What is refused before a rule is looked for.
    pub(crate) door: Arc<RouteMetrics>,
    /// What the gateway tells of its own prices.
    pub(crate) discovery: Arc<RouteMetrics>,
    payments: [AtomicU64; STATES.len()],
    known: AtomicU64,
    refused: Box<[AtomicU64]>,
    money: Mutex<BTreeMap<CurrencyCode, Money>>,
    sessions: [AtomicU64; SESSIONS.len()],
    /// Streams that are paid for while they flow.
    pub(crate) streams: Gauge,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) connections_taken: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    pub(crate) reloads: Reloads,
    pub(crate) log_lines_dropped: AtomicU64,
}

type Routes = HashMap<Box<str>, Arc<RouteMetrics>>;

/// The numbers of a rule.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    pub(crate) name: Box<str>,
    classes: [AtomicU64; 5],
    time: Histogram,
    offers: AtomicU64,
}

/// Base units of one currency that moved.
#[derive(Clone, Copy, Debug, Default)]
struct Money {
    earned: u128,
    refunded: u128,
}

/// How reloads ended.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    pub(crate) done: AtomicU64,
    pub(crate) unchanged: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

const STATES: [(State, &str); 14] = [
    (State::Claimed, "claimed"),
    (State::Answered, "answered"),
    (State::Sent, "sent"),
    (State::Pending, "pending"),
    (State::Unknown, "unknown"),
    (State::Settled, "settled"),
    (State::Delivered, "delivered"),
    (State::Failed, "failed"),
    (State::Voided, "voided"),
    (State::Owed, "owed"),
    (State::Refunded, "refunded"),
    (State::Credited, "credited"),
    (State::Defaulted, "defaulted"),
    (State::WrittenOff, "written-off"),
];

/// What happens to the money of channels.
const SESSIONS: [&str; 9] = [
    "opened",
    "topped-up",
    "not-funded",
    "close-requested",
    "settled",
    "not-settled",
    "stopped",
    "ended",
    "contradicted",
];

const fn session(what: &What) -> &'static str {
    match what {
        What::Opened { .. } => "opened",
        What::ToppedUp { .. } => "topped-up",
        What::NotFunded => "not-funded",
        What::CloseRequested { .. } => "close-requested",
        What::Settled { .. } => "settled",
        What::NotSettled => "not-settled",
        What::Stopped { .. } => "stopped",
        What::Ended { .. } => "ended",
        What::Contradicted => "contradicted",
        _ => "",
    }
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl RouteMetrics {
    fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            classes: Default::default(),
            time: Histogram::default(),
            offers: AtomicU64::new(0),
        })
    }

    /// An answer's head was ready after so long.
    pub(crate) fn answered(&self, status: StatusCode, after: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len());
        self.classes[class - 1].fetch_add(1, Ordering::Relaxed);
        self.time.take(after);
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            routes: ArcSwap::default(),
            unmatched: RouteMetrics::new("(none)"),
            door: RouteMetrics::new("(door)"),
            discovery: RouteMetrics::new("(discovery)"),
            payments: Default::default(),
            known: AtomicU64::new(0),
            refused: (0..=ProblemKind::ALL.len())
                .map(|_| AtomicU64::new(0))
                .collect(),
            money: Mutex::default(),
            sessions: Default::default(),
            streams: Gauge::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_taken: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            handshakes_failed: AtomicU64::new(0),
            reloads: Reloads::default(),
            log_lines_dropped: AtomicU64::new(0),
        }
    }

    /// The numbers of a rule: those it had before, or new ones.
    pub(crate) fn route(&self, name: &str) -> Arc<RouteMetrics> {
        let known = self.routes.load().get(name).cloned();
        known.unwrap_or_else(|| RouteMetrics::new(name))
    }

    /// Tells of these rules from now on, and of no others.
    pub(crate) fn keep(&self, routes: impl IntoIterator<Item = Arc<RouteMetrics>>) {
        let routes = routes.into_iter().map(|route| (route.name.clone(), route));
        self.routes.store(Arc::new(routes.collect()));
    }

    /// Takes note of what happens to payments.
    pub(crate) fn note(&self, event: &Event) {
        match event {
            Event::Offered { route, .. } => {
                if let Some(route) = self.routes.load().get(route.as_str()) {
                    route.offers.fetch_add(1, Ordering::Relaxed);
                }
            }
            Event::Refused { problem, .. } => self.refused(*problem),
            Event::Known { .. } => {
                self.known.fetch_add(1, Ordering::Relaxed);
            }
            Event::Payment(progress) => self.payment(progress),
            Event::Session(movement) => {
                let name = session(&movement.what);
                if let Some(at) = SESSIONS.iter().position(|known| *known == name) {
                    self.sessions[at].fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }

    /// A request was refused with a problem.
    pub(crate) fn refused(&self, problem: ProblemKind) {
        let row = ProblemKind::ALL.iter().position(|kind| *kind == problem);
        // The last one is for the problems that methods bring.
        self.refused[row.unwrap_or(ProblemKind::ALL.len())].fetch_add(1, Ordering::Relaxed);
    }

    fn payment(&self, progress: &Progress) {
        let at = STATES
            .iter()
            .position(|(state, _)| *state == progress.state);
        if let Some(at) = at {
            self.payments[at].fetch_add(1, Ordering::Relaxed);
        }
        let (had, has) = (progress.had_moved, progress.moved);
        if (had == Moved::Yes) == (has == Moved::Yes) {
            return;
        }
        let mut money = self.money.lock().unwrap_or_else(PoisonError::into_inner);
        let money = money.entry(progress.currency.clone()).or_default();
        let side = if has == Moved::Yes {
            &mut money.earned
        } else {
            &mut money.refunded
        };
        *side = side.saturating_add(progress.amount.units());
    }

    /// All of it as a text, with what was asked elsewhere.
    pub(crate) fn exposition(&self, asked: &Asked) -> String {
        let mut text = Exposition::default();
        self.requests(&mut text);
        self.payments(&mut text);
        self.money(&mut text);
        gauges::stored(&mut text, &asked.stored);
        if let Some(rail) = &asked.rail {
            gauges::rail(&mut text, rail);
        }
        if let Some(sessions) = &asked.sessions {
            self.sessions(&mut text, sessions);
        }
        self.process(&mut text, asked);
        text.into_text()
    }

    fn requests(&self, text: &mut Exposition) {
        let routes = self.routes.load();
        let mut all: Vec<&Arc<RouteMetrics>> = routes.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let own = [&self.door, &self.discovery, &self.unmatched];
        let name = "farthing_requests_total";
        text.counter(name, "Requests answered, by rule and class of status.");
        for route in all.iter().copied().chain(own) {
            for (class, count) in CLASSES.iter().zip(&route.classes) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 || *class == "2xx" {
                    text.sample(name, &[("route", &route.name), ("status", class)], count);
                }
            }
        }
        let name = "farthing_request_seconds";
        text.histogram(name, "Time until the head of an answer was ready, by rule.");
        for route in all.iter().copied().chain(own) {
            text.samples(name, &[("route", &route.name)], &route.time);
        }
        let name = "farthing_offers_total";
        text.counter(name, "402 answers with offers, by rule.");
        for route in &all {
            let count = route.offers.load(Ordering::Relaxed);
            text.sample(name, &[("route", &route.name)], count);
        }
    }

    fn payments(&self, text: &mut Exposition) {
        let name = "farthing_payments_total";
        text.counter(name, "Steps of payments, by the state they led to.");
        for ((_, state), count) in STATES.iter().zip(&self.payments) {
            text.sample(name, &[("state", state)], count.load(Ordering::Relaxed));
        }
        let name = "farthing_presented_again_total";
        text.counter(name, "Credentials that were presented again.");
        text.sample(name, &[], self.known.load(Ordering::Relaxed));
        let name = "farthing_refused_total";
        text.counter(name, "Requests refused, by the type of problem.");
        let kinds = ProblemKind::ALL.iter().map(|kind| last(kind.spec().uri));
        for (kind, count) in kinds.chain(["method"]).zip(&self.refused) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                text.sample(name, &[("problem", kind)], count);
            }
        }
    }

    fn money(&self, text: &mut Exposition) {
        let money = self.money.lock().unwrap_or_else(PoisonError::into_inner);
        let name = "farthing_earned_units_total";
        text.counter(
            name,
            "Settled by this process, in base units of the currency.",
        );
        for (currency, money) in &*money {
            text.sample(name, &[("currency", currency.as_str())], money.earned);
        }
        let name = "farthing_refunded_units_total";
        text.counter(
            name,
            "Refunded by this process, in base units of the currency.",
        );
        for (currency, money) in &*money {
            text.sample(name, &[("currency", currency.as_str())], money.refunded);
        }
    }

    fn sessions(&self, text: &mut Exposition, state: &SessionState) {
        let name = "farthing_session_events_total";
        text.counter(name, "What happened to the money of channels.");
        for (what, count) in SESSIONS.iter().zip(&self.sessions) {
            text.sample(name, &[("what", what)], count.load(Ordering::Relaxed));
        }
        let name = "farthing_streams";
        text.gauge(name, "Streams under way that are paid for while they flow.");
        text.sample(name, &[], self.streams.get());
        state.write(text);
    }

    fn process(&self, text: &mut Exposition, asked: &Asked) {
        let name = "farthing_upstream_failures_total";
        text.counter(name, "Requests an upstream did not answer, by upstream.");
        for (upstream, failures) in &asked.upstreams {
            text.sample(name, &[("upstream", upstream)], failures);
        }
        let gauges = [
            ("farthing_in_flight", "Requests under way.", &self.in_flight),
            (
                "farthing_connections",
                "Connections open.",
                &self.connections,
            ),
        ];
        for (name, help, gauge) in gauges {
            text.gauge(name, help);
            text.sample(name, &[], gauge.get());
        }
        let counters = [
            (
                "farthing_connections_total",
                "Connections taken.",
                &self.connections_taken,
            ),
            (
                "farthing_connections_refused_total",
                "Connections of peers that had as many as they may have.",
                &self.connections_refused,
            ),
            (
                "farthing_handshakes_failed_total",
                "Connections whose TLS handshake failed.",
                &self.handshakes_failed,
            ),
            (
                "farthing_log_lines_dropped_total",
                "Lines of the access log that nobody took in time.",
                &self.log_lines_dropped,
            ),
        ];
        for (name, help, count) in counters {
            text.counter(name, help);
            text.sample(name, &[], count.load(Ordering::Relaxed));
        }
        let name = "farthing_reloads_total";
        text.counter(name, "Reloads of the file, by how they ended.");
        for (result, count) in [
            ("done", &self.reloads.done),
            ("unchanged", &self.reloads.unchanged),
            ("refused", &self.reloads.refused),
        ] {
            text.sample(name, &[("result", result)], count.load(Ordering::Relaxed));
        }
        text.gauge("farthing_build_info", "Always 1; its label is the version.");
        let version = env!("CARGO_PKG_VERSION");
        text.sample("farthing_build_info", &[("version", version)], 1);
    }
}

/// What is asked of others when somebody reads the numbers.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// What the store says.
    pub(crate) stored: Stored,
    /// How the rail outside is, where there is one.
    pub(crate) rail: Option<RailState>,
    /// How channels are, where there are some.
    pub(crate) sessions: Option<SessionState>,
    /// Failures by upstream.
    pub(crate) upstreams: BTreeMap<String, u64>,
}

/// `not-served` of `urn:farthing:problem:not-served`.
fn last(uri: &str) -> &str {
    uri.rsplit(['/', ':']).next().unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_keeps_its_numbers_over_a_reload_and_loses_them_with_its_row() {
        let metrics = Metrics::new();
        let (one, two) = (metrics.route("GET /a"), metrics.route("GET /b"));
        metrics.keep([Arc::clone(&one), two]);
        one.answered(StatusCode::OK, Duration::from_millis(1));
        assert!(Arc::ptr_eq(&one, &metrics.route("GET /a")));
        metrics.keep([metrics.route("GET /a")]);
        let text = metrics.exposition(&Asked::default());
        let row = "farthing_requests_total{route=\"GET /a\",status=\"2xx\"} 1\n";
        assert!(text.contains(row), "{text}");
        assert!(!text.contains("GET /b"), "{text}");
    }

    #[test]
    fn no_two_problems_share_a_label() {
        let mut labels: Vec<_> = ProblemKind::ALL
            .iter()
            .map(|kind| last(kind.spec().uri))
            .collect();
        labels.sort_unstable();
        let all = labels.len();
        labels.dedup();
        assert_eq!(labels.len(), all);
    }
}
