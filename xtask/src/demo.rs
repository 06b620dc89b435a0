//! `cargo xtask demo`: from a fresh checkout to a paid request.

use std::path::PathBuf;

use crate::{Stop, exec, tools::packages};

/// Builds `farthing` and becomes `farthing dev`, with the further arguments: on a chain where one can be
/// had, and said so where not.
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
    start.args(["--", "dev"]);
    if !chooses(args) {
        match anvil() {
            Ok(program) => {
                start.env("FARTHING_ANVIL", program);
                start.args(["--chain", "tempo"]);
            }
            Err(why) => eprintln!("the demo pays on a ledger, and not on a chain: {why}"),
        }
    }
    eprintln!("starting `farthing dev`; Ctrl-C ends it");
    start.args(args);
    exec::become_program(&mut start)
}

/// Whether somebody says already what the demo pays on.
fn chooses(args: &[String]) -> bool {
    args.iter()
        .any(|arg| arg == "--chain" || arg.starts_with("--chain="))
}

/// The pinned chain, installed if need be.
fn anvil() -> Result<PathBuf, String> {
    let folder = packages::ANVIL.folder()?;
    let program = folder.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    match program.is_file() {
        true => Ok(program),
        false => Err("there is no anvil for this machine".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_is_not_chosen_again() {
        let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
        assert!(chooses(&args(&["--json", "--chain", "none"])));
        assert!(chooses(&args(&["--chain=tempo"])));
        assert!(!chooses(&args(&["--json"])));
    }
}
