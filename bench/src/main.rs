//! `cargo xtask bench`: what Farthing costs, as ratios to floors measured in the same run.

use std::process::ExitCode;

fn main() -> ExitCode {
    farthing_bench::command::main(&[])
}
