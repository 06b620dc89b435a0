//! Where a gateway listens, whom it believes, and how much it takes on.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

/// The listener that buyers come to.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address. Port 0 takes any free one.
    pub address: SocketAddr,
    /// How the bytes are protected on their way.
    pub trust: Trust,
}

/// What makes it right to take payments on a listener: a plain one is only for this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Plain HTTP on a loopback address.
    Loopback,
    /// TLS ends here.
    Tls(Tls),
    /// TLS ends at these proxies. Only what they say of a client's address is believed.
    BehindTls(Vec<Network>),
}

/// A certificate and its key, by files. They are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, PEM.
    pub cert: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// A range of addresses, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address, with no bit set behind the prefix.
    pub address: IpAddr,
    /// How many bits are fixed.
    pub prefix: u8,
}

/// Limits that come before money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Payment requests of one peer, a second.
    pub per_peer: NonZeroU32,
    /// Payment requests of one peer at once.
    pub peer_burst: NonZeroU32,
    /// Payment requests of everybody, a second.
    pub total: NonZeroU32,
    /// Connections at the same time.
    pub connections: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Bytes of a request's body.
    pub body: u64,
    /// How long a request's head may take to arrive.
    pub head_within: Duration,
    /// How long running requests and streams are given at the end.
    pub drain: Duration,
}
