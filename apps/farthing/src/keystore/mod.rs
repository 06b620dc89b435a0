//! Where keys are kept: a folder that only its owner can open, with a sealed file for each wallet.
//!
//! | file | what it holds |
//! |---|---|
//! | `NAME.wallet.json` | a key, sealed under a passphrase; its account, readable |
//! | `wallet.db` | what the wallets paid and have pending, what their budgets count, the receipts |
//! | `networks.json` | the chains that its owner named, where they are reached |
//! | `grants.json` | what other keys may spend of what the wallets have |
//! | `limits.json` | what the wallets may spend together, where their owner set it |
//! | `keystore.json` | only in a demo's keystore: that it is one |
//! | `passphrase` | only in a demo's keystore: its throw-away passphrase |

mod access;
mod disk;
mod error;
mod grants;
mod holder;
mod key;
mod limits;
mod networks;
mod passphrase;
mod seal;
mod wallet;

use std::{
    io,
    path::{Path, PathBuf},
};

use farthing::core::value::{Secret, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use access::{Access, SpendLimit};
pub(crate) use disk::{folder_name, private_folder, random_name, write_new};
pub(crate) use error::KeystoreError;
pub(crate) use holder::Holder;
pub(crate) use key::SecretKey;
pub(crate) use limits::{Host, Limits};
pub(crate) use networks::{NetworkEntry, NetworkFault, Networks, Rpc, RpcError, TokenEntry};
pub(crate) use passphrase::Passphrases;
pub(crate) use seal::Cost;
pub(crate) use wallet::{Draft, Kind, Unlocked, Wallet, WalletName};

/// The file of what the wallets paid.
pub(crate) const DATABASE: &str = "wallet.db";
const SUFFIX: &str = ".wallet.json";
const MARKER: &str = "keystore.json";
const PASSPHRASE: &str = "passphrase";
const VERSION: u32 = 1;

/// A folder of wallets.
#[derive(Clone, Debug)]
pub(crate) struct Keystore {
    dir: PathBuf,
}

/// What every version of a file has.
#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

/// What `keystore.json` holds: that the keystore is a demo's, and where its money is counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Marker {
    version: u32,
    demo: bool,
    /// The seller's store, whose ledger says what the wallets have.
    pub(crate) store: PathBuf,
}

impl Keystore {
    pub(crate) fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The store of what the wallets paid. Its folder is made where it is missing.
    pub(crate) fn database(&self) -> Result<PathBuf, KeystoreError> {
        Ok(self.make_folder()?.join(DATABASE))
    }

    /// The same, where it is there.
    pub(crate) fn existing_database(&self) -> Result<Option<PathBuf>, KeystoreError> {
        let path = self.folder()?.join(DATABASE);
        Ok(path.exists().then_some(path))
    }

    /// Every wallet, by name.
    pub(crate) fn wallets(&self) -> Result<Vec<Wallet>, KeystoreError> {
        let names = self.names()?;
        names.into_iter().map(|name| self.load(name)).collect()
    }

    /// A wallet by its name; without one, `default`, or the only one there is.
    pub(crate) fn wallet(&self, name: Option<&WalletName>) -> Result<Wallet, KeystoreError> {
        let names = self.names()?;
        let dir = || self.dir.clone();
        let default = WalletName::default_name();
        match (name, names.as_slice()) {
            (Some(name), names) if names.contains(name) => self.load(name.clone()),
            (Some(name), _) => Err(KeystoreError::NoWallet {
                name: name.clone(),
                dir: dir(),
            }),
            (None, []) => Err(KeystoreError::Empty { dir: dir() }),
            (None, [only]) => self.load(only.clone()),
            (None, names) if names.contains(&default) => self.load(default),
            (None, names) => {
                let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                Err(KeystoreError::Several {
                    dir: dir(),
                    names: names.join(", "),
                })
            }
        }
    }

    /// Makes a wallet with a key of its own.
    pub(crate) fn create(
        &self,
        name: &WalletName,
        key: &SecretKey,
        passphrase: &Secret,
        cost: Cost,
        now: Timestamp,
    ) -> Result<Wallet, KeystoreError> {
        let draft = Draft {
            name,
            key,
            access: None,
            created: now,
        };
        self.keep(draft, passphrase, cost)
    }

