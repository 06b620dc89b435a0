//! Installing a tool into its own folder of the cache.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::table::{Source, Tool};
use crate::exec;

/// Tries the tool's sources in turn; the failure names what each of them said.
pub(super) fn install(tool: &Tool, home: &Path) -> Result<(), String> {
    fs::create_dir_all(home)
        .map_err(|error| format!("{} cannot be made: {error}", home.display()))?;
    let mut refusals = Vec::new();
    for source in tool.from {
        let done = match source {
            Source::Crate(name) => from_crate(name, tool.version, home),
            Source::Wheel(name) => from_wheel(name, tool.version, home),
        };
        match done {
            Ok(()) => return Ok(()),
            Err(why) => refusals.push(why),
        }
    }
    Err(format!(
        "cannot install {} {}: {}",
        tool.name,
        tool.version,
        refusals.join("; ")
    ))
}

/// Builds a crate's binary. The build folder is kept until the build succeeds, so that an
/// interrupted one goes on where it stopped.
fn from_crate(name: &str, version: &str, home: &Path) -> Result<(), String> {
    eprintln!("  building {name} {version}; this takes minutes, once");
    let build = home.join("build");
    let mut cargo = exec::cargo();
    cargo
        .args(["install", "--locked", "--version", version, "--root"])
        .arg(home)
        .arg(name);
    // Not in the checkout: its `.cargo/config.toml` is for its own code.
    cargo.current_dir(home).env("CARGO_TARGET_DIR", &build);
    exec::stream(&mut cargo)?;
    // What is left behind costs disk and nothing else.
    drop(fs::remove_dir_all(build));
    Ok(())
}

/// Unpacks a wheel with the pip that is there, touching no environment of Python.
fn from_wheel(name: &str, version: &str, home: &Path) -> Result<(), String> {
    let mut install = pip().ok_or("no pip on this machine")?;
    install.args(["install", "--quiet", "--no-input", "--no-deps", "--upgrade"]);
    install
        .args(["--only-binary", ":all:", "--target"])
        .arg(home)
        .arg(format!("{name}=={version}"));
    exec::stream(&mut install)
}

/// The pip of this machine, as a command to give arguments to.
pub(super) fn pip() -> Option<Command> {
    let pips: [&[&str]; 4] = [
        &["python3", "-m", "pip"],
        &["python", "-m", "pip"],
        &["pip3"],
        &["pip"],
    ];
    let command = |pip: &[&str]| {
        let mut command = exec::program(pip[0]);
        command.args(&pip[1..]);
        // The folder is ours, so pip's advice to root about system packages is beside the point.
        command.env("PIP_ROOT_USER_ACTION", "ignore");
        command
    };
    pips.into_iter()
        .find(|pip| exec::succeeds(command(pip).arg("--version")))
        .map(command)
}
