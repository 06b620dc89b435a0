//! A till for an operator: it settles and closes what it is told to, beside a gate that runs on the
//! same store, or where none does.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    binding::Secrets,
    port::{backend::Backend, clock::Clock, session::Session},
    value::Secret,
};

use super::{
    settle::SettleOptions,
    till::{Till, TillError, TillOptions, TillParts},
};
use crate::{event::Observer, random};

/// Longer than anybody waits for a command.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What an operator's till is made of.
pub struct OnDemand {
    /// The store of the gate.
    pub store: Arc<dyn Backend>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// The rails that it may settle on. Without one it reads the books.
    pub rails: Vec<Arc<dyn Session>>,
    /// Somebody who is told what happens.
    pub observer: Option<Observer>,
    /// How the gate settles: of it, only how long requests may take, and how long a close waits for them.
    pub settle: SettleOptions,
}

impl Till {
    /// A till that does nothing by itself: what its caller wants settled or closed, and what was handed
    /// in and is not done. Everything else is left to the gate, whose options say when it is due.
    ///
    /// Both settle through the store: one works at a time, what is handed in is journaled under an id
    /// first, and whoever comes next asks about it under that id. So nothing is paid out twice, whoever
    /// dies. It opens no channels, and needs no secret of the gate's.
    ///
    /// # Errors
    /// When two rails are of one method, or the options make no sense.
    pub fn on_demand(parts: OnDemand) -> Result<Self, TillError> {
        let mut options = TillOptions {
            // Whoever asks looks again by itself, and may tell what it waits for.
            close_within: Duration::from_secs(2),
            settle: parts.settle,
            ..TillOptions::default()
        };
        let settle = &mut options.settle;
        // What the gate looks at again later is put on its agenda by the gate's own time.
        settle.close_unused = Some(settle.close_unused.unwrap_or(settle.age));
        (settle.age, settle.idle) = (NEVER, NEVER);
        settle.schedule = None;
        let till = Self::new(TillParts {
            store: parts.store,
            clock: parts.clock,
            secrets: throwaway()?,
            rails: parts.rails,
            memory: None,
            observer: parts.observer,
            options,
        })?;
        // What it sealed nobody else could open.
        till.0.at_once.close();
        Ok(till)
    }
}

/// Secrets that seal nothing.
fn throwaway() -> Result<Secrets, TillError> {
    let secret = Secret::new([random::entropy()?.0, random::entropy()?.0].concat());
    Ok(Secrets::new(&secret).expect("a secret of 32 bytes is long enough"))
}

impl std::fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnDemand")
            .field("settle", &self.settle)
            .finish_non_exhaustive()
    }
}
