//! The buyer of a run: a wallet that is opened when something is to be signed, and the store of
//! what was paid.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use farthing::{
    client::{Ask, Client, Options, Policy, http_builder},
    clock::SystemClock,
    core::{
        memory::MemoryBackend,
        port::{
            BoxFuture,
            backend::Backend,
            method::{Fault, Refusal},
            payer::{Offer, Payer, Proof, Quote, Resolved},
        },
        value::{MethodId, Timestamp},
    },
    ledger::{Account, LedgerPayer, method},
    store::{SqliteBackend, SqliteOptions},
};

use crate::{
    error::Error,
    keystore::{Keystore, KeystoreError, Kind, SecretKey, WalletName},
    operator::OperatorError,
    signer,
};

/// How long somebody may take to answer, or to type a passphrase.
const PATIENCE: Duration = Duration::from_secs(300);

/// Who asks whether to pay.
pub(crate) type Asker = fn(Ask) -> BoxFuture<'static, bool>;

pub(crate) struct Buyer {
    store: Opened,
    wallet: Arc<Locked>,
    policy: Policy,
}

/// A keystore's store of what was paid, or an empty one that stands for it where it is not there.
pub(crate) struct Opened {
    pub(crate) backend: Arc<dyn Backend>,
    file: Option<Arc<SqliteBackend>>,
}

impl Opened {
    /// The store where it is there. Nothing may be signed over one that is not.
    pub(crate) fn existing(keystore: &Keystore) -> Result<Self, Error> {
        match keystore.existing_database()? {
            Some(path) => Ok(Self::of(open_existing(&path)?)),
            None => Ok(Self {
                backend: Arc::new(MemoryBackend::new()),
                file: None,
            }),
        }
    }

    /// A store that somebody else made.
    pub(crate) fn at(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(OperatorError::MissingStore(path.to_owned()).into());
        }
        open_existing(path).map(Self::of)
    }

    fn of(file: Arc<SqliteBackend>) -> Self {
        Self {
            backend: Arc::clone(&file) as Arc<dyn Backend>,
            file: Some(file),
        }
    }

    /// Leaves the store's file whole.
    pub(crate) async fn close(&self) {
        if let Some(file) = &self.file {
            file.close().await;
        }
    }
}

impl Buyer {
    /// Somebody who pays. Without a wallet, what is free can be fetched all the same.
    pub(crate) fn new(
        keystore: &Keystore,
        name: Option<&WalletName>,
        policy: Policy,
    ) -> Result<Self, Error> {
        let wallet = Locked::new(keystore.clone(), name.cloned())?;
        let store = match wallet.account {
            Some(_) => Opened::of(open(keystore.database()?)?),
            // There is nobody to sign, and so nothing to keep.
            None => Opened::existing(keystore)?,
        };
        Ok(Self {
            wallet: Arc::new(wallet),
            store,
            policy,
        })
    }

    /// Somebody who only wants to know what it would cost, with a wallet or without. Nothing is
    /// made.
    pub(crate) fn for_dry_run(
        keystore: &Keystore,
        name: Option<&WalletName>,
        policy: Policy,
    ) -> Result<Self, Error> {
        let wallet = Locked {
            is_dry: true,
            ..Locked::new(keystore.clone(), name.cloned())?
        };
        Ok(Self {
            wallet: Arc::new(wallet),
            store: Opened::existing(keystore)?,
            policy: policy.dry_run(true),
        })
    }

    pub(crate) fn client(&self, ask: Option<Asker>) -> Result<Client, Error> {
        let wallet: Arc<dyn Payer> = Arc::clone(&self.wallet) as Arc<dyn Payer>;
        let builder = Client::builder()
            .shared_payer(wallet)
            .policy(self.policy.clone())
            .options(Options {
                rail_within: PATIENCE,
                ..Options::default()
            })
            .backend(Arc::clone(&self.store.backend))
            .clock(Arc::new(SystemClock))
            .http(http());
        let builder = match ask {
            Some(ask) => builder.approve(ask),
            None => builder,
        };
        Ok(builder.build()?)
    }

    /// Why the wallet could not be opened, where that is what went wrong.
    pub(crate) fn locked_out(&self) -> Option<KeystoreError> {
        self.wallet.error().take()
    }

