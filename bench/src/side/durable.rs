//! The durable rows: SQLite on the disk the system's temporary files are on.

use std::{path::Path, sync::Arc};

use axum::body::Body;
use farthing::{
    core::{memory::MemoryBackend, payment::SettlePolicy},
    store::{SqliteBackend, SqliteOptions},
};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::{
    app::{PAID, ed25519, priced_route, verifying},
    ask::Ask,
    call::{over_http, runtime},
    disk::{Log, Weighed},
    shop::Shop,
    wire::settle,
};
use crate::{measure::Side, rows::Pair};

/// Requests that are under way at the same time.
const IN_FLIGHT: usize = 64;

/// Paid requests under a policy, against the commits its answer has to wait for.
pub(crate) fn paid(policy: SettlePolicy) -> Pair {
    let commits: Arc<[usize]> = sizes(policy).into();
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    Pair {
        ours: ours(folder.path(), policy),
        floor: floor(folder, commits),
    }
}

fn ours(folder: &Path, policy: SettlePolicy) -> Side {
    let runtime = runtime();
    let backend = SqliteBackend::open(SqliteOptions::new(folder.join("store.db")));
    let backend = Arc::new(backend.expect("the folder is new"));
    let shop = Shop::open(&runtime, Arc::clone(&backend) as _);
    let app = priced_route(&shop.gate, policy);
    let mut side = over_http(runtime, app, shop.paid(), "200", IN_FLIGHT);
    Box::new(move |count| {
        let before = backend.stats().groups;
        let mut spent = side(count);
        spent.flushes = backend.stats().groups - before;
        spent
    })
}

fn floor(folder: TempDir, commits: Arc<[usize]>) -> Side {
    let runtime = runtime();
    let log = Log::open(&folder.path().join("log.db")).expect("the folder is new");
    let log = Arc::new(log);
    let asks = Shop::open(&runtime, Arc::new(MemoryBackend::new())).paid();
    let app = verifying(ed25519(), Some(Arc::clone(&log)), commits);
    let mut side = over_http(runtime, app, asks, "200", IN_FLIGHT);
    Box::new(move |count| {
        // The folder goes when the last side that writes in it does.
        let _ = &folder;
        let before = log.groups();
        let mut spent = side(count);
        spent.flushes = log.groups() - before;
        spent
    })
}

/// How many bytes the commits say that an answer waits for: one under `first`, two under `after`.
/// What is written after the answer went out is no part of the floor.
fn sizes(policy: SettlePolicy) -> Vec<usize> {
    let runtime = runtime();
    let backend = Arc::new(Weighed::new(MemoryBackend::new()));
    let shop = Shop::open(&runtime, Arc::clone(&backend) as _);
    let app = priced_route(&shop.gate, policy);
    runtime.block_on(async {
        let ask = Ask {
            path: PAID,
            authorization: Some(shop.sign().await),
        };
        backend.take();
        let request: http::Request<Body> = ask.to_request();
        let response = app.oneshot(request).await.expect("a router answers");
        assert_eq!(response.status(), 200);
        let sizes = backend.take();
        drop(response);
        settle().await;
        sizes
    })
}
