//! The listener, and everything behind it that changes at a reload.
//!
//! | file | what is there |
//! |---|---|
//! | `listener` | connections, their limits, their end |
//! | `service` | the requests of a connection |
//! | `peers` | how many connections each peer has |
//! | `descriptors` | how many connections the process has room for |
//! | `line` | a connection, and who waits for whom on it |
//! | `via` | how a request came, and whose word on that counts |
//! | `tls` | certificates by files |
//! | `live` | what a reload replaces: rules, upstreams, documents, the gate |
//! | `till` | the gate, and what becomes of the one before it |
//! | `chain` | Tempo, as the file has it |
//! | `sessions` | channels, as the file has them |
//! | `beside` | what the operator settles and closes them with |
//! | `answer` | what is answered, and the passage of a request |
//! | `documents` | what is told of the prices beforehand |
//! | `change` | what a reload changes, and what it cannot |
//! | `watch` | whether files changed |

mod answer;
mod beside;
mod chain;
mod change;
mod descriptors;
mod documents;
mod error;
mod line;
mod listener;
mod live;
mod peers;
mod service;
mod sessions;
mod till;
mod tls;
mod via;
mod watch;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use farthing::{
    core::{
        port::{backend::Backend, clock::Clock},
        value::Realm,
    },
    store::{SqliteBackend, SqliteOptions},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch as channel},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use beside::till;
pub use change::Changes;
pub use error::{LiveError, ReloadError, StartError, TlsError};
pub use via::{Hop, Via};
pub use watch::Watch;

use crate::{
    config::{Config, Store},
    forward::Pools,
    observe::{
        Sink, admin,
        log::AccessLog,
        metrics::{Asked, Metrics},
        rail::{RailState, RailWatch},
        ready::{Readiness, Report, Subject},
        sessions::{self as channels, SessionState, SessionWatch},
        stored,
    },
};
use live::Live;
use peers::Peers;
use till::Parts;

/// How often the reconciler looks for work that was left.
const RECONCILE: Duration = Duration::from_secs(5);

/// How long payments may take to come to an end once no connection is left.
const SETTLE: Duration = Duration::from_secs(5);

/// How long streams may take to say their last word, once what is under way had its time.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often it is looked whether the last request on a former gate is over.
const LOOK: Duration = Duration::from_millis(100);

/// What a gateway is given beside its file.
pub struct Deps {
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where payments are kept, where that is not the store of the file.
    pub store: Option<Arc<dyn Backend>>,
    /// Where the access log goes.
    pub log: Sink,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

impl Deps {
    /// The usual: the store of the file, the access log on stderr.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            store: None,
            log: Sink::default(),
        }
    }
}

/// A gateway that is up. It goes on until [`Gateway::stop`].
pub struct Gateway {
    shared: Arc<Shared>,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    reloading: tokio::sync::Mutex<()>,
    sqlite: Option<Arc<SqliteBackend>>,
}

/// Where a gateway is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// What is under way is finished, and nothing new is taken.
    Leaving,
    /// Whatever is still under way ends now.
    Over,
}

/// What everything in a gateway shares.
pub(crate) struct Shared {
    live: ArcSwap<Live>,
    pub(crate) metrics: Arc<Metrics>,
    log: AccessLog,
    clock: Arc<dyn Clock>,
    parts: Parts,
    pools: Pools,
    room: Arc<Semaphore>,
    /// How many connections there is room for.
    fits: AtomicUsize,
    peers: Arc<Peers>,
    /// Whether the system has no room for another connection.
    is_crowded: AtomicBool,
    phase: channel::Sender<Phase>,
    connections: TaskTracker,
    /// Former gates that finish what was begun with them.
    retired: TaskTracker,
    readiness: Readiness,
    rail: RailWatch,
    sessions: SessionWatch,
    /// Is cancelled when what is under way had its time: streams say their last word.
    ending: CancellationToken,
    refused_reload: Mutex<Option<String>>,
}

/// How a gateway ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Connections that were cut because their time was over.
    pub cut: usize,
    /// Whether every payment came to an end. Those that did not are the next start's to finish.
    pub settled: bool,
}

