//! The Payment HTTP authentication scheme, its values, its state machines and its ports.

pub mod binding;
pub mod bounds;
pub mod domain;
pub mod encoding;
pub mod header;
pub mod intent;
pub mod memory;
pub mod noun;
pub mod payment;
pub mod port;
pub mod value;
