//! Who pays in this run: a key from the environment, or a wallet of the keystore.

use std::env;

use farthing::{
    core::value::Secret,
    ledger::{Account, AccountKey},
};

use crate::keystore::{Keystore, KeystoreError, Kind, Passphrases, SecretKey, WalletName};

/// The variable that holds a key.
const KEY: &str = "FARTHING_KEY";

/// The key to pay with.
pub(crate) fn key(
    keystore: &Keystore,
    name: Option<&WalletName>,
) -> Result<AccountKey, KeystoreError> {
    if let Some(key) = from_environment(name)? {
        return Ok(key);
    }
    let wallet = keystore.wallet(name)?;
    let passphrase = Passphrases::of_this_run().for_wallet(keystore, &wallet.name)?;
    wallet.unlock(&passphrase)
}

/// The account that would pay, which needs no passphrase.
pub(crate) fn account(
    keystore: &Keystore,
    name: Option<&WalletName>,
) -> Result<Account, KeystoreError> {
    match from_environment(name)? {
        Some(key) => Ok(key.account().clone()),
        None => Ok(keystore.wallet(name)?.account),
    }
}

/// A wallet that is named comes before a key in the environment.
fn from_environment(name: Option<&WalletName>) -> Result<Option<AccountKey>, KeystoreError> {
    match env::var_os(KEY) {
        Some(text) if name.is_none() && !text.is_empty() => {
            let text = Secret::new(text.into_encoded_bytes());
            let key = SecretKey::parse(&text, Kind::Ed25519).ok_or(KeystoreError::Key)?;
            Ok(key.account_key().ok())
        }
        _ => Ok(None),
    }
}
