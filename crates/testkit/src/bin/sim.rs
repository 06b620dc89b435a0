//! The simulator as a program: `cargo xtask sim --steps N --seed S`.

use std::{fmt::Debug, process::ExitCode, time::SystemTime};

use farthing_testkit::sim::{self, Broken, sessions};

const HELP: &str = "\
Usage: sim [--steps N] [--seed S] [--only charges|sessions]

  --steps N   how many actions happen at least, of each kind (1000000)
  --seed S    where they come from (the time)
  --only K    of this kind alone";

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program talks to a person"
)]
fn main() -> ExitCode {
    let Some(Told { steps, seed, only }) = arguments() else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    eprintln!("{steps} steps from seed {seed}");
    let is_asked = |kind| only.is_none_or(|only| only == kind);
    let charges = is_asked(Kind::Charges).then(|| told(sim::run(steps, seed)));
    let sessions = is_asked(Kind::Sessions).then(|| told(sessions::run(steps, seed)));
    let runs = [charges, sessions].into_iter().flatten();
    let mut failed = false;
    for (text, held) in runs {
        println!("{text}");
        failed |= !held;
    }
    ExitCode::from(u8::from(failed))
}

/// What is said of a run, and whether everything held.
fn told<T: Debug, A: Debug>(run: Result<T, Box<Broken<A>>>) -> (String, bool) {
    match run {
        Ok(tally) => (format!("{tally:?}"), true),
        Err(broken) => (broken.to_string(), false),
    }
}

struct Told {
    steps: usize,
    seed: u64,
    only: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Charges,
    Sessions,
}

fn arguments() -> Option<Told> {
    let mut told = Told {
        steps: 1_000_000,
        seed: from_time(),
        only: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next()?;
        match (name.as_str(), value.as_str()) {
            ("--steps", steps) => told.steps = steps.parse().ok()?,
            ("--seed", seed) => told.seed = seed.parse().ok()?,
            ("--only", "charges") => told.only = Some(Kind::Charges),
            ("--only", "sessions") => told.only = Some(Kind::Sessions),
            _ => return None,
        }
    }
    Some(told)
}

/// Another run is another seed, unless one is given.
#[expect(
    clippy::disallowed_methods,
    reason = "the seed is printed, and nothing else depends on the time"
)]
fn from_time() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
