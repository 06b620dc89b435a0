//! The clients of HTTP that speak to endpoints.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use reqwest::{Client, ClientBuilder, redirect};
use url::{Host, Url};

use super::{NodeOptions, RpcError};

/// Refuses options with which no chain can be reached, or only in the open.
pub(super) fn checked(options: &NodeOptions) -> Result<(), RpcError> {
    let wrong = |what| RpcError::Misconfigured { what, source: None };
    if options.endpoints.is_empty() {
        return Err(wrong("there is none"));
    }
    if !options.endpoints.iter().all(|url| is_safe(url, "http")) {
        return Err(wrong("an endpoint is https, or http on this machine"));
    }
    if !options.sockets.iter().all(|url| is_safe(url, "ws")) {
        return Err(wrong("a socket is wss, or ws on this machine"));
    }
    Ok(())
}

/// What is sent can be bound to a key of the service, and what is answered moves money.
fn is_safe(url: &Url, plain: &str) -> bool {
    if url.scheme().strip_suffix('s') == Some(plain) {
        return true;
    }
    url.scheme() == plain
        && match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
}

/// The client for questions and answers.
pub(super) fn http(options: &NodeOptions) -> Result<Client, RpcError> {
    let here = options.endpoints.iter().all(|url| url.scheme() == "http");
    build(Client::builder(), options, here)
}

/// The client for sockets: the protocol they begin with is the older one.
pub(super) fn sockets(options: &NodeOptions) -> Result<Client, RpcError> {
    let here = options.sockets.iter().all(|url| url.scheme() == "ws");
    build(Client::builder().http1_only(), options, here)
}

fn build(
    mut builder: ClientBuilder,
    options: &NodeOptions,
    here: bool,
) -> Result<Client, RpcError> {
    // Only the first to be installed counts, and it is the same one everywhere.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder = builder
        .redirect(redirect::Policy::none())
        .connect_timeout(options.attempt);
    if here {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|source| misconfigured("the client cannot be made", source))
}

pub(super) fn misconfigured(
    what: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> RpcError {
    RpcError::Misconfigured {
        what,
        source: Some(Box::new(source)),
    }
}

/// Between a half and the whole of a time, so that many do not come back together.
pub(super) fn jittered(time: Duration) -> Duration {
    let half = time / 2;
    let random = RandomState::new().hash_one(0_u8) % 1024;
    half + half * u32::try_from(random).unwrap_or_default() / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ_and_are_never_longer() {
        let time = Duration::from_secs(8);
        let many: Vec<_> = (0..64).map(|_| jittered(time)).collect();
        assert!(many.iter().all(|one| (time / 2..=time).contains(one)));
        assert!(many.iter().any(|one| one != &many[0]));
    }
}
