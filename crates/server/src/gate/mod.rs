//! The Gate: the whole life of a payment, for every door alike.
//!
//! ```text
//! request ─▶ steps ─▶ claim ─▶ permit ─▶ handler ─▶ finish ─▶ delivery
//!              │        │
//!              └────────┴─▶ known: what to answer when the claim is already held
//! ```
//!
//! | file | what happens there |
//! |---|---|
//! | `asked` | a request, as far as a payment is bound to it |
//! | `builder` | what a gate is made of, checked at the start |
//! | `prepared` | a route with its offers made ready |
//! | `offer` | one way to pay for a route |
//! | `offers` | the 402 |
//! | `steps` | a credential becomes authentic, bound, and proven |
//! | `claim` | the proof becomes ours alone, and where the policy says so settled |
//! | `charged` | what a handler runs under that a charge was claimed for, and how its answer is finished |
//! | `permit` | the same, whichever way the request was paid for |
//! | `settle` | asking a rail, and writing down what it says |
//! | `known` | the answer to a claim that is already held |
//! | `known_channel` | what is told of a channel to who is known to be its payer |
//! | `delivery` | whether the answer went out |
//! | `reconcile` | what other owners left behind |
//! | `finishing` | a replay that waits for the end of the delivery it is about |
//! | `presence` | whether the gates on one store can read one another's challenges |
//! | `refund` | sending a settled payment back |
//! | `write_off` | letting go of what was served on credit and never paid |
//! | `seal` | the seal on what is journaled |

mod asked;
mod builder;
mod charged;
mod claim;
mod delivery;
mod finishing;
mod known;
mod known_channel;
mod offer;
mod offers;
mod permit;
mod prepared;
mod presence;
mod reconcile;
mod refund;
pub(crate) mod seal;
mod settle;
mod steps;
mod write_off;

use std::{collections::HashMap, fmt, future::Future, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    binding::Binder,
    domain::{payments::Payments, receipts::Receipts, responses::Responses},
    header::authorization::{self, Found},
    intent::session::ChannelId,
    payment::Moved,
    port::{clock::Clock, method::Charge},
    value::{Entropy, MethodId, Realm, Timestamp},
};
use http::{Response, request::Parts};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

pub(crate) use asked::{Asked, HasBody};
pub use builder::{GateBuilder, Options, SetupError};
pub(crate) use delivery::{HandlerAnswer, restore, store};
pub(crate) use known_channel::Known;
pub(crate) use offer::Metered;
pub use permit::{Paid, Permit};
pub use prepared::PreparedRoute;
pub use reconcile::Reconciled;
pub use refund::{RefundError, record_refund, refund};
pub use write_off::{WriteOffError, write_off};

use crate::{
    body::GateBody,
    event::{Event, Events},
    limits::Limiter,
    refused::Refused,
    route::Route,
    session::Sessions,
};
use finishing::Finishing;

/// The gate of a seller: cheap to clone, one for a process.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    instance: Entropy,
    realm: Realm,
    binder: Binder,
    own_header: bool,
    methods: Vec<Arc<dyn Charge>>,
    by_name: HashMap<MethodId, Arc<dyn Charge>>,
    sessions: Option<Sessions>,
    payments: Payments,
    receipts: Receipts,
    responses: Responses,
    clock: Arc<dyn Clock>,
    events: Events,
    limiter: Limiter,
    at_once: Arc<Semaphore>,
    body_bytes: Arc<Semaphore>,
    finishing: Finishing,
    work: TaskTracker,
    options: Options,
}

/// What the gate says to a request.
#[derive(Debug)]
#[must_use]
pub enum Admission<B> {
    /// It has to be paid for: a 402 with fresh challenges.
    Offer(Response<Bytes>),
    /// It is answered without the handler: a refusal, or a paid answer delivered again.
    Respond(Response<GateBody<B>>),
    /// The handler may run.
    Proceed(Box<Permit>),
}

impl Gate {
    /// Starts building one.
    pub fn builder() -> GateBuilder {
        GateBuilder::new()
    }

    /// Makes a route ready: its offers are written and their signatures primed.
    ///
    /// # Errors
    /// When a price cannot be asked exactly, or a method is not there.
    pub fn route(&self, route: Route) -> Result<Arc<PreparedRoute>, SetupError> {
        PreparedRoute::new(self, route).map(Arc::new)
    }

    /// The realm it issues challenges in.
    #[must_use]
    pub fn realm(&self) -> &Realm {
        &self.0.realm
    }

    /// The payments of its store.
    #[must_use]
    pub fn payments(&self) -> &Payments {
        &self.0.payments
    }

    /// The receipts of its store.
    #[must_use]
    pub fn receipts(&self) -> &Receipts {
        &self.0.receipts
    }

    /// Its sessions, where it has a method that keeps channels.
    #[must_use]
    pub fn sessions(&self) -> Option<&Sessions> {
        self.0.sessions.as_ref()
    }

    /// Says what to do with a request, without any middleware: the first of the public steps.
    ///
    /// A [`Permit`] that comes back is finished by [`Permit::finish`] with the handler's answer.
    /// Work on it outlives a caller that goes away only inside the middleware; here, a permit
    /// that is dropped is left to the reconciler.
    pub async fn admit<B>(
        &self,
        route: &Arc<PreparedRoute>,
        parts: &Parts,
        body: Option<Bytes>,
        peer: Option<IpAddr>,
    ) -> Admission<B>
    where
        B: http_body::Body<Data = Bytes>,
    {
        match self.limit(peer, self.now()) {
            Ok(()) => self.admit_asked(route, parts, body).await,
            Err(refused) => Admission::Respond(self.turn_away(&refused).map(GateBody::held)),
        }
    }

