//! `farthing completions`: a script that completes commands in a shell.

use clap::{CommandFactory, ValueEnum};
use clap_complete::{Shell, generate};

use crate::{error::Error, exit::Exit, screen};

/// The arguments of `farthing completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// `source <(farthing completions bash)`
    Bash,
    /// A file `_farthing` in a folder of `fpath`
    Zsh,
    /// `farthing completions fish | source`
    Fish,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Error> {
    let shell = match args.shell {
        Kind::Bash => Shell::Bash,
        Kind::Zsh => Shell::Zsh,
        Kind::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(
        shell,
        &mut crate::args::Args::command(),
        "farthing",
        &mut script,
    );
    let script = String::from_utf8(script).expect("a script is text");
    screen::data(script.trim_end()).map_err(Error::System)?;
    Ok(Exit::Done)
}
