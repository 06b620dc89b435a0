//! The steps, in the order in which they run: the quick ones first, so that a slip in the format
//! is known before the tests are built.

use std::path::PathBuf;
use std::process::Command;

use super::{Notes, Outcome, Step, trace};
use crate::tools::{Tool, packages};
use crate::{contracts, exec, fuzz, interop, tidy, tools};

/// Where a test writes a line for what it could not check here, such as a server that cannot be
/// started; the lines are repeated at the end of the run.
const SKIPS: &str = "FARTHING_TEST_SKIPS";

/// A new step is one more row.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "format",
        what: "the code is formatted",
        run: format,
    },
    Step {
        name: "tidy",
        what: "the rules of the house hold",
        run: tidy_rules,
    },
    Step {
        name: "clippy",
        what: "no warnings, in all targets and features",
        run: clippy,
    },
    Step {
        name: "contracts",
        what: "the contracts are what their sources give",
        run: solidity,
    },
    Step {
        name: "nextest",
        what: "the tests pass",
        run: nextest,
    },
    Step {
        name: "interop",
        what: "others read and pay what we write and offer",
        run: others,
    },
    Step {
        name: "doctests",
        what: "the examples in the documentation pass",
        run: doctests,
    },
    Step {
        name: "docs",
        what: "the documentation builds, and its links lead somewhere",
        run: docs,
    },
    Step {
        name: "deny",
        what: "licences, bans and sources of the dependencies",
        run: deny,
    },
    Step {
        name: "typos",
        what: "the spelling is right",
        run: typos,
    },
    Step {
        name: "fuzz",
        what: "every fuzz target builds and runs for a while",
        run: fuzz_targets,
    },
];

fn format(_: &mut Notes) -> Outcome {
    if let Err(why) = component("rustfmt", &["fmt", "--version"]) {
        return Outcome::Skipped(why);
    }
    let workspace = exec::stream(exec::cargo().args(["fmt", "--all", "--check"]));
    let beside = ["fuzz/Cargo.toml", "interop/mpp/Cargo.toml"].map(|manifest| {
        let mut cargo = exec::cargo();
        exec::stream(cargo.args(["fmt", "--manifest-path", manifest, "--check"]))
    });
    beside.into_iter().fold(workspace, Result::and).into()
}

fn tidy_rules(_: &mut Notes) -> Outcome {
    tidy::check(tidy::Show::Failures).into()
}

fn clippy(_: &mut Notes) -> Outcome {
    if let Err(why) = component("clippy", &["clippy", "--version"]) {
        return Outcome::Skipped(why);
    }
    let mut clippy = exec::cargo();
    clippy.args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--all-features",
    ]);
    exec::stream(clippy.args(["--", "-D", "warnings"])).into()
}

fn solidity(_: &mut Notes) -> Outcome {
    match packages::SOLC.folder() {
        Ok(compiler) => contracts::check(&compiler).into(),
        Err(why) => Outcome::Skipped(why),
    }
}

fn nextest(notes: &mut Notes) -> Outcome {
    // A test that does not find one says so, and its line is among the last.
    for package in [
        &packages::ANVIL,
        &packages::UPSTREAMS,
        &packages::OPENAPI,
        &packages::MPPX,
    ] {
        if let Err(why) = package.folder() {
            eprintln!("  {why}");
        }
    }
    with_tool(&tools::NEXTEST, |cargo| {
        let skips = skips();
        cargo.args([
            "nextest",
            "run",
            "--locked",
            "--workspace",
            "--all-features",
            // A step of its own, with what it has to install.
            "--exclude",
            "farthing-interop",
        ]);
        let trace = trace::Folder::new()?;
        let done = exec::stream(cargo.env(SKIPS, &skips).env(trace::FOLDER, trace.path()));
        notes.extend(take_lines(&skips));
        done.and(trace.search())
    })
}

fn others(notes: &mut Notes) -> Outcome {
    if let Err(why) = tools::NEXTEST.folder() {
        return Outcome::Skipped(why);
    }
    let skips = skips();
    let done = interop::check(SKIPS, &skips);
    notes.extend(take_lines(&skips));
    done.into()
}

