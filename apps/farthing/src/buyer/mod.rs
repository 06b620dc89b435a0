//! The buyer of a run: a wallet that is opened when something is to be signed, and the store of
//! what was paid.

mod keyring;
mod ledger;
mod session;
mod tempo;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use farthing::{
    client::{Ask, Client, ClientBuilder, Options, Policy, http_builder},
    clock::SystemClock,
    core::{
        memory::MemoryBackend,
        port::{BoxFuture, backend::Backend},
        value::MethodId,
    },
    store::{SqliteBackend, SqliteOptions},
    tempo::{Mode, Network, session::Escrow},
};

use crate::{
    error::Error,
    keystore::{Keystore, KeystoreError, WalletName},
    operator::OperatorError,
    screen,
};

use keyring::Keyring;
use ledger::OnLedger;
use session::OnSession;
use tempo::OnTempo;
pub(crate) use tempo::watchers;

/// How long somebody may take to answer, or to type a passphrase.
const PATIENCE: Duration = Duration::from_secs(300);

/// Who asks whether to pay.
pub(crate) type Asker = fn(Ask) -> BoxFuture<'static, bool>;

pub(crate) struct Buyer {
    store: Opened,
    /// Of one wallet, or where nothing is chosen, of each; the first comes first.
    keyrings: Vec<Arc<Keyring>>,
    policy: Policy,
    rails: Rails,
}

/// What may be paid by in a run.
#[derive(Clone, Debug)]
pub(crate) struct Rails {
    /// The one method that may be paid by, where only one may.
    pub(crate) only: Option<MethodId>,
    /// The chains that may be paid on.
    pub(crate) networks: Vec<Network>,
    /// The contracts of one's own that channels may be kept in.
    pub(crate) escrows: Vec<Escrow>,
    /// Who sends a transaction where the seller leaves it open.
    pub(crate) mode: Mode,
}

impl Rails {
    /// Every rail that is known to a keystore.
    pub(crate) fn of(keystore: &Keystore) -> Result<Self, Error> {
        Ok(Self {
            only: None,
            networks: keystore.all_networks()?,
            escrows: keystore.escrows()?,
            mode: Mode::Pull,
        })
    }

    fn has(&self, method: &MethodId) -> bool {
        self.only.as_ref().is_none_or(|only| only == method)
    }
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
        rails: Rails,
    ) -> Result<Self, Error> {
        let keyring = Keyring::new(keystore.clone(), name.cloned(), false)?;
        let store = match keyring.signer {
            Some(_) => Opened::of(open(keystore.database()?)?),
            // There is nobody to sign, and so nothing to keep.
            None => Opened::existing(keystore)?,
        };
        Ok(Self {
            keyrings: vec![Arc::new(keyring)],
            store,
            policy,
            rails,
        })
    }

    /// Every wallet of a keystore, to look after the channels of all of them in a store that is there.
    pub(crate) fn of_all(keystore: &Keystore, policy: Policy, rails: Rails) -> Result<Self, Error> {
        let named = keystore.wallets()?.into_iter().map(|it| Some(it.name));
        // A key in the environment comes first, and where there is nobody at all, nobody looks.
        let all = [None].into_iter().chain(named);
        let keyrings = all.map(|name| Keyring::new(keystore.clone(), name, false).map(Arc::new));
        Ok(Self {
            keyrings: keyrings.collect::<Result<_, _>>()?,
            store: Opened::existing(keystore)?,
            policy,
            rails,
        })
    }

    /// Somebody who only wants to know what it would cost, with a wallet or without. Nothing is
    /// made.
    pub(crate) fn for_dry_run(
        keystore: &Keystore,
        name: Option<&WalletName>,
        policy: Policy,
        rails: Rails,
    ) -> Result<Self, Error> {
        let keyring = Keyring::new(keystore.clone(), name.cloned(), true)?;
        Ok(Self {
            keyrings: vec![Arc::new(keyring)],
            store: Opened::existing(keystore)?,
            policy: policy.dry_run(true),
            rails,
        })
    }

    pub(crate) fn client(&self, ask: Option<Asker>) -> Result<Client, Error> {
        self.client_telling(ask, false)
    }

    /// One that also tells, where it is to, what it waits for.
    pub(crate) fn client_telling(&self, ask: Option<Asker>, tells: bool) -> Result<Client, Error> {
        let mut builder = Client::builder();
        for keyring in &self.keyrings {
            builder = self.with_payers(builder, keyring)?;
        }
        let builder = builder
            .policy(self.policy.clone())
            .options(Options {
                rail_within: PATIENCE,
                ..Options::default()
            })
            .backend(Arc::clone(&self.store.backend))
            .clock(Arc::new(SystemClock))
            .http(http())
            .socket_http(http().http1_only());
        let builder = match ask {
            Some(ask) => builder.approve(ask),
            None => builder,
        };
        let builder = match tells {
            true => builder.while_another_opens(|realm| {
                screen::tell(format!(
                    "another program is opening the channel to {}, or asks whether to: waiting for it",
                    screen::clean(realm.as_str())
                ));
            }),
            false => builder,
        };
        Ok(builder.build()?)
    }

    /// What a wallet can pay by.
    fn with_payers(
        &self,
        mut builder: ClientBuilder,
        keyring: &Arc<Keyring>,
    ) -> Result<ClientBuilder, Error> {
        let rails = &self.rails;
        if rails.has(&farthing::ledger::method()) {
            builder = builder.payer(OnLedger::new(Arc::clone(keyring))?);
            if let Some(payer) = OnSession::ledger(Arc::clone(keyring))? {
                builder = builder.session_payer(Arc::new(payer));
            }
        }
        if !rails.has(&farthing::tempo::method()) {
            return Ok(builder);
        }
        for network in &rails.networks {
            let payer = OnTempo::new(Arc::clone(keyring), network.clone(), rails.mode)?;
            if let Some(payer) = payer {
                builder = builder.payer(payer);
            }
            let store = &self.store.backend;
            let payer = OnSession::tempo(Arc::clone(keyring), network, &rails.escrows, store)?;
            if let Some(payer) = payer {
                builder = builder.session_payer(Arc::new(payer));
            }
        }
        Ok(builder)
    }

    /// The one method that may be paid by, where only one may.
    pub(crate) const fn only(&self) -> Option<&MethodId> {
        self.rails.only.as_ref()
    }

    /// Why the wallet could not be opened, where that is what went wrong.
    pub(crate) fn locked_out(&self) -> Option<KeystoreError> {
        self.keyrings
            .iter()
            .find_map(|keyring| keyring.take_error())
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
