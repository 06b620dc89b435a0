//! `cargo xtask bench`: our costs as ratios to floors that are measured in the same run.

use crate::{Stop, exec};

/// Builds the benchmarks in release and becomes them; every argument is theirs. The package has
/// two programs, one that times and one that counts, and `cargo run` alone would build only one.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let package = ["--locked", "--release", "--package", "farthing-bench"];
    exec::stream(exec::cargo().arg("build").args(package)).map_err(Stop::Failed)?;
    let mut bench = exec::cargo();
    bench.arg("run").args(package).arg("--").args(args);
    exec::become_program(&mut bench)
}
