//! Sessions: many requests out of one channel, on the seller's side.
//!
//! ```text
//! request ─▶ admit ─▶ live ─▶ permit ─▶ handler ─▶ finish
//!              │        │
//!              ├─▶ fund │ open and topUp
//!              └─▶ close│
//!                       └─▶ the store: one compare-and-set for all that wait on a channel
//! ```
//!
//! | file | what happens there |
//! |---|---|
//! | `options` | what a seller decides about sessions |
//! | `metering` | what a unit costs on a route, and when it is charged |
//! | `meter` | what a handler charges by, while it serves |
//! | `stream` | streams that are paid for while they flow |
//! | `live` | one channel in memory, and the directory of them |
//! | `till` | where the money of sessions passes through |
//! | `fund` | channels are opened, and more is locked in them |
//! | `watch` | what happens to channels on their rail |
//! | `silence` | whether a rail has been heard of lately |
//! | `settle` | what was spent is handed in, many channels at once |
//! | `close` | channels are closed |
//! | `report` | what is accepted, spent, settled and at risk |
//! | `presence` | which processes serve, so that nobody waits for one that is gone |
//! | `on_demand` | a till for an operator, beside a gate or without one |
//! | `prune` | what is over is forgotten |
//! | `retention` | how long it is kept before |

mod admit;
mod bootstrap;
mod calls;
mod close;
mod fund;
mod live;
mod meter;
mod metering;
mod on_demand;
mod options;
mod presence;
mod prune;
mod receipt;
mod report;
mod retention;
mod seat;
mod settle;
mod silence;
mod stream;
mod till;
mod watch;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use farthing_core::{
    binding::Secrets,
    domain::{
        calls::Calls,
        channels::{Caps, Channels, Held},
    },
    intent::session::{ChannelId, Terms},
    port::{
        backend::{Backend, StoreError},
        clock::Clock,
        session::Session,
    },
    value::{Amount, MethodId},
};
use tokio_util::sync::CancellationToken;

pub use close::NotClosed;
pub use fund::{Funded, FundingAsked, NotFunded};
pub use meter::{Meter, MeterError, Reserved};
pub use metering::Metering;
pub use on_demand::OnDemand;
pub use options::{SessionOptions, SessionOptionsError};
pub use prune::Pruned;
pub use report::{Books, InCurrency, Report, Sum};
pub use retention::Retention;
pub use settle::{HandedIn, Payable, SettleOptions};
pub use silence::{DeafError, Silent};
#[cfg(feature = "websocket")]
pub use stream::socket;
pub use stream::{Piece, StreamBody, StreamCut, Streaming};
pub use till::{Memory, RailStep, Till, TillError, TillOptions, TillParts};
pub use watch::Watched;

pub(crate) use receipt::keep_private;
pub(crate) use seat::Seat;

use crate::{
    event::{Events, Observer},
    limits::Allowance,
};
pub(crate) use live::{Directory, Live, Making, StreamPlace};

/// The sessions of a gate.
pub struct Sessions {
    rails: Vec<Arc<dyn Session>>,
    by_name: HashMap<MethodId, Arc<dyn Session>>,
    channels: Channels,
    clock: Arc<dyn Clock>,
    options: SessionOptions,
    directory: Arc<Directory>,
    backend: Arc<dyn Backend>,
    /// What the channel said that was read last: others say nearly the same.
    like: Mutex<Option<Terms>>,
    events: Events,
    calls: Calls,
    closing: CancellationToken,
    till: Till,
}

/// What sessions are made of.
pub(crate) struct Parts {
    /// Of different methods, the seller's favourite first.
    pub(crate) rails: Vec<Arc<dyn Session>>,
    pub(crate) store: Arc<dyn Backend>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) secrets: Secrets,
    pub(crate) observer: Option<Observer>,
    pub(crate) options: SessionOptions,
    pub(crate) rail_deadline: Duration,
    pub(crate) ask_again: Duration,
    pub(crate) lease: Duration,
}

