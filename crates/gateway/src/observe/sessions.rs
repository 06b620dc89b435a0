//! What there is to say of channels: what was accepted, spent, settled, what is at risk and what was
//! lost, how long settlements are overdue, and which rail is silent.
//!
//! The sums are read from the store, which takes as long as there are channels. So they are read beside
//! the question, at most so often, and whoever asks meanwhile gets the last ones.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use farthing::{
    clock,
    core::value::{MethodId, Timestamp},
    server::session::{Report, Sessions, Silent, Till},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::exposition::Exposition;

/// How long what was read is good for.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// How long somebody who asks waits for what is being read.
const WITHIN: Duration = Duration::from_secs(2);

/// Looks how channels are.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionWatch(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    last: Mutex<Option<(Instant, Arc<Books>)>>,
    /// Held by the one that reads.
    reading: tokio::sync::Mutex<()>,
}

/// What the store says.
#[derive(Debug, Default)]
struct Books {
    report: Report,
    /// How long a settlement is overdue, by method.
    lags: Vec<(MethodId, Duration)>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionState {
    /// Whether each rail may be served on.
    rails: Vec<(MethodId, Option<String>)>,
    in_memory: usize,
    /// Nothing where the store could not be read.
    books: Option<Arc<Books>>,
}

impl SessionWatch {
    /// How the channels of a gate are, with their sums where somebody wants them.
    pub(crate) async fn look(&self, sessions: &Sessions, now: Timestamp) -> SessionState {
        SessionState {
            rails: rails(sessions),
            in_memory: sessions.in_memory(),
            books: self.books(sessions, now).await,
        }
    }

    async fn books(&self, sessions: &Sessions, now: Timestamp) -> Option<Arc<Books>> {
        if let Some((at, books)) = self.last()
            && at.elapsed() < GOOD_FOR
        {
            return Some(books);
        }
        let (this, till) = (self.clone(), sessions.till().clone());
        let methods: Vec<_> = methods(sessions).cloned().collect();
        let reading = tokio::spawn(async move {
            // One reads, however many ask.
            let Ok(_alone) = this.0.reading.try_lock() else {
                return;
            };
            if let Some(books) = read(&till, &methods, now).await {
                *this.lock() = Some((clock::monotonic(), Arc::new(books)));
            }
        });
        // What takes longer is there for whoever asks next.
        let _ = timeout(WITHIN, reading).await;
        self.last().map(|(_, books)| books)
    }

    fn last(&self) -> Option<(Instant, Arc<Books>)> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<Books>)>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn methods(sessions: &Sessions) -> impl Iterator<Item = &MethodId> {
    sessions.rails().iter().map(|rail| rail.method())
}

/// Why nothing is served on a rail, of each that nothing is served on.
pub(crate) fn rails(sessions: &Sessions) -> Vec<(MethodId, Option<String>)> {
    let heard = methods(sessions).map(|method| {
        let why = match sessions.till().heard(method) {
            // The first request looks.
            Ok(()) | Err(Silent::NotYet) => None,
            Err(why) => Some(why.to_string()),
        };
        (method.clone(), why)
    });
    heard.collect()
}

async fn read(till: &Till, methods: &[MethodId], now: Timestamp) -> Option<Books> {
    let report = match till.report().await {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!("the books of channels cannot be read: {error}");
            return None;
        }
    };
    let mut lags = Vec::new();
    for method in methods {
        let due = till.settlements().due(method, now, None, 1).await.ok()?;
        let lag = due
            .first()
            .map_or(Duration::ZERO, |first| now.since(first.due));
        lags.push((method.clone(), lag));
    }
    Some(Books { report, lags })
}

impl SessionState {
    /// For whoever asks whether the gateway is ready.
    pub(crate) fn as_json(rails: &[(MethodId, Option<String>)]) -> Value {
        let rails = rails.iter().map(|(method, why)| {
            json!({ "method": method.as_str(), "serves": why.is_none(), "why": why })
        });
        Value::Array(rails.collect())
    }

    /// The numbers.
    pub(super) fn write(&self, text: &mut Exposition) {
        let name = "farthing_session_rail_heard";
        text.gauge(
            name,
            "Whether a rail was heard of lately enough for requests to be served out of its channels.",
        );
        for (method, why) in &self.rails {
            text.sample(
                name,
                &[("method", method.as_str())],
                u8::from(why.is_none()),
            );
        }
        let name = "farthing_channels_in_memory";
        text.gauge(name, "Channels that this process has in memory.");
        text.sample(name, &[], self.in_memory);
        let Some(books) = &self.books else { return };
        books.sums(text);
        let name = "farthing_settler_lag_seconds";
        text.gauge(
            name,
            "How long the oldest settlement that is due has been due, by method.",
        );
        for (method, lag) in &books.lags {
            text.sample(name, &[("method", method.as_str())], lag.as_secs_f64());
        }
    }
}

impl Books {
    fn sums(&self, text: &mut Exposition) {
        type Pick = fn(&farthing::server::session::InCurrency) -> u128;
        let gauges: [(&str, &str, Pick); 7] = [
            (
                "farthing_channels",
                "Channels in the store that are open or being closed.",
                |it| it.all.channels.into(),
            ),
            (
                "farthing_channels_deposit_units",
                "What is locked in them, with what was paid out, in base units of the currency.",
                |it| it.all.deposit.units(),
            ),
            (
                "farthing_channels_accepted_units",
                "What their vouchers say.",
                |it| it.all.accepted.units(),
            ),
            (
                "farthing_channels_spent_units",
                "What was charged to them.",
                |it| it.all.spent.units(),
            ),
            (
                "farthing_channels_unsure_units",
                "What of it was charged for requests that are still being served.",
                |it| it.all.unsure.units(),
            ),
            (
                "farthing_channels_settled_units",
                "What was paid out of them.",
                |it| it.all.settled.units(),
            ),
            (
                "farthing_channels_at_risk_units",
                "What was served out of them and is not paid out.",
                |it| it.all.at_risk.units(),
            ),
        ];
        let ever: [(&str, &str, Pick); 4] = [
            (
                "farthing_settled_units_total",
                "What settlements paid out since the store began, in base units of the currency.",
                |it| it.ever.settled.units(),
            ),
            (
                "farthing_lost_units_total",
                "What was served out of channels that ended and was never paid out.",
                |it| it.ever.lost.units(),
            ),
            (
                "farthing_settlements_total",
                "Settlements that rails took since the store began.",
                |it| it.ever.settlements.into(),
            ),
            (
                "farthing_settlement_fees_units_total",
                "What rails took for settlements since the store began, by the currency they took it in.",
                |it| it.ever.fees.units(),
            ),
        ];
        for (name, help, pick) in gauges {
            text.gauge(name, help);
            self.each(name, pick, text);
        }
        for (name, help, pick) in ever {
            text.counter(name, help);
            self.each(name, pick, text);
        }
    }

    fn each(
        &self,
        name: &str,
        pick: fn(&farthing::server::session::InCurrency) -> u128,
        text: &mut Exposition,
    ) {
        for ((method, currency), sums) in &self.report.currencies {
            let labels = [("method", method.as_str()), ("currency", currency.as_str())];
            text.sample(name, &labels, pick(sums));
        }
    }
}
