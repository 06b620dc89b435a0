//! What is counted instead of timed: instructions, by callgrind, and allocations, by a program of
//! our own whose allocator counts. Each runs one side of a row in a process of its own.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    measure::Side,
    rows::{self, Peer, Row},
    side::session,
    turns::Both,
};

/// Requests in a counted run.
const REQUESTS: usize = 400;

/// Instructions a request, of both sides; nothing where valgrind is not installed.
#[must_use]
pub fn instructions(row: &Row) -> Option<Both> {
    Some(Both {
        ours: instructions_of(row, "ours")?,
        floor: instructions_of(row, "floor")?,
    })
}

/// Instructions a request of one side: `ours`, `floor` or `peer`.
#[must_use]
pub fn instructions_of(row: &Row, side: &str) -> Option<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args([
            "--collect-atstart=no",
            "--toggle-collect=*measured_stretch*",
        ])
        .arg(std::env::current_exe().ok()?)
        .args(["once", row.name, side]);
    let done = valgrind.stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8(done.stderr).ok()?;
    if !done.status.success() {
        return None;
    }
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "))?;
    let total: f64 = collected.1.trim().parse().ok()?;
    Some(total / REQUESTS as f64)
}

/// Allocations a request, of both sides; nothing where the counting program was not built.
#[must_use]
pub fn allocations(row: &Row) -> Option<Both> {
    let program = counting_program()?;
    let of = |side: &str| {
        let counted = Command::new(&program)
            .args([row.name, side])
            .output()
            .ok()?;
        let total: f64 = String::from_utf8(counted.stdout)
            .ok()?
            .trim()
            .parse()
            .ok()?;
        Some(total / REQUESTS as f64)
    };
    Some(Both {
        ours: of("ours")?,
        floor: of("floor")?,
    })
}

/// The bytes that a channel takes, of so many in memory.
#[must_use]
pub fn channel_bytes(channels: usize) -> Option<f64> {
    let counted = Command::new(counting_program()?)
        .args(["bytes", &channels.to_string()])
        .output()
        .ok()?;
    let total: f64 = String::from_utf8(counted.stdout)
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(total / channels as f64)
}

/// Brings so many channels into memory, under the eyes of whoever counts.
pub fn channels(channels: usize, measure: &mut dyn FnMut(&mut dyn FnMut())) {
    session::bytes_a_channel(channels, measure);
}

fn counting_program() -> Option<PathBuf> {
    let mut path = std::env::current_exe().ok()?;
    path.set_file_name(format!(
        "farthing-allocations{}",
        std::env::consts::EXE_SUFFIX
    ));
    path.exists().then_some(path)
}

/// Runs one side of a row, once, for whoever counts. The sides of other rows are not touched.
/// Returns whether there is such a side.
#[must_use]
pub fn once(name: &str, side: &str, peers: &[Peer]) -> bool {
    let rows = rows::all();
    let Some(row) = rows.iter().find(|row| row.name == name) else {
        return false;
    };
    if side == "peer" {
        let Some(peer) = peers.iter().find(|peer| peer.row == name) else {
            return false;
        };
        (peer.make)()(REQUESTS);
        return true;
    }
    let mut pair = (row.make)();
    let side: &mut Side = match side {
        "ours" => &mut pair.ours,
        "floor" => &mut pair.floor,
        _ => return false,
    };
    side(REQUESTS);
    true
}
