//! The service a gateway stands in front of, and the secrets it is spoken to with.

use std::{fmt, path::PathBuf, time::Duration};

use http::{
    HeaderName, HeaderValue,
    uri::{Authority, PathAndQuery, Scheme},
};

/// The service behind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upstream {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
    /// What its paths begin with, without the last slash; empty for most.
    pub base: Option<PathAndQuery>,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long the head of an answer may take, from the last byte of the request.
    pub first_byte: Duration,
    /// How long a body may stand still.
    pub idle: Duration,
    /// HTTP/2 from the first byte. With TLS it is agreed on anyway.
    pub http2: bool,
    /// Certificates to believe beside the usual ones, PEM.
    pub ca: Option<PathBuf>,
    /// Headers that are set on each request. What a client sends under these names is dropped.
    pub inject: Vec<Inject>,
    /// Whether `Host` is the client's. Else it is the upstream's.
    pub keep_host: bool,
}

/// A header that the upstream wants and no client may know.
#[derive(Clone, PartialEq, Eq)]
pub struct Inject {
    /// Its name.
    pub name: HeaderName,
    /// Its value, marked sensitive.
    pub value: HeaderValue,
}

impl fmt::Debug for Inject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inject")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Where a secret comes from. A file names it, and never holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFrom {
    /// A variable of the environment.
    Env(String),
    /// A file, without its last line end.
    File(PathBuf),
}

pub use farthing::core::value::Secret;
