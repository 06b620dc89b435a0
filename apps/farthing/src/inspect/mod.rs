//! `farthing inspect`: what a challenge, a credential, a receipt, a problem or a header of x402 says,
//! and what is wrong with it.
//!
//! It reads with the parsers the server and the client use, and goes on where they stop: each part
//! is looked at by itself, so that one fault does not hide the others.

mod challenge;
mod credential;
mod encoded;
mod finding;
mod input;
mod message;
mod problem;
mod receipt;
mod recognise;
mod report;
mod request;
mod rule;
mod show;
mod slots;
mod tempo;
#[cfg(test)]
mod tests;
pub(crate) mod time;
mod x402;

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use farthing::{
    clock::SystemClock,
    core::{
        port::clock::Clock,
        value::{Secret, Timestamp},
    },
    secret,
};

pub(crate) use finding::{Finding, Severity};
pub(crate) use report::{Item, Report};
pub(crate) use rule::Rule;

use crate::{
    error::Error,
    exit::{self, Exit},
    screen::{self, Paint},
};

/// Bytes of the largest input. A saved response with its body is far below it.
const LARGEST: u64 = 8 * 1024 * 1024;

/// The arguments of `farthing inspect`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct Inspect {
    /// What to look at: a header's value, header lines, JSON, or '-' for stdin
    ///
    /// Without it, stdin is read: a header, or what `curl -i` or `curl -v` printed.
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: Option<String>,
    /// Read a file, such as a saved response
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// The moment that ends are told by [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Say whether the secret in this file issued the challenge
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Show payloads whole: whoever reads them can use them
    #[arg(long)]
    reveal: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What everything is looked at with.
pub(crate) struct Context {
    pub(crate) now: Timestamp,
    /// Whether payloads are shown whole.
    pub(crate) reveal: bool,
    /// The secret that may have issued a challenge.
    pub(crate) secret: Option<Secret>,
}

impl Context {
    /// Looks with no secret, and shows none.
    pub(crate) const fn at(now: Timestamp) -> Self {
        Self {
            now,
            reveal: false,
            secret: None,
        }
    }
}

pub(crate) fn run(args: &Inspect) -> Result<Exit, Error> {
    let secret = args.secret_file.as_deref().map(secret::load).transpose();
    let secret = secret.map_err(Error::Secret)?;
    let context = Context {
        now: args.at.unwrap_or_else(|| SystemClock.now()),
        reveal: args.reveal,
        secret,
    };
    let bytes = match (&args.text, &args.file) {
        (Some(text), _) if text != "-" => text.clone().into_bytes(),
        (_, Some(path)) => from_file(path)?,
        _ => from_stdin(args.json)?,
    };
    let report = look(&bytes, &context).ok_or_else(|| nothing_known(&bytes))?;
    let text = if args.json {
        report.to_json().to_string()
    } else {
        show::report(&report, Paint::for_stdout())
    };
    screen::data(text).map_err(Error::System)?;
    let is_secret = |item: &Item| matches!(item.kind, "credential" | "x402Payment");
    if !args.json && !args.reveal && report.items.iter().any(is_secret) {
        screen::hint("a payload is shown shortened, for it is as good as money; --reveal shows it");
    }
    Ok(report.exit())
}

/// Looks at any bytes. `None` where nothing in them is known.
pub(crate) fn look(bytes: &[u8], context: &Context) -> Option<Report> {
    let report = match input::read(bytes) {
        input::Input::Messages(messages) => message::inspect(&messages, context),
        input::Input::Text(text) => recognise::inspect(&text, context)?,
    };
    Some(report).filter(|report| !report.items.is_empty())
}

/// Looks at the challenges of one header line.
pub(crate) fn challenges(line: &[u8], context: &Context) -> Vec<Item> {
    let found = challenge::inspect(line, context);
    found
        .into_iter()
        .filter(|one| one.texts.is_some())
        .map(|one| one.item)
        .collect()
}

/// Looks at a receipt's header value.
pub(crate) fn receipt_header(value: &str, context: &Context) -> Item {
    receipt::inspect(value, context)
}

fn nothing_known(bytes: &[u8]) -> Error {
    let text = bytes.trim_ascii();
    let (what, next) = if text.is_empty() {
        (
            "there is nothing to look at",
            "give a header's value, header lines, or what `curl -i` printed",
        )
    } else if text.starts_with(b"http://") || text.starts_with(b"https://") {
        (
            "this is a URL, and it is not asked",
            "`curl -si URL | farthing inspect` shows what it answers; `farthing check URL` tries it",
        )
    } else {
        (
            "nothing in this is known: it is no challenge, credential, receipt or problem",
            "give a header's value, header lines, or what `curl -i` printed; a file with -f",
        )
    };
    Error::Usage {
        what: what.to_owned(),
        next,
    }
}

fn from_file(path: &Path) -> Result<Vec<u8>, Error> {
    let read = File::open(path).and_then(bounded);
    read.map_err(|source| Error::Input {
        path: path.into(),
        source,
    })
}

fn from_stdin(json: bool) -> Result<Vec<u8>, Error> {
    let stdin = io::stdin();
    if stdin.is_terminal() && !json {
        screen::hint("paste what to look at, and end it with Ctrl-D");
    }
    bounded(stdin.lock()).map_err(|source| Error::Input {
        path: "-".into(),
        source,
    })
}

fn bounded(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than 8 MiB",
        ));
    }
    Ok(bytes)
}