impl Sessions {
    /// # Errors
    /// When two rails are of one method, or nothing can work by the options.
    pub(crate) fn new(parts: Parts) -> Result<Self, TillError> {
        let Parts {
            rails,
            store,
            clock,
            secrets,
            observer,
            options,
            rail_deadline,
            ask_again,
            lease,
        } = parts;
        let directory = Arc::new(Directory::new(options.channels_in_memory));
        let till = Till::new(TillParts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            secrets,
            rails: rails.clone(),
            memory: Some(Arc::clone(&directory) as Arc<dyn Memory>),
            observer: observer.clone(),
            options: TillOptions {
                rail_deadline,
                ask_again,
                lease,
                min_deposit: options.min_deposit.clone(),
                openings_an_hour: options.openings_an_hour,
                fundings_at_once: options.fundings_at_once,
                close_within: options.close_within,
                settle: options.settle.clone(),
                retention: options.retention.clone(),
                ..TillOptions::default()
            },
        })?;
        let by_name = rails.iter();
        Ok(Self {
            by_name: by_name
                .map(|rail| (rail.method().clone(), Arc::clone(rail)))
                .collect(),
            rails,
            channels: Channels::new(Arc::clone(&store)),
            calls: Calls::new(Arc::clone(&store)),
            backend: store,
            like: Mutex::default(),
            events: Events::new(observer),
            clock,
            closing: CancellationToken::new(),
            till,
            directory,
            options,
        })
    }

    /// Where the money of the channels passes through: funding, settling, closing.
    #[must_use]
    pub const fn till(&self) -> &Till {
        &self.till
    }

    /// The channels of the store.
    #[must_use]
    pub const fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The methods that keep channels.
    #[must_use]
    pub fn rails(&self) -> &[Arc<dyn Session>] {
        &self.rails
    }

    /// The rail of a method.
    #[must_use]
    pub fn rail(&self, method: &MethodId) -> Option<&Arc<dyn Session>> {
        self.by_name.get(method)
    }

    /// How many channels are in memory.
    #[must_use]
    pub fn in_memory(&self) -> usize {
        self.directory.len()
    }

    /// What the seller decided about them.
    #[must_use]
    pub const fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// Is cancelled when the gate begins to close: streams end, and nobody waits for a voucher.
    pub(crate) const fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// A channel, from memory or from the store.
    pub(crate) async fn find(&self, id: &ChannelId) -> Result<Option<Arc<Live>>, StoreError> {
        self.directory.get(id, || self.load(id)).await
    }

    async fn load(&self, id: &ChannelId) -> Result<Option<Live>, StoreError> {
        let Some(held) = self.channels.load(id).await? else {
            return Ok(None);
        };
        let Some(terms) = self.channels.terms(id).await? else {
            return Ok(None);
        };
        if !self.by_name.contains_key(&terms.method) {
            tracing::warn!(channel = %id, method = %terms.method, "a channel is kept of a method that this gate does not have");
            return Ok(None);
        }
        self.live(held, terms).map(Some)
    }

    /// What a channel said, with what the one before it said too shared.
    fn shared(&self, terms: Terms) -> Terms {
        let mut like = self.like.lock().unwrap_or_else(PoisonError::into_inner);
        let terms = match &*like {
            Some(like) => terms.shared_with(like),
            None => terms,
        };
        *like = Some(terms.without_details());
        terms
    }

    fn live(&self, held: Held, terms: Terms) -> Result<Live, StoreError> {
        let terms = self.shared(terms);
        let corrupt = |what: &'static str| StoreError::Corrupt(what.into());
        let rail = self
            .by_name
            .get(&terms.method)
            .ok_or_else(|| corrupt("the channel's method is not there"))?;
        let caps = self
            .caps(&**rail, &terms)
            .ok_or_else(|| corrupt("the channel's currency is none of its method's"))?;
        let making = Making {
            rail: Arc::clone(rail),
            caps,
            channels: self.channels.clone(),
            clock: Arc::clone(&self.clock),
            allowance: Allowance::new(self.options.vouchers_per_second, self.options.voucher_burst),
            events: self.events.clone(),
        };
        Live::new(held, terms, making).map_err(|refusal| StoreError::Corrupt(refusal.into()))
    }

    /// How much the payer of a channel, and all, may have unsettled.
    fn caps(&self, rail: &dyn Session, terms: &Terms) -> Option<Caps> {
        let currency = rail.currency(&terms.currency)?;
        let (per_payer, in_total) = self.options.exposure();
        // A sixteenth of what a payer may have: few requests have to draw, and few payers block others.
        let slice = per_payer.rounded_down(currency).units() / 16;
        Some(Caps {
            payer: terms.payer.clone(),
            currency: currency.clone(),
            per_payer,
            in_total,
            slice: Amount::new(slice),
        })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