impl Gateway {
    /// Starts a gateway: it listens when this returns.
    ///
    /// # Errors
    /// When an address is taken, the store cannot be opened, or what it is told cannot be done.
    pub async fn start(mut config: Config, deps: Deps) -> Result<Self, StartError> {
        let (listener, address) = bind(config.listen.address).await?;
        let admin = match config.admin {
            Some(admin) => Some(bind(admin.address).await?),
            None => None,
        };
        adopt(&mut config, address);
        let sqlite = match &deps.store {
            Some(_) => None,
            None => Some(open(&config.store)?),
        };
        let backend = deps
            .store
            .or_else(|| Some(Arc::clone(sqlite.as_ref()?) as Arc<dyn Backend>));
        let metrics = Arc::new(Metrics::new());
        let log = AccessLog::start(deps.log, config.log.format, Arc::clone(&metrics))
            .map_err(StartError::Log)?;
        let parts = Parts {
            backend: backend.expect("a store was given, or one was opened"),
            clock: Arc::clone(&deps.clock),
            metrics: Arc::clone(&metrics),
        };
        let pools = Pools::new();
        let fits = room(&config);
        descriptors::check(config.limits.connections, fits)?;
        let live = Live::new(config, &parts, &pools, None).await?;
        live.keep(&metrics);
        live.refresh(&pools).map_err(LiveError::from)?;
        let shared = Arc::new(Shared {
            live: ArcSwap::from_pointee(live),
            metrics,
            log,
            clock: deps.clock,
            parts,
            pools,
            room: Arc::new(Semaphore::new(fits)),
            fits: AtomicUsize::new(fits),
            peers: Arc::default(),
            is_crowded: AtomicBool::new(false),
            phase: channel::Sender::new(Phase::Serving),
            connections: TaskTracker::new(),
            retired: TaskTracker::new(),
            readiness: Readiness::default(),
            rail: RailWatch::default(),
            sessions: SessionWatch::default(),
            ending: CancellationToken::new(),
            refused_reload: Mutex::default(),
        });
        shared.reconcile();
        tokio::spawn(listener::listen(listener, Arc::clone(&shared)));
        let admin = admin.map(|(listener, at)| {
            tokio::spawn(admin::listen(listener, Arc::clone(&shared)));
            at
        });
        Ok(Self {
            shared,
            address,
            admin,
            reloading: tokio::sync::Mutex::default(),
            sqlite,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its operator is told.
    #[must_use]
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What it is told now.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.live.load().config.clone()
    }

    /// Every file that it was told by, and that may change while it runs.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.shared.live.load().config.sources.clone()
    }

    /// Does from now on as it is told here. Requests under way go on as they were begun, and no
    /// connection ends.
    ///
    /// # Errors
    /// When it cannot be done, or not without a restart. Nothing is changed then.
    pub async fn reload(&self, config: Config) -> Result<Changes, ReloadError> {
        let done = self.replace(config).await;
        self.shared.note_reload(&done);
        done
    }

    /// The same from a file.
    ///
    /// # Errors
    /// When the file has mistakes, too.
    pub async fn reload_file(&self, path: &Path) -> Result<Changes, ReloadError> {
        let done = match Config::read(path) {
            Ok(config) => self.replace(config).await,
            Err(findings) => Err(ReloadError::File(findings)),
        };
        self.shared.note_reload(&done);
        done
    }

    async fn replace(&self, mut config: Config) -> Result<Changes, ReloadError> {
        let _one_at_a_time = self.reloading.lock().await;
        let shared = &self.shared;
        if *shared.phase.borrow() != Phase::Serving {
            return Err(ReloadError::Stopping);
        }
        adopt(&mut config, self.address);
        let old = shared.live.load_full();
        change::check(&old.config, &config, self.address)?;
        let new = Live::new(config, &shared.parts, &shared.pools, Some(&old)).await?;
        let changes = old.changes_to(&new);
        if changes.is_empty() {
            old.refresh(&shared.pools).map_err(LiveError::from)?;
        } else {
            new.refresh(&shared.pools).map_err(LiveError::from)?;
            shared.swap(&old, new);
        }
        Ok(changes)
    }

    /// The numbers as Prometheus reads them.
    pub async fn metrics(&self) -> String {
        self.shared.exposition().await
    }

    /// Ends: nothing new is taken, what is under way is finished as long as `limits.drain` allows,
    /// and payments come to an end.
    pub async fn stop(&self) -> Stopped {
        let shared = &self.shared;
        let drain = shared.live.load().config.limits.drain;
        shared.phase.send_replace(Phase::Leaving);
        shared.connections.close();
        if timeout(drain, shared.connections.wait()).await.is_err() {
            // A stream that is paid for while it flows ends with its receipt, which its buyer needs.
            shared.ending.cancel();
            let till = Arc::clone(&shared.live.load().till);
            let farewells = async { tokio::join!(till.gate.drain(), shared.connections.wait()) };
            let _ = timeout(FAREWELL, farewells).await;
        }
        let cut = shared.connections.len();
        shared.phase.send_replace(Phase::Over);
        shared.connections.wait().await;
        shared.retired.close();
        let till = Arc::clone(&shared.live.load().till);
        let settled = timeout(SETTLE, async {
            till.gate.drain().await;
            shared.retired.wait().await;
        });
        let settled = settled.await.is_ok();
        shared.log.flush().await;
        if let Some(store) = &self.sqlite {
            store.close().await;
        }
        Stopped { cut, settled }
    }
}

impl Drop for Gateway {
    /// Without [`Gateway::stop`] nothing is finished; nothing goes on either.
    fn drop(&mut self) {
        self.shared.phase.send_replace(Phase::Over);
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("address", &self.address)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Puts the new in place of the old. A gate that is not used any more is closed once the last
    /// request that may turn to it is over.
    fn swap(self: &Arc<Self>, old: &Arc<Live>, new: Live) {
        let gate_changes = !Arc::ptr_eq(&old.till, &new.till);
        self.log.set(new.config.log.format);
        let fits = room(&new.config);
        resize(&self.room, self.fits.swap(fits, Ordering::Relaxed), fits);
        new.keep(&self.metrics);
        self.live.store(Arc::new(new));
        if gate_changes {
            self.reconcile();
            let (gate, till) = (old.till.gate.clone(), Arc::downgrade(&old.till));
            let ending = self.ending.clone();
            self.retired.spawn(async move {
                let over = async {
                    while till.strong_count() > 0 {
                        tokio::time::sleep(LOOK).await;
                    }
                };
                tokio::select! {
                    () = over => {}
                    () = ending.cancelled() => {}
                }
                gate.drain().await;
            });
        }
    }

    /// Lets the gate of today look after what others left.
    fn reconcile(&self) {
        let gate = self.live.load().till.gate.clone();
        let mut phase = self.phase.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = gate.keep_reconciling(RECONCILE) => {}
                _ = phase.wait_for(|phase| *phase == Phase::Over) => {}
            }
        });
    }

    fn note_reload(&self, done: &Result<Changes, ReloadError>) {
        let reloads = &self.metrics.reloads;
        let (count, refused) = match done {
            Ok(changes) if changes.is_empty() => (&reloads.unchanged, None),
            Ok(_) => (&reloads.done, None),
            Err(error) => (&reloads.refused, Some(error.to_string())),
        };
        count.fetch_add(1, Ordering::Relaxed);
        *self
            .refused_reload
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = refused;
    }

    /// Follows the phases.
    pub(crate) fn subscribe(&self) -> channel::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Whether it can serve what it sells.
    pub(crate) async fn ready(&self) -> Report {
        let live = self.live.load_full();
        let upstreams = live::upstreams(&live.config).into_iter();
        let refused = self.refused_reload.lock();
        let refused_reload = refused.unwrap_or_else(PoisonError::into_inner).clone();
        let subject = Subject {
            rail: self.rail(&live).await,
            sessions: live
                .till
                .gate
                .sessions()
                .map_or_else(Vec::new, channels::rails),
            has_ledger: live.config.pay.ledger.is_some(),
            backend: Arc::clone(&self.parts.backend),
            now: self.clock.now(),
            upstreams: upstreams
                .map(|it| (it.scheme.clone(), it.authority.clone()))
                .collect(),
            draining: *self.phase.borrow() != Phase::Serving,
            refused_reload,
        };
        self.readiness.look(subject).await
    }

    /// How the rail outside is, where there is one.
    async fn rail(&self, live: &Live) -> Option<RailState> {
        let tempo = live.till.tempo.as_ref()?;
        let (backend, now) = (&*self.parts.backend, self.clock.now());
        Some(self.rail.look(tempo, backend, now).await)
    }

    /// How channels are, where there are some.
    async fn channels(&self, live: &Live) -> Option<SessionState> {
        let sessions = live.till.gate.sessions()?;
        Some(self.sessions.look(sessions, self.clock.now()).await)
    }

    /// The numbers as Prometheus reads them.
    pub(crate) async fn exposition(&self) -> String {
        let live = self.live.load_full();
        let (payments, tempo) = (live.till.gate.payments(), live.till.tempo.as_deref());
        let asked = Asked {
            stored: stored::count(payments, &self.parts.backend, tempo, self.clock.now()).await,
            rail: self.rail(&live).await,
            sessions: self.channels(&live).await,
            upstreams: live.failures(),
        };
        self.metrics.exposition(&asked)
    }
}

