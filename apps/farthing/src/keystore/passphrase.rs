//! Where a passphrase comes from.

use std::{ffi::OsString, io::IsTerminal, path::Path};

use farthing::core::value::Secret;

use super::{Keystore, KeystoreError, WalletName, disk};

/// The variable that names a file with the passphrase in its first line.
const FILE: &str = "FARTHING_PASSPHRASE_FILE";

/// Where passphrases may come from, in this run.
#[derive(Debug)]
pub(crate) struct Passphrases {
    file: Option<OsString>,
    terminal: bool,
}

impl Passphrases {
    pub(crate) fn of_this_run() -> Self {
        Self {
            file: std::env::var_os(FILE).filter(|file| !file.is_empty()),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// The passphrase of a wallet that is there: a demo's lies beside it, another one's is in the
    /// file the environment names, and otherwise somebody is asked.
    pub(crate) fn for_wallet(
        &self,
        keystore: &Keystore,
        name: &WalletName,
    ) -> Result<Secret, KeystoreError> {
        if let Some(passphrase) = keystore.demo_passphrase()? {
            return Ok(passphrase);
        }
        match &self.file {
            Some(file) => disk::secret(file.as_ref()),
            None => self.ask(&format!("Passphrase of the wallet {name}: ")),
        }
    }

    /// The passphrase of a wallet that is to be made.
    pub(crate) fn for_new(
        &self,
        keystore: &Keystore,
        name: &WalletName,
    ) -> Result<Secret, KeystoreError> {
        if let Some(passphrase) = keystore.demo_passphrase()? {
            return Ok(passphrase);
        }
        if let Some(file) = &self.file {
            return disk::secret(file.as_ref());
        }
        let first = self.ask(&format!("New passphrase for the wallet {name}: "))?;
        let second = self.ask("The same again: ")?;
        if first.expose() == second.expose() {
            Ok(first)
        } else {
            Err(KeystoreError::Differ)
        }
    }

    /// The passphrase of a wallet that is to be made for somebody else, and whether it opens wallets
    /// of the owner as well. It comes from a file of its own; without one, from where the owner's own
    /// would come from.
    pub(crate) fn for_another(
        &self,
        keystore: &Keystore,
        name: &WalletName,
        own: Option<&Path>,
    ) -> Result<(Secret, bool), KeystoreError> {
        if let Some(passphrase) = keystore.demo_passphrase()? {
            return Ok((passphrase, true));
        }
        let owners = self.file.as_deref().map(Path::new);
        match own {
            Some(own) => Ok((disk::secret(own)?, owners == Some(own))),
            None => Ok((self.for_new(keystore, name)?, owners.is_some())),
        }
    }

    fn ask(&self, prompt: &str) -> Result<Secret, KeystoreError> {
        if !self.terminal {
            return Err(KeystoreError::NoPassphrase);
        }
        let passphrase = rpassword::prompt_password(prompt).map_err(KeystoreError::Prompt)?;
        if passphrase.is_empty() {
            return Err(KeystoreError::EmptyPassphrase);
        }
        Ok(Secret::new(passphrase))
    }
}
