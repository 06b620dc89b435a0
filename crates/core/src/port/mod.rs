//! The ports: what the rest of the house plugs into the core.
//!
//! All of them are object-safe. What happens on every request is synchronous in them; what waits
//! for a rail or a disk is a [`BoxFuture`].

use std::{future::Future, pin::Pin};

pub mod backend;
pub mod clock;
pub mod method;
pub mod payer;
pub mod session;
pub mod session_payer;

/// A future on the heap, for traits that are used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
