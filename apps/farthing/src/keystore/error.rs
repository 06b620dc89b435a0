//! What goes wrong with a keystore.

use std::{
    io,
    path::{Path, PathBuf},
};

use farthing::file::FileError;

use super::{NetworkFault, WalletName};
use crate::error::Blame;

/// What goes wrong with a keystore. Nothing here ever moved money.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeystoreError {
    #[error("there is no wallet in {dir}")]
    Empty { dir: PathBuf },
    #[error("there is no wallet {name} in {dir}")]
    NoWallet { name: WalletName, dir: PathBuf },
    #[error("there are several wallets in {dir}, and none is called default: {names}")]
    Several { dir: PathBuf, names: String },
    #[error("the wallet {0} is there already")]
    Exists(WalletName),
    #[error("a wallet's name is 1 to 32 of a-z, 0-9, - and _, and {0:?} is not")]
    Name(String),
    #[error("{path} cannot be read")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} cannot be written")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} is not a file of a keystore")]
    Format {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path} has the version {found}, and this program knows {newest}")]
    Version {
        path: PathBuf,
        found: u32,
        newest: u32,
    },
    #[error("{path} asks for more work than a passphrase is worth")]
    Work { path: PathBuf },
    #[error("{path} names an account that is none")]
    Account { path: PathBuf },
    #[error("the passphrase is wrong, or {path} was changed")]
    Sealed { path: PathBuf },
    #[error("there is no passphrase, and no terminal to ask for one")]
    NoPassphrase,
    #[error("a passphrase cannot be empty")]
    EmptyPassphrase,
    #[error("the two passphrases differ")]
    Differ,
    #[error("the passphrase could not be asked for")]
    Prompt(#[source] io::Error),
    #[error("FARTHING_KEY holds no key")]
    Key,
    #[error("this is no secret key")]
    NoKey,
    #[error("others than its owner can write to {dir}")]
    Writable { dir: PathBuf },
    #[error("others than its owner can open {path}")]
    Exposed { path: PathBuf },
    #[error("{path} belongs to another user")]
    Foreign { path: PathBuf },
    #[error("more than {0} hosts would have limits of their own")]
    Hosts(usize),
    #[error("{0} has no account on a ledger")]
    NoAccount(String),
    #[error("{0} has no account on a chain")]
    NoAddress(String),
    #[error("{path} names a network that cannot be: {name}")]
    Network {
        path: PathBuf,
        name: String,
        source: NetworkFault,
    },
    #[error("the system gave no randomness")]
    Randomness,
}

impl KeystoreError {
    /// Why the file of a secret is not read.
    pub(super) fn of_secret(path: &Path, error: FileError) -> Self {
        let path = path.to_owned();
        match error {
            FileError::Read(source) => Self::Read { path, source },
            FileError::Foreign => Self::Foreign { path },
            FileError::Folder(dir) => Self::Writable { dir },
            FileError::Exposed => Self::Exposed { path },
            other => Self::Read {
                path,
                source: io::Error::other(other),
            },
        }
    }

    /// What is there can be put right by the wallet's owner, what cannot be read is the machine's.
    pub(crate) const fn blame(&self) -> Blame {
        match self {
            Self::Read { .. } | Self::Write { .. } | Self::Prompt(_) | Self::Randomness => {
                Blame::Machine
            }
            _ => Blame::Wallet,
        }
    }

    pub(crate) const fn next(&self) -> &'static str {
        match self {
            Self::NoKey => "write it as `wallet export` does, or as 64 hexadecimal digits",
            Self::Writable { .. } => {
                "run `chmod go-w` on it, and look whether everything in it is yours"
            }
            Self::Exposed { .. } => "run `chmod 600` on it",
            Self::Foreign { .. } => {
                "run farthing as that user, or look whether it is yours and run `chown` on it"
            }
            Self::Hosts(_) => "take some away with --realm HOST --clear",
            Self::NoAccount(_) => "use a wallet of another kind: `farthing wallet list` shows them",
            Self::NoAddress(_) => {
                "use a secp256k1 wallet: `farthing wallet create NAME`, or one of another kind"
            }
            Self::Network { .. } => "put the file right, or run `farthing networks remove NAME`",
            Self::Empty { .. } => {
                "make one with `farthing wallet create`, or name another folder with --keystore"
            }
            Self::NoWallet { .. } => "see `farthing wallet list`",
            Self::Several { .. } => "say which with --wallet",
            Self::Exists(_) => "choose another name",
            Self::Name(_) => "choose another name, for example travel-2",
            Self::NoPassphrase => "name a file that holds it in FARTHING_PASSPHRASE_FILE",
            Self::EmptyPassphrase => "type one, or put it into the first line of the file",
            Self::Sealed { .. } => "try again with the right passphrase, or restore the file",
            Self::Version { .. } => "use the newer version of farthing that wrote it",
            Self::Work { .. } | Self::Format { .. } | Self::Account { .. } => {
                "restore the file from a copy"
            }
            Self::Key => "write 64 hexadecimal digits, or the key's multibase",
            Self::Differ => "try again",
            Self::Read { .. } | Self::Write { .. } | Self::Prompt(_) => {
                "check the file, its folder and their permissions"
            }
            Self::Randomness => "check the system's random source",
        }
    }
}
