//! `cargo xtask interop`: us against software that was not written here (docs/interop.md).

use std::ffi::OsStr;
use std::path::Path;

use crate::tools::{self, packages};
use crate::{Stop, exec, repo, unexpected};

/// Makes a peer that is missing a failure of the test that needs it.
const REQUIRED: &str = "FARTHING_PEERS_REQUIRED";

/// The workspace of the peer from crates.io.
const MPP: &str = "interop/mpp/Cargo.toml";

/// Runs everything, and fails where a peer cannot be installed; or checks one document.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    match args {
        [] => {}
        [chore, document] if chore == "openapi" => {
            return openapi(document).map_err(Stop::Failed);
        }
        [chore] if chore == "openapi" => {
            return Err(Stop::Usage("openapi takes a file or a URL".to_owned()));
        }
        [other, ..] => return Err(unexpected(other)),
    }
    for package in packages::PEERS {
        package.folder().map_err(Stop::Failed)?;
    }
    let (variable, value) = (REQUIRED, "1".as_ref());
    let peers = peers(variable, value);
    peers.and(mpp(variable, value)).map_err(Stop::Failed)
}

/// The same as a step of `test`: what cannot be installed is skipped by the tests that need it, which
/// say so in the file that this variable names.
pub(crate) fn check(variable: &str, skips: &Path) -> Result<(), String> {
    for package in packages::PEERS {
        if let Err(why) = package.folder() {
            eprintln!("  {why}");
        }
    }
    let peers = peers(variable, skips.as_os_str());
    peers.and(mpp(variable, skips.as_os_str()))
}

/// Says whether a file, or what a URL answers, is an OpenAPI document.
fn openapi(document: &str) -> Result<(), String> {
    let folder = packages::OPENAPI.folder()?;
    let mut node = exec::program("node");
    node.arg(folder.join("validate.mjs")).arg(document);
    exec::stream(&mut node)
}

/// Those from npm and PyPI, with one variable set.
fn peers(variable: &str, value: &OsStr) -> Result<(), String> {
    let mut cargo = exec::cargo();
    exec::prepend_path(&mut cargo, &tools::NEXTEST.folder()?);
    cargo.args([
        "nextest",
        "run",
        "--locked",
        "--package",
        "farthing-interop",
    ]);
    exec::stream(cargo.env(variable, value))
}

/// The one from crates.io. It is built outside the checkout, so that what it needs is never taken for
/// what we need.
fn mpp(variable: &str, value: &OsStr) -> Result<(), String> {
    let mut cargo = exec::cargo();
    exec::prepend_path(&mut cargo, &tools::NEXTEST.folder()?);
    cargo.args(["nextest", "run", "--locked", "--manifest-path"]);
    cargo
        .arg(repo::root().join(MPP))
        .env(variable, value)
        .env("CARGO_TARGET_DIR", tools::cache()?.join("interop-mpp"));
    exec::stream(&mut cargo)
}
