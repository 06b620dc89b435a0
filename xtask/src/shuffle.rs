//! `cargo xtask shuffle`: the tests that share a chain, in one process and in any order, again and again.
//!
//! The usual runner gives each test a process of its own. Here one process runs all tests of a binary, so
//! they share one chain, and whatever one of them leaves behind is found by the next.

use crate::{Stop, exec, tools::packages, unexpected};

/// The crates whose tests take turns on a chain.
const CRATES: [&str; 3] = ["farthing-evm", "farthing-tempo", "farthing-contracts"];

/// Runs the tests in orders that are told, so that one that fails can be repeated.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let Options { turns, seed } = Options::read(args)?;
    packages::ANVIL.folder().map_err(Stop::Failed)?;
    let binaries = build().map_err(Stop::Failed)?;
    for turn in 0..turns {
        let seed = seed.wrapping_add(turn);
        eprintln!(
            "turn {} of {turns}, in the order of --seed {seed}",
            turn + 1
        );
        for binary in &binaries {
            let mut tests = exec::program(binary);
            // The order is an option that the stable test runner has and does not show.
            tests.env("RUSTC_BOOTSTRAP", "1");
            tests.args(["-Z", "unstable-options", "--quiet", "--shuffle-seed"]);
            exec::stream(tests.arg(seed.to_string())).map_err(Stop::Failed)?;
        }
    }
    println!(
        "{} test binaries passed {turns} times, from --seed {seed} on",
        binaries.len()
    );
    Ok(())
}

struct Options {
    turns: u64,
    seed: u64,
}

impl Options {
    fn read(args: &[String]) -> Result<Self, Stop> {
        let mut options = Self { turns: 2, seed: 1 };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let place = match arg.as_str() {
                "--turns" => &mut options.turns,
                "--seed" => &mut options.seed,
                other => return Err(unexpected(other)),
            };
            let number = args.next().and_then(|text| text.parse().ok());
            *place = number.ok_or_else(|| Stop::Usage(format!("{arg} takes a number")))?;
        }
        Ok(options)
    }
}

/// Builds the test binaries, and says where they are.
fn build() -> Result<Vec<String>, String> {
    let mut cargo = exec::cargo();
    cargo.args(["test", "--locked", "--no-run", "--tests"]);
    for package in CRATES {
        cargo.args(["--package", package]);
    }
    let told = exec::output(cargo.arg("--message-format=json"))?;
    let programs = told.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(message.get("executable")?.as_str()?.to_owned())
    });
    Ok(programs.collect())
}
