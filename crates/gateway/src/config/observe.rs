//! What a gateway tells its operator.

use std::net::SocketAddr;

/// The listener for health and metrics. It never takes a request for the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admin {
    /// The address.
    pub address: SocketAddr,
}

/// The access log, on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// How it is written.
    pub format: LogFormat,
}

/// How the access log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line a request, for people.
    #[default]
    Lines,
    /// A JSON object a line.
    Json,
    /// Not at all.
    Off,
}
