//! Single values, and what is said where they are none.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use farthing::{core::value::Realm, ledger::Account};
use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{super::Network, report::Wrong, section::shown};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Bounds of a time somebody waits.
pub(super) const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY;

/// Bounds of a time something is kept.
pub(super) const KEPT: RangeInclusive<Duration> = SECOND..=Duration::from_secs(30 * 24 * 60 * 60);

/// `15m`, within bounds.
pub(super) fn duration(text: &str, bounds: &RangeInclusive<Duration>) -> Result<Duration, Wrong> {
    let grammar = || {
        Wrong::new(format!(
            "`{}` is no time: write a number and ms, s, m, h or d, as in \"15m\"",
            shown(text)
        ))
    };
    let (number, unit) = measured(text).ok_or_else(grammar)?;
    let scale = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        "" => {
            let what = format!("a time needs its unit: {number} of what?");
            return Err(Wrong::write(
                what,
                format!("write \"{number}s\" for seconds"),
            ));
        }
        _ => return Err(near_unit(number, unit).unwrap_or_else(grammar)),
    };
    let time = number
        .checked_mul(scale)
        .map(Duration::from_millis)
        .ok_or_else(grammar)?;
    if bounds.contains(&time) {
        return Ok(time);
    }
    let (least, most) = (told(*bounds.start()), told(*bounds.end()));
    Err(Wrong::new(format!("this time is from {least} to {most}")))
}

fn near_unit(number: u64, unit: &str) -> Option<Wrong> {
    let right = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    let what = format!("`{number}{unit}` is no time");
    Some(Wrong::write(what, format!("write \"{number}{right}\"")))
}

/// A time as a file writes it.
pub(super) fn told(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [
        (24 * 60 * 60 * 1000, "d"),
        (60 * 60 * 1000, "h"),
        (60 * 1000, "m"),
        (1000, "s"),
    ];
    let unit = units
        .iter()
        .find(|(scale, _)| millis > 0 && millis.is_multiple_of(*scale));
    match unit {
        Some((scale, name)) => format!("{}{name}", millis / scale),
        None => format!("{millis}ms"),
    }
}

/// A whole number and the unit behind it.
fn measured(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    Some((digits.parse().ok()?, unit))
}

/// `64KiB`, within bounds.
pub(super) fn size(text: &str, bounds: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    let grammar = || {
        Wrong::new(format!(
            "`{}` is no size: write a number and B, KiB, MiB or GiB, as in \"64KiB\"",
            shown(text)
        ))
    };
    let (number, unit) = measured(text).ok_or_else(grammar)?;
    let scale: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" => {
            let what = format!("a size needs its unit: {number} of what?");
            return Err(Wrong::write(what, format!("write \"{number}B\" for bytes")));
        }
        _ => {
            let right = match unit.trim().to_ascii_lowercase().as_str() {
                "b" | "byte" | "bytes" => "B",
                "k" | "kb" | "kib" => "KiB",
                "m" | "mb" | "mib" => "MiB",
                "g" | "gb" | "gib" => "GiB",
                _ => return Err(grammar()),
            };
            let what = format!("`{number}{unit}` is no size");
            return Err(Wrong::write(what, format!("write \"{number}{right}\"")));
        }
    };
    let bytes = number.checked_mul(scale).ok_or_else(grammar)?;
    if bounds.contains(&bytes) {
        return Ok(bytes);
    }
    let (least, most) = (bytes_told(*bounds.start()), bytes_told(*bounds.end()));
    Err(Wrong::new(format!("this size is from {least} to {most}")))
}

/// A size as a file writes it.
pub(super) fn bytes_told(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units
        .iter()
        .find(|(scale, _)| bytes > 0 && bytes.is_multiple_of(*scale));
    match unit {
        Some((scale, name)) => format!("{}{name}", bytes / scale),
        None => format!("{bytes}B"),
    }
}

/// An account of the ledger.
pub(super) fn account(text: &str) -> Result<Account, Wrong> {
    Account::parse(text).map_err(|error| Wrong {
        what: format!("`{}` is no account: {error}", shown(text)),
        instead: Some("the account that `farthing wallet list` shows".into()),
    })
}

/// The public host, with a port where it is not the usual one.
pub(super) fn site(text: &str) -> Result<Realm, Wrong> {
    let what = "the site is a host, with a port where it is not the usual one";
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
    let authority: Result<Authority, _> = host.parse();
    let Ok(authority) = authority else {
        let instead = "the name that buyers call, as in \"api.example.com\"";
        return Err(Wrong::write(what, instead));
    };
    let name = authority.host();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_address = name.starts_with('[') && name.ends_with(']');
    let port_ok = !host.ends_with(':') && authority.port().is_none_or(|port| port.as_u16() != 0);
    let good = !name.is_empty()
        && !host.contains('@')
        && port_ok
        && (is_address || name.chars().all(is_name));
    if !good {
        let instead = "the name that buyers call, as in \"api.example.com\"";
        return Err(Wrong::write(what, instead));
    }
    if host != text {
        return Err(Wrong::write(what, format!("site = \"{host}\"")));
    }
    match Realm::new(text) {
        Ok(realm) => Ok(realm),
        Err(error) => Err(Wrong::new(error.to_string())),
    }
}

