//! `farthing wallet export`: the secret key, for its owner to keep or to take elsewhere.

use std::path::Path;

use farthing::core::value::Secret;
use serde_json::json;

use super::{args::Export, put};
use crate::{
    error::Error,
    exit::Exit,
    keystore::{Keystore, Passphrases, Wallet, write_new},
    screen::{self, Paint},
};

pub(super) fn run(export: &Export, keystore: &Keystore) -> Result<Exit, Error> {
    let wallet = keystore.wallet(Some(&export.name))?;
    if let Some(path) = export.output.as_deref().filter(|path| path.exists()) {
        return Err(is_there(path));
    }
    confirm(export, &wallet)?;
    let passphrase = Passphrases::of_this_run().for_wallet(keystore, &wallet.name)?;
    let secret = wallet.secret(&passphrase)?;
    let secret = if export.digits {
        secret.to_digits()
    } else {
        secret.to_multibase()
    };
    if let Some(path) = &export.output {
        let line = Secret::new([secret.expose(), b"\n"].concat());
        write_new(path, line.expose()).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => is_there(path),
            _ => Error::Output {
                path: path.clone(),
                source,
            },
        })?;
    }
    let text = std::str::from_utf8(secret.expose()).expect("digits and a multibase are ASCII");
    match &export.output {
        Some(path) if export.json => put(json!({
            "name": wallet.name.to_string(),
            "account": wallet.holder.to_string(),
            "keyType": wallet.kind.name(),
            "file": path.display().to_string(),
        })),
        Some(path) => {
            screen::tell(format!("the key is in {}", path.display()));
            Ok(Exit::Done)
        }
        None if export.json => put(json!({
            "name": wallet.name.to_string(),
            "account": wallet.holder.to_string(),
            "keyType": wallet.kind.name(),
            "secretKey": text,
        })),
        None => put(text),
    }
}

fn is_there(path: &Path) -> Error {
    Error::Usage {
        what: format!("{} is there already", path.display()),
        next: "choose another file: a key is never written over one",
    }
}

/// Whoever sits at a terminal types the wallet's name; a program says that it means it.
fn confirm(export: &Export, wallet: &Wallet) -> Result<(), Error> {
    let paint = Paint::for_stderr();
    screen::tell(format!(
        "{} whoever has this key can spend everything that {} {}",
        paint.asks("warning:"),
        wallet.holder,
        if wallet.access.is_some() {
            "lets it"
        } else {
            "has"
        },
    ));
    let asks = screen::can_ask();
    match (asks, export.yes, export.json) {
        (true, true, false) => Err(Error::Usage {
            what: "--yes is for programs: with --json, or without a terminal".to_owned(),
            next: "leave it out, and type the wallet's name",
        }),
        (_, true, _) => Ok(()),
        (false, false, _) => Err(Error::Usage {
            what: "there is no terminal to confirm the export at".to_owned(),
            next: "say with --yes that it is meant",
        }),
        (true, false, _) => {
            let answer = screen::ask("Type the wallet's name to print its key: ");
            if answer.map_err(Error::System)?.trim() == wallet.name.to_string() {
                Ok(())
            } else {
                Err(Error::Declined)
            }
        }
    }
}
