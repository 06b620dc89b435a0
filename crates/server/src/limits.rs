//! Rate limits: token buckets by peer, and one for everybody.
//!
//! They stand before everything that costs: the signature of a challenge, the check of a
//! credential, a read of the store. They never stand between a claim and its delivery.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use farthing_core::value::Timestamp;

/// How many payment requests are looked at.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// Requests a second of one peer (of one /64 in IPv6).
    pub per_peer: NonZeroU32,
    /// How many a quiet peer may send at once.
    pub peer_burst: NonZeroU32,
    /// Requests a second of all peers together.
    pub global: NonZeroU32,
    /// Peers that are remembered. Those that asked the least lately are forgotten first.
    pub peers: usize,
}

impl Default for RateLimits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            per_peer: number(2_000),
            peer_burst: number(4_000),
            global: number(100_000),
            peers: 64 * 1024,
        }
    }
}

const SHARDS: usize = 16;

/// The buckets of a gate.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: RateLimits,
    global: Mutex<Bucket>,
    shards: [Mutex<HashMap<IpAddr, Bucket>>; SHARDS],
    hasher: RandomState,
}

/// A bucket in thousandths of a request, so that a slow rate fills it too.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: u64,
    at: Timestamp,
}

/// How much earlier than the one before a request may seem to be.
const OUT_OF_ORDER: Duration = Duration::from_secs(1);

impl Bucket {
    /// What it holds by now.
    fn level_at(&self, now: Timestamp, rate: u64, burst: u64) -> u64 {
        let gained = u64::try_from(now.since(self.at).as_millis())
            .unwrap_or(u64::MAX)
            .saturating_mul(rate);
        self.level.saturating_add(gained).min(burst * 1000)
    }

    fn take(&mut self, now: Timestamp, rate: u64, burst: u64) -> Result<(), Duration> {
        self.level = self.level_at(now, rate, burst);
        // Two requests may come in the other order, and gain nothing by it. A clock that was set
        // back is another matter: waiting until it has caught up would lock everybody out.
        let is_set_back = self.at.since(now) > OUT_OF_ORDER;
        self.at = if is_set_back { now } else { self.at.max(now) };
        match self.level.checked_sub(1000) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None => Err(Duration::from_millis((1000 - self.level).div_ceil(rate))),
        }
    }
}

/// How many vouchers of one channel may pay for nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    bucket: Bucket,
    rate: u64,
    burst: u64,
}

impl Allowance {
    pub(crate) fn new(a_second: NonZeroU32, at_once: NonZeroU32) -> Self {
        let burst = u64::from(at_once.get());
        Self {
            bucket: Bucket {
                level: burst * 1000,
                at: Timestamp::EPOCH,
            },
            rate: u64::from(a_second.get()),
            burst,
        }
    }

    /// Takes one, or says how long it has to wait.
    pub(crate) fn take(&mut self, now: Timestamp) -> Result<(), Duration> {
        self.bucket.take(now, self.rate, self.burst)
    }

    /// Gives one back.
    pub(crate) fn give_back(&mut self) {
        let most = self.burst * 1000;
        self.bucket.level = self.bucket.level.saturating_add(1000).min(most);
    }
}

impl Limiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let full = Bucket {
            level: u64::from(limits.global.get()) * 1000,
            at: Timestamp::EPOCH,
        };
        Self {
            limits,
            global: Mutex::new(full),
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Takes one request of a peer, or says how long it has to wait.
    pub(crate) fn take(&self, peer: Option<IpAddr>, now: Timestamp) -> Result<(), Duration> {
        if let Some(peer) = peer {
            self.take_peer(self::peer(peer), now)?;
        }
        let global = u64::from(self.limits.global.get());
        self.global
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(now, global, global)
    }

    fn take_peer(&self, peer: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let (rate, burst) = (
            u64::from(self.limits.per_peer.get()),
            u64::from(self.limits.peer_burst.get()),
        );
        let shard = usize::try_from(self.hasher.hash_one(peer) % SHARDS as u64).unwrap_or_default();
        let mut peers = self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let most = (self.limits.peers / SHARDS).max(1);
        if peers.len() >= most && !peers.contains_key(&peer) {
            forget_the_fullest(&mut peers, now, rate, burst);
        }
        peers
            .entry(peer)
            .or_insert(Bucket {
                level: burst * 1000,
                at: now,
            })
            .take(now, rate, burst)
    }
}

