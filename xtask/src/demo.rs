//! `cargo xtask demo`: from a fresh checkout to a paid request.

use crate::{Stop, exec};

/// Builds `farthing` and becomes `farthing dev`, with the further arguments.
///
/// The dev profile is used on purpose: dependencies are optimized in it, our own code is not, and
/// a newcomer waits much less for the first payment than with a release build.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    eprintln!("building farthing; the first time takes a few minutes");
    let mut build = exec::cargo();
    build.args([
        "build",
        "--locked",
        "--package",
        "farthing-cli",
        "--bin",
        "farthing",
    ]);
    exec::stream(&mut build).map_err(Stop::Failed)?;
    eprintln!("starting `farthing dev`; Ctrl-C ends it");
    let mut start = exec::cargo();
    start.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "farthing-cli",
        "--bin",
        "farthing",
    ]);
    start.args(["--", "dev"]).args(args);
    exec::become_program(&mut start)
}
