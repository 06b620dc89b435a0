//! `cargo xtask fuzz`: every parser against bytes nobody thought of.
//!
//! A target is a file in `fuzz/fuzz_targets` with a `[[bin]]` in `fuzz/Cargo.toml`. Inputs worth
//! starting from lie in `fuzz/seeds/<target>`; what the runs discover goes to `fuzz/corpus`, which
//! is not tracked.

use std::path::Path;
use std::process::Command;

use crate::{Stop, exec, repo, tools, unexpected};

/// How long each target runs unless someone says otherwise: as long as CI can bear.
pub(crate) const SHORT_RUN: u32 = 10;

/// The oldest nightly that may be used, as the `rust-version` of the workspace.
const OLDEST: (u32, u32) = (1, 90);

/// Runs what the command line asks for.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let wanted = Wanted::parse(args)?;
    if wanted.list {
        targets()
            .map_err(Stop::Failed)?
            .iter()
            .for_each(|target| println!("{target}"));
        return Ok(());
    }
    let fuzzer = Fuzzer::find().map_err(Stop::Failed)?;
    let all = targets().map_err(Stop::Failed)?;
    let chosen = match wanted.target {
        None => all,
        Some(target) if all.contains(&target) => vec![target],
        Some(target) => {
            let known = all.join(", ");
            return Err(Stop::Usage(format!(
                "no fuzz target `{target}`; there are: {known}"
            )));
        }
    };
    fuzzer
        .run_all(&chosen, wanted.seconds)
        .map_err(Stop::Failed)
}

#[derive(Debug, PartialEq)]
struct Wanted {
    target: Option<String>,
    seconds: u32,
    list: bool,
}

impl Wanted {
    fn parse(args: &[String]) -> Result<Self, Stop> {
        let mut wanted = Self {
            target: None,
            seconds: SHORT_RUN,
            list: false,
        };
        let mut args = args.iter();
        while let Some(argument) = args.next() {
            match argument.as_str() {
                "--list" => wanted.list = true,
                "--seconds" => {
                    let given = args.next().and_then(|value| value.parse().ok());
                    wanted.seconds = given
                        .filter(|seconds| *seconds > 0)
                        .ok_or_else(|| Stop::Usage("--seconds takes a whole number".to_owned()))?;
                }
                flag if flag.starts_with('-') => return Err(unexpected(flag)),
                target if wanted.target.is_none() => wanted.target = Some(target.to_owned()),
                more => return Err(unexpected(more)),
            }
        }
        Ok(wanted)
    }
}

/// The names of the targets, from the files that define them.
pub(crate) fn targets() -> Result<Vec<String>, String> {
    let files = repo::files()?;
    let stem = |path: &String| {
        let name = path
            .strip_prefix("fuzz/fuzz_targets/")?
            .strip_suffix(".rs")?;
        (!name.contains('/')).then(|| name.to_owned())
    };
    Ok(files.iter().filter_map(stem).collect())
}

/// A machine that can fuzz.
#[derive(Debug)]
pub(crate) struct Fuzzer {
    folder: std::path::PathBuf,
    nightly: bool,
}

impl Fuzzer {
    /// What fuzzing needs, or why it cannot be had here.
    pub(crate) fn find() -> Result<Self, String> {
        if !["c++", "g++", "clang++"]
            .iter()
            .any(|name| exec::on_path(name).is_some())
        {
            return Err("libFuzzer needs a C++ compiler (on Debian: apt install g++)".to_owned());
        }
        let folder = tools::FUZZ.folder()?;
        let mut rustc = exec::program("rustc");
        let version = exec::output(rustc.args(["+nightly", "--version"]));
        Ok(Self {
            folder,
            nightly: version.is_ok_and(|said| new_enough(&said)),
        })
    }

    /// Builds once, then runs each target; all of them run, also after one failed.
    pub(crate) fn run_all(&self, targets: &[String], seconds: u32) -> Result<(), String> {
        let mut build = self.cargo();
        match targets {
            [one] => exec::stream(build.args(["fuzz", "build", one]))?,
            _ => exec::stream(build.args(["fuzz", "build"]))?,
        }
        let failures: Vec<String> = targets
            .iter()
            .filter_map(|target| self.run_one(target, seconds).err())
            .collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("\n"))
        }
    }

    fn run_one(&self, target: &str, seconds: u32) -> Result<(), String> {
        let corpus = format!("fuzz/corpus/{target}");
        std::fs::create_dir_all(repo::root().join(&corpus))
            .map_err(|error| format!("{corpus} cannot be made: {error}"))?;
        let mut run = self.cargo();
        run.args(["fuzz", "run", target, corpus.as_str()]);
        let seeds = format!("fuzz/seeds/{target}");
        if repo::root().join(&seeds).is_dir() {
            run.arg(seeds);
        }
        // An input that takes five seconds, or one allocation of 64 MB, is a finding.
        run.args([
            "--",
            "-timeout=5",
            "-rss_limit_mb=2048",
            "-malloc_limit_mb=64",
        ]);
        run.args(["-verbosity=0", "-print_final_stats=1"]);
        exec::stream(run.arg(format!("-max_total_time={seconds}")))
            .map_err(|why| format!("fuzz target `{target}`: {why}"))
    }

    /// Cargo with the sanitizers within reach: a nightly if there is a fitting one, else the
    /// current compiler told to accept what only a nightly accepts.
    fn cargo(&self) -> Command {
        let mut cargo = exec::cargo();
        if self.nightly {
            cargo.arg("+nightly");
        } else {
            cargo.env("RUSTC_BOOTSTRAP", "1");
        }
        exec::prepend_path(&mut cargo, Path::new(&self.folder));
        cargo
    }
}

/// Whether `rustc 1.97.0-nightly (…)` is at least as new as the workspace demands.
fn new_enough(said: &str) -> bool {
    let Some(version) = said.split_whitespace().nth(1) else {
        return false;
    };
    let mut numbers = version
        .split('.')
        .map_while(|number| number.parse::<u32>().ok());
    numbers
        .next()
        .zip(numbers.next())
        .is_some_and(|found| found >= OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Wanted> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Wanted::parse(&args).ok()
    }

    #[test]
    fn the_command_line_is_understood_or_refused() {
        let all = Wanted {
            target: None,
            seconds: SHORT_RUN,
            list: false,
        };
        assert_eq!(parse(""), Some(all));
        let one = Wanted {
            target: Some("header".to_owned()),
            seconds: 60,
            list: false,
        };
        assert_eq!(parse("header --seconds 60"), Some(one));
        for wrong in [
            "--seconds",
            "--seconds 0",
            "--seconds x",
            "--minutes 1",
            "a b",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_old_nightly_is_not_used() {
        assert!(new_enough("rustc 1.97.0-nightly (abc 2026-05-01)"));
        assert!(new_enough("rustc 2.0.0-nightly"));
        assert!(!new_enough("rustc 1.89.0-nightly (abc 2025-05-01)"));
        assert!(!new_enough("error: toolchain 'nightly' is not installed"));
    }
}
