//! The chain, and who is asked about it.

use std::{ops::Range, time::Duration};

use farthing::{
    evm::ChainId,
    tempo::{Network, NetworkOptions, token::known},
};
use toml::de::DeValue;
use url::{Host, Url};

use super::super::{
    report::{Report, Wrong},
    section::{Item, Section, kind, listed, shown},
    suggest::nearest,
    upstream::{read_or_tell, secret_from},
    values,
};

/// Endpoints of one chain.
const MOST: usize = 8;

/// Characters of a part of a URL that is probably a key.
const KEY: usize = 20;

/// What stands in a file where a network is not one that everybody knows.
const OWN: &str = "one's own: { name = \"dev\", chain_id = 1337 }";

/// A network, and the endpoints that tell of its blocks over WebSocket.
pub(super) fn network(
    section: Section<'_>,
    report: &mut Report<'_>,
) -> Option<(Network, Vec<Url>)> {
    let asked = section.get("rpc");
    let urls = asked.as_ref().map(|item| endpoints(item, report));
    let item = section.get("network")?;
    let network = match item.value {
        DeValue::Table(table) => {
            let said = Section {
                name: "a network",
                table,
            };
            custom(&item, said, report)?
        }
        DeValue::String(text) => match named(text, OWN) {
            Ok(network) => Said::Known(network),
            Err(wrong) => {
                report.add(item.at, wrong);
                return None;
            }
        },
        other => {
            let what = format!("a network is a name or a table, and not {}", kind(other));
            report.add(item.at, Wrong::write(what, "network = \"moderato\""));
            return None;
        }
    };
    let urls = match urls {
        Some(urls) => Some(urls?),
        None => None,
    };
    let is_socket = |url: &Url| matches!(url.scheme(), "ws" | "wss");
    let (sockets, urls): (Vec<_>, Vec<_>) =
        urls.unwrap_or_default().into_iter().partition(is_socket);
    let network = match (network, urls.is_empty()) {
        (Said::Known(network), true) => network,
        (Said::Known(network), false) => network.at(urls).ok()?,
        (Said::Own(options), false) => Network::custom(NetworkOptions {
            endpoints: urls,
            ..options
        })
        .ok()?,
        (Said::Own(_), true) => {
            let at = asked.map_or(item.at, |asked| asked.at);
            let what = "it is not said where this network answers";
            let instead = "rpc = [\"http://127.0.0.1:8545\"], beside `network`";
            report.add(at, Wrong::write(what, instead));
            return None;
        }
    };
    Some((network, sockets))
}

/// What a file says of a network.
enum Said {
    Known(Network),
    /// One of one's own, whose endpoints are still to come.
    Own(NetworkOptions),
}

/// A network that everybody knows; else what to write, of which `own` is where it is one's own.
pub(super) fn named(text: &str, own: &str) -> Result<Network, Wrong> {
    if let Some(network) = Network::named(text) {
        return Ok(network);
    }
    let (main, test) = (Network::mainnet(), Network::moderato());
    let names = [main.name(), test.name()];
    let folded = text.trim().to_ascii_lowercase();
    let meant = match folded.as_str() {
        "mainnet" | "main" | "4217" => Some(names[0]),
        "testnet" | "test" | "42431" => Some(names[1]),
        _ => nearest(&folded, &names),
    };
    let instead = match meant {
        Some(name) => format!("write \"{name}\""),
        None => format!("{}, or {own}", listed(&names)),
    };
    let what = format!("there is no network `{}`", shown(text));
    Err(Wrong::write(what, instead))
}

/// A network of one's own.
fn custom(item: &Item<'_>, section: Section<'_>, report: &mut Report<'_>) -> Option<Said> {
    section.only(&["name", "chain_id", "block_time"], report);
    let name = section.parsed("name", report, |text| {
        let good = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if good {
            return Ok(text.to_owned());
        }
        let what = "a network's name is 1 to 32 small letters, digits and -";
        Err(Wrong::write(what, "as in \"dev\""))
    });
    let chain = section.number("chain_id", 1..=(1 << 53) - 1, report);
    let bounds = Duration::from_millis(10)..=Duration::from_secs(60);
    let block_time = section.parsed("block_time", report, |text| values::duration(text, &bounds));
    if section.get("chain_id").is_none() {
        let what = "a network of one's own needs its number";
        report.add(
            item.at.clone(),
            Wrong::write(what, "{ name = \"dev\", chain_id = 1337 }"),
        );
    }
    let chain = ChainId::new(chain?).ok()?;
    if let Some(known) = Network::of(chain) {
        let what = format!("chain {chain} is known here");
        let instead = format!("network = \"{}\"", known.name());
        report.add(item.at.clone(), Wrong::write(what, instead));
        return None;
    }
    let name = match section.get("name") {
        Some(_) => name?,
        None => format!("chain-{chain}"),
    };
    Some(Said::Own(NetworkOptions {
        chain,
        name,
        endpoints: Vec::new(),
        sockets: Vec::new(),
        block_time: block_time.unwrap_or(Duration::from_secs(1)),
        tokens: known::TEST_TOKENS.to_vec(),
        faucet: false,
    }))
}

