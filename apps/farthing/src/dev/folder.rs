//! The demo's folder, and the signals that end it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use farthing::{clock::SystemClock, core::port::clock::Clock, evm::Address, ledger::Account};

use crate::{
    error::Error,
    keystore::{
        Cost, Holder, Keystore, KeystoreError, Kind, SecretKey, WalletName, folder_name,
        private_folder,
    },
};

/// Where the demo keeps everything.
pub(super) struct Folder {
    dir: PathBuf,
    /// Whether it goes when the demo ends, however that comes about.
    passing: bool,
}

impl Folder {
    /// The folder that is named, or a new one that is removed at the end.
    pub(super) fn open(dir: Option<&Path>) -> Result<Self, Error> {
        let passing = dir.is_none();
        let dir = match dir {
            Some(dir) => std::path::absolute(dir).map_err(Error::System)?,
            None => env::temp_dir().join(format!("farthing-dev-{}", folder_name()?)),
        };
        private_folder(&dir)?;
        Ok(Self { dir, passing })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where everything stays, if it stays.
    pub(super) fn kept(&self) -> Option<&Path> {
        (!self.passing).then_some(&self.dir)
    }

    /// A demo's keystore with one wallet for a ledger, made where it is not there yet.
    pub(super) fn account(&self, name: &str, store: &Path) -> Result<(Keystore, Account), Error> {
        let (keystore, holder) = self.keystore(name, store, Kind::Ed25519)?;
        Ok((keystore, holder.account.ok_or(KeystoreError::NoKey)?))
    }

    /// The same for a chain.
    pub(super) fn address(&self, name: &str, store: &Path) -> Result<(Keystore, Address), Error> {
        let (keystore, holder) = self.keystore(name, store, Kind::Secp256k1)?;
        Ok((keystore, holder.address.ok_or(KeystoreError::NoKey)?))
    }

    fn keystore(&self, name: &str, store: &Path, kind: Kind) -> Result<(Keystore, Holder), Error> {
        let keystore = Keystore::at(self.path(name));
        let wallet = WalletName::default_name();
        if !keystore.has(&wallet) {
            let passphrase = keystore.make_demo(store)?;
            let now = SystemClock.now().whole_secs();
            let key = SecretKey::random(kind)?;
            keystore.create(&wallet, &key, &passphrase, Cost::RANDOM, now)?;
        }
        let holder = keystore.wallet(Some(&wallet))?.holder;
        Ok((keystore, holder))
    }

    /// Removes the folder, if it is one that goes.
    pub(super) fn remove(mut self) -> Option<PathBuf> {
        let removed = self.passing && fs::remove_dir_all(&self.dir).is_ok();
        self.passing = self.passing && !removed;
        removed.then(|| self.dir.clone())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.passing {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// The signals that end the demo: Ctrl-C, a request to terminate, a terminal that was closed.
#[cfg(unix)]
pub(super) struct Ends([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Ends {
    /// Listens from now on, so that none comes too early to be heard.
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    pub(super) async fn wait(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

/// The signals that end the demo: Ctrl-C.
#[cfg(not(unix))]
pub(super) struct Ends;

#[cfg(not(unix))]
impl Ends {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn wait(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
