//! Thousands of headers, read and written by us and by others.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]
#![expect(
    clippy::print_stderr,
    reason = "the seed is what makes a run come again"
)]

use std::path::Path;

use farthing_interop::{
    differential::Run,
    explained,
    peer::{Adapter, Process},
};
use farthing_testkit::peer;

/// Nouns of each of the three kinds; each is asked about in seven ways.
const CASES: usize = 2000;

fn compare(peer: &mut dyn Adapter) {
    let run = Run::usual(CASES);
    let usual = std::env::var_os("FARTHING_SEED").is_none();
    let report = run.against(peer);
    eprintln!("{}: {}", peer.name(), report.summary(run.seed));
    assert!(report.agreed > 3 * CASES, "too little was compared");
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/interop.md");
    let document = std::fs::read_to_string(document).unwrap();
    if let Err(why) = explained::check(peer.name(), &report, &document, usual) {
        unreachable!("seed {}:\n{why}", run.seed);
    }
}

#[test]
fn pympp_reads_and_writes_what_we_do() {
    let found = peer::pip("pympp").and_then(|folder| Ok((folder, peer::python()?)));
    if let Some((folder, mut python)) = peer::or_skip("interop: pympp", found) {
        python.arg(folder.join("peer.py"));
        compare(&mut Process::start("pympp", &mut python));
    }
}

#[test]
fn mppx_reads_and_writes_what_we_do() {
    if let Some(folder) = peer::or_skip("interop: mppx", peer::npm("mppx")) {
        compare(&mut Process::start(
            "mppx",
            &mut peer::node(&folder, "peer.mjs"),
        ));
    }
}
