//! What a gateway tells its operator: metrics, whether it is ready, and a line a request.
//!
//! | file | what is there |
//! |---|---|
//! | `metrics` | the numbers of a process, and of each of its rules |
//! | `histogram` | how long answers took |
//! | `exposition` | the numbers as Prometheus reads them |
//! | `log` | the access log |
//! | `ready` | whether it can serve what it sells |
//! | `admin` | the listener that tells all this |

pub(crate) mod admin;
mod exposition;
mod histogram;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod ready;

pub use log::Sink;