/// An address with a port.
pub(super) fn address(text: &str) -> Result<SocketAddr, Wrong> {
    let what = format!("`{}` is no address with a port", shown(text));
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text
        .strip_prefix(':')
        .or_else(|| text.strip_prefix("localhost:"));
    let port = port.unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Err(Wrong::write(what, format!("write \"127.0.0.1:{port}\"")));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        let instead = SocketAddr::new(address, 8402);
        return Err(Wrong::write(what, format!("write \"{instead}\"")));
    }
    let instead = "an IP address and a port, as in \"127.0.0.1:8402\" or \"[::1]:8402\"";
    Err(Wrong::write(what, instead))
}

/// `10.0.0.0/8`, or one address.
pub(super) fn network(text: &str) -> Result<Network, Wrong> {
    let grammar = || {
        Wrong::write(
            format!("`{}` is no network", shown(text)),
            "an address and how many of its bits are fixed, as in \"10.0.0.0/8\"",
        )
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| grammar())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = match prefix {
        Some(prefix) if prefix.bytes().all(|b| b.is_ascii_digit()) => {
            prefix.parse().map_err(|_| grammar())?
        }
        Some(_) => return Err(grammar()),
        None => bits,
    };
    if prefix > bits {
        let what = format!("an address has {bits} bits, and not {prefix}");
        return Err(Wrong::new(what));
    }
    if prefix == 0 {
        return Err(Wrong::write(
            "this is every address: anybody could say where a request comes from",
            "the addresses of your proxies",
        ));
    }
    let first: IpAddr = match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX << (32 - u32::from(prefix));
            std::net::Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - u32::from(prefix));
            std::net::Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    };
    if first != address {
        let what = "this address has bits behind its prefix";
        return Err(Wrong::write(what, format!("write \"{first}/{prefix}\"")));
    }
    Ok(Network { address, prefix })
}

/// What a service is reached by.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) base: Option<PathAndQuery>,
}

/// The URL of a service behind.
pub(super) fn service(text: &str) -> Result<Service, Wrong> {
    let usual = "a URL, as in \"http://127.0.0.1:3000\"";
    let wrong = |what: &str| Wrong::write(what, usual);
    if !text.contains("://") {
        let whole = format!("http://{text}");
        let could: Option<Uri> = whole.parse().ok().filter(|uri: &Uri| uri.host().is_some());
        let what = "this URL has no scheme";
        return Err(match could {
            Some(_) if !text.is_empty() => Wrong::write(what, format!("write \"{whole}\"")),
            _ => wrong(what),
        });
    }
    let uri: Uri = text.parse().map_err(|_| wrong("this is no URL"))?;
    let parts = uri.into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
        return Err(wrong("this is no URL"));
    };
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(wrong(
            "only services that speak http or https can be behind",
        ));
    }
    if authority.as_str().contains('@') {
        return Err(Wrong::write(
            "a URL in this file holds no password",
            "set_headers = { authorization = { env = \"…\" } } in [upstream]",
        ));
    }
    if authority.host().is_empty() || authority.as_str().ends_with(':') {
        return Err(wrong("this URL has no host or an empty port"));
    }
    let path = parts.path_and_query;
    if path.as_ref().is_some_and(|path| path.query().is_some()) || text.contains('#') {
        return Err(wrong(
            "this URL has a query or a fragment: requests have their own",
        ));
    }
    let base = path
        .map(|path| path.path().trim_end_matches('/').to_owned())
        .filter(|base| !base.is_empty());
    if base
        .as_ref()
        .is_some_and(|base| base.contains("//") || base.contains('%'))
    {
        return Err(wrong("the path of this URL has an empty part or an escape"));
    }
    let base = base
        .map(|base| base.parse().map_err(|_| wrong("this is no URL")))
        .transpose()?;
    Ok(Service {
        scheme,
        authority,
        base,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_told_as_they_are_read() {
        for text in ["1ms", "15m", "90s", "24h", "30d"] {
            let bounds = Duration::ZERO..=Duration::MAX;
            let time = duration(text, &bounds).unwrap();
            assert_eq!(duration(&told(time), &bounds).unwrap(), time);
        }
        for text in ["1B", "64KiB", "16MiB", "1023B"] {
            let bytes = size(text, &(0..=u64::MAX)).unwrap();
            assert_eq!(bytes_told(bytes), text);
        }
        for bad in [
            "",
            "m",
            "1",
            "1.5s",
            "-1s",
            "1 s",
            "99999999999999999999s",
            "1w",
        ] {
            assert!(
                duration(bad, &(Duration::ZERO..=Duration::MAX)).is_err(),
                "{bad}"
            );
        }
        for bad in ["", "KiB", "1", "1.5KiB", "1KB", "99999999999GiB"] {
            assert!(size(bad, &(0..=u64::MAX)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_network_has_no_bit_behind_its_prefix() {
        let net = network("10.0.0.0/8").unwrap();
        assert!(net.contains("10.255.0.1".parse().unwrap()));
        assert!(net.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!net.contains("11.0.0.1".parse().unwrap()));
        assert!(
            network("2001:db8::/32")
                .unwrap()
                .contains("2001:db8::1".parse().unwrap())
        );
        assert!(
            network("192.0.2.7")
                .unwrap()
                .contains("192.0.2.7".parse().unwrap())
        );
        for bad in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "10.0.0.0/",
            "10/8",
            "a/8",
            "10.0.0.0/+8",
        ] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }
}
