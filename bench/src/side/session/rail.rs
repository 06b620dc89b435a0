//! Tempo's sessions on a chain that nothing happens on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use farthing::{
    clock::SystemClock,
    core::{
        intent::session::{ChannelId, OnChain, Seen, SessionRequest, Terms},
        port::{
            BoxFuture,
            clock::Clock as _,
            method::{Outcome, PrepareError, Refusal},
            session::{
                Action, Checked, FundOrder, Funding, News, Session, SettleJob, Settled, Shown,
                Verifier, WantedSession,
            },
        },
        value::{Amount, Currency, CurrencyCode, MethodId, Timestamp},
    },
    tempo::session::TempoSession,
};

/// What is locked in every channel: more than will ever be spent.
pub(super) const LOCKED: Amount = Amount::new(1 << 90);

/// What is asked with every request is Tempo's; the chain has a new block whenever it is asked for one.
#[derive(Debug)]
pub(super) struct Quiet {
    tempo: TempoSession,
    block: AtomicU64,
    is_silent: AtomicBool,
}

impl Quiet {
    pub(super) const fn new(tempo: TempoSession) -> Self {
        Self {
            tempo,
            block: AtomicU64::new(1),
            is_silent: AtomicBool::new(false),
        }
    }

    /// Whether its newest block is from long ago.
    pub(super) fn set_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Relaxed);
    }
}

impl Session for Quiet {
    fn method(&self) -> &MethodId {
        self.tempo.method()
    }

    fn prepare(&self, wanted: &WantedSession<'_>) -> Result<Vec<SessionRequest>, PrepareError> {
        self.tempo.prepare(wanted)
    }

    fn currency(&self, code: &CurrencyCode) -> Option<&Currency> {
        self.tempo.currency(code)
    }

    /// Longer than any measurement.
    fn grace(&self) -> Duration {
        Duration::from_secs(7 * 24 * 60 * 60)
    }

    fn read(&self, shown: &Shown<'_>) -> Result<Action, Refusal> {
        self.tempo.read(shown)
    }

    fn verifier(&self, id: &ChannelId, terms: &Terms) -> Result<Arc<dyn Verifier>, Refusal> {
        self.tempo.verifier(id, terms)
    }

    fn check<'a>(
        &'a self,
        shown: Shown<'a>,
        funding: &'a Funding,
        terms: Option<&'a Terms>,
    ) -> BoxFuture<'a, Result<Checked, Refusal>> {
        self.tempo.check(shown, funding, terms)
    }

    fn fund<'a>(&'a self, order: FundOrder<'a>) -> BoxFuture<'a, Outcome> {
        self.tempo.fund(order)
    }

    fn look<'a>(
        &'a self,
        channels: &'a [(ChannelId, Terms)],
    ) -> BoxFuture<'a, Result<Vec<Option<Seen>>, Refusal>> {
        let seen = Seen {
            block: 1,
            state: OnChain::open(LOCKED),
        };
        let all = vec![Some(seen); channels.len()];
        Box::pin(async move { Ok(all) })
    }

    fn news(&self, _since: Option<u64>) -> BoxFuture<'_, Result<News, Refusal>> {
        let block = self.block.fetch_add(1, Relaxed);
        let at = if self.is_silent.load(Relaxed) {
            Timestamp::EPOCH
        } else {
            SystemClock.now()
        };
        let news = News {
            block,
            at,
            channels: Vec::new(),
        };
        Box::pin(async move { Ok(news) })
    }

    fn wait_for_news(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn settlement_limit(&self) -> usize {
        self.tempo.settlement_limit()
    }

    fn settle<'a>(&'a self, job: &'a SettleJob) -> BoxFuture<'a, Settled> {
        self.tempo.settle(job)
    }
}
