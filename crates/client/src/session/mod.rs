//! Channels as their buyer keeps them: opened once, paid out of by many requests and processes, and
//! closed.
//!
//! ```text
//!  opening ──▶ open ──▶ closing ──▶ closed   the rail says so
//!     └──────────┴─────────┴──────▶ lost     it never came to be, or its rail does not have it
//! ```
//!
//! What is in the store when the process dies after each step, and what becomes of it:
//!
//! | after | what is there | what becomes of it |
//! |---|---|---|
//! | `opening`, nothing signed | the purse, under its scope, with a lease | whoever wants to pay next waits for the lease, takes the purse over with a compare-and-set and signs; what the former owner still signs finds another version and is thrown away |
//! | the signature, before it is kept | as above: the transaction is lost with the process, and nobody saw it | as above |
//! | `opening`, signed | the transaction, the channel, the deposit, and the first voucher's amount in the budgets | the rail is asked: a channel that is there is `open`; a transaction that can never come is `lost`, and the budgets get everything back; else the same transaction is presented again with the next request |
//! | the opening was sent | as above | as above: the seller answers the same opening from its journal |
//! | a voucher's amount is counted | `signed`, `owed` and the budgets are raised; the voucher may not have left | the next voucher is never lower, so nothing conflicts. What was owed for the request stays owed: the seller may have charged it |
//! | the voucher was sent | as above | as above. A caller that repeats the request under its own Idempotency-Key gets what was paid for |
//! | the answer came | as above, until the next step takes along what it said | our count is higher than the seller's by that request; the next request that is alone corrects it |
//! | a top-up is signed | its transaction, and `adding` | the same transaction is presented again, until the rail shows the deposit, or that it never will |
//! | `closing` | the scope is free; nothing more is signed for it but its farewell | [`Sessions::close`] asks again; [`Sessions::sync`] looks at the rail, and withdraws when the grace is over |
//! | the rail was asked for the end | as above; asking again is the same job | as above |
//!
//! # What budgets count
//! What is *signed*: each voucher's rise is charged in the very batch that raises `signed`, before the
//! voucher leaves. A deposit is not spent. It has a cap of its own
//! ([`Policy::max_deposit`](crate::Policy::max_deposit)), all of them together have another
//! ([`Policy::max_locked`](crate::Policy::max_locked)), counted in the batch that keeps what locks and given
//! back in the one that ends the purse, and no more is locked than the budgets leave;
//! what of it is not signed away comes back at the close, and [`Purse::locked`] says how much that is.
//! The rail's fee for an opening or a top-up counts as spent.
//!
//! # Whatever the order of arrival
//! See [`keeper`]. A voucher raises what the seller accepts, and each request is charged from the
//! balance; so requests that are counted together carry one voucher, and it does not matter which of them
//! arrives first. One that arrives after a higher voucher is refused without a charge, and goes out
//! again with the highest. The second time nothing higher is signed until its answer is there, so no
//! request is overtaken for ever by others of its own process.
//!
//! # What a seller is believed
//! Nothing that raises what is signed. Our own count of what it may have charged is the bound: one price
//! for a request; for a stream, or a unit that is not a request, up to the policy's cap on one request.
//! A receipt that says more was spent than that, or that more was accepted than was ever signed, ends
//! the channel's use; the rest comes back by closing it.

mod bill;
mod booked;
mod buy;
mod close;
mod count;
mod events;
mod fault;
mod keeper;
mod listing;
mod lock;
mod mend;
mod offer;
mod opening;
mod present;
mod prune;
mod purse;
mod receipt;
mod recover;
#[cfg(feature = "websocket")]
mod socket;
mod store;
mod stream;
mod sync;
mod tab;
mod top_up;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

pub use bill::Bill;
pub use close::{Closing, How as CloseHow};
pub use fault::{LockBound, SessionFault};
pub use listing::Sessions;
pub use offer::SessionChoice;
pub use purse::{Flying, Purse, Stage};
pub use recover::Found;
#[cfg(feature = "websocket")]
pub use socket::{Goodbye, Socket, SocketFault, SocketRequest};
pub(crate) use store::Purses;
pub use sync::Synced;
pub(crate) use tab::Tab;

use keeper::Keeper;

use crate::target::Target;

/// Keepers that are remembered. One that is in use is never forgotten.
const KEEPERS: usize = 1024;

/// The keepers of this client, by scope, and the offers that it paid last.
#[derive(Debug, Default)]
pub(crate) struct Keepers {
    keepers: Mutex<HashMap<Box<str>, Arc<Keeper>>>,
    /// By method, origin and path: with one of them the next request there need not ask first.
    offers: Mutex<HashMap<Box<str>, SessionChoice>>,
}

/// Offers that are remembered.
const OFFERS: usize = 1024;

impl Keepers {
    /// The one keeper of a scope.
    fn of(&self, scope: &str) -> Arc<Keeper> {
        let mut all = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keeper) = all.get(scope) {
            return Arc::clone(keeper);
        }
        if all.len() >= KEEPERS {
            all.retain(|_, keeper| Arc::strong_count(keeper) > 1);
        }
        let keeper = Arc::new(Keeper::new(scope.into()));
        all.insert(scope.into(), Arc::clone(&keeper));
        keeper
    }

    /// The offer that was paid at this place.
    fn offer(&self, target: &Target) -> Option<SessionChoice> {
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        if offers.is_empty() {
            return None;
        }
        offers.get(&place(target)).cloned()
    }

    fn remember(&self, target: &Target, choice: &SessionChoice) {
        let mut offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        if offers.len() >= OFFERS {
            offers.clear();
        }
        offers.insert(place(target), choice.clone());
    }

    fn forget(&self, target: &Target) {
        let mut offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.remove(&place(target));
    }
}

/// Where an offer holds: what a request asks for beside it may cost otherwise, and then its seller says
/// so.
fn place(target: &Target) -> Box<str> {
    let (method, path) = (target.method(), target.url().path());
    format!("{method} {}{path}", target.origin()).into()
}
