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
//! | `live` | one channel in memory, and the directory of them |

#[allow(dead_code, reason = "the doors are not built yet")]
mod live;
mod options;

use std::{collections::HashMap, fmt, sync::Arc};

use farthing_core::{
    domain::channels::{Caps, ChannelError, Channels, Held, Opened},
    intent::session::{Channel, ChannelId, Terms},
    port::{
        backend::{Backend, StoreError},
        clock::Clock,
        session::Session,
    },
    value::{Amount, MethodId},
};

pub use options::{SessionOptions, SessionOptionsError};

use crate::limits::Allowance;
pub(crate) use live::{Directory, Known, Live, Making, StreamPlace};

/// The sessions of a gate.
pub struct Sessions {
    rails: Vec<Arc<dyn Session>>,
    by_name: HashMap<MethodId, Arc<dyn Session>>,
    channels: Channels,
    clock: Arc<dyn Clock>,
    options: SessionOptions,
    directory: Directory,
}

impl Sessions {
    /// `rails` are of different methods, the seller's favourite first.
    pub(crate) fn new(
        rails: Vec<Arc<dyn Session>>,
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        options: SessionOptions,
    ) -> Self {
        let by_name = rails.iter();
        Self {
            by_name: by_name
                .map(|rail| (rail.method().clone(), Arc::clone(rail)))
                .collect(),
            rails,
            channels: Channels::new(backend),
            clock,
            directory: Directory::new(options.channels_in_memory),
            options,
        }
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

    /// What the seller decided about them.
    #[must_use]
    pub const fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// A channel, from memory or from the store.
    pub(crate) async fn find(&self, id: &ChannelId) -> Result<Option<Arc<Live>>, StoreError> {
        self.directory.get(id, || self.load(id)).await
    }

    /// Keeps a channel that the rail showed. One that is there already is as it was.
    pub(crate) async fn opened(
        &self,
        id: &ChannelId,
        terms: &Terms,
        channel: Channel,
    ) -> Result<Arc<Live>, ChannelError> {
        let (held, is_new) = match self.channels.open(id, terms, channel, self.clock.now()).await? {
            Opened::New(held) => (held, true),
            Opened::Known(held) => (held, false),
        };
        let live = self
            .directory
            .get(id, || async { self.live(held, terms.clone()).map(Some) })
            .await?;
        let live = live.ok_or(ChannelError::Unknown)?;
        if !is_new {
            // It may have been in memory for long.
            live.refresh().await?;
        }
        Ok(live)
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

    fn live(&self, held: Held, terms: Terms) -> Result<Live, StoreError> {
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
