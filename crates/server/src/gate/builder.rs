//! Building a gate. Whatever is missing or wrong stops the start.

use std::{collections::HashMap, fmt, num::NonZeroU32, sync::Arc, time::Duration};

use farthing_core::{
    binding::{Binder, Secrets, SecretsError},
    domain::{payments::Payments, receipts::Receipts, responses::Responses},
    port::{
        backend::{Backend, StoreError},
        clock::Clock,
        method::{Charge, PrepareError},
        session::Session,
    },
    value::{MethodId, Realm, Secret, TextError, Timestamp},
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{Gate, Inner, finishing::Finishing};
use crate::{
    event::{Event, Events, Observer},
    limits::{Limiter, RateLimits},
    random::{self, NoRandomness},
    session::{self, SessionOptions, SessionOptionsError, Sessions, TillError},
};

/// What a gate is made of.
#[must_use]
pub struct GateBuilder {
    realm: Option<String>,
    secret: Option<Secret>,
    retired: Vec<(Secret, Timestamp)>,
    backend: Option<Arc<dyn Backend>>,
    clock: Option<Arc<dyn Clock>>,
    methods: Vec<Arc<dyn Charge>>,
    rails: Vec<Arc<dyn Session>>,
    sessions: SessionOptions,
    observer: Option<Observer>,
    own_header: bool,
    limits: RateLimits,
    options: Options,
}

/// Times and bounds of a gate.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long a challenge may be paid.
    pub challenge_lifetime: Duration,
    /// How long work on a payment counts as alive without being renewed.
    pub lease: Duration,
    /// How long a rail may take to answer. Shorter than the lease, so that nobody takes over what
    /// is still being asked.
    pub rail_deadline: Duration,
    /// How long to wait before a rail is asked again.
    pub ask_again: Duration,
    /// Payments that are worked on at the same time.
    pub payments_at_once: usize,
    /// Bytes of request bodies that are held at the same time.
    pub body_bytes_at_once: u32,
    /// How long a request body that has to be read may take to arrive.
    pub body_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            challenge_lifetime: Duration::from_secs(5 * 60),
            lease: Duration::from_secs(30),
            rail_deadline: Duration::from_secs(20),
            ask_again: Duration::from_secs(2),
            payments_at_once: 4096,
            body_bytes_at_once: 64 * 1024 * 1024,
            body_within: Duration::from_secs(30),
        }
    }
}

