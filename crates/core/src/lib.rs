//! The Payment HTTP authentication scheme, its values, its state machines and its ports.

pub mod bounds;
pub mod memory;
pub mod port;
pub mod value;
