//! The chores of this repository: `cargo xtask help` lists them.
//!
//! This is the first thing a fresh machine compiles, so it is kept to the standard library and one
//! JSON parser. Progress goes to stderr; the summary a person or a script reads goes to stdout.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to a person"
)]

mod bench;
mod contracts;
mod demo;
mod exec;
mod fuzz;
mod interop;
mod mutants;
mod repo;
mod shuffle;
mod sim;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
The chores of this repository.

Usage: cargo xtask <CHORE> [ARGS]

  demo [ARGS]       build `farthing` and run `farthing dev ARGS`; Ctrl-C ends it
  test              run everything CI runs
       --list         name the steps and stop
       --only STEP    run this step (repeatable)
       --skip STEP    leave this step out (repeatable)
  tidy              check the rules of the house that no compiler knows
       --notes        show the notes as well, not only what fails
  contracts         compile the Solidity in `contracts/` and keep what it gives
       --check        compare what is kept, and change nothing
  bench [ARGS]      build and run the benchmarks (--json, --peers, --chain, a filter)
  fuzz [TARGET]     build and run every fuzz target, or one
       --seconds N    how long each runs (10)
       --list         name the targets and stop
  interop           run against implementations that were not written here
       openapi FILE|URL  say whether that is an OpenAPI document
  sim [ARGS]        run the simulator (--steps N, --seed S, --only charges|sessions)
  shuffle           run the tests that share a chain in one process, in any order
       --turns N      how often (2)
       --seed S       the order of the first turn (1)
  mutants [PART]    break one guarantee at a time, and say which test noticed
       --list         name the mutants and stop
  tools             install what `test` needs into the cache, and say where it is
  help              show this

Tools are cached in $FARTHING_TOOLS, else $XDG_CACHE_HOME/farthing/tools,
else ~/.cache/farthing/tools.

Exit codes: 0 all well, 1 something failed, 2 the command line was wrong;
`demo` and `bench` end with the code of what they ran.";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let chore = args.next().unwrap_or_else(|| "help".to_owned());
    let mut args: Vec<String> = args.collect();
    // Who is used to `cargo run -- ARGS` sets the arguments apart, which is not needed here.
    if args.first().is_some_and(|first| first == "--") {
        args.remove(0);
    }
    let ended = match chore.as_str() {
        "demo" => demo::run(&args),
        "test" => test::run(&args),
        "tidy" => tidy::run(&args),
        "contracts" => contracts::run(&args),
        "bench" => bench::run(&args),
        "fuzz" => fuzz::run(&args),
        "interop" => interop::run(&args),
        "shuffle" => shuffle::run(&args),
        "sim" => sim::run(&args),
        "mutants" => mutants::run(&args),
        "tools" => tools::run(&args),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(Stop::Usage(format!("there is no chore called `{other}`"))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}

/// Why a chore ended without success.
#[derive(Debug)]
enum Stop {
    /// The command line cannot be understood.
    Usage(String),
    /// The chore ran and did not succeed; the text says what failed.
    Failed(String),
    /// A program the chore ran to its end; its own code is passed on.
    Code(u8),
}

impl Stop {
    fn report(self) -> ExitCode {
        match self {
            Self::Usage(what) => {
                eprintln!("error: {what}\nhint: `cargo xtask help` lists the chores");
                ExitCode::from(2)
            }
            Self::Failed(what) => {
                eprintln!("error: {what}");
                ExitCode::FAILURE
            }
            Self::Code(code) => ExitCode::from(code),
        }
    }
}

/// An argument that no chore expects.
fn unexpected(argument: &str) -> Stop {
    Stop::Usage(format!("unexpected argument `{argument}`"))
}
