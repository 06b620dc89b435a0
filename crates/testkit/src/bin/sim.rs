//! The simulator as a program: `cargo xtask sim --steps N --seed S`.

use std::{process::ExitCode, time::SystemTime};

use farthing_testkit::sim;

const HELP: &str = "\
Usage: sim [--steps N] [--seed S]

  --steps N   how many actions happen at least (1000000)
  --seed S    where they come from (the time)";

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program talks to a person"
)]
fn main() -> ExitCode {
    let (steps, seed) = match arguments() {
        Some(arguments) => arguments,
        None => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    eprintln!("{steps} steps from seed {seed}");
    match sim::run(steps, seed) {
        Ok(tally) => {
            println!("{tally:?}");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("{broken}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Option<(usize, u64)> {
    let (mut steps, mut seed) = (1_000_000, from_time());
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next()?;
        match name.as_str() {
            "--steps" => steps = value.parse().ok()?,
            "--seed" => seed = value.parse().ok()?,
            _ => return None,
        }
    }
    Some((steps, seed))
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