/// The endpoints that are named; nothing where one of them is none.
fn endpoints(item: &Item<'_>, report: &mut Report<'_>) -> Option<Vec<Url>> {
    let values: Vec<(&DeValue<'_>, Range<usize>)> = match item.value {
        DeValue::Array(items) => {
            let items = items.iter();
            items.map(|item| (item.get_ref(), item.span())).collect()
        }
        other => vec![(other, item.at.clone())],
    };
    if values.is_empty() || values.len() > MOST {
        let what = format!("`rpc` is from one to {MOST} endpoints");
        report.wrong(item.at.clone(), what);
        return None;
    }
    let count = values.len();
    let mut urls: Vec<Url> = Vec::new();
    for (value, at) in values {
        match endpoint(value, &at, report) {
            Some(url) if urls.contains(&url) => report.wrong(at, "this endpoint is named already"),
            Some(url) => urls.push(url),
            None => {}
        }
    }
    (urls.len() == count).then_some(urls)
}

/// A URL, or where one is that holds a key.
fn endpoint(value: &DeValue<'_>, at: &Range<usize>, report: &mut Report<'_>) -> Option<Url> {
    let text = match value {
        DeValue::String(text) if holds_a_key(text) => {
            report.hide(at.clone());
            let what = "this URL holds a key, and a file that others may see is no place for one";
            let instead = "{ env = \"TEMPO_RPC\" } in its place, and the URL in that variable";
            report.add(at.clone(), Wrong::write(what, instead));
            return None;
        }
        DeValue::String(text) => text.to_string(),
        DeValue::Table(table) => {
            let section = Section {
                name: "an endpoint",
                table,
            };
            section.only(&["env", "file"], report);
            let from = secret_from(section, at, report)?;
            let secret = read_or_tell(from.read(), section, report)?;
            let text = std::str::from_utf8(secret.expose()).unwrap_or_default();
            text.trim().to_owned()
        }
        other => {
            let what = format!("an endpoint is a URL or a table, and not {}", kind(other));
            report.add(
                at.clone(),
                Wrong::write(what, "\"https://…\", or { env = \"TEMPO_RPC\" }"),
            );
            return None;
        }
    };
    match url(&text) {
        Ok(url) => Some(url),
        Err(wrong) => {
            report.add(at.clone(), wrong);
            None
        }
    }
}

/// Whether a part of a URL is for one customer of a service only.
fn holds_a_key(text: &str) -> bool {
    let Ok(url) = text.parse::<Url>() else {
        return text.contains('@');
    };
    let has_user = !url.username().is_empty() || url.password().is_some();
    let mut parts = url.path().split('/');
    has_user || url.query().is_some() || parts.any(|part| part.len() >= KEY)
}

/// What is answered there says that money moved, so nobody on the way may write it.
fn url(text: &str) -> Result<Url, Wrong> {
    let no_url = || {
        Wrong::write(
            "this is no URL of an endpoint",
            "as in \"https://rpc.tempo.xyz\"",
        )
    };
    let url: Url = text.parse().map_err(|_| no_url())?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(no_url()),
    };
    match url.scheme() {
        "https" | "wss" => Ok(url),
        "http" | "ws" if is_here => Ok(url),
        "http" | "ws" => Err(Wrong::write(
            "over a plain connection anybody on the way could say that a payment was made",
            "https:// or wss://; others only on this machine",
        )),
        _ => Err(no_url()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_url_is_seen() {
        for open in [
            "https://rpc.tempo.xyz",
            "http://127.0.0.1:8545/",
            "wss://a.example/v2/rpc",
        ] {
            assert!(!holds_a_key(open), "{open}");
        }
        for secret in [
            "https://me:pass@a.example",
            "https://me@a.example",
            "https://a.example/v2/0123456789abcdefABCDEF",
            "https://a.example/?key=1",
            "no url, but me@a.example",
        ] {
            assert!(holds_a_key(secret), "{secret}");
        }
    }

    #[test]
    fn a_plain_connection_stays_on_this_machine() {
        for good in [
            "https://a.example",
            "wss://a.example",
            "http://localhost:1",
            "ws://[::1]:1",
        ] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "ws://10.0.0.1",
            "ftp://a.example",
            "a.example",
            "unix:/x",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
