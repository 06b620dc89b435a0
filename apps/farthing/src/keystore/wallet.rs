//! One wallet: its name, its file, its key.

use std::{fmt, io, path::PathBuf, str::FromStr};

use farthing::{
    core::value::{Secret, Timestamp},
    ledger::{self, Account},
    tempo::{self, token},
};
use serde::{Deserialize, Serialize};

use super::{Access, Cost, Holder, KeystoreError, SecretKey, disk, parse_up_to, seal::Sealed};

/// The version of the files of wallets that older programs know, and of those they do not.
const FIRST: u32 = 1;
const SECOND: u32 = 2;

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
    pub(crate) holder: Holder,
    pub(crate) kind: Kind,
    /// What another's account lets it spend, where it has none of its own.
    pub(crate) access: Option<Access>,
    pub(crate) created: Timestamp,
    path: PathBuf,
    sealed: Sealed,
}

/// A wallet that was opened: what it signs with on each rail.
#[derive(Debug)]
pub(crate) struct Unlocked {
    pub(crate) ledger: Option<ledger::AccountKey>,
    pub(crate) chain: Option<tempo::AccountKey>,
}

/// The kind of a key, as files and options write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The curve of chain wallets; pays on every rail
    Secp256k1,
    /// The quicker one to verify; pays on a ledger only
    Ed25519,
    /// The curve of security chips; pays on Tempo only
    P256,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Secp256k1 => "secp256k1",
            Self::P256 => "p256",
        }
    }
}

/// What a wallet is made of, before it has a file.
pub(crate) struct Draft<'a> {
    pub(crate) name: &'a WalletName,
    pub(crate) key: &'a SecretKey,
    pub(crate) access: Option<Access>,
    pub(crate) created: Timestamp,
}

/// What `NAME.wallet.json` holds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WalletFile {
    version: u32,
    /// A `did:key`, or where a ledger knows no such key, the address on a chain.
    account: String,
    key_type: Kind,
    created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access: Option<Access>,
    #[serde(flatten)]
    sealed: Sealed,
}

impl Unlocked {
    pub(crate) fn of(key: &SecretKey) -> Self {
        Self {
            ledger: key.account_key().ok(),
            chain: key.signer().ok().map(tempo::AccountKey::from),
        }
    }
}

impl Wallet {
    /// Makes a wallet with a key, in a file that is not there yet.
    pub(super) fn create(
        path: PathBuf,
        draft: Draft<'_>,
        passphrase: &Secret,
        cost: Cost,
    ) -> Result<Self, KeystoreError> {
        let Draft {
            name,
            key,
            access,
            created,
        } = draft;
        let kind = key.kind;
        let holder = match &access {
            Some(access) => Holder::on_chain(access.account),
            None => key.holder().map_err(|_| KeystoreError::NoKey)?,
        };
        let bound = bound(&holder, kind, created, access.as_ref());
        let sealed = Sealed::new(key.seed(), passphrase, cost, &bound)?;
        let file = WalletFile {
            version: version(&holder),
            account: holder.to_string(),
            key_type: kind,
            created,
            access: access.clone(),
            sealed: sealed.clone(),
        };
        match disk::create(&path, &disk::json(&file)) {
            Ok(()) => Ok(Self {
                name: name.clone(),
                holder,
                kind,
                access,
                created,
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
        let file: WalletFile = parse_up_to(SECOND, &path, &disk::read(&path)?)?;
        let holder = match file.version {
            FIRST => Account::parse(&file.account).map(Holder::of).ok(),
            _ => token::address(&file.account).map(Holder::on_chain).ok(),
        };
        match holder {
            Some(holder) => Ok(Self {
                name,
                holder,
                kind: file.key_type,
                access: file.access,
                created: file.created,
                path,
                sealed: file.sealed,
            }),
            None => Err(KeystoreError::Account { path }),
        }
    }

    /// Opens the wallet. It takes as long as the passphrase's derivation does: most of a second.
    pub(crate) fn unlock(&self, passphrase: &Secret) -> Result<Unlocked, KeystoreError> {
        let key = self.secret(passphrase)?;
        let Some(access) = &self.access else {
            return Ok(Unlocked::of(&key));
        };
        let key = access.key_of(&key).ok_or_else(|| self.broken())?;
        Ok(Unlocked {
            ledger: None,
            chain: Some(key),
        })
    }

    /// The secret key itself, for its owner.
    pub(crate) fn secret(&self, passphrase: &Secret) -> Result<SecretKey, KeystoreError> {
        if !self.sealed.is_sane() {
            return Err(KeystoreError::Work {
                path: self.path.clone(),
            });
        }
        let bound = bound(&self.holder, self.kind, self.created, self.access.as_ref());
        let seed = self.sealed.open(passphrase, &bound);
        let secret = SecretKey::new(self.kind, seed.ok_or_else(|| self.broken())?);
        let holder = secret.holder().map_err(|_| self.broken())?;
        let is_it = match &self.access {
            Some(access) => holder.address == Some(access.key),
            None => holder == self.holder,
        };
        if is_it {
            Ok(secret)
        } else {
            Err(self.broken())
        }
    }

    fn broken(&self) -> KeystoreError {
        KeystoreError::Sealed {
            path: self.path.clone(),
        }
    }
}

/// A wallet that older programs could not pay from has a version that they do not know.
const fn version(holder: &Holder) -> u32 {
    match &holder.account {
        Some(_) => FIRST,
        None => SECOND,
    }
}

/// What is readable and still cannot be changed: it is sealed together with the key.
fn bound(holder: &Holder, kind: Kind, created: Timestamp, access: Option<&Access>) -> String {
    let (version, kind) = (version(holder), kind.name());
    let bound = format!("farthing-wallet-v{version}\n{holder}\n{kind}\n{created}\n");
    match access {
        Some(access) => format!("{bound}{}\n", access.bound()),
        None => bound,
    }
}
