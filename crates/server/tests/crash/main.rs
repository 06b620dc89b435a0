//! A process dies at every named point of a payment, and at moments nobody named; the next one
//! finds everything that was paid.
//!
//! The test starts its own binary again: there it is a shop with a SQLite file, whose rail is the
//! ledger in that file or a fake one in a file beside it, which outlives the process as a chain
//! does. The test itself is the buyer, and after everything the auditor.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod audit;
mod buyer;
mod shop;

use std::path::Path;

use farthing_core::payment::{SettlePolicy, State};
use farthing_testkit::process::runtime;
use tempfile::TempDir;

use audit::Audit;
use buyer::{Buyer, Got};
use shop::{RailKind, Setup};

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

/// What is promised for every point: the tables in the gate's sources, as data.
fn fate(point: &str, setup: &Setup) -> Fate {
    use Fate::{Owed, Served, Untouched, Voided};
    let Setup {
        policy,
        rail,
        rerunnable,
        ..
    } = *setup;
    let (first, books) = (policy == SettlePolicy::First, rail == RailKind::Books);
    match point {
        "proven" => Served,
        "claimed" if first => {
            if books && !rerunnable {
                Owed
            } else {
                Served
            }
        }
        "claimed" => Voided,
        "sent" | "settled" if books => Untouched,
        "sent" => Served,
        // The settlement and the start of the handler are one write.
        "settled" if first && !rerunnable => Owed,
        "settled" => Served,
        "run" if first => {
            if rerunnable {
                Served
            } else {
                Owed
            }
        }
        "run" => Voided,
        // Only an answer that must not be made again is stored before it is sent.
        "answered" | "held" if first && rerunnable => Untouched,
        "answered" if first => Owed,
        "answered" => Voided,
        "held" if !first && books => Untouched,
        "held" => Served,
        "captured" if first => Untouched,
        "captured" | "delivering" | "delivered" => Served,
        other => unreachable!("nobody said what becomes of a payment at {other:?}"),
    }
}

/// Every point for one kind of payment, reconciled before the buyer comes back, and after.
fn at_every_point(policy: SettlePolicy, rail: RailKind, credit: bool) {
    for point in farthing_server::POINTS {
        for rerunnable in [true, false] {
            for reconciled_first in [true, false] {
                let dir = TempDir::new().unwrap();
                let setup = Setup {
                    policy,
                    rail,
                    rerunnable,
                    credit,
                };
                let told = format!("{point}, {setup:?}, reconciled first: {reconciled_first}");
                let fate = fate(point, &setup);
                let result = std::panic::catch_unwind(|| {
                    die_at(point, fate, &setup, reconciled_first, dir.path());
                });
                assert!(result.is_ok(), "at {told}");
            }
        }
    }
}

fn die_at(point: &str, fate: Fate, setup: &Setup, reconciled_first: bool, dir: &Path) {
    let runtime = runtime();
    runtime.block_on(async {
        let mut process = shop::start(dir, setup, Some(point), 0);
        let buyer = Buyer::new(dir, setup);
        let credential = buyer.sign(&process).await;
        let first = buyer.present(&process, &credential).await;
        if fate == Fate::Untouched {
            assert!(
                matches!(first, Some(Got::Served { .. } | Got::Lent)),
                "{first:?}"
            );
            buyer.drain(process).await;
        } else {
            process.died();
        }
        // A minute later every lease is over, and the challenge is still good.
        let process = shop::start(dir, setup, None, 60);
        let mut got = Vec::from_iter(first);
        for round in 0..6 {
            if reconciled_first || round > 0 {
                buyer.reconcile(&process).await;
            }
            got.extend(buyer.present(&process, &credential).await);
        }
        buyer.drain(process).await;
        Audit::of(dir, setup)
            .await
            .check(&credential, fate, &got)
            .await;
    });
}

#[test]
fn first_in_books() {
    at_every_point(SettlePolicy::First, RailKind::Books, false);
}

#[test]
fn first_outside() {
    at_every_point(SettlePolicy::First, RailKind::Outside, false);
}

#[test]
fn first_on_credit() {
    at_every_point(SettlePolicy::First, RailKind::Outside, true);
}

#[test]
fn after_in_books() {
    at_every_point(SettlePolicy::After, RailKind::Books, false);
}

#[test]
fn after_outside() {
    at_every_point(SettlePolicy::After, RailKind::Outside, false);
}

/// Killed while several payments are under way, a bounded number of times, at moments that depend
/// on the machine: what is asserted holds at every one.
#[test]
fn killed_at_any_moment() {
    for round in 0..24_u64 {
        let setup = Setup {
            policy: [SettlePolicy::First, SettlePolicy::After][(round % 2) as usize],
            rail: [RailKind::Books, RailKind::Outside][(round / 2 % 2) as usize],
            rerunnable: round / 4 % 2 == 0,
            credit: round % 4 == 2 && round / 8 % 2 == 0,
        };
        let dir = TempDir::new().unwrap();
        runtime().block_on(async {
            let mut process = shop::start(dir.path(), &setup, None, 0);
            let buyer = Buyer::new(dir.path(), &setup);
            let mut credentials = Vec::new();
            for _ in 0..6 {
                credentials.push(buyer.sign(&process).await);
            }
            let presenting = credentials.iter().map(|c| buyer.present(&process, c));
            let presenting = futures(presenting);
            let killed = async {
                tokio::time::sleep(std::time::Duration::from_millis(round * 7 % 23)).await;
                process.kill();
            };
            let (first, ()) = tokio::join!(presenting, killed);
            process.died();
            let process = shop::start(dir.path(), &setup, None, 60);
            let mut got: Vec<Vec<Got>> = first.into_iter().map(Vec::from_iter).collect();
            for _ in 0..4 {
                buyer.reconcile(&process).await;
                for (credential, got) in credentials.iter().zip(&mut got) {
                    got.extend(buyer.present(&process, credential).await);
                }
            }
            buyer.drain(process).await;
            let audit = Audit::of(dir.path(), &setup).await;
            let mut settled = 0;
            for (credential, got) in credentials.iter().zip(&got) {
                let state = audit.check_any(credential, got).await;
                assert!(
                    matches!(state, State::Delivered | State::Owed | State::Voided),
                    "{state:?} in round {round}, {setup:?}"
                );
                settled += u128::from(state != State::Voided);
            }
            audit.check_balances(settled).await;
        });
    }
}

async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, done) in pinned.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(done.drain(..).flatten().collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}
