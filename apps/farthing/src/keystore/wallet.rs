//! One wallet: its name, its file, its key.

use std::{fmt, io, path::PathBuf, str::FromStr};

use farthing::{
    core::value::{Secret, Timestamp},
    ledger::{Account, AccountKey, KeyType},
};
use serde::{Deserialize, Serialize};

use super::{Cost, KeystoreError, SecretKey, VERSION, disk, parse, seal::Sealed};

/// The name of a wallet, which is also that of its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WalletName(Box<str>);

impl WalletName {
    /// The wallet that is meant where none is named.
    pub(crate) fn default_name() -> Self {
        Self("default".into())
    }
}

impl FromStr for WalletName {
    type Err = KeystoreError;

    fn from_str(text: &str) -> Result<Self, KeystoreError> {
        let good = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        if good {
            Ok(Self(text.into()))
        } else {
            Err(KeystoreError::Name(text.into()))
        }
    }
}

impl fmt::Display for WalletName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A wallet, as far as it is known without its passphrase.
#[derive(Clone, Debug)]
pub(crate) struct Wallet {
    pub(crate) name: WalletName,
    pub(crate) account: Account,
    pub(crate) kind: Kind,
    pub(crate) created: Timestamp,
    path: PathBuf,
    sealed: Sealed,
}

/// The kind of a key, as files and options write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The quicker one to verify.
    Ed25519,
    /// The curve of chain wallets.
    Secp256k1,
}

impl Kind {
    pub(crate) const fn key_type(self) -> KeyType {
        match self {
            Self::Ed25519 => KeyType::Ed25519,
            Self::Secp256k1 => KeyType::Secp256k1,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Secp256k1 => "secp256k1",
        }
    }
}

/// What `NAME.wallet.json` holds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WalletFile {
    version: u32,
    account: String,
    key_type: Kind,
    created: Timestamp,
    #[serde(flatten)]
    sealed: Sealed,
}

impl Wallet {
    /// Makes a wallet with a key, in a file that is not there yet.
    pub(super) fn create(
        path: PathBuf,
        name: &WalletName,
        key: &SecretKey,
        passphrase: &Secret,
        cost: Cost,
        now: Timestamp,
    ) -> Result<Self, KeystoreError> {
        let kind = key.kind;
        let account = key.account_key().map_err(|_| KeystoreError::NoKey)?;
        let account = account.account().clone();
        let sealed = Sealed::new(key.seed(), passphrase, cost, &bound(&account, kind, now))?;
        let file = WalletFile {
            version: VERSION,
            account: account.to_string(),
            key_type: kind,
            created: now,
            sealed: sealed.clone(),
        };
        match disk::create(&path, &disk::json(&file)) {
            Ok(()) => Ok(Self {
                name: name.clone(),
                account,
                kind,
                created: now,
                path,
                sealed,
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(KeystoreError::Exists(name.clone()))
            }
            Err(source) => Err(KeystoreError::Write { path, source }),
        }
    }

    pub(super) fn read(path: PathBuf, name: WalletName) -> Result<Self, KeystoreError> {
        let file: WalletFile = parse(&path, &disk::read(&path)?)?;
        match Account::parse(&file.account) {
            Ok(account) => Ok(Self {
                name,
                account,
                kind: file.key_type,
                created: file.created,
                path,
                sealed: file.sealed,
            }),
            Err(source) => Err(KeystoreError::Account { path, source }),
        }
    }

    /// Opens the wallet. It takes as long as the passphrase's derivation does: most of a second.
    pub(crate) fn unlock(&self, passphrase: &Secret) -> Result<AccountKey, KeystoreError> {
        self.open(passphrase).map(|(_, key)| key)
    }

    /// The secret key itself, for its owner.
    pub(crate) fn secret(&self, passphrase: &Secret) -> Result<SecretKey, KeystoreError> {
        self.open(passphrase).map(|(secret, _)| secret)
    }

    fn open(&self, passphrase: &Secret) -> Result<(SecretKey, AccountKey), KeystoreError> {
        let broken = || KeystoreError::Sealed {
            path: self.path.clone(),
        };
        if !self.sealed.is_sane() {
            return Err(KeystoreError::Work {
                path: self.path.clone(),
            });
        }
        let bound = bound(&self.account, self.kind, self.created);
        let seed = self.sealed.open(passphrase, &bound).ok_or_else(broken)?;
        let secret = SecretKey::new(self.kind, seed);
        let key = secret.account_key().map_err(|_| broken())?;
        if *key.account() == self.account {
            Ok((secret, key))
        } else {
            Err(broken())
        }
    }
}

/// What is readable and still cannot be changed: it is sealed together with the key.
fn bound(account: &Account, kind: Kind, created: Timestamp) -> String {
    format!(
        "farthing-wallet-v1\n{account}\n{}\n{created}\n",
        kind.name()
    )
}