async fn bind(at: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { at, source };
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn open(store: &Store) -> Result<Arc<SqliteBackend>, StartError> {
    let Store::Sqlite(path) = store;
    match SqliteBackend::open(SqliteOptions::new(path)) {
        Ok(store) => Ok(Arc::new(store)),
        Err(source) => Err(StartError::Store {
            path: path.clone(),
            source,
        }),
    }
}

/// A gateway that takes any free port, and is called by its address, is called by the port it got.
fn adopt(config: &mut Config, address: SocketAddr) {
    let asked = config.listen.address;
    if asked.port() == 0
        && config.site.as_str() == asked.to_string()
        && let Ok(site) = Realm::new(address.to_string())
    {
        config.site = site;
    }
}

fn room(config: &Config) -> usize {
    descriptors::fit(config.limits.connections).clamp(1, Semaphore::MAX_PERMITS)
}

/// Makes room for more connections, or for fewer: those that are there stay.
fn resize(room: &Arc<Semaphore>, old: usize, new: usize) {
    if let Some(more) = new.checked_sub(old) {
        room.add_permits(more);
        return;
    }
    let fewer = u32::try_from(old - new).unwrap_or(u32::MAX);
    let room = Arc::clone(room);
    tokio::spawn(async move {
        if let Ok(permits) = room.acquire_many_owned(fewer).await {
            permits.forget();
        }
    });
}
