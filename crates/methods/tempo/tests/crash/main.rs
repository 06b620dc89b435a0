//! A seller dies at every named point of a payment on a real chain, and at moments nobody named; the next
//! process finds everything that was paid, and nobody pays twice.
//!
//! The test starts its own binary again: there it is a shop with a SQLite file. The chain is the test's, and
//! outlives the shop; so is the buyer.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod audit;
#[expect(
    dead_code,
    reason = "the buyer of the other tests does more than this one"
)]
#[path = "../charge/buyer.rs"]
mod buyer;
mod process;
mod shop;

use std::time::Duration;

use farthing_core::payment::{SettlePolicy, State};
use farthing_testkit::{
    chain::{Chain, ChainOptions, Turn},
    peer,
    process::runtime,
};
use tempfile::TempDir;

use audit::{Audit, Got};
use process::Presenter;
use shop::{CHAIN, Payload, Setup};

#[test]
fn the_shop() {
    // Only the processes started below have something to do here.
    shop::serve_if_asked();
}

/// What becomes of a payment when the process dies at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The point is not on this payment's way: it is served as ever.
    Untouched,
    /// The payment is settled once and served, at the latest when presented again.
    Served,
    /// Nothing moved, and the credential is used up.
    Voided,
    /// Settled, and its answer is lost: nobody can know whether the handler had run.
    Owed,
}

/// What is promised for every point: the table at the top of the method's `server`, and those of the gate.
fn fate(point: &str, setup: &Setup) -> Fate {
    use Fate::{Owed, Served, Untouched, Voided};
    let first = setup.policy == SettlePolicy::First;
    let runs_again = if setup.rerunnable { Served } else { Owed };
    match point {
        "proven" | "sent" => Served,
        "claimed" if first => Served,
        "settled" if first => runs_again,
        "settled" => Served,
        "run" if first => runs_again,
        "claimed" | "run" => Voided,
        // Only an answer that must not be made again is stored before it is sent.
        "answered" | "held" if first && setup.rerunnable => Untouched,
        "answered" if first => Owed,
        "answered" => Voided,
        "captured" if first => Untouched,
        "held" | "captured" | "delivering" | "delivered" => Served,
        other => unreachable!("nobody said what becomes of a payment at {other:?}"),
    }
}

async fn chain(test: &str) -> Option<Turn> {
    let options = ChainOptions::tempo(CHAIN.get());
    peer::or_skip(test, Chain::shared(&options).await)
}

/// Every point for one kind of payment: reconciled before the buyer comes back, or after.
fn at_every_point(policy: SettlePolicy, payload: Payload) {
    runtime().block_on(async {
        let name = format!("tempo: a seller dies, {payload:?}, {policy:?}");
        let Some(chain) = chain(&name).await else {
            return;
        };
        for (at, point) in farthing_server::POINTS.iter().enumerate() {
            for rerunnable in [true, false] {
                let setup = Setup {
                    policy,
                    payload,
                    rerunnable,
                };
                let reconciled_first = (at % 2 == 0) == rerunnable;
                die_at(&chain, point, &setup, reconciled_first).await;
            }
        }
    });
}

async fn die_at(chain: &Chain, point: &str, setup: &Setup, reconciled_first: bool) {
    let told = format!("{point}, {setup:?}, reconciled first: {reconciled_first}");
    let fate = fate(point, setup);
    let dir = TempDir::new().unwrap();
    let till = Presenter::open(chain, setup).await;
    let mut process = process::start(dir.path(), setup, Some(point), till.now(0));
    let credential = till.sign(&process).await;
    let first = till.present(&process, &credential).await;
    if fate == Fate::Untouched {
        assert!(
            matches!(first, Some(Got::Served { .. })),
            "{told}: {first:?}"
        );
        till.drain(process).await;
    } else {
        process.died();
    }
    // A little later every lease is over, and the transaction is still valid.
    let process = process::start(dir.path(), setup, None, till.now(6));
    let mut got = Vec::from_iter(first);
    for round in 0..6 {
        if reconciled_first || round > 0 {
            till.post(&process, "/reconcile").await;
        }
        got.extend(till.present(&process, &credential).await);
        till.post(&process, "/later").await;
    }
    till.drain(process).await;
    Audit::of(dir.path(), setup, chain, &till)
        .await
        .check(&credential, fate, &got, &told)
        .await;
}

#[test]
fn a_transaction_settled_first() {
    at_every_point(SettlePolicy::First, Payload::Transaction);
}

#[test]
fn a_transaction_settled_afterwards() {
    at_every_point(SettlePolicy::After, Payload::Transaction);
}

#[test]
fn a_sponsored_transaction() {
    at_every_point(SettlePolicy::First, Payload::Sponsored);
}

#[test]
fn a_hash() {
    at_every_point(SettlePolicy::First, Payload::Hash);
}

/// Killed while several payments are under way, at moments that depend on the machine: what is asserted
/// holds at every one.
#[test]
fn killed_at_any_moment() {
    runtime().block_on(async {
        let Some(chain) = chain("tempo: a seller killed at any moment").await else {
            return;
        };
        for round in 0..12_u64 {
            let setup = Setup {
                policy: [SettlePolicy::First, SettlePolicy::After][(round % 2) as usize],
                payload: [Payload::Transaction, Payload::Sponsored, Payload::Hash]
                    [(round / 2 % 3) as usize],
                rerunnable: round / 6 == 0,
            };
            killed_after(&chain, &setup, Duration::from_millis(round * 13 % 59)).await;
        }
    });
}

async fn killed_after(chain: &Chain, setup: &Setup, time: Duration) {
    let dir = TempDir::new().unwrap();
    let till = Presenter::open(chain, setup).await;
    let mut process = process::start(dir.path(), setup, None, till.now(0));
    let mut credentials = Vec::new();
    for _ in 0..4 {
        credentials.push(till.sign(&process).await);
    }
    let presenting = credentials.iter().map(|one| till.present(&process, one));
    let presenting = futures_util::future::join_all(presenting);
    let killed = async {
        tokio::time::sleep(time).await;
        process.kill();
    };
    let (first, ()) = tokio::join!(presenting, killed);
    process.died();
    let process = process::start(dir.path(), setup, None, till.now(6));
    let mut got: Vec<Vec<Got>> = first.into_iter().map(Vec::from_iter).collect();
    for _ in 0..5 {
        till.post(&process, "/reconcile").await;
        for (credential, got) in credentials.iter().zip(&mut got) {
            got.extend(till.present(&process, credential).await);
        }
        till.post(&process, "/later").await;
    }
    till.drain(process).await;
    let audit = Audit::of(dir.path(), setup, chain, &till).await;
    let mut settled = 0;
    for (credential, got) in credentials.iter().zip(&got) {
        let state = audit.check_any(credential, got).await;
        let over = matches!(state, State::Delivered | State::Owed | State::Voided);
        assert!(over, "{state:?}, {setup:?}, killed after {time:?}");
        settled += u64::from(state != State::Voided);
    }
    audit.check_balances(settled).await;
}
