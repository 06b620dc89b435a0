//! The suites: one for each port, run against every implementation of it, ours or another's.

pub mod domain;
pub mod kernel;
pub mod session;
