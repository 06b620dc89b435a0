//! Channels on a rail in this process, or in a file, that does what a test tells it to.
//!
//! | type | what it is |
//! |---|---|
//! | [`FakeReserve`] | the rail: accounts, channels, blocks, and the answers a test asks for |
//! | [`FakeSession`] | the seller's side |
//! | [`FakeSessionPayer`] | the buyer's side |
//! | [`FakeDescriptor`], [`FakeLock`], [`FakeSessionPayload`] | what they sign and send, to be made by hand, and wrong |
//!
//! It keeps channels by either protocol and refuses what the contracts of that protocol refuse. A
//! signature is an HMAC under a key that is made of the signer's name: good for who signs as
//! themselves, and for whoever reads this file.
//!
//! ```
//! use std::sync::Arc;
//! use farthing_core::{intent::session::Protocol, value::Amount};
//! use farthing_testkit::{clock::FakeClock, method::{self, FakeDescriptor, FakeReserve, FakeSession}};
//!
//! let reserve = Arc::new(FakeReserve::new(Arc::new(FakeClock::default())));
//! let (alice, shop) = (method::account("alice"), method::account("shop"));
//! reserve.deposit(&alice, 100);
//! let session = FakeSession::new(reserve.clone(), &shop, Protocol::V2);
//!
//! // A channel behind everybody's back, as one that another process opened.
//! let channel = FakeDescriptor::new(&alice, &shop, Protocol::V2, "salt");
//! reserve.open(&channel, 60);
//! let truth = reserve.truth();
//! assert_eq!(truth.channel(&channel.id()).unwrap().deposit, 60);
//! assert_eq!((truth.balance(alice.as_str()), truth.total()), (40, 100));
//! # drop(session);
//! ```

mod chain;
mod descriptor;
mod payer;
mod payload;
mod reserve;
mod seller;
mod work;

pub use chain::{FakeChannel, FakeSent, FakeStanding, ReserveTruth};
pub use descriptor::{FakeDescriptor, FakeLock};
pub use payer::FakeSessionPayer;
pub use payload::FakeSessionPayload;
pub use reserve::FakeReserve;
pub use seller::FakeSession;
pub use work::{FakeItem, FakeWork};
