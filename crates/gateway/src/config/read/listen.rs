//! Where it listens, and what makes that safe.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use farthing::file::{self, FileError, Readers};

use super::{
    super::{Admin, Listen, Network, SecretError, Tls, Trust},
    report::{Report, Wrong},
    section::{Item, Section},
    values,
};

/// Bytes of the largest file of certificates or keys.
const PEM: u64 = 4 * 1024 * 1024;

/// Where it listens without being told.
pub(super) const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8402);

pub(super) fn listen(top: Section<'_>, report: &mut Report<'_>) -> Option<Listen> {
    let named = top.get("listen");
    let address = match &named {
        Some(_) => top.parsed("listen", report, values::address)?,
        None => ADDRESS,
    };
    let tls = top.get("tls").map(|item| (item, tls(top, report)));
    let behind = top.flag("behind_tls", report).unwrap_or(false);
    let proxies = proxies(top, report);
    let trust = match (tls, behind, proxies) {
        (Some((item, _)), true, _) => {
            report.add(
                item.key_at,
                Wrong::write(
                    "TLS ends either here or at a proxy",
                    "remove `tls`, or `behind_tls` and `trusted_proxies`",
                ),
            );
            return None;
        }
        (Some((_, tls)), false, None) => Trust::Tls(tls?),
        (None, true, Some((_, proxies))) => Trust::BehindTls(proxies),
        (None, true, None) => {
            let at = top.get("behind_tls")?.key_at;
            let what = "behind a proxy, it has to know whom to believe where a request comes from";
            let instead = "trusted_proxies = [\"10.0.0.0/8\"], the addresses of your proxies";
            report.add(at, Wrong::write(what, instead));
            return None;
        }
        (_, false, Some((item, _))) => {
            let what = "nobody's word on where a request comes from is taken without `behind_tls`";
            report.add(
                item.key_at,
                Wrong::write(what, "behind_tls = true, or remove `trusted_proxies`"),
            );
            return None;
        }
        (None, false, None) if address.ip().to_canonical().is_loopback() => Trust::Loopback,
        (None, false, None) => {
            let at = named.map(|item| item.at)?;
            let what = format!(
                "{} can be reached by others, and plain HTTP shows them every payment",
                address.ip()
            );
            let instead = "listen on 127.0.0.1, or add tls = { cert, key }, or behind_tls = true \
                           with trusted_proxies";
            report.add(at, Wrong::write(what, instead));
            return None;
        }
    };
    Some(Listen { address, trust })
}

fn tls(top: Section<'_>, report: &mut Report<'_>) -> Option<Tls> {
    let section = top.section("tls", "`tls`", report)?;
    section.only(&["cert", "key"], report);
    let at = top.get("tls")?.key_at;
    let mut file = |key: &str, holds: &str| {
        let Some(item) = section.get(key) else {
            let what = format!("`tls` has no `{key}`");
            let instead = "tls = { cert = \"cert.pem\", key = \"key.pem\" }";
            report.add(at.clone(), Wrong::write(what, instead));
            return None;
        };
        let path = pem(&item, holds, report)?;
        Some((item, path))
    };
    let (cert, key) = (
        file("cert", "CERTIFICATE-----"),
        file("key", "PRIVATE KEY-----"),
    );
    let ((_, cert), (item, key)) = (cert?, key?);
    let Err(error) = file::open_secret(&key, Readers::Group) else {
        return Some(Tls { cert, key });
    };
    let wrong = match error {
        FileError::Exposed => Wrong::write(
            "others than its owner can open this key",
            format!("chmod 600 {}", key.display()),
        ),
        error => Wrong::new(SecretError::of(&key, error).to_string()),
    };
    report.add(item.at, wrong);
    None
}

/// A file that has to be there and hold something PEM.
pub(super) fn pem(item: &Item<'_>, holds: &str, report: &mut Report<'_>) -> Option<PathBuf> {
    let named = item.text(report)?;
    let path = report.source(named);
    // What is not UTF-8 is not PEM either.
    let what = match file::read(&path, PEM) {
        Err(error) => format!("{} cannot be read: {error}", path.display()),
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains(holds) => return Some(path),
        Ok(_) => {
            let kind = holds.trim_end_matches('-').to_ascii_lowercase();
            format!("{} holds no {kind} in PEM", path.display())
        }
    };
    report.wrong(item.at.clone(), what);
    None
}

fn proxies<'a>(top: Section<'a>, report: &mut Report<'_>) -> Option<(Item<'a>, Vec<Network>)> {
    let item = top.get("trusted_proxies")?;
    let texts = item.texts(report);
    if texts.is_empty() {
        let what = "no proxy is trusted, so nobody could come in";
        report.add(
            item.at.clone(),
            Wrong::write(
                what,
                "trusted_proxies = [\"10.0.0.0/8\"], the addresses of your proxies",
            ),
        );
    }
    let mut networks = Vec::new();
    for (text, at) in texts {
        match values::network(text) {
            Ok(network) => networks.push(network),
            Err(wrong) => report.add(at, wrong),
        }
    }
    Some((item, networks))
}

pub(super) fn admin(
    top: Section<'_>,
    listen: SocketAddr,
    report: &mut Report<'_>,
) -> Option<Admin> {
    let section = top.section("admin", "[admin]", report)?;
    section.only(&["listen", "open"], report);
    let open = section.flag("open", report).unwrap_or(false);
    let Some(item) = section.get("listen") else {
        let at = top.get("admin")?.key_at;
        report.add(
            at,
            Wrong::write("[admin] has no address", "listen = \"127.0.0.1:9402\""),
        );
        return None;
    };
    let address = section.parsed("listen", report, values::address)?;
    if !address.ip().to_canonical().is_loopback() && !open {
        let what = "others could read what this gateway earns";
        let instead = "listen on 127.0.0.1, or say open = true if only your own people get there";
        report.add(item.at, Wrong::write(what, instead));
        return None;
    }
    if overlaps(address, listen) {
        let what = "this is where buyers come to";
        report.add(item.at, Wrong::write(what, "another port"));
        return None;
    }
    Some(Admin { address })
}

/// Whether two listeners would meet.
pub(super) fn overlaps(one: SocketAddr, other: SocketAddr) -> bool {
    let same = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && same
}
