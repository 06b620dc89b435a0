//! Who pays in this run: a key from the environment, or a wallet of the keystore.

use std::env;

use farthing::{
    core::value::Secret,
    evm::Address,
    ledger::Account,
    tempo::{AccessKey, AccountKey, KeyAuthorization},
};

use crate::keystore::{
    Access, Holder, Keystore, KeystoreError, Kind, Passphrases, SecretKey, Unlocked, WalletName,
};

/// The variable that holds a key.
const KEY: &str = "FARTHING_KEY";

/// Who would pay, which needs no passphrase.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) holder: Holder,
    /// What another's account lets it spend, where that is all it has, and the key's kind.
    pub(crate) access: Option<(Access, Kind)>,
    /// What it is called in a sentence.
    pub(crate) told: String,
}

impl Signer {
    /// Whoever is named, or meant where nobody is.
    pub(crate) fn of(
        keystore: &Keystore,
        name: Option<&WalletName>,
    ) -> Result<Self, KeystoreError> {
        if let Some(key) = from_environment(name)? {
            return Ok(Self {
                holder: key.holder().map_err(|_| KeystoreError::Key)?,
                access: None,
                told: format!("the key in {KEY}"),
            });
        }
        let wallet = keystore.wallet(name)?;
        Ok(Self {
            holder: wallet.holder,
            access: wallet.access.map(|access| (access, wallet.kind)),
            told: format!("the wallet {}", wallet.name),
        })
    }

    /// Its account on a ledger.
    pub(crate) fn account(&self) -> Result<&Account, KeystoreError> {
        let account = self.holder.account.as_ref();
        account.ok_or_else(|| KeystoreError::NoAccount(self.told.clone()))
    }

    /// Its account on a chain.
    pub(crate) fn address(&self) -> Result<Address, KeystoreError> {
        self.holder.address.ok_or_else(|| self.no_address())
    }

    /// What an account lets it do, as the chain was told.
    pub(crate) fn grant(&self) -> Option<KeyAuthorization> {
        let (access, kind) = self.access.as_ref()?;
        Some(access.authorization(*kind))
    }

    /// Says that it has none.
    pub(crate) fn no_address(&self) -> KeystoreError {
        KeystoreError::NoAddress(self.told.clone())
    }
}

/// Somebody who can be asked about an account, and cannot sign for it: a key that nobody has.
pub(crate) fn onlooker(account: Address) -> Result<AccountKey, KeystoreError> {
    let key = SecretKey::random(Kind::Secp256k1)?.signer();
    Ok(AccountKey::from(AccessKey {
        account,
        key: key.map_err(|_| KeystoreError::NoKey)?,
        authorization: None,
    }))
}

/// The keys to pay with.
pub(crate) fn unlock(
    keystore: &Keystore,
    name: Option<&WalletName>,
) -> Result<Unlocked, KeystoreError> {
    if let Some(key) = from_environment(name)? {
        return Ok(Unlocked::of(&key));
    }
    let wallet = keystore.wallet(name)?;
    let passphrase = Passphrases::of_this_run().for_wallet(keystore, &wallet.name)?;
    wallet.unlock(&passphrase)
}

/// A wallet that is named comes before a key in the environment.
fn from_environment(name: Option<&WalletName>) -> Result<Option<SecretKey>, KeystoreError> {
    match env::var_os(KEY) {
        Some(text) if name.is_none() && !text.is_empty() => {
            let text = Secret::new(text.into_encoded_bytes());
            SecretKey::parse(&text, None)
                .map(Some)
                .ok_or(KeystoreError::Key)
        }
        _ => Ok(None),
    }
}
