//! The listener, and everything behind it that changes at a reload.

mod via;

pub use via::Via;
