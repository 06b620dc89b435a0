//! Why there is no chain to show the demo on.

use std::{borrow::Cow, env::consts, io, path::PathBuf};

use crate::{
    error::{Blame, Row},
    exit::Exit,
};
use farthing::core::payment::Moved;

/// The version that the demo is tested with.
const VERSION: &str = "1.7.1";

/// Why there is no chain on this machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnvilError {
    /// There is no program that could be one.
    #[error("{}", missing(.named.as_deref()))]
    Missing {
        /// The one that was named.
        named: Option<PathBuf>,
    },
    /// It does not run.
    #[error("{program} does not start")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It runs, and does not become a chain of Tempo.
    #[error("{program} did not become a Tempo chain{}", told(.said))]
    Silent {
        /// The program.
        program: PathBuf,
        /// What it said.
        said: String,
    },
}

impl AnvilError {
    pub(crate) fn row(&self) -> Row {
        (
            Exit::Other,
            Blame::Machine,
            Moved::No,
            Cow::Owned(install()),
        )
    }
}

fn missing(named: Option<&std::path::Path>) -> String {
    match named {
        Some(named) => format!(
            "FARTHING_ANVIL names {}, and there is no such file",
            named.display()
        ),
        None => "there is no `anvil` on the PATH to run a chain with".to_owned(),
    }
}

/// What a program said, where it said anything.
fn told(said: &str) -> String {
    match said.is_empty() {
        true => String::new(),
        false => format!(": {said}"),
    }
}

/// The line that installs it.
fn install() -> String {
    let system = match consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let machine = match consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("@foundry-rs/anvil-{system}-{machine}");
    let suffix = consts::EXE_SUFFIX;
    format!(
        "npm install --prefix anvil --no-save {package}@{VERSION} && \
         export FARTHING_ANVIL=$PWD/anvil/node_modules/{package}/bin/anvil{suffix}"
    )
}
