//! A process dies at every named point of the till; the next one finds every coin.
//!
//! The test starts its own binary again: there it has a till over a SQLite file, and a rail in a file
//! beside it, which outlives the process as a chain does. Each process does one thing and ends, or
//! dies over it. Afterwards another one does what a server does when it begins, the buyer presents
//! the same credential or does not, and the auditor compares the books with the rail.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod audit;
mod shop;

use std::path::Path;

use farthing_testkit::process::runtime;
use tempfile::TempDir;

use audit::Audit;
use shop::Act;

#[test]
fn the_till() {
    // Only the processes started below have something to do here.
    shop::work_if_asked();
}

/// The points that each thing comes by.
fn points(act: Act) -> &'static [&'static str] {
    match act {
        Act::Open | Act::TopUp => &[
            "funding-checked",
            "funding-claimed",
            "funding-sent",
            "funding-moved",
            "funding-booked",
            "funding-done",
        ],
        Act::Settle => &[
            "settlement-decided",
            "settlement-journaled",
            "settlement-handed-in",
            "observed",
            "settlement-observed",
            "settlement-booked",
            "settlement-written-off",
        ],
        Act::Close => &[
            "close-wanted",
            "close-stopped",
            "settlement-decided",
            "settlement-journaled",
            "settlement-handed-in",
            "observed",
            "ended",
            "settlement-observed",
            "settlement-booked",
            "settlement-written-off",
        ],
        Act::Serve | Act::Recover => &[],
    }
}

/// What has to be done before, each in a process that ends as it should.
fn before(act: Act) -> &'static [Act] {
    match act {
        Act::Open => &[],
        Act::TopUp | Act::Serve => &[Act::Open],
        Act::Settle | Act::Close | Act::Recover => &[Act::Open, Act::Serve],
    }
}

#[test]
fn no_point_is_left_out() {
    let acts = [Act::Open, Act::TopUp, Act::Settle, Act::Close];
    for point in farthing_server::TILL_POINTS {
        assert!(
            acts.iter().any(|act| points(*act).contains(point)),
            "{point}"
        );
    }
}

/// Dies at every point of a thing. The buyer comes back first, or after the server has found its way
/// by itself, or never.
fn at_every_point(act: Act) {
    for point in points(act) {
        for comes_back in [Some(0), Some(1), None] {
            let dir = TempDir::new().unwrap();
            let told = format!("{act:?} died at {point}, the buyer comes back: {comes_back:?}");
            let result = std::panic::catch_unwind(|| die_at(act, point, comes_back, dir.path()));
            assert!(result.is_ok(), "{told}");
        }
    }
}

fn die_at(act: Act, point: &str, comes_back: Option<u64>, dir: &Path) {
    for done in before(act) {
        shop::run(dir, *done, 0).ended();
    }
    shop::run_until(dir, act, 0, point).died();
    // Every lease is over by then, and the grace of the rail is not.
    for round in 0..4 {
        let later = 200 * (round + 1);
        if comes_back == Some(round) && act != Act::Settle {
            shop::run(dir, act, later).ended();
        }
        shop::run(dir, Act::Recover, later).ended();
    }
    let is_lost = comes_back.is_none() && is_nothing_begun(point);
    runtime().block_on(Audit::of(dir).check(act, is_lost));
}

/// Whether nothing was begun that the server could go on with by itself.
fn is_nothing_begun(point: &str) -> bool {
    matches!(point, "funding-checked" | "close-wanted")
}

#[test]
fn an_opening() {
    at_every_point(Act::Open);
}

#[test]
fn a_top_up() {
    at_every_point(Act::TopUp);
}

#[test]
fn a_settlement() {
    at_every_point(Act::Settle);
}

#[test]
fn a_close() {
    at_every_point(Act::Close);
}

/// Killed a bounded number of times, at moments that depend on the machine: what is asserted holds at
/// every one.
#[test]
fn killed_at_any_moment() {
    for round in 0..24_u64 {
        let act = [Act::Open, Act::TopUp, Act::Settle, Act::Close][(round % 4) as usize];
        let dir = TempDir::new().unwrap();
        for done in before(act) {
            shop::run(dir.path(), *done, 0).ended();
        }
        let process = shop::run(dir.path(), act, 0);
        std::thread::sleep(std::time::Duration::from_millis(round * 5 % 31));
        // It does not outlive this.
        drop(process);
        for later in 1..4 {
            shop::run(dir.path(), Act::Recover, 200 * later).ended();
        }
        runtime().block_on(Audit::of(dir.path()).check_any());
    }
}
