//! `farthing wallet import`: a key from elsewhere.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};

use farthing::core::value::Secret;

use super::{args::Import, seal};
use crate::{
    error::Error,
    exit::Exit,
    keystore::{Keystore, KeystoreError, SecretKey},
    screen,
};

/// Bytes that are read at the most: a key has fewer than a hundred.
const LARGEST: usize = 4096;

pub(super) fn run(import: &Import, keystore: &Keystore) -> Result<Exit, Error> {
    if keystore.has(&import.name) {
        // Said before a key is asked for.
        return Err(KeystoreError::Exists(import.name.clone()).into());
    }
    let text = read(import.from.as_deref())?;
    let key = SecretKey::parse(&text, import.key_type).ok_or(KeystoreError::NoKey)?;
    if let Some(kind) = import.key_type.filter(|kind| *kind != key.kind) {
        return Err(Error::Usage {
            what: format!(
                "the key says that it is {}, and --key-type that it is {}",
                key.kind.name(),
                kind.name()
            ),
            next: "leave --key-type out: it is for digits that do not say what they are",
        });
    }
    let holder = key.holder().map_err(|_| KeystoreError::NoKey)?;
    let mut wallets = keystore.wallets()?.into_iter();
    let twin = wallets.find(|it| it.access.is_none() && it.holder == holder);
    if let Some(twin) = twin {
        screen::tell(format!("the wallet {} has the same account", twin.name));
    }
    seal(&import.name, &key, import.json, keystore)
}

/// The key as it is written, from wherever it is.
fn read(from: Option<&Path>) -> Result<Secret, Error> {
    match from {
        Some(path) if path != Path::new("-") => read_from(path, File::open(path)),
        None if io::stdin().is_terminal() => rpassword::prompt_password("Secret key: ")
            .map(Secret::new)
            .map_err(|error| KeystoreError::Prompt(error).into()),
        _ => read_from(Path::new("stdin"), Ok(io::stdin().lock())),
    }
}

fn read_from(path: &Path, file: io::Result<impl Read>) -> Result<Secret, Error> {
    // As large as it gets, so that no part of it stays behind where it was before.
    let mut text = Vec::with_capacity(LARGEST + 1);
    let read = file.and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut text));
    let text = Secret::new(text);
    match read {
        Ok(length) if length <= LARGEST => Ok(text),
        Ok(_) => Err(KeystoreError::NoKey.into()),
        Err(source) => Err(Error::Input {
            path: path.into(),
            source,
        }),
    }
}
