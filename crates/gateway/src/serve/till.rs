//! The gate of a gateway, and what becomes of the one before it.
//!
//! A gate lives as long as the realm, the secret, the account and the rate limits stay what they
//! are. Where one of them changes, a new gate is opened over the same store. The old one finishes
//! what was begun with it, and what was promised holds: a challenge signed with the old secret is
//! taken until it is over.

use std::{path::Path, sync::Arc, time::Duration};

use farthing::{
    core::{
        bounds,
        port::{backend::Backend, clock::Clock, session::Session},
        value::{Realm, Secret, Timestamp},
    },
    ledger::Ledger,
    secret,
    server::{Gate, RateLimits},
    tempo::Tempo,
};

use super::{chain, error::LiveError, sessions};
use crate::{
    config::{Limits, Pay, Store},
    observe::metrics::Metrics,
};

/// How long a former secret is good for: as long as a challenge, and a while for clocks that
/// differ.
const OVERLAP: Duration = Duration::from_secs(10 * 60);

/// A gate, and what it was made from.
pub(super) struct Till {
    pub(super) gate: Gate,
    /// The rail on a chain, where there is one.
    pub(super) tempo: Option<Arc<Tempo>>,
    realm: Realm,
    pay: Pay,
    rates: (u32, u32, u32),
    secret: Secret,
    retired: Vec<(Secret, Timestamp)>,
}

/// What a gate is made of, beside what a file says.
pub(super) struct Parts {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

/// What a file says of a gate.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) realm: &'a Realm,
    pub(super) pay: &'a Pay,
    pub(super) limits: &'a Limits,
    pub(super) store: &'a Store,
}

impl Till {
    /// The gate for what was told: the one before where that still fits, else a new one.
    ///
    /// # Errors
    /// When there is no secret or no way to pay, or another process has this store with other
    /// secrets.
    pub(super) async fn open(
        told: Told<'_>,
        parts: &Parts,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, LiveError> {
        let secret = key(told)?;
        if let Some(before) = before.filter(|before| before.fits(told, &secret)) {
            return Ok(Arc::clone(before));
        }
        let now = parts.clock.now();
        let retired = before.map_or_else(Vec::new, |before| before.retire(&secret, now));
        let (tempo, on_chain) = match &told.pay.tempo {
            Some(pay) => {
                let rails = chain::open(pay, parts).await?;
                (Some(Arc::new(rails.tempo)), rails.session)
            }
            None => (None, None),
        };
        let on_chain = on_chain.map(|rail| Arc::new(rail) as Arc<dyn Session>);
        let rails = Rails {
            charges: tempo.as_ref(),
            sessions: sessions::rails(told.pay, on_chain, parts),
        };
        let gate = gate(told, parts, rails, &secret, &retired)?;
        gate.start().await?;
        Ok(Arc::new(Self {
            gate,
            tempo,
            realm: told.realm.clone(),
            pay: told.pay.clone(),
            rates: rates(told.limits),
            secret,
            retired,
        }))
    }

    /// Whether both sign challenges with the same secret.
    pub(super) fn has_secret_of(&self, other: &Self) -> bool {
        self.secret.expose() == other.secret.expose()
    }

    fn fits(&self, told: Told<'_>, secret: &Secret) -> bool {
        self.realm == *told.realm
            && self.pay == *told.pay
            && self.rates == rates(told.limits)
            && self.secret.expose() == secret.expose()
    }

    /// The secrets that challenges which are still good may be signed with, the newest first.
    fn retire(&self, secret: &Secret, now: Timestamp) -> Vec<(Secret, Timestamp)> {
        let last = (self.secret.clone(), now.saturating_add(OVERLAP));
        let older = self.retired.iter().filter(|(_, until)| *until > now);
        let mut secrets: Vec<_> = [last].into_iter().chain(older.cloned()).collect();
        secrets.retain(|(retired, _)| retired.expose() != secret.expose());
        secrets.truncate(bounds::SECRETS - 1);
        secrets
    }
}

/// What value moves on beside the ledger's charges.
struct Rails<'a> {
    charges: Option<&'a Arc<Tempo>>,
    sessions: Vec<Arc<dyn Session>>,
}

fn gate(
    told: Told<'_>,
    parts: &Parts,
    rails: Rails<'_>,
    secret: &Secret,
    retired: &[(Secret, Timestamp)],
) -> Result<Gate, LiveError> {
    let ledger = told.pay.ledger.as_ref();
    let Rails {
        charges: tempo,
        sessions: channels,
    } = rails;
    if ledger.is_none() && tempo.is_none() {
        return Err(LiveError::NoMethod);
    }
    let metrics = Arc::clone(&parts.metrics);
    let mut builder = Gate::builder()
        .realm(told.realm.as_str())
        .secret(secret.clone())
        .store(Arc::clone(&parts.backend))
        .clock(Arc::clone(&parts.clock))
        .observer(move |event| metrics.note(event))
        .rate_limits(RateLimits {
            per_peer: told.limits.per_peer,
            peer_burst: told.limits.peer_burst,
            global: told.limits.total,
            ..RateLimits::default()
        });
    if let Some(tempo) = tempo {
        builder = builder.method(Arc::clone(tempo) as _);
    }
    if let Some(ledger) = ledger {
        builder = builder.method(Arc::new(Ledger::new(ledger.account.clone())));
    }
    if !channels.is_empty() {
        builder = builder.sessions(sessions::options(&told.pay.session));
    }
    for rail in channels {
        builder = builder.session(rail);
    }
    for (secret, until) in retired {
        builder = builder.retired_secret(secret.clone(), *until);
    }
    Ok(builder.build()?)
}

fn rates(limits: &Limits) -> (u32, u32, u32) {
    (
        limits.per_peer.get(),
        limits.peer_burst.get(),
        limits.total.get(),
    )
}

/// The secret that is given, or the one beside the store, which is made once.
fn key(told: Told<'_>) -> Result<Secret, LiveError> {
    if let Some(from) = &told.pay.secret {
        return Ok(from.read_key()?);
    }
    let Store::Sqlite(path) = told.store;
    Ok(secret::load_or_create(beside(path))?)
}

/// `farthing.db-secret` beside `farthing.db`: each store has its own.
pub(super) fn beside(store: &Path) -> std::path::PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-secret");
    name.into()
}