    /// Leaves the store's file whole.
    pub(crate) async fn close(&self) {
        self.store.close().await;
    }
}

/// The store of what a keystore's wallets paid.
pub(crate) fn open(path: PathBuf) -> Result<Arc<SqliteBackend>, Error> {
    store(SqliteOptions::new(&path))
}

/// A store that somebody else made.
pub(crate) fn open_existing(path: &Path) -> Result<Arc<SqliteBackend>, Error> {
    store(SqliteOptions {
        create: false,
        ..SqliteOptions::new(path)
    })
}

fn store(options: SqliteOptions) -> Result<Arc<SqliteBackend>, Error> {
    let path = options.path.clone();
    match SqliteBackend::open(options) {
        Ok(store) => Ok(Arc::new(store)),
        Err(source) => Err(Error::Store { path, source }),
    }
}

/// The HTTP client everything is sent with.
pub(crate) fn http() -> reqwest::ClientBuilder {
    http_builder()
        .user_agent(concat!("farthing/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(20))
}

/// A wallet that says what it could pay by its account alone, and is opened only to sign: nobody
/// types a passphrase for what is free, refused or only tried out.
struct Locked {
    keystore: Keystore,
    name: Option<WalletName>,
    /// Nobody's, where there is no wallet and none was named.
    account: Option<Account>,
    is_dry: bool,
    method: MethodId,
    /// Judges offers. It has a key that is nobody's and signs nothing.
    judge: LedgerPayer,
    error: Arc<Mutex<Option<KeystoreError>>>,
}

impl Locked {
    fn new(keystore: Keystore, name: Option<WalletName>) -> Result<Self, KeystoreError> {
        let account = match signer::account(&keystore, name.as_ref()) {
            Ok(account) => Some(account),
            // Told once a wallet is needed.
            Err(KeystoreError::Empty { .. } | KeystoreError::Several { .. }) => None,
            Err(error) => return Err(error),
        };
        // A known key would be somebody's account, whom nobody could pay then.
        let nobody = SecretKey::random(Kind::Ed25519)?.account_key();
        let nobody = nobody.expect("every seed is an Ed25519 key");
        Ok(Self {
            keystore,
            name,
            account,
            is_dry: false,
            method: method(),
            judge: LedgerPayer::new(nobody),
            error: Arc::default(),
        })
    }

    fn error(&self) -> MutexGuard<'_, Option<KeystoreError>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the wallet, away from the threads that others need: it takes a while, and may ask.
    async fn open(&self) -> Result<LedgerPayer, Refusal> {
        let (keystore, name) = (self.keystore.clone(), self.name.clone());
        let opened =
            tokio::task::spawn_blocking(move || signer::key(&keystore, name.as_ref())).await;
        match opened {
            Ok(Ok(key)) => Ok(LedgerPayer::new(key)),
            Ok(Err(error)) => {
                *self.error() = Some(error);
                Err(Refusal::new(Fault::Unsupported, "the wallet stays locked"))
            }
            Err(error) => Err(
                Refusal::new(Fault::Unavailable, "the wallet could not be opened").caused_by(error),
            ),
        }
    }
}

impl Payer for Locked {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn quote(&self, offer: &Offer) -> Result<Quote, Refusal> {
        let quote = self.judge.quote(offer)?;
        let Some(account) = &self.account else {
            if self.is_dry {
                return Ok(quote);
            }
            *self.error() = signer::account(&self.keystore, self.name.as_ref()).err();
            return Err(Refusal::new(Fault::Unsupported, "there is no wallet"));
        };
        let payee = offer.request.recipient.as_ref();
        if payee.is_some_and(|payee| payee.as_str() == account.did().as_str()) {
            return Err(Refusal::new(
                Fault::Unsupported,
                "an account cannot pay itself",
            ));
        }
        Ok(Quote {
            payer: account.did().clone(),
            ..quote
        })
    }

    fn sign<'a>(
        &'a self,
        offer: &'a Offer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Proof, Refusal>> {
        Box::pin(async move { self.open().await?.sign(offer, now).await })
    }

    fn resolve<'a>(&'a self, proof: &'a Proof, now: Timestamp) -> BoxFuture<'a, Resolved> {
        self.judge.resolve(proof, now)
    }
}
