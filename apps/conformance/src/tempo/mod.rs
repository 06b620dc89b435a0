//! The operations of the Tempo rail, answered by the code that serves payments.

pub(crate) mod cosign;
pub(crate) mod proof;
pub(crate) mod receipt;
