//! The tools that the tests need and cargo does not bring: found, or installed into a cache
//! outside the checkout.

mod install;
pub(crate) mod packages;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use table::{DENY, FUZZ, NEXTEST, TYPOS, Tool};

use crate::{Stop, exec, unexpected};

/// `cargo xtask tools`: installs everything ahead of a run.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    if let Some(argument) = args.first() {
        return Err(unexpected(argument));
    }
    let mut missing = Vec::new();
    for tool in [&TYPOS, &NEXTEST, &FUZZ, &DENY] {
        match tool.folder() {
            Ok(folder) => println!("{} {}", tool.name, folder.join(tool.name).display()),
            Err(why) => {
                eprintln!("{}: {why}", tool.name);
                missing.push(tool.name);
            }
        }
    }
    for package in packages::all() {
        match package.folder() {
            Ok(folder) => println!("{} {}", package.name, folder.display()),
            Err(why) => {
                eprintln!("{}: {why}", package.name);
                missing.push(package.name);
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Stop::Failed(format!(
        "could not install {}",
        missing.join(", ")
    )))
}

impl Tool {
    /// The folder that holds the tool: one of the `PATH` if a fitting version is there, else the
    /// cache, into which it is installed if need be.
    pub(crate) fn folder(&self) -> Result<PathBuf, String> {
        if let Some(found) = exec::on_path(self.name)
            && self.fits(&found)
            && let Some(folder) = found.parent()
        {
            return Ok(folder.to_path_buf());
        }
        let home = cache()?.join(format!("{}-{}", self.name, self.version));
        let folder = home.join("bin");
        let binary = folder.join(format!("{}{}", self.name, std::env::consts::EXE_SUFFIX));
        if !self.fits(&binary) {
            install::install(self, &home)?;
        }
        if self.fits(&binary) {
            return Ok(folder);
        }
        Err(format!(
            "{} {} was installed but does not run",
            self.name, self.version
        ))
    }

    fn fits(&self, binary: &Path) -> bool {
        let mut command = Command::new(binary);
        command.args(self.ask);
        exec::output(&mut command).is_ok_and(|said| self.accepts(&said))
    }

    /// Whether what a tool says of itself names a version of the pinned series.
    fn accepts(&self, said: &str) -> bool {
        said.split_whitespace().take(3).any(|word| {
            word.strip_prefix(self.series)
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

/// The cache folder, which is never inside the checkout unless someone asks for it.
pub(crate) fn cache() -> Result<PathBuf, String> {
    let given = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = given("FARTHING_TOOLS") {
        return std::path::absolute(&folder)
            .map_err(|error| format!("FARTHING_TOOLS is not a folder: {error}"));
    }
    let base = given("XDG_CACHE_HOME").filter(|folder| folder.is_absolute());
    let home = || {
        given("HOME")
            .or_else(|| given("USERPROFILE"))
            .map(|home| home.join(".cache"))
    };
    base.or_else(home)
        .map(|base| base.join("farthing").join("tools"))
        .ok_or_else(|| "no cache folder: set FARTHING_TOOLS".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pinned_series_is_accepted() {
        assert!(DENY.accepts("cargo-deny 0.20.9\n"));
        assert!(!DENY.accepts("cargo-deny 0.2.0\n"));
        assert!(!DENY.accepts("cargo-deny 0.200.1\n"));
        assert!(!DENY.accepts(""));
        assert!(NEXTEST.accepts("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)\nrelease: 0.9.143"));
        assert!(TYPOS.accepts("typos-cli 1.52.0"));
    }

    #[test]
    fn every_pin_is_of_its_series() {
        for tool in [&TYPOS, &NEXTEST, &FUZZ, &DENY] {
            assert!(tool.accepts(tool.version), "{}", tool.name);
        }
    }
}