    /// Makes a wallet.
    pub(crate) fn keep(
        &self,
        draft: Draft<'_>,
        passphrase: &Secret,
        cost: Cost,
    ) -> Result<Wallet, KeystoreError> {
        self.make_folder()?;
        Wallet::create(self.path(draft.name), draft, passphrase, cost)
    }

    /// Whether there is a wallet of this name.
    pub(crate) fn has(&self, name: &WalletName) -> bool {
        self.path(name).exists()
    }

    /// The file of a wallet.
    pub(crate) fn file(&self, name: &WalletName) -> PathBuf {
        self.path(name)
    }

    /// Whether this is a demo's keystore, and what its demo is.
    pub(crate) fn marker(&self) -> Result<Option<Marker>, KeystoreError> {
        let path = self.folder()?.join(MARKER);
        let Some(text) = disk::read_if_there(&path)? else {
            return Ok(None);
        };
        let marker: Marker = parse(&path, &text)?;
        Ok(marker.demo.then_some(marker))
    }

    /// Makes this the keystore of a demo, with a throw-away passphrase beside its keys.
    pub(crate) fn make_demo(&self, store: &Path) -> Result<Secret, KeystoreError> {
        self.make_folder()?;
        let passphrase = Secret::new(disk::random_name()?);
        let (path, marker) = (self.dir.join(PASSPHRASE), self.dir.join(MARKER));
        disk::create(&path, passphrase.expose())
            .map_err(|source| KeystoreError::Write { path, source })?;
        let content = disk::json(&Marker {
            version: VERSION,
            demo: true,
            store: store.to_owned(),
        });
        disk::create(&marker, &content).map_err(|source| KeystoreError::Write {
            path: marker,
            source,
        })?;
        Ok(passphrase)
    }

    /// The passphrase of a demo.
    fn demo_passphrase(&self) -> Result<Option<Secret>, KeystoreError> {
        match self.marker()? {
            Some(_) => disk::secret(&self.dir.join(PASSPHRASE)).map(Some),
            None => Ok(None),
        }
    }

    /// The folder, if nobody else could have put something into it. It need not be there.
    fn folder(&self) -> Result<&Path, KeystoreError> {
        disk::check_folder(&self.dir)?;
        Ok(&self.dir)
    }

    /// The folder, made where it is missing.
    fn make_folder(&self) -> Result<&Path, KeystoreError> {
        private_folder(&self.dir)?;
        self.folder()
    }

    fn names(&self) -> Result<Vec<WalletName>, KeystoreError> {
        let failed = |source| KeystoreError::Read {
            path: self.dir.clone(),
            source,
        };
        let entries = match std::fs::read_dir(self.folder()?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(failed)?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(SUFFIX));
            names.extend(name.and_then(|name| name.parse::<WalletName>().ok()));
        }
        names.sort();
        Ok(names)
    }

    fn load(&self, name: WalletName) -> Result<Wallet, KeystoreError> {
        Wallet::read(self.path(&name), name)
    }

    fn path(&self, name: &WalletName) -> PathBuf {
        self.dir.join(format!("{name}{SUFFIX}"))
    }
}

/// Reads a file of ours.
fn parse<T: for<'de> Deserialize<'de>>(path: &Path, text: &[u8]) -> Result<T, KeystoreError> {
    parse_up_to(VERSION, path, text)
}

/// Reads a file of which there are several versions. Its version is looked at first, so that a
/// newer one is called that.
fn parse_up_to<T: for<'de> Deserialize<'de>>(
    newest: u32,
    path: &Path,
    text: &[u8],
) -> Result<T, KeystoreError> {
    let format = |source| KeystoreError::Format {
        path: path.into(),
        source,
    };
    let AnyVersion { version } = serde_json::from_slice(text).map_err(format)?;
    if !(VERSION..=newest).contains(&version) {
        return Err(KeystoreError::Version {
            path: path.into(),
            found: version,
            newest,
        });
    }
    serde_json::from_slice(text).map_err(format)
}

#[cfg(test)]
mod tests;
