//! Where a gateway listens, whom it believes, and how much it takes on.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

/// The listener that buyers come to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
pub struct Limits {
    /// Payment requests of one peer, a second.
    pub per_peer: NonZeroU32,
    /// Payment requests of one peer at once.
    pub peer_burst: NonZeroU32,
    /// Payment requests of everybody, a second.
    pub total: NonZeroU32,
    /// Connections at the same time.
    pub connections: usize,
    /// Connections of one peer (of one /64 in IPv6), where they are counted: those of trusted
    /// proxies never are. Without it, 256 where others than this machine can come.
    pub connections_per_peer: Option<usize>,
    /// Bytes of a request's head.
    pub head: usize,
    /// Bytes of a request's body.
    pub body: u64,
    /// Bytes a second that a request's body has to arrive with on average, once the first half
    /// minute is over; 0 for as slow as it likes.
    pub body_rate: u64,
    /// How long a request's head may take to arrive.
    pub head_within: Duration,
    /// How long running requests and streams are given at the end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            per_peer: number(2_000),
            peer_burst: number(4_000),
            total: number(100_000),
            connections: 10_000,
            connections_per_peer: None,
            head: 64 * 1024,
            body: 16 * 1024 * 1024,
            body_rate: 1024,
            head_within: Duration::from_secs(10),
            drain: Duration::from_secs(30),
        }
    }
}

impl Network {
    /// Whether an address is one of the network's. An IPv4 address in its IPv6 form is that address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix))
                    .unwrap_or(0);
                net.to_bits() == address.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix))
                    .unwrap_or(0);
                net.to_bits() == address.to_bits() & mask
            }
            _ => false,
        }
    }
}
