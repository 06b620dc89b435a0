//! Payment on Tempo.

mod address;
mod network;
mod session;
mod sponsor;
mod token;

use std::ops::Range;

use farthing::tempo::{Mode, Modes};

use super::{
    super::TempoPay,
    report::{Report, Wrong},
    section::{Section, shown},
    suggest::nearest,
};

pub(super) use address::{memo, recipient};

const KEYS: [&str; 8] = [
    "network",
    "recipient",
    "tokens",
    "rpc",
    "modes",
    "proof_v2",
    "sponsor",
    "session",
];

pub(super) fn tempo(pay: Section<'_>, report: &mut Report<'_>) -> Option<TempoPay> {
    let at = pay.get("tempo")?.key_at;
    let section = pay.section("tempo", "`pay.tempo`", report)?;
    section.only(&KEYS, report);
    needed(section, &at, report);
    let recipient = section.parsed("recipient", report, recipient);
    let modes = modes(section, report);
    let proof_v2 = section.flag("proof_v2", report).unwrap_or(false);
    let (network, sockets) = network::network(section, report)?;
    let tokens = token::tokens(section, &network, report);
    let sponsor = match section.section("sponsor", "`sponsor`", report) {
        Some(said) => Some(sponsor::sponsor(said, &network, recipient, report)?),
        None => None,
    };
    let session = match section.section("session", "[pay.tempo.session]", report) {
        Some(said) => {
            let around = session::Around {
                network: &network,
                recipient,
                is_sponsored: sponsor.is_some(),
            };
            Some(session::session(said, &around, report)?)
        }
        None => None,
    };
    Some(TempoPay {
        network,
        sockets,
        recipient: recipient?,
        tokens: tokens?,
        modes,
        proof_v2,
        sponsor,
        session,
    })
}

/// Paid to an address on a public network, in its usual token, in every mode. Another network has more to it
/// than a flag says.
pub(super) fn quick(to: &str, network: &str) -> Result<TempoPay, Wrong> {
    let own = "a file for one's own, with `network` and `rpc` in its `pay.tempo`";
    let (recipient, network) = (recipient(to)?, network::named(network, own)?);
    Ok(TempoPay {
        tokens: vec![network.token().clone()],
        network,
        sockets: Vec::new(),
        recipient,
        modes: Modes::Both,
        proof_v2: false,
        sponsor: None,
        session: None,
    })
}

/// Tells of what has to be said.
fn needed(section: Section<'_>, at: &Range<usize>, report: &mut Report<'_>) {
    let (what, instead) = match (section.get("network"), section.get("recipient")) {
        (Some(_), Some(_)) => return,
        (None, Some(_)) => (
            "`pay.tempo` does not say which network",
            "network = \"tempo\", or \"moderato\" to try it out",
        ),
        (Some(_), None) => (
            "`pay.tempo` does not say who is paid",
            "recipient = \"0x…\", the address that the money goes to",
        ),
        (None, None) => (
            "`pay.tempo` says neither which network nor who is paid",
            "pay.tempo = { network = \"moderato\", recipient = \"0x…\" }",
        ),
    };
    report.add(at.clone(), Wrong::write(what, instead));
}

fn modes(section: Section<'_>, report: &mut Report<'_>) -> Modes {
    let is_sponsored = section.get("sponsor").is_some();
    let Some(item) = section.get("modes") else {
        return match is_sponsored {
            true => Modes::Only(Mode::Pull),
            false => Modes::Both,
        };
    };
    let words = item.texts(report);
    if words.is_empty() {
        let what = "with no mode nobody could pay";
        let instead = "modes = [\"pull\", \"push\"]";
        report.add(item.at.clone(), Wrong::write(what, instead));
    }
    let mut modes = Vec::new();
    for (word, at) in words {
        match mode(word, is_sponsored) {
            Ok(mode) => modes.push(mode),
            Err(wrong) => report.add(at, wrong),
        }
    }
    match (modes.contains(&Mode::Pull), modes.contains(&Mode::Push)) {
        (true, false) => Modes::Only(Mode::Pull),
        (false, true) => Modes::Only(Mode::Push),
        // Where there is none, that was told.
        (true, true) | (false, false) => Modes::Both,
    }
}

fn mode(word: &str, is_sponsored: bool) -> Result<Mode, Wrong> {
    match word {
        "pull" => Ok(Mode::Pull),
        "push" if is_sponsored => Err(Wrong::write(
            "what a buyer sends itself cannot be sponsored",
            "modes = [\"pull\"], or no `sponsor`",
        )),
        "push" => Ok(Mode::Push),
        other => Err(Wrong::write(
            format!("`{}` is no mode", shown(other)),
            match nearest(other, &["pull", "push"]) {
                Some(near) => format!("write \"{near}\""),
                None => {
                    "\"pull\": the gateway sends what a buyer signed; \"push\": the buyer sends it"
                        .to_owned()
                }
            },
        )),
    }
}
