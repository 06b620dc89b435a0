//! Who is paid, where nobody said: an account made once, whose key lies beside the store.
//!
//! The books of a ledger are in that same store, so the key is lost only where the money is, too. A
//! wallet of the keystore would not do: whoever tries the gateway out could not pay it, since an
//! account cannot pay itself.

use std::{
    io,
    path::{Path, PathBuf},
};

use farthing::ledger::Account;
use farthing_gateway::config::SecretFrom;

use super::GatewayError;
use crate::{
    error::Error,
    keystore::{Kind, SecretKey, write_new},
};

/// Who is paid.
pub(super) struct Seller {
    pub(super) account: Account,
    /// Where the key lies, where we keep it.
    pub(super) key: Option<PathBuf>,
}

impl Seller {
    /// Who is paid on the ledger: nobody, where there is a chain and no account is named.
    pub(super) fn for_rails(
        has_chain: bool,
        named: Option<Account>,
        store: &Path,
    ) -> Result<Option<Self>, Error> {
        match (has_chain, &named) {
            (true, None) => Ok(None),
            _ => Self::of(named, store).map(Some),
        }
    }

    /// Who is named, or the account of the key beside the store, which is made where it is missing.
    fn of(named: Option<Account>, store: &Path) -> Result<Self, Error> {
        if let Some(account) = named {
            return Ok(Self { account, key: None });
        }
        let path = beside(store);
        if !path.exists() {
            make(&path)?;
        }
        let key = read(&path)?;
        let key = key.account_key().map_err(|_| GatewayError::SellerKey {
            path: path.clone(),
            source: None,
        })?;
        Ok(Self {
            account: key.account().clone(),
            key: Some(path),
        })
    }
}

/// `farthing.db-seller` beside `farthing.db`.
fn beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-seller");
    name.into()
}

fn make(path: &Path) -> Result<(), Error> {
    let key = SecretKey::random(Kind::Ed25519)?;
    match write_new(path, key.to_multibase().expose()) {
        // Somebody else was quicker, and theirs is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(GatewayError::Seller {
            path: path.into(),
            source,
        }
        .into()),
        Ok(()) => Ok(()),
    }
}

fn read(path: &Path) -> Result<SecretKey, GatewayError> {
    let broken = |source| GatewayError::SellerKey {
        path: path.into(),
        source,
    };
    let text = SecretFrom::File(path.into())
        .read()
        .map_err(|error| broken(Some(error)))?;
    SecretKey::parse(&text, Some(Kind::Ed25519)).ok_or_else(|| broken(None))
}
