//! `cargo xtask sim`: the simulator, for as long as one likes.

use crate::{Stop, exec};

/// Builds the simulator in release, because steps are what counts, and becomes it.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let mut sim = exec::cargo();
    sim.args([
        "run",
        "--locked",
        "--release",
        "--package",
        "farthing-testkit",
        "--bin",
        "sim",
    ]);
    exec::become_program(sim.arg("--").args(args))
}
