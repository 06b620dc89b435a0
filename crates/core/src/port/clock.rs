//! The clock port. The core reads no clock: it is handed `now`.

use crate::value::Timestamp;

/// Tells the time. The one real implementation is in the facade, the fake one in the testkit.
pub trait Clock: Send + Sync + 'static {
    /// The wall time.
    fn now(&self) -> Timestamp;
}