/// Makes room: half of the table goes, and those that took the most lately stay. A flood of addresses
/// must neither grow the table nor give back to one of them what it used up.
fn forget_the_fullest(peers: &mut HashMap<IpAddr, Bucket>, now: Timestamp, rate: u64, burst: u64) {
    let mut levels: Vec<u64> = peers
        .values()
        .map(|bucket| bucket.level_at(now, rate, burst))
        .collect();
    let half = levels.len() / 2;
    let (less, middle, _) = levels.select_nth_unstable(half);
    let middle = *middle;
    let mut room = less.iter().filter(|level| **level == middle).count();
    peers.retain(|_, bucket| {
        let level = bucket.level_at(now, rate, burst);
        let among_equals = level == middle && room > 0;
        room -= usize::from(among_equals);
        level < middle || among_equals
    });
}

/// Whom a limit is kept for: an address, or the /64 of IPv6 that one customer usually holds.
///
/// ```
/// let peer = |address: &str| farthing_server::peer(address.parse().expect("it is one"));
/// assert_eq!(peer("2001:db8::1"), peer("2001:db8::2"));
/// assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
/// assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
/// ```
#[must_use]
pub fn peer(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_peer: u32, burst: u32, global: u32, peers: usize) -> Limiter {
        let number = |n| NonZeroU32::new(n).unwrap();
        Limiter::new(RateLimits {
            per_peer: number(per_peer),
            peer_burst: number(burst),
            global: number(global),
            peers,
        })
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_peer_is_limited_and_recovers() {
        let limiter = limiter(2, 3, 1000, 64);
        let peer: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
        assert!((0..3).all(|_| limiter.take(peer, at(0)).is_ok()));
        assert_eq!(limiter.take(peer, at(0)), Err(Duration::from_millis(500)));
        assert!(
            limiter
                .take(Some("192.0.2.2".parse().unwrap()), at(0))
                .is_ok()
        );
        assert!(limiter.take(peer, at(500)).is_ok());
        assert!(limiter.take(peer, at(500)).is_err());
    }

    #[test]
    fn an_ipv6_customer_is_one_peer() {
        let limiter = limiter(1, 1, 1000, 64);
        assert!(
            limiter
                .take(Some("2001:db8::1".parse().unwrap()), at(0))
                .is_ok()
        );
        assert!(
            limiter
                .take(Some("2001:db8::2".parse().unwrap()), at(0))
                .is_err()
        );
        assert!(
            limiter
                .take(Some("2001:db8:0:1::2".parse().unwrap()), at(0))
                .is_ok()
        );
    }

    #[test]
    fn all_peers_together_have_a_ceiling_and_a_bounded_table() {
        let limiter = limiter(1, 1, 5, 32);
        let taken =
            (0..100u8).filter(|n| limiter.take(Some([192, 0, 2, *n].into()), at(0)).is_ok());
        assert_eq!(taken.count(), 5);
        let known: usize = limiter
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().len())
            .sum();
        assert!(known <= 32, "{known}");
    }

    #[test]
    fn a_flood_of_addresses_does_not_give_back_what_one_used_up() {
        let limiter = limiter(1, 10, 1_000_000, 64 * SHARDS);
        let greedy: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
        while limiter.take(greedy, at(0)).is_ok() {}
        for n in 0..20_000u32 {
            let address = Ipv6Addr::new(0x2001, 0xdb8, (n >> 8) as u16, n as u16, 0, 0, 0, 1);
            assert!(limiter.take(Some(address.into()), at(0)).is_ok());
        }
        assert!(limiter.take(greedy, at(0)).is_err());
    }
}
