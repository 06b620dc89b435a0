//! The wallet of a run: known by its public half, and opened only to sign. Nobody types a
//! passphrase for what is free, refused or only tried out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use farthing::core::port::method::{Fault, Refusal};

use crate::{
    keystore::{Keystore, KeystoreError, Unlocked, WalletName},
    signer::{self, Signer},
};

/// The wallet of a run.
pub(super) struct Keyring {
    keystore: Keystore,
    name: Option<WalletName>,
    /// Nobody, where there is no wallet and none was named.
    pub(super) signer: Option<Signer>,
    /// Whether nothing is signed in this run, so that a wallet need not be there.
    pub(super) is_dry: bool,
    error: Mutex<Option<KeystoreError>>,
}

impl Keyring {
    pub(super) fn new(
        keystore: Keystore,
        name: Option<WalletName>,
        is_dry: bool,
    ) -> Result<Self, KeystoreError> {
        let signer = match Signer::of(&keystore, name.as_ref()) {
            Ok(signer) => Some(signer),
            // Told once a wallet is needed.
            Err(KeystoreError::Empty { .. } | KeystoreError::Several { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            keystore,
            name,
            signer,
            is_dry,
            error: Mutex::default(),
        })
    }

    /// Opens the wallet, away from the threads that others need: it takes a while, and may ask.
    pub(super) async fn open(&self) -> Result<Unlocked, Refusal> {
        let (keystore, name) = (self.keystore.clone(), self.name.clone());
        let opened =
            tokio::task::spawn_blocking(move || signer::unlock(&keystore, name.as_ref())).await;
        match opened {
            Ok(Ok(keys)) => Ok(keys),
            Ok(Err(error)) => {
                *self.error() = Some(error);
                Err(Refusal::new(Fault::Unsupported, "the wallet stays locked"))
            }
            Err(error) => Err(
                Refusal::new(Fault::Unavailable, "the wallet could not be opened").caused_by(error),
            ),
        }
    }

    /// Says that there is nobody to pay, and writes down why.
    pub(super) fn nobody(&self) -> Refusal {
        *self.error() = Signer::of(&self.keystore, self.name.as_ref()).err();
        Refusal::new(Fault::Unsupported, "there is no wallet")
    }

    /// Why the wallet could not be opened, where that is what went wrong.
    pub(super) fn take_error(&self) -> Option<KeystoreError> {
        self.error().take()
    }

    fn error(&self) -> MutexGuard<'_, Option<KeystoreError>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
