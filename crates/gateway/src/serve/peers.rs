//! How many connections each peer has, so that none takes them all.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use farthing::server;

use crate::config::{Config, Trust};

/// Connections of one peer, where others than this machine can come and nobody said how many.
const USUAL: usize = 256;

/// The peers that have a connection. There are never more of them than connections.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<HashMap<IpAddr, usize>>);

/// The place of one connection among its peer's. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Seat(Option<(Arc<Peers>, IpAddr)>);

impl Peers {
    /// A place for a connection of a peer that has `most` of them; without a bound, nothing is
    /// counted.
    pub(super) fn seat(self: &Arc<Self>, peer: IpAddr, most: Option<usize>) -> Option<Seat> {
        let Some(most) = most else {
            return Some(Seat(None));
        };
        let peer = server::peer(peer);
        let mut peers = self.lock();
        let taken = peers.entry(peer).or_default();
        if *taken >= most {
            return None;
        }
        *taken += 1;
        Some(Seat(Some((Arc::clone(self), peer))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((peers, peer)) = &self.0
            && let Entry::Occupied(mut taken) = peers.lock().entry(*peer)
        {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

/// How many connections a peer may have. A trusted proxy brings those of everybody; and where only
/// this machine can come, whoever comes may be a tunnel that does.
pub(super) fn most(config: &Config, peer: IpAddr) -> Option<usize> {
    let told = config.limits.connections_per_peer;
    match &config.listen.trust {
        Trust::BehindTls(proxies) if proxies.iter().any(|it| it.contains(peer)) => None,
        Trust::Loopback => told,
        Trust::Tls(_) | Trust::BehindTls(_) => Some(told.unwrap_or(USUAL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_has_so_many_and_takes_none_of_anothers() {
        let peers = Arc::new(Peers::default());
        let seat = |peer| peers.seat(ip(peer), Some(2));
        let one = seat("192.0.2.1").unwrap();
        let _two = seat("::ffff:192.0.2.1").unwrap();
        assert!(seat("192.0.2.1").is_none());
        let _another = seat("192.0.2.2").unwrap();
        drop(one);
        let one = seat("192.0.2.1").unwrap();
        assert!(seat("192.0.2.1").is_none());
        // Of IPv6 a customer has a /64.
        let of_v6 = (seat("2001:db8::1").unwrap(), seat("2001:db8::2").unwrap());
        assert!(seat("2001:db8::ffff:1").is_none());
        assert!(seat("2001:db8:0:1::1").is_some());
        drop((one, of_v6));
        assert_eq!(peers.lock().len(), 2, "{peers:?}");
    }

    #[test]
    fn whoever_is_no_trusted_proxy_is_counted() {
        let text = |head: &str| {
            format!(
                "site = \"api.example.com\"\nto = \"http://127.0.0.1:3000\"\n{head}\n[routes]\n\"GET /\" = \"free\"\n"
            )
        };
        let read = |head: &str| {
            let text = text(head);
            Config::from_bytes(std::path::Path::new("farthing.toml"), text.as_bytes()).unwrap()
        };
        let behind =
            "listen = \"0.0.0.0:80\"\nbehind_tls = true\ntrusted_proxies = [\"10.0.0.0/8\"]";
        let told = "limits = { connections_per_peer = 7 }";
        for (head, peer, expect) in [
            (behind, "10.1.2.3", None),
            (behind, "::ffff:10.1.2.3", None),
            (behind, "192.0.2.1", Some(256)),
            (&*format!("{behind}\n{told}"), "192.0.2.1", Some(7)),
            (&*format!("{behind}\n{told}"), "10.1.2.3", None),
            ("", "127.0.0.1", None),
            (told, "127.0.0.1", Some(7)),
        ] {
            assert_eq!(most(&read(head), ip(peer)), expect, "{head}: {peer}");
        }
    }
}
