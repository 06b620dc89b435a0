//! `farthing wallet`: keys to pay with, what they paid, and what they may spend.

mod args;
mod budget;
mod export;
mod history;
mod import;

use std::path::PathBuf;

use farthing::{clock::SystemClock, core::port::clock::Clock};
use serde_json::{Value, json};

use crate::{
    buyer,
    error::Error,
    exit::Exit,
    keystore::{Cost, Keystore, KeystoreError, Kind, Passphrases, SecretKey, Wallet, WalletName},
    operator::ledger,
    screen::{self, Paint},
    signer,
};

pub(crate) use args::{Args, Setting};

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
        Args::Balance {
            store,
            wallet,
            json,
        } => balance(store, wallet.as_ref(), json, keystore).await,
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
    put(&wallet.account)?;
    screen::tell(format!(
        "made the wallet {} in {}",
        wallet.name,
        keystore.dir().display()
    ));
    screen::hint("a seller credits this account; the key and its passphrase have no other copy");
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
        ["NAME", "KEY", "CREATED", "ACCOUNT"],
        &rows,
    ))
}

fn row(wallet: &Wallet) -> [String; 4] {
    [
        wallet.name.to_string(),
        wallet.kind.name().to_owned(),
        wallet.created.to_string(),
        wallet.account.to_string(),
    ]
}

fn described(wallet: &Wallet) -> Value {
    json!({
        "name": wallet.name.to_string(),
        "account": wallet.account.to_string(),
        "keyType": wallet.kind.name(),
        "created": wallet.created,
    })
}

/// A ledger's balances are rows of the seller's store. Where that is on this machine it can be
/// read; otherwise only the seller knows.
async fn balance(
    store: Option<PathBuf>,
    name: Option<&WalletName>,
    json: bool,
    keystore: &Keystore,
) -> Result<Exit, Error> {
    let account = signer::account(keystore, name)?;
    let store = store.filter(|path| !path.as_os_str().is_empty());
    let path = match store {
        Some(path) => path,
        None => keystore.marker()?.ok_or(Error::NoBalance)?.store,
    };
    let backend = buyer::open_existing(&path)?;
    let done = ledger::balance(backend.clone(), &path, &account, json).await;
    backend.close().await;
    done
}

fn put(text: impl std::fmt::Display) -> Result<Exit, Error> {
    screen::data(text).map_err(Error::System)?;
    Ok(Exit::Done)
}
