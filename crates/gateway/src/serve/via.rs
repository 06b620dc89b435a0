//! How a request came: over which hop, from whom, and whether nobody on the way could read it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{Network, Trust};

/// Who is on a connection, as an address and as the text that goes into headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The address.
    pub address: IpAddr,
    text: HeaderValue,
}

impl Hop {
    /// The other side of a connection.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let text = HeaderValue::try_from(address.to_string());
        Self {
            address,
            text: text.expect("an address is a header's value"),
        }
    }

    /// As it stands in `X-Forwarded-For`.
    #[must_use]
    pub const fn text(&self) -> &HeaderValue {
        &self.text
    }
}

/// How a request came. The listener puts it into the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Who is on the connection.
    pub hop: Hop,
    /// Who asks: the hop, or whom a trusted proxy names.
    pub client: IpAddr,
    /// Whether the client's own connection was protected, or never left this machine.
    pub https: bool,
    /// Whether the hop is a proxy whose word on the others is taken.
    pub trusted: bool,
}

/// Hops that are looked at. A longer chain says nothing true about its far end.
const HOPS: usize = 32;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Via {
    /// Reads how a request came. What a hop that is no trusted proxy says of others is not
    /// believed.
    #[must_use]
    pub fn read(trust: &Trust, hop: &Hop, headers: &HeaderMap) -> Self {
        let plain = |https| Self {
            hop: hop.clone(),
            client: hop.address,
            https,
            trusted: false,
        };
        match trust {
            Trust::Loopback => plain(false),
            Trust::Tls(_) => plain(true),
            Trust::BehindTls(proxies) if is_among(proxies, hop.address) => Self {
                hop: hop.clone(),
                client: client(proxies, hop.address, headers),
                https: is_https(headers),
                trusted: true,
            },
            Trust::BehindTls(_) => plain(false),
        }
    }

    /// Whether money may be asked for on it.
    #[must_use]
    pub const fn may_pay(&self, trust: &Trust) -> bool {
        match trust {
            Trust::Loopback | Trust::Tls(_) => true,
            Trust::BehindTls(_) => self.https,
        }
    }
}

/// The rightmost hop that is no trusted proxy. Where all are, the first of them.
fn client(proxies: &[Network], hop: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut last = hop;
    let lines = headers.get_all(&FORWARDED_FOR).iter().rev();
    let hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    for text in hops.take(HOPS) {
        // Behind something unreadable nobody vouches for anybody.
        let Some(address) = address(text.trim()) else {
            return last;
        };
        last = address;
        if !is_among(proxies, address) {
            return last;
        }
    }
    last
}

/// What the nearest proxy says. One that says nothing cannot be taken for a protected way.
fn is_https(headers: &HeaderMap) -> bool {
    let said = headers.get_all(&FORWARDED_PROTO).iter().next_back();
    let said = said.and_then(|value| value.to_str().ok());
    let nearest = said.and_then(|value| value.rsplit(',').next());
    nearest.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`.
fn address(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|it| it.ip()))
        .or_else(|error| {
            let inner = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
            inner.ok_or(error).and_then(str::parse::<IpAddr>)
        });
    address.ok().map(|address| address.to_canonical())
}

fn is_among(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| holds(*network, address))
}

fn holds(network: Network, address: IpAddr) -> bool {
    let bits = u32::from(network.prefix);
    match (network.address, address) {
        (IpAddr::V4(net), IpAddr::V4(it)) => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            (net.to_bits() ^ it.to_bits()) & mask == 0
        }
        (IpAddr::V6(net), IpAddr::V6(it)) => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            (net.to_bits() ^ it.to_bits()) & mask == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        let (address, prefix) = text.split_once('/').unwrap();
        Network {
            address: address.parse().unwrap(),
            prefix: prefix.parse().unwrap(),
        }
    }

    fn check(hop: &str, headers: &[(&str, &str)], client: &str, https: bool, trusted: bool) {
        let trust = Trust::BehindTls(vec![network("10.0.0.0/8"), network("fd00::/8")]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, value.parse().unwrap());
        }
        let hop_of = Hop::new(hop.parse().unwrap());
        let via = Via::read(&trust, &hop_of, &map);
        let expect = Via {
            hop: hop_of,
            client: client.parse().unwrap(),
            https,
            trusted,
        };
        assert_eq!(via, expect, "{hop} {headers:?}");
    }

    const FOR: &str = "x-forwarded-for";
    const PROTO: &str = "x-forwarded-proto";

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        check("10.1.2.3", &[(FOR, "192.0.2.7")], "192.0.2.7", false, true);
        let spoofed = [(FOR, "203.0.113.9, 192.0.2.7, 10.9.9.9")];
        check("10.1.2.3", &spoofed, "192.0.2.7", false, true);
        let lines = [(FOR, "203.0.113.9"), (FOR, "192.0.2.7"), (FOR, "fd00::5")];
        check("fd00::1", &lines, "192.0.2.7", false, true);
        check(
            "::ffff:10.1.2.3",
            &[(FOR, "192.0.2.7:4711")],
            "192.0.2.7",
            false,
            true,
        );
        check(
            "10.1.2.3",
            &[(FOR, "[2001:db8::1]:80")],
            "2001:db8::1",
            false,
            true,
        );
        check(
            "10.1.2.3",
            &[(FOR, "[2001:db8::1]")],
            "2001:db8::1",
            false,
            true,
        );
        check(
            "10.1.2.3",
            &[(FOR, "::ffff:192.0.2.7")],
            "192.0.2.7",
            false,
            true,
        );
    }

    #[test]
    fn what_cannot_be_read_ends_the_chain() {
        check("10.1.2.3", &[], "10.1.2.3", false, true);
        check(
            "10.1.2.3",
            &[(FOR, "192.0.2.7, unknown")],
            "10.1.2.3",
            false,
            true,
        );
        check(
            "10.1.2.3",
            &[(FOR, "192.0.2.7, , 10.0.0.2")],
            "10.0.0.2",
            false,
            true,
        );
        check(
            "10.1.2.3",
            &[(FOR, "10.0.0.9, 10.0.0.2")],
            "10.0.0.9",
            false,
            true,
        );
        let long = vec!["10.0.0.2"; 100].join(", ");
        let long = format!("192.0.2.7, {long}");
        check("10.1.2.3", &[(FOR, &long)], "10.0.0.2", false, true);
    }

    #[test]
    fn nobody_elses_word_is_taken() {
        let says = [(FOR, "203.0.113.9"), (PROTO, "https")];
        check("192.0.2.7", &says, "192.0.2.7", false, false);
        check("11.0.0.1", &says, "11.0.0.1", false, false);
        check("fe00::1", &says, "fe00::1", false, false);
    }

    #[test]
    fn the_nearest_proxy_says_how_the_client_came() {
        for (said, https) in [
            ("https", true),
            ("HTTPS", true),
            ("http", false),
            ("https, http", false),
            ("http,https", true),
            ("", false),
        ] {
            check("10.1.2.3", &[(PROTO, said)], "10.1.2.3", https, true);
        }
        let two = [(PROTO, "https"), (PROTO, "http")];
        check("10.1.2.3", &two, "10.1.2.3", false, true);
    }

    #[test]
    fn a_whole_network_is_one_prefix() {
        for (net, address, held) in [
            ("0.0.0.0/0", "192.0.2.1", true),
            ("192.0.2.1/32", "192.0.2.1", true),
            ("192.0.2.1/32", "192.0.2.2", false),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ] {
            assert_eq!(
                holds(network(net), address.parse().unwrap()),
                held,
                "{net} {address}"
            );
        }
    }
}
