//! How a rail outside is: whether it answers, how old its newest block is, and what its sponsor has.
//!
//! It is asked when somebody reads the numbers or asks whether the gateway is ready, and at most once
//! a second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use farthing::{
    clock,
    core::{
        domain::claims::COUNTERS,
        port::backend::{Backend, Key, Partition},
        value::{Amount, Timestamp},
    },
    tempo::{METHOD, Tempo},
};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::timeout};

/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// How long the rail may take.
const WITHIN: Duration = Duration::from_secs(2);

/// Looks how the rail is.
#[derive(Debug, Default)]
pub(crate) struct RailWatch(Mutex<Option<(Instant, usize, RailState)>>);

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct RailState {
    pub(crate) rail: &'static str,
    /// Why it does not answer, where it does not.
    pub(crate) why: Option<String>,
    /// Its newest block, and how old that is by our clock.
    pub(crate) block: Option<(u64, Duration)>,
    pub(crate) round_trips: u64,
    pub(crate) sponsor: Option<SponsorState>,
}

/// What there is to say of who pays fees for buyers.
#[derive(Clone, Debug, Default)]
pub(crate) struct SponsorState {
    pub(crate) account: String,
    /// Base units of each fee token, where the rail said.
    pub(crate) balances: Vec<(String, Amount)>,
    /// Transactions under way, and what their fees may come to.
    pub(crate) in_flight: Option<[u128; 2]>,
}

impl RailWatch {
    pub(crate) async fn look(
        &self,
        tempo: &Arc<Tempo>,
        backend: &dyn Backend,
        now: Timestamp,
    ) -> RailState {
        let mut last = self.0.lock().await;
        // A reload may have brought another one.
        let which = Arc::as_ptr(tempo).addr();
        if let Some((at, of, state)) = &*last
            && *of == which
            && at.elapsed() < GOOD_FOR
        {
            return state.clone();
        }
        let state = look(tempo, backend, now).await;
        *last = Some((clock::monotonic(), which, state.clone()));
        state
    }
}

async fn look(tempo: &Tempo, backend: &dyn Backend, now: Timestamp) -> RailState {
    let mut state = RailState {
        rail: METHOD,
        ..RailState::default()
    };
    let mut balances = Vec::new();
    match timeout(WITHIN, tempo.health()).await {
        Ok(Ok(health)) => {
            let age = now.since(health.block.time());
            state.block = Some((health.block.number(), age));
            let found = health.sponsor.into_iter();
            balances.extend(found.map(|(token, balance)| (token.symbol.to_string(), balance)));
        }
        Ok(Err(error)) => state.why = Some(with_causes(&error)),
        Err(_) => state.why = Some("the chain did not answer in time".to_owned()),
    }
    state.round_trips = tempo.round_trips();
    if let Some(account) = tempo.sponsor_account() {
        let counters = tempo.sponsor_counters();
        state.sponsor = Some(SponsorState {
            account: account.to_string(),
            balances,
            in_flight: match counters {
                Some(names) => in_flight(backend, &names).await,
                None => None,
            },
        });
    }
    state
}

/// What the store has on the counters of a sponsor; nothing where it cannot be asked.
async fn in_flight(backend: &dyn Backend, names: &[String; 2]) -> Option<[u128; 2]> {
    let mut found = [0; 2];
    for (count, name) in found.iter_mut().zip(names) {
        let key = Key::from(name.as_str());
        let row = backend.get(&Partition::Store, COUNTERS, &key).await.ok()?;
        let counted = row.map_or(Some(0), |row| row.counter());
        *count = u128::try_from(counted?).ok()?;
    }
    Some(found)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

impl RailState {
    /// For whoever asks whether the gateway is ready.
    pub(crate) fn as_json(&self) -> Value {
        json!({
            "rail": self.rail,
            "reachable": self.why.is_none(),
            "why": self.why,
            "block": self.block.map(|(number, _)| number),
            "blockAgeSeconds": self.block.map(|(_, age)| age.as_secs_f64()),
            "sponsor": self.sponsor.as_ref().map(|sponsor| json!({
                "account": sponsor.account,
                "balances": sponsor.balances.iter().map(|(token, amount)| {
                    json!({ "token": token, "units": amount })
                }).collect::<Vec<_>>(),
            })),
        })
    }
}