    /// The same, after the peer's rate limit.
    pub(crate) async fn admit_asked<B>(
        &self,
        route: &Arc<PreparedRoute>,
        parts: &Parts,
        body: Option<Bytes>,
    ) -> Admission<B>
    where
        B: http_body::Body<Data = Bytes>,
    {
        let asked = match self.ask(route, parts, body, self.now()) {
            Ok(asked) => asked,
            Err(refused) => {
                return Admission::Respond(self.turn_away(&refused).map(GateBody::held));
            }
        };
        match authorization::find(&parts.headers) {
            Found::None => Admission::Offer(self.offer(&asked, parts).await),
            Found::Many => {
                let response = self.refuse(&asked, parts, &Refused::ManyCredentials).await;
                Admission::Respond(response.map(GateBody::held))
            }
            Found::One(value) => self.admit_credential(asked, value.as_bytes(), parts).await,
        }
    }

    /// Takes one request of a peer.
    ///
    /// # Errors
    /// When the peer, or everybody together, asks too often.
    pub(crate) fn limit(&self, peer: Option<IpAddr>, now: Timestamp) -> Result<(), Refused> {
        self.0.limiter.take(peer, now).map_err(Refused::RateLimited)
    }

    /// Reserves room for a request body.
    ///
    /// # Errors
    /// When the process holds as much as it may.
    pub(crate) fn hold_body(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Refused> {
        let bytes = u32::try_from(bytes).map_err(|_| Refused::BodyTooLarge)?;
        Arc::clone(&self.0.body_bytes)
            .try_acquire_many_owned(bytes)
            .map_err(|_| Refused::Overloaded)
    }

    /// How long a body that has to be read may take.
    pub(crate) fn body_within(&self) -> Duration {
        self.0.options.body_within
    }

    /// Describes a request as far as a payment is bound to it.
    ///
    /// # Errors
    /// When a header that counts cannot be read.
    pub(crate) fn ask(
        &self,
        route: &Arc<PreparedRoute>,
        parts: &Parts,
        body: Option<Bytes>,
        now: Timestamp,
    ) -> Result<Asked, Refused> {
        Asked::new(route, parts, body, now)
    }

    /// Does work that the gate waits for when it drains.
    pub(crate) fn track(&self, work: impl Future<Output = ()> + Send + 'static) {
        // The work of a payment is kilobytes of state, and a runtime moves what it is given several
        // times on the way in and out.
        self.0.work.spawn(Box::pin(work));
    }

    /// Waits until everything that was claimed has come to an end, and takes nothing new.
    pub async fn drain(&self) {
        if let Some(sessions) = self.sessions() {
            // Streams end with a receipt, and whoever waits for a voucher waits no more.
            sessions.closing().cancel();
        }
        self.0.at_once.close();
        self.0.work.close();
        self.0.work.wait().await;
        if let Some(sessions) = self.sessions() {
            sessions.flush().await;
            sessions.till().stop();
            // Nobody has to wait for what this process serves.
            if let Err(error) = sessions.till().say_gone().await {
                tracing::debug!("the store could not be told that this process is gone: {error}");
            }
        }
        if let Err(error) = self.depart().await {
            tracing::debug!("the gate's row stays until its time is over: {error}");
        }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// What is done for payments, and waited for when the gate drains.
    pub(crate) fn work(&self) -> &TaskTracker {
        &self.0.work
    }

    /// A place among the payments that are worked on at the same time.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.at_once).try_acquire_owned().ok()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Answers a refusal: a problem, with fresh challenges where the table says that another
    /// payment would help.
    pub(crate) async fn refuse(
        &self,
        asked: &Asked,
        parts: &Parts,
        refused: &Refused,
    ) -> Response<Bytes> {
        refused.log(asked.id.as_str(), self.now());
        let problem = refused.kind();
        self.0.events.tell(|| Event::Refused {
            route: asked.id.clone(),
            problem,
        });
        self.answer(asked, parts, refused.problem()).await
    }

    /// Answers a refusal of a session: the same, and where its channel is known to be the peer's, what is
    /// known of that.
    pub(crate) async fn refuse_known(
        &self,
        asked: &Asked,
        parts: &Parts,
        refused: &Refused,
        known: Option<&Known>,
    ) -> Response<Bytes> {
        let Some(known) = known else {
            return self.refuse(asked, parts, refused).await;
        };
        refused.log(asked.id.as_str(), self.now());
        let problem = refused.kind();
        self.0.events.tell(|| Event::Refused {
            route: asked.id.clone(),
            problem,
        });
        self.challenge_known(asked, &parts.headers, refused.problem(), known)
    }

    /// Answers a refusal that no payment would help against.
    pub(crate) fn turn_away(&self, refused: &Refused) -> Response<Bytes> {
        refused.log("", self.now());
        turned_away(refused)
    }
}

/// Answers for a handler that did not serve what a channel had paid for.
pub(crate) fn not_served(refused: &Refused, channel: &ChannelId, is_back: bool) -> Response<Bytes> {
    let mut problem = refused.problem();
    problem.channel = Some(channel.as_str().into());
    problem.moved = Some(if is_back { Moved::No } else { Moved::Unknown });
    offers::respond(&problem, http::HeaderMap::new())
}

/// A refusal as a response.
pub(crate) fn turned_away(refused: &Refused) -> Response<Bytes> {
    offers::respond(&refused.problem(), http::HeaderMap::new())
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("realm", &self.0.realm)
            .finish_non_exhaustive()
    }
}
