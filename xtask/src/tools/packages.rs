//! Software of other registries that tests run against: pinned by a lockfile in `tools/NAME`, installed
//! into the cache beside a copy of that folder.
//!
//! `farthing_testkit::peer` finds it there by the same names.

use std::fs;
use std::path::{Path, PathBuf};

use super::{cache, install::pip};
use crate::{exec, repo};

/// One folder of `tools/`.
#[derive(Debug)]
pub(crate) struct Package {
    /// The folder's name.
    pub(crate) name: &'static str,
    /// Who installs what its lockfile names.
    from: Registry,
}

/// Where the software comes from.
#[derive(Debug, Clone, Copy)]
enum Registry {
    /// npm, by `package-lock.json`.
    Npm,
    /// PyPI, by the hashes in `requirements.txt`.
    PyPi,
}

/// The chain that the rails on chains are tested on.
pub(crate) const ANVIL: Package = Package {
    name: "anvil",
    from: Registry::Npm,
};

/// Servers that stand behind a gateway in its tests.
pub(crate) const UPSTREAMS: Package = Package {
    name: "upstreams",
    from: Registry::Npm,
};

/// Says whether a document is OpenAPI.
pub(crate) const OPENAPI: Package = Package {
    name: "openapi",
    from: Registry::Npm,
};

/// The protocol's TypeScript SDK.
pub(crate) const MPPX: Package = Package {
    name: "mppx",
    from: Registry::Npm,
};

/// The compiler of the contracts.
pub(crate) const SOLC: Package = Package {
    name: "solc",
    from: Registry::Npm,
};

/// What `interop` needs.
pub(crate) const PEERS: [&Package; 4] = [
    &ANVIL,
    &MPPX,
    &OPENAPI,
    &Package {
        name: "pympp",
        from: Registry::PyPi,
    },
];

/// Everything in `tools/`.
pub(crate) fn all() -> impl Iterator<Item = &'static Package> {
    PEERS.into_iter().chain([&SOLC, &UPSTREAMS])
}

impl Package {
    /// The folder in the cache, into which it is installed unless what is there was installed from
    /// the same files.
    pub(crate) fn folder(&self) -> Result<PathBuf, String> {
        let source = repo::root().join("tools").join(self.name);
        let home = cache()?.join(format!("{}-{}", self.from.name(), self.name));
        if !same_files(&source, &home) {
            self.install(&source, &home)?;
        }
        Ok(home)
    }

    /// Installs beside the folder and puts the result in its place, so that what is interrupted is
    /// never taken for what is installed.
    fn install(&self, source: &Path, home: &Path) -> Result<(), String> {
        let new = home.with_extension(format!("new-{}", std::process::id()));
        let wrong = |error: std::io::Error| format!("{}: {error}", new.display());
        if new.exists() {
            fs::remove_dir_all(&new).map_err(wrong)?;
        }
        fs::create_dir_all(&new).map_err(wrong)?;
        let done = copy_files(source, &new)
            .and_then(|()| self.from.install(&new))
            .and_then(|()| put(&new, home));
        if done.is_err() {
            // What is left behind costs disk and nothing else.
            drop(fs::remove_dir_all(&new));
        }
        done.map_err(|why| format!("cannot install tools/{}: {why}", self.name))
    }
}

impl Registry {
    const fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::PyPi => "pip",
        }
    }

    /// Installs by the lockfile in the folder, and runs no script of what it installs.
    fn install(self, folder: &Path) -> Result<(), String> {
        match self {
            Self::Npm => npm(folder),
            Self::PyPi => {
                let mut install = pip().ok_or("no pip on this machine")?;
                install.args(["install", "--quiet", "--no-input", "--no-deps"]);
                install.args(["--require-hashes", "--only-binary", ":all:"]);
                install
                    .args(["--requirement", "requirements.txt"])
                    .args(["--target", "site"]);
                install.current_dir(folder);
                exec::stream(&mut install)
            }
        }
    }
}

fn npm(folder: &Path) -> Result<(), String> {
    let mut install = exec::program(if cfg!(windows) { "npm.cmd" } else { "npm" });
    install.current_dir(folder);
    if exec::on_path("node").is_none() || !exec::succeeds(install.arg("--version")) {
        return Err("no npm on this machine".to_owned());
    }
    let mut install = exec::program(install.get_program());
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    install.args(["--legacy-peer-deps", "--loglevel", "error"]);
    exec::stream(install.current_dir(folder))
}

/// The names of the plain files in a folder; what is installed lies in folders below.
fn plain_files(folder: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    Ok(names)
}

fn same_files(source: &Path, home: &Path) -> bool {
    let same = || {
        let names = plain_files(source)?;
        let mut same = names == plain_files(home)?;
        for name in names {
            same = same && fs::read(source.join(&name))? == fs::read(home.join(&name))?;
        }
        std::io::Result::Ok(same)
    };
    // What cannot be read is not installed.
    same().unwrap_or(false)
}

fn copy_files(source: &Path, home: &Path) -> Result<(), String> {
    let copied = plain_files(source).and_then(|names| {
        names.iter().try_for_each(|name| {
            let to = home.join(name);
            fs::copy(source.join(name), to).map(drop)
        })
    });
    copied.map_err(|error| format!("{}: {error}", source.display()))
}

/// Moves a folder to its place. Another process that was quicker has put the same there.
fn put(new: &Path, home: &Path) -> Result<(), String> {
    if home.exists() {
        let old = home.with_extension(format!("old-{}", std::process::id()));
        fs::rename(home, &old).map_err(|error| format!("{}: {error}", home.display()))?;
        drop(fs::remove_dir_all(&old));
    }
    match fs::rename(new, home) {
        Ok(()) => Ok(()),
        Err(_) if same_files(new, home) => {
            drop(fs::remove_dir_all(new));
            Ok(())
        }
        Err(error) => Err(format!("{}: {error}", home.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_installed_from_other_files_is_not_taken() {
        let base = std::env::temp_dir().join(format!("farthing-packages-{}", std::process::id()));
        let (source, home) = (base.join("source"), base.join("home"));
        fs::create_dir_all(&source).unwrap();
        fs::create_dir_all(home.join("node_modules")).unwrap();
        fs::write(source.join("package-lock.json"), "one").unwrap();
        assert!(!same_files(&source, &home), "nothing was installed");
        copy_files(&source, &home).unwrap();
        assert!(same_files(&source, &home));
        fs::write(home.join("left-over.mjs"), "").unwrap();
        assert!(!same_files(&source, &home), "a file that is gone");
        fs::remove_file(home.join("left-over.mjs")).unwrap();
        fs::write(source.join("package-lock.json"), "two").unwrap();
        assert!(!same_files(&source, &home), "another version");

        let new = base.join("new");
        fs::create_dir_all(&new).unwrap();
        copy_files(&source, &new).unwrap();
        put(&new, &home).unwrap();
        assert!(same_files(&source, &home) && !home.join("node_modules").exists());
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn every_folder_is_in_the_list_and_has_its_lockfile() {
        let tools = repo::root().join("tools");
        let mut folders: Vec<String> = fs::read_dir(&tools)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        folders.sort();
        assert_eq!(
            all().map(|package| package.name).collect::<Vec<_>>(),
            folders
        );
        for package in all() {
            let lock = match package.from {
                Registry::Npm => "package-lock.json",
                Registry::PyPi => "requirements.txt",
            };
            let text = fs::read_to_string(tools.join(package.name).join(lock)).unwrap();
            assert!(text.contains("sha512-") || text.contains("--hash=sha256:"));
            assert!(!text.contains("resolved"), "{} names a host", package.name);
        }
    }
}
