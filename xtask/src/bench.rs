//! `cargo xtask bench`: our costs as ratios to floors that are measured in the same run, with `--peers` to
//! other implementations, and with `--chain` what a charge takes on a chain.

use std::path::PathBuf;

use crate::{Stop, exec, repo, tools::packages};

/// Builds the benchmarks in release and becomes them; every argument is theirs. The package has
/// two programs, one that times and one that counts, and `cargo run` alone would build only one.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    if args.iter().any(|argument| argument == "--peers") {
        return peers(args);
    }
    if args.iter().any(|argument| argument == "--chain") {
        return chain(args);
    }
    build(&["farthing-bench"])?;
    let mut bench = exec::cargo();
    bench
        .args([
            "run",
            "--locked",
            "--release",
            "--package",
            "farthing-bench",
        ])
        .arg("--")
        .args(args);
    exec::become_program(&mut bench)
}

/// The rows that a peer has too, and then the gateway beside a bare forwarder and nginx.
fn peers(args: &[String]) -> Result<(), Stop> {
    let rest: Vec<&String> = args.iter().filter(|one| *one != "--peers").collect();
    let of_gateway = |one: &&String| one.starts_with("gateway");
    let (all, json) = (
        !rest.iter().any(|one| !one.starts_with("--")),
        rest.iter().any(|one| *one == "--json"),
    );
    if all || !rest.iter().any(of_gateway) {
        // A workspace of its own, so that what a peer needs is not in our lockfile.
        let mut run = exec::cargo();
        run.current_dir(repo::root().join("bench/peers"))
            .env("CARGO_TARGET_DIR", target().join("bench-peers"))
            .args(["run", "--locked", "--release", "--"])
            .args(&rest);
        exec::stream(&mut run).map_err(Stop::Failed)?;
    }
    if all || rest.iter().any(of_gateway) {
        gateway(rest.into_iter().find(of_gateway), json)?;
    }
    Ok(())
}

fn gateway(filter: Option<&String>, json: bool) -> Result<(), Stop> {
    for (program, package) in [("wrk", "wrk"), ("taskset", "util-linux")] {
        if exec::on_path(program).is_none() {
            let what = format!("`{program}` is not here (on Debian: apt install {package})");
            return Err(Stop::Failed(what));
        }
    }
    if exec::on_path("nginx").is_none() && !PathBuf::from("/usr/sbin/nginx").exists() {
        eprintln!(
            "  nginx is not here, so its rows are left out (on Debian: apt install nginx-light)"
        );
    }
    build(&["farthing-bench", "farthing-cli"])?;
    let release = target().join("release");
    let mut bench = exec::program(release.join("farthing-gateway-bench"));
    bench
        .args(["run", "--farthing"])
        .arg(release.join("farthing"));
    bench.args(json.then_some("--json")).args(filter);
    exec::become_program(&mut bench)
}

/// Charges on a chain, beside transactions of the same kind that are only sent.
fn chain(args: &[String]) -> Result<(), Stop> {
    packages::ANVIL.folder().map_err(Stop::Failed)?;
    build(&["farthing-bench"])?;
    let mut bench = exec::program(target().join("release/farthing-chain-bench"));
    bench.args(args.iter().filter(|one| *one != "--chain"));
    exec::become_program(&mut bench)
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repo::root().join("target"), PathBuf::from)
}

fn build(packages: &[&str]) -> Result<(), Stop> {
    let mut build = exec::cargo();
    build.args(["build", "--locked", "--release"]);
    for package in packages {
        build.args(["--package", package]);
    }
    exec::stream(&mut build).map_err(Stop::Failed)
}
