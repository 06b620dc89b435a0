//! Thousands of headers, read and written by us and by it.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use std::path::Path;

use farthing_interop::{differential::Run, explained};
use farthing_interop_mpp::Mpp;

/// Nouns of each of the three kinds; each is asked about in seven ways.
const CASES: usize = 2000;

#[test]
fn mpp_reads_and_writes_what_we_do() {
    let run = Run::usual(CASES);
    let usual = std::env::var_os("FARTHING_SEED").is_none();
    let report = run.against(&mut Mpp);
    eprintln!("mpp: {}", report.summary(run.seed));
    assert!(report.agreed > 3 * CASES, "too little was compared");
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/interop.md");
    let document = std::fs::read_to_string(document).unwrap();
    if let Err(why) = explained::check("mpp", &report, &document, usual) {
        unreachable!("seed {}:\n{why}", run.seed);
    }
}
