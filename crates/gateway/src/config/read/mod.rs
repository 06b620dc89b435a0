//! Reading the file. Every mistake is collected, because whoever mends one wants to see the next.

mod listen;
mod money;
mod pay;
mod report;
mod rest;
mod rules;
mod section;
mod session;
mod sessions;
mod suggest;
mod syntax;
mod tempo;
mod terms;
mod top;
mod upstream;
mod values;

use std::{
    io::{self, Read},
    net::SocketAddr,
    path::Path,
};

use toml::de::DeTable;

use farthing::{
    core::value::{Price, Realm},
    file::{self, FileError},
};

use super::{Config, Finding, Pay, TempoPay, Upstream};
use report::Report;

pub(super) use report::Wrong as Said;

/// Bytes of the largest file.
const LARGEST: u64 = 1024 * 1024;

impl Config {
    /// Reads a file, and what it refers to: the environment, files of secrets and certificates.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Vec<Finding>> {
        let bytes = bytes(path).map_err(|finding| vec![finding])?;
        Self::from_bytes(path, &bytes)
    }

    /// Reads what a file holds. Paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, Vec<Finding>> {
        let whole = |what: &str, instead: &str| {
            let instead = (!instead.is_empty()).then(|| instead.to_owned());
            vec![Finding::whole(path, what, instead)]
        };
        if bytes.len() as u64 > LARGEST {
            return Err(whole("the file is larger than 1 MiB", ""));
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            let what = if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
                "the file is UTF-16, and not UTF-8"
            } else {
                "the file is not UTF-8"
            };
            return Err(whole(what, "save it as UTF-8"));
        };
        // Some editors begin each file with this mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(whole(
                "the file is empty",
                "`farthing gateway init` writes a first one",
            ));
        }
        let mut report = Report::new(path, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        let readable = syntax::tell(&errors, &mut report);
        let config = readable
            .then(|| top::config(document.get_ref(), &mut report))
            .flatten();
        match config {
            Some(config) if report.is_empty() => Ok(config),
            _ => Err(report.into_findings()),
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Finding> {
    let failed = |error: io::Error| {
        let instead = match error.kind() {
            io::ErrorKind::NotFound => {
                "name the file with --config, or write a first one with `farthing gateway init`"
            }
            io::ErrorKind::PermissionDenied => "let the user that runs the gateway read it",
            _ => return Finding::whole(path, format!("the file cannot be read: {error}"), None),
        };
        let what = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file",
            _ => "the file may not be read",
        };
        Finding::whole(path, what, Some(instead.into()))
    };
    let file = file::open(path).map_err(|error| match error {
        FileError::Read(error) => failed(error),
        _ if path.is_dir() => Finding::whole(path, "this is a folder, and not a file", None),
        _ => Finding::whole(path, "this is no plain file", None),
    })?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

/// A price of the command line, looked at as one of a file is.
pub(super) fn price(text: &str, pay: &Pay) -> Result<Price, Said> {
    money::Money::of(pay, pay.tempo.is_some()).price(text)
}

/// Who is paid on Tempo by the command line, looked at as in a file.
pub(super) fn tempo(recipient: &str, network: &str) -> Result<TempoPay, Said> {
    tempo::quick(recipient, network)
}

/// A public host of the command line, looked at as one of a file is.
pub(super) fn site(text: &str) -> Result<Realm, Said> {
    values::site(text)
}

/// An upstream of the command line, looked at as one of a file is.
pub(super) fn upstream(url: &str, site: &Realm, listen: SocketAddr) -> Result<Upstream, Said> {
    let upstream = upstream::plain(values::service(url)?);
    match upstream::comes_back(&upstream, Some(site), listen) {
        Some(wrong) => Err(wrong),
        None => Ok(upstream),
    }
}