/// A file for what the tests of a step cannot check here.
fn skips() -> PathBuf {
    std::env::temp_dir().join(format!("farthing-skips-{}", std::process::id()))
}

/// The distinct lines of a file that may not exist, which is then removed.
fn take_lines(path: &PathBuf) -> Vec<String> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Vec::new();
    };
    drop(std::fs::remove_file(path));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    lines
}

fn doctests(_: &mut Notes) -> Outcome {
    let mut doctests = exec::cargo();
    doctests.args(["test", "--doc", "--locked", "--workspace", "--all-features"]);
    exec::stream(&mut doctests).into()
}

fn docs(_: &mut Notes) -> Outcome {
    let mut docs = exec::cargo();
    docs.env("RUSTDOCFLAGS", "-D warnings");
    docs.args([
        "doc",
        "--no-deps",
        "--locked",
        "--workspace",
        "--all-features",
    ]);
    exec::stream(&mut docs).into()
}

fn deny(_: &mut Notes) -> Outcome {
    with_tool(&tools::DENY, |cargo| {
        cargo.args([
            "deny",
            "--locked",
            "--all-features",
            "check",
            "--hide-inclusion-graph",
        ]);
        exec::stream(cargo.args(["bans", "licenses", "sources"]))
    })
}

fn typos(_: &mut Notes) -> Outcome {
    match tools::TYPOS.folder() {
        Ok(folder) => exec::stream(&mut exec::program(folder.join(tools::TYPOS.name))).into(),
        Err(why) => Outcome::Skipped(why),
    }
}

fn fuzz_targets(_: &mut Notes) -> Outcome {
    let targets = match fuzz::targets() {
        Ok(targets) if targets.is_empty() => {
            return Outcome::Failed("there is no fuzz target, and every parser needs one".into());
        }
        Ok(targets) => targets,
        Err(why) => return Outcome::Failed(why),
    };
    match fuzz::Fuzzer::find() {
        Ok(fuzzer) => {
            let locked = fuzz_lock();
            let ran = fuzzer.run_all(&targets, fuzz::SHORT_RUN);
            locked.and(ran).into()
        }
        Err(why) => Outcome::Skipped(why),
    }
}

/// The targets have a lockfile of their own, which falls behind when core's dependencies change.
/// The build that follows brings it up to date; that it had to is a failure, once.
fn fuzz_lock() -> Result<(), String> {
    let mut fetch = exec::cargo();
    fetch.args(["fetch", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    exec::stream(&mut fetch)
        .map_err(|why| format!("{why}; if `fuzz/Cargo.lock` was out of date, commit the new one"))
}

/// Runs a subcommand of cargo that comes from a tool, or says why the tool is not there.
fn with_tool(tool: &Tool, run: impl FnOnce(&mut Command) -> Result<(), String>) -> Outcome {
    match tool.folder() {
        Ok(folder) => {
            let mut cargo = exec::cargo();
            exec::prepend_path(&mut cargo, &folder);
            run(&mut cargo).into()
        }
        Err(why) => Outcome::Skipped(why),
    }
}

/// Makes sure that a component of the toolchain is there, adding it with rustup if it is not.
fn component(name: &str, probe: &[&str]) -> Result<(), String> {
    let present = || exec::succeeds(exec::cargo().args(probe));
    if present() {
        return Ok(());
    }
    let added = exec::stream(exec::program("rustup").args(["component", "add", name]));
    if added.is_ok() && present() {
        return Ok(());
    }
    Err(format!(
        "{name} is not installed (`rustup component add {name}`)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_could_not_check_is_repeated_once() {
        let path = std::env::temp_dir().join(format!("farthing-skips-test-{}", std::process::id()));
        std::fs::write(
            &path,
            "postgres: no server\nanvil: no binary\npostgres: no server\n",
        )
        .unwrap();
        assert_eq!(
            take_lines(&path),
            ["anvil: no binary", "postgres: no server"]
        );
        assert_eq!(take_lines(&path), Vec::<String>::new());
        assert!(!path.exists());
    }
}
