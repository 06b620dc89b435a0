//! `farthing wallet`: keys to pay with, what they paid, and what they may spend.

mod args;
mod balance;
mod budget;
mod export;
mod fund;
mod history;
mod import;
mod keys;
mod send;

pub(crate) use fund::give;

use farthing::{clock::SystemClock, core::port::clock::Clock};
use serde_json::{Value, json};

use crate::{
    error::Error,
    exit::Exit,
    keystore::{Cost, Keystore, KeystoreError, Kind, Passphrases, SecretKey, Wallet, WalletName},
    screen::{self, Paint},
};

pub(crate) use args::{Args, Setting};
pub(crate) use keys::{Age, Allowance};
pub(crate) use send::{MemoText, recipient};

pub(crate) async fn run(command: Args, keystore: &Keystore) -> Result<Exit, Error> {
    match command {
        Args::Create {
            name,
            key_type,
            json,
        } => create(&name, key_type, json, keystore),
        Args::Import(import) => import::run(&import, keystore),
        Args::Export(export) => export::run(&export, keystore),
        Args::List { json } => list(json, keystore),
        Args::Balance(asked) => balance::run(&asked, keystore).await,
        Args::Send(asked) => send::run(&asked, keystore).await,
        Args::Fund(asked) => fund::run(&asked, keystore).await,
        Args::Keys(command) => keys::run(command, keystore).await,
        Args::History(history) => history::run(&history, keystore).await,
        Args::Budget(budget) => budget::run(budget, keystore).await,
    }
}

fn create(name: &WalletName, kind: Kind, json: bool, keystore: &Keystore) -> Result<Exit, Error> {
    if keystore.has(name) {
        // Said before anybody types a passphrase.
        return Err(KeystoreError::Exists(name.clone()).into());
    }
    seal(name, &SecretKey::random(kind)?, json, keystore)
}

/// Makes a wallet with a key, and tells its account.
fn seal(
    name: &WalletName,
    key: &SecretKey,
    json: bool,
    keystore: &Keystore,
) -> Result<Exit, Error> {
    let passphrase = Passphrases::of_this_run().for_new(keystore, name)?;
    let now = SystemClock.now().whole_secs();
    let wallet = keystore.create(name, key, &passphrase, Cost::PEOPLE, now)?;
    if json {
        let mut made = described(&wallet);
        made["keystore"] = json!(keystore.dir().display().to_string());
        return put(made);
    }
    put(&wallet.holder)?;
    screen::tell(format!(
        "made the wallet {} in {}",
        wallet.name,
        keystore.dir().display()
    ));
    match (&wallet.holder.account, &wallet.holder.address) {
        (Some(_), Some(address)) => {
            screen::tell(format!("on a chain it is {address}"));
            screen::hint(
                "a seller credits the account, or anybody sends to the address; the key and its \
                 passphrase have no other copy",
            );
        }
        (Some(_), None) => screen::hint(
            "a seller credits this account; the key and its passphrase have no other copy",
        ),
        _ => screen::hint(
            "anybody sends to this address; the key and its passphrase have no other copy",
        ),
    }
    Ok(Exit::Done)
}

fn list(json: bool, keystore: &Keystore) -> Result<Exit, Error> {
    let wallets = keystore.wallets()?;
    if json {
        let wallets: Vec<_> = wallets.iter().map(described).collect();
        return put(json!({
            "keystore": keystore.dir().display().to_string(),
            "wallets": wallets,
        }));
    }
    if wallets.is_empty() {
        screen::tell(format!("no wallets in {}", keystore.dir().display()));
        screen::hint("farthing wallet create");
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = wallets.iter().map(row).collect();
    put(screen::table(
        Paint::for_stdout(),
        [
            "NAME",
            "KEY",
            "CREATED",
            "ACCOUNT ON A LEDGER",
            "ADDRESS ON A CHAIN",
        ],
        &rows,
    ))
}

fn row(wallet: &Wallet) -> [String; 5] {
    let (account, address) = (&wallet.holder.account, &wallet.holder.address);
    let key = match &wallet.access {
        Some(_) => format!("access, {}", wallet.kind.name()),
        None => wallet.kind.name().to_owned(),
    };
    [
        wallet.name.to_string(),
        key,
        wallet.created.to_string(),
        account.as_ref().map_or("-".to_owned(), ToString::to_string),
        address.as_ref().map_or("-".to_owned(), ToString::to_string),
    ]
}

/// A wallet for a program, without what is secret of it.
fn described(wallet: &Wallet) -> Value {
    let mut told = json!({
        "name": wallet.name.to_string(),
        "account": wallet.holder.to_string(),
        "address": wallet.holder.address.map(|address| address.to_string()),
        "keyType": wallet.kind.name(),
        "created": wallet.created,
    });
    if let Some(access) = &wallet.access {
        told["access"] = json!(access);
    }
    told
}

fn put(text: impl std::fmt::Display) -> Result<Exit, Error> {
    screen::data(text).map_err(Error::System)?;
    Ok(Exit::Done)
}