/// A gate that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Something has to be given.
    #[error("the gate has no {0}")]
    Missing(&'static str),
    /// The realm is none.
    #[error(transparent)]
    Realm(#[from] TextError),
    /// A challenge secret is too weak, or there are too many.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Two methods have the same name.
    #[error("the method {0} is given twice")]
    DoubleMethod(MethodId),
    /// A route is priced on, or has terms for, a method that the gate does not have.
    #[error("the gate has no method {0}")]
    UnknownMethod(MethodId),
    /// A method cannot ask for a route's price, or not on the route's terms.
    #[error("the price cannot be asked by {method}")]
    Price {
        /// The method.
        method: MethodId,
        /// Why.
        source: PrepareError,
    },
    /// A route's offer cannot be written.
    #[error("the offer cannot be written: {0}")]
    Offer(&'static str),
    /// What the gate decided about sessions cannot be.
    #[error(transparent)]
    SessionOptions(#[from] SessionOptionsError),
    /// What the gate's methods or options say of sessions cannot be.
    #[error(transparent)]
    Till(#[from] TillError),
    /// A route offers sessions that nobody could use.
    #[error("the route's session cannot be offered: {0}")]
    Session(&'static str),
    /// A route gives credit, and nothing of it could ever be on credit.
    #[error("the route gives credit, and {0}")]
    Credit(&'static str),
    /// A route's price depends on a body that the route does not bind.
    #[error("the price depends on the body, and the route does not bind it")]
    UnboundBody,
    /// Another process serves this store with challenge secrets that share none of ours: each
    /// would refuse what the other issued.
    #[error(
        "another server uses this store with other challenge secrets: give both the same, or wait a minute if it was stopped"
    )]
    DisjointSecrets,
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Times or bounds that no gate can work by.
    #[error("the gate's options cannot be: {0}")]
    Options(&'static str),
    /// The system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Options {
    /// Options by which a gate would do nothing, or take over what it is still doing itself.
    fn check(&self) -> Result<(), SetupError> {
        let wrong = if self.challenge_lifetime.is_zero() {
            "a challenge that is over at once cannot be paid"
        } else if self.rail_deadline.is_zero() || self.ask_again.is_zero() {
            "a rail needs time to answer in"
        } else if self.rail_deadline >= self.lease {
            "a rail may take as long as the lease, so what is being asked would be taken over"
        } else if self.payments_at_once == 0 || self.payments_at_once > Semaphore::MAX_PERMITS {
            "no such number of payments can be worked on"
        } else {
            return Ok(());
        };
        Err(SetupError::Options(wrong))
    }
}

impl fmt::Debug for GateBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateBuilder")
            .field("realm", &self.realm)
            .field("limits", &self.limits)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl GateBuilder {
    pub(super) fn new() -> Self {
        Self {
            realm: None,
            secret: None,
            retired: Vec::new(),
            backend: None,
            clock: None,
            methods: Vec::new(),
            rails: Vec::new(),
            sessions: SessionOptions::default(),
            observer: None,
            own_header: false,
            limits: RateLimits::default(),
            options: Options::default(),
        }
    }

    /// The realm of every challenge: the public host of the service.
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.to_owned());
        self
    }

    /// The secret that challenges are signed with; at least 32 bytes.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// A former secret, and until when challenges signed with it are still taken.
    pub fn retired_secret(mut self, secret: Secret, until: Timestamp) -> Self {
        self.retired.push((secret, until));
        self
    }

    /// Where payments are kept.
    pub fn store(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// What tells the time.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// A payment method. Where several are given, their order is the seller's preference.
    pub fn method(mut self, method: Arc<dyn Charge>) -> Self {
        self.methods.push(method);
        self
    }

    /// A method that keeps channels. Where several are given, their order is the seller's preference.
    pub fn session(mut self, rail: Arc<dyn Session>) -> Self {
        self.rails.push(rail);
        self
    }

    /// What is decided about sessions.
    pub fn sessions(mut self, options: SessionOptions) -> Self {
        self.sessions = options;
        self
    }

    /// Somebody who is told what happens. Called where it happens: it must not block.
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Asks for credentials in `Payment-Authorization`, for services whose `Authorization` is taken
    /// by something else. Credentials in either header are read.
    pub const fn payment_authorization(mut self) -> Self {
        self.own_header = true;
        self
    }

    /// How many payment requests are looked at.
    pub const fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How many payment requests of one peer are looked at, a second and at once.
    pub const fn per_peer(mut self, a_second: NonZeroU32, at_once: NonZeroU32) -> Self {
        self.limits.per_peer = a_second;
        self.limits.peer_burst = at_once;
        self
    }

    /// Times and bounds.
    pub const fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// The gate.
    ///
    /// # Errors
    /// When something is missing or wrong.
    pub fn build(self) -> Result<Gate, SetupError> {
        self.options.check()?;
        let realm = Realm::new(self.realm.ok_or(SetupError::Missing("realm"))?)?;
        let clock = self.clock.ok_or(SetupError::Missing("clock"))?;
        let backend = self.backend.ok_or(SetupError::Missing("store"))?;
        let mut secrets =
            Secrets::new(&self.secret.ok_or(SetupError::Missing("challenge secret"))?)?;
        for (secret, until) in &self.retired {
            secrets = secrets.with_retired(secret, *until)?;
        }
        if self.methods.is_empty() && self.rails.is_empty() {
            return Err(SetupError::Missing("payment method"));
        }
        let mut by_name = HashMap::new();
        for method in &self.methods {
            if by_name
                .insert(method.method().clone(), Arc::clone(method))
                .is_some()
            {
                return Err(SetupError::DoubleMethod(method.method().clone()));
            }
        }
        self.sessions.check()?;
        let sessions = match self.rails.is_empty() {
            true => None,
            false => Some(Sessions::new(session::Parts {
                rails: self.rails,
                store: Arc::clone(&backend),
                clock: Arc::clone(&clock),
                secrets: secrets.clone(),
                observer: self.observer.clone(),
                options: self.sessions,
                rail_deadline: self.options.rail_deadline,
                ask_again: self.options.ask_again,
                lease: self.options.lease,
            })?),
        };
        Ok(Gate(Arc::new(Inner {
            instance: random::entropy()?,
            realm,
            binder: Binder::new(secrets),
            own_header: self.own_header,
            methods: self.methods,
            by_name,
            sessions,
            payments: Payments::new(Arc::clone(&backend)),
            receipts: Receipts::new(Arc::clone(&backend)),
            responses: Responses::new(backend),
            clock,
            events: Events::new(self.observer),
            limiter: Limiter::new(self.limits),
            at_once: Arc::new(Semaphore::new(self.options.payments_at_once)),
            body_bytes: Arc::new(Semaphore::new(self.options.body_bytes_at_once as usize)),
            finishing: Finishing::default(),
            work: TaskTracker::new(),
            options: self.options,
        })))
    }
}
