//! Channels on Tempo.

use std::{ops::RangeInclusive, time::Duration};

use farthing::{
    core::{intent::session::Protocol, value::Price},
    evm::Address,
    tempo::{Network, Token, session::Escrow},
};
use toml::de::DeValue;

use super::{
    super::{
        super::TempoSessionPay,
        report::{Report, Wrong},
        section::{Item, Section, kind},
        values,
    },
    address::address,
    sponsor::{self, Keeper},
    token,
};

const KEYS: [&str; 7] = [
    "key",
    "escrows",
    "fee_token",
    "max_fee",
    "together",
    "sponsored",
    "grace",
];

/// Bounds of the time that contracts leave to settle.
const GRACE: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(365 * 24 * 60 * 60);

const SETTLER: Keeper = Keeper {
    lacks: "[pay.tempo.session] has no key to settle with",
    example: "key = { file = \"settle-key\" }, the recipient's, or an operator's that can only settle",
    file: "settle-key",
    variable: "SETTLE_KEY",
};

/// What is known of `pay.tempo` beside its sessions.
pub(super) struct Around<'a> {
    pub(super) network: &'a Network,
    pub(super) recipient: Option<Address>,
    pub(super) is_sponsored: bool,
}

pub(super) fn session(
    section: Section<'_>,
    around: &Around<'_>,
    report: &mut Report<'_>,
) -> Option<TempoSessionPay> {
    section.only(&KEYS, report);
    let key = sponsor::key(section, &SETTLER, report);
    let escrows = escrows(section, around.network, report);
    if let (Some((_, account)), Some(escrows), Some(recipient)) = (&key, &escrows, around.recipient)
    {
        let is_operator = *account != recipient;
        let has_first = escrows.iter().any(|(it, _)| *it == Protocol::V1);
        if is_operator && has_first {
            let at = section.get("key")?.at;
            let what = "by the first protocol only the recipient settles, and this is another key";
            let instead = "the recipient's own key, or no `v1` in `escrows`";
            report.add(at, Wrong::write(what, instead));
        }
    }
    let fee_token = fee_token(section, around.network, report);
    let max_fee = section.parsed("max_fee", report, dollars);
    let together = section.number("together", 1..=100, report);
    let sponsored = section.flag("sponsored", report);
    if sponsored == Some(true) && !around.is_sponsored {
        let at = section.get("sponsored")?.key_at;
        let what = "there is nobody who would pay the fees of openings";
        report.add(at, Wrong::write(what, "a `sponsor` in pay.tempo"));
    }
    let grace = section.parsed("grace", report, |text| values::duration(text, &GRACE));
    Some(TempoSessionPay {
        key: key?.0,
        escrows: escrows?,
        fee_token: fee_token?,
        max_fee,
        together: together.and_then(|number| usize::try_from(number).ok()),
        sponsored: sponsored.unwrap_or(around.is_sponsored),
        grace,
    })
}

/// `"v2"`, `{ v1 = "0x…" }`, or a list of them: the preferred one first.
fn escrows(
    section: Section<'_>,
    network: &Network,
    report: &mut Report<'_>,
) -> Option<Vec<(Protocol, Address)>> {
    let Some(item) = section.get("escrows") else {
        return Some(vec![named(Protocol::V2, network)?]);
    };
    let values = match item.value {
        DeValue::Array(items) => items
            .iter()
            .map(|it| (it.get_ref(), it.span()))
            .collect::<Vec<_>>(),
        other => vec![(other, item.at.clone())],
    };
    if values.is_empty() || values.len() > 2 {
        let what = "`escrows` is one contract of each protocol";
        report.add(item.at, Wrong::write(what, "escrows = [\"v2\"]"));
        return None;
    }
    let count = values.len();
    let mut found: Vec<(Protocol, Address)> = Vec::new();
    for (value, at) in values {
        let item = Item {
            value,
            at,
            ..item.clone()
        };
        match escrow(&item, network) {
            Ok(one) if found.iter().any(|(known, _)| *known == one.0) => {
                report.wrong(item.at, "there is one of this protocol already");
            }
            Ok(one) => found.push(one),
            Err(wrong) => report.add(item.at, wrong),
        }
    }
    (found.len() == count).then_some(found)
}

fn escrow(item: &Item<'_>, network: &Network) -> Result<(Protocol, Address), Wrong> {
    let usual = "\"v2\", which is the chain's own reserve, or { v1 = \"0x…\" }";
    match item.value {
        DeValue::String(text) => {
            let protocol = protocol(text).ok_or_else(|| {
                Wrong::write("this is no protocol that channels are kept by", usual)
            })?;
            named(protocol, network).ok_or_else(|| {
                Wrong::write(
                    "nobody knows where its contract is on this network",
                    "escrows = [{ v1 = \"0x…\" }]",
                )
            })
        }
        DeValue::Table(table) if table.len() == 1 => {
            let (key, value) = table.iter().next().ok_or_else(|| Wrong::new(usual))?;
            let protocol = protocol(key.get_ref()).ok_or_else(|| {
                Wrong::write("this is no protocol that channels are kept by", usual)
            })?;
            let text = value.get_ref().as_str();
            let text =
                text.ok_or_else(|| Wrong::write("a contract is an address in quotes", usual))?;
            Ok((protocol, address(text)?))
        }
        other => Err(Wrong::write(
            format!(
                "a contract is a protocol and its address, and not {}",
                kind(other)
            ),
            usual,
        )),
    }
}

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "v1" => Some(Protocol::V1),
        "v2" => Some(Protocol::V2),
        _ => None,
    }
}

/// The contract of a protocol that everybody uses on a network.
fn named(protocol: Protocol, network: &Network) -> Option<(Protocol, Address)> {
    let escrow = match protocol {
        Protocol::V2 => Escrow::reserve(network.chain()),
        protocol => Escrow::known(network.chain(), protocol)?,
    };
    Some((protocol, escrow.contract))
}

fn fee_token(section: Section<'_>, network: &Network, report: &mut Report<'_>) -> Option<Token> {
    if section.get("fee_token").is_none() {
        return Some(network.token().clone());
    }
    section.parsed("fee_token", report, |word| {
        let token = token::named(word, network)?;
        match token.pays_fees() {
            true => Ok(token),
            false => Err(Wrong::new(format!(
                "fees are paid in dollars, and {} is none",
                token.symbol
            ))),
        }
    })
}

fn dollars(text: &str) -> Result<Price, Wrong> {
    sponsor::amount(text)?;
    text.parse()
        .map_err(|_| Wrong::write("this is no amount of money", "as in \"$0.05\""))
}
