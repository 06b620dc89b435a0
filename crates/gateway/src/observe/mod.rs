//! What a gateway tells its operator: metrics, whether it is ready, and a line a request.
//!
//! | file | what is there |
//! |---|---|
//! | `metrics` | the numbers of a process, and of each of its rules |
//! | `histogram` | how long answers took |
//! | `gauges` | what was asked of the store and of a rail |
//! | `exposition` | the numbers as Prometheus reads them |
//! | `log` | the access log |
//! | `ready` | whether it can serve what it sells |
//! | `rail` | how a rail outside is |
//! | `sessions` | how channels are, and what is at risk |
//! | `stored` | what the store says of payments that are not over |
//! | `admin` | the listener that tells all this |

pub(crate) mod admin;
mod exposition;
mod gauges;
mod histogram;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod rail;
pub(crate) mod ready;
pub(crate) mod sessions;
pub(crate) mod stored;

pub use log::Sink;
