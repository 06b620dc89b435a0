//! `cargo xtask bench`: our costs as ratios to floors that are measured in the same run.

use crate::{Stop, exec};

/// Builds the benchmarks in release and becomes them; every argument is theirs.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let mut bench = exec::cargo();
    bench
        .args([
            "run",
            "--locked",
            "--release",
            "--package",
            "farthing-bench",
            "--",
        ])
        .args(args);
    exec::become_program(&mut bench)
}
