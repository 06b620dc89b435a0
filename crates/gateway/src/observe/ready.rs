//! Whether a gateway can serve what it sells.
//!
//! It can while its store takes writes, one of its upstreams can be reached, somebody can pay, and it
//! is not on its way out. What is found is kept for a moment, so that many who ask cost as much as one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use farthing::{
    clock,
    core::{
        port::backend::{Backend, Batch, Key, Partition, Table, Write},
        value::{MethodId, Timestamp},
    },
};
use http::uri::{Authority, Scheme};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Mutex, time::timeout};

use super::{rail::RailState, sessions::SessionState};

const READY: Table = Table::new("gateway.ready");

/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// How long the store may take to write a row.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// How long an upstream may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Looks whether everything is there.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Report)>>);

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) ready: bool,
    pub(crate) body: Value,
}

/// What is looked at.
pub(crate) struct Subject {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) now: Timestamp,
    pub(crate) upstreams: Vec<(Scheme, Authority)>,
    /// The rail outside, where there is one.
    pub(crate) rail: Option<RailState>,
    /// Rails that keep channels, and why nothing is served on them, where nothing is.
    pub(crate) sessions: Vec<(MethodId, Option<String>)>,
    /// Whether payments can be made without it.
    pub(crate) has_ledger: bool,
    pub(crate) draining: bool,
    /// What the last reload was refused for. It says nothing about readiness: the gateway goes
    /// on with what it was told before.
    pub(crate) refused_reload: Option<String>,
}

impl Readiness {
    pub(crate) async fn look(&self, subject: Subject) -> Report {
        let mut last = self.0.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < GOOD_FOR
            && !subject.draining
        {
            return report.clone();
        }
        let report = report(subject).await;
        *last = Some((clock::monotonic(), report.clone()));
        report
    }
}

async fn report(subject: Subject) -> Report {
    let mut reasons = Vec::new();
    if subject.draining {
        reasons.push(json!({ "what": "draining", "why": "the gateway is on its way out" }));
    }
    if let Some(why) = broken_store(&*subject.backend, subject.now).await {
        reasons.push(json!({ "what": "store", "why": why }));
    }
    let mut upstreams = Vec::new();
    let mut reached = subject.upstreams.is_empty();
    for (scheme, authority) in &subject.upstreams {
        let why = unreachable(scheme, authority).await;
        reached |= why.is_none();
        upstreams.push(json!({
            "upstream": format!("{scheme}://{authority}"),
            "reachable": why.is_none(),
            "why": why,
        }));
    }
    if !reached {
        reasons.push(json!({ "what": "upstream", "why": "no upstream can be reached" }));
    }
    let rail = subject.rail.as_ref();
    if let Some(why) = rail.and_then(|rail| rail.why.as_ref())
        && !subject.has_ledger
    {
        reasons.push(json!({ "what": "rail", "why": why }));
    }
    let sessions = SessionState::as_json(&subject.sessions);
    let ready = reasons.is_empty();
    Report {
        ready,
        body: json!({
            "ready": ready,
            "reasons": reasons,
            "upstreams": upstreams,
            "rails": rail.map(RailState::as_json).into_iter().collect::<Vec<_>>(),
            "sessions": sessions,
            "refusedReload": subject.refused_reload,
        }),
    }
}

/// Writes a row, as a payment would.
async fn broken_store(backend: &dyn Backend, now: Timestamp) -> Option<String> {
    let mut batch = Batch::new(Partition::Store);
    batch.writes.push(Write::Put {
        table: READY,
        key: Key::from("last"),
        value: now.as_millis().to_be_bytes().to_vec(),
        fence: 0,
        place: None,
    });
    match timeout(STORE_WITHIN, backend.commit(batch)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the store did not answer in time".to_owned()),
    }
}

async fn unreachable(scheme: &Scheme, authority: &Authority) -> Option<String> {
    let port = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let host = authority.host().trim_matches(['[', ']']);
    let at = (host, authority.port_u16().unwrap_or(port));
    match timeout(CONNECT_WITHIN, TcpStream::connect(at)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("it did not accept a connection in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use farthing::core::memory::MemoryBackend;

    use super::*;

    async fn check(upstreams: &[&str], draining: bool, ready: bool, reasons: &[&str]) {
        check_rail(upstreams, draining, None, true, (ready, reasons)).await;
    }

    async fn check_rail(
        upstreams: &[&str],
        draining: bool,
        rail: Option<Option<&str>>,
        has_ledger: bool,
        expect: (bool, &[&str]),
    ) {
        let report = report(Subject {
            backend: Arc::new(MemoryBackend::new()),
            now: Timestamp::from_secs(1_800_000_000),
            upstreams: upstreams
                .iter()
                .map(|it| (Scheme::HTTP, it.parse().unwrap()))
                .collect(),
            rail: rail.map(|why| RailState {
                rail: "tempo",
                why: why.map(ToOwned::to_owned),
                ..RailState::default()
            }),
            sessions: Vec::new(),
            has_ledger,
            draining,
            refused_reload: None,
        })
        .await;
        let found: Vec<_> = report.body["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["what"].as_str().unwrap())
            .collect();
        assert_eq!((report.ready, &*found), expect, "{}", report.body);
    }

    #[tokio::test]
    async fn ready_while_somebody_can_pay() {
        let (good, down) = (Some(None), Some(Some("nobody answers")));
        check_rail(&[], false, good, false, (true, &[])).await;
        check_rail(&[], false, down, false, (false, &["rail"])).await;
        check_rail(&[], false, down, true, (true, &[])).await;
    }

    #[tokio::test]
    async fn ready_while_one_upstream_can_be_reached() {
        let up = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let up = up.local_addr().map(|at| (at.to_string(), up)).unwrap();
        let down = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = down.local_addr().unwrap().to_string();
        drop(down);
        let down = at;
        check(&[&up.0], false, true, &[]).await;
        check(&[&down, &up.0], false, true, &[]).await;
        check(&[&down], false, false, &["upstream"]).await;
        check(&[&up.0], true, false, &["draining"]).await;
    }
}
