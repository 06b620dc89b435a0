//! Who pays the fees of a chain for the buyers.

use std::num::NonZeroU32;

use farthing::{
    core::value::{Amount, Price},
    evm::{Address, SigningKey},
    tempo::{Network, Token, token::known},
};
use toml::de::DeValue;

use super::{
    super::{
        super::{Secret, Sponsor},
        report::{Report, Wrong},
        section::{Section, kind},
        upstream::{read_or_tell, secret_from},
    },
    token,
};

const KEYS: [&str; 5] = ["key", "fee_tokens", "max_fee", "in_flight", "in_total"];

/// Fee tokens of one sponsor.
const TOKENS: usize = 8;

pub(super) fn sponsor(
    section: Section<'_>,
    network: &Network,
    recipient: Option<Address>,
    report: &mut Report<'_>,
) -> Option<Sponsor> {
    section.only(&KEYS, report);
    let key = key(section, &SPONSOR, report);
    let key = key.and_then(|(key, address)| apart(key, address, recipient, section, report));
    let fee_tokens = fee_tokens(section, network, report);
    let in_flight = section.number("in_flight", 1..=10_000, report);
    let mut dollars = |key: &str, usual: u128| match section.get(key) {
        None => Some(Amount::new(usual)),
        Some(_) => section.parsed(key, report, amount),
    };
    let (max_fee, in_total) = (dollars("max_fee", 50_000), dollars("in_total", 500_000));
    if let (Some(one), Some(all)) = (max_fee, in_total)
        && one > all
    {
        let at = section
            .get("in_total")
            .or_else(|| section.get("max_fee"))?
            .at;
        let what = "the fee of one transaction may be higher than what all may come to";
        report.add(at, Wrong::write(what, "`in_total` no less than `max_fee`"));
        return None;
    }
    let in_flight = in_flight.and_then(|number| u32::try_from(number).ok());
    Some(Sponsor {
        key: key?,
        fee_tokens: fee_tokens?,
        max_fee: max_fee?,
        in_flight: NonZeroU32::new(in_flight.unwrap_or(100))?,
        in_total: in_total?,
    })
}

fn fee_tokens(
    section: Section<'_>,
    network: &Network,
    report: &mut Report<'_>,
) -> Option<Vec<Token>> {
    let Some(item) = section.get("fee_tokens") else {
        return Some(vec![network.token().clone()]);
    };
    let words = item.texts(report);
    if words.is_empty() || words.len() > TOKENS {
        let what = format!("`fee_tokens` is from one to {TOKENS} tokens");
        report.wrong(item.at.clone(), what);
    }
    let count = words.len();
    let mut tokens: Vec<Token> = Vec::new();
    for (word, at) in words {
        match token::named(word, network) {
            Ok(token) if !token.pays_fees() => {
                let what = format!("fees are paid in dollars, and {} is none", token.symbol);
                report.wrong(at, what);
            }
            Ok(token) if tokens.contains(&token) => {
                report.wrong(at, format!("{} is named already", token.symbol));
            }
            Ok(token) => tokens.push(token),
            Err(wrong) => report.add(at, wrong),
        }
    }
    (count > 0 && tokens.len() == count).then_some(tokens)
}

/// Dollars, in millionths, as every fee token counts them.
pub(super) fn amount(text: &str) -> Result<Amount, Wrong> {
    let usual = "as in \"$0.05\"";
    let price: Price = text
        .parse()
        .map_err(|_| Wrong::write("this is no amount of money", usual))?;
    match price.in_currency(&known::PATH_USD.currency()) {
        Ok(amount) if amount.is_zero() => Err(Wrong::write("nothing would be sponsored", usual)),
        Ok(amount) => Ok(amount),
        Err(_) => Err(Wrong::write(
            "fees are in dollars, with six decimals",
            usual,
        )),
    }
}

const SPONSOR: Keeper = Keeper {
    lacks: "`sponsor` has no key to pay with",
    example: "sponsor = { key = { file = \"sponsor-key\" } }",
    file: "sponsor-key",
    variable: "SPONSOR_KEY",
};

/// Who has a secret key, in the words of a mistake.
pub(super) struct Keeper {
    pub(super) lacks: &'static str,
    pub(super) example: &'static str,
    pub(super) file: &'static str,
    pub(super) variable: &'static str,
}

/// The sponsor's key is not the recipient's.
fn apart(
    key: Secret,
    address: Address,
    recipient: Option<Address>,
    section: Section<'_>,
    report: &mut Report<'_>,
) -> Option<Secret> {
    if recipient != Some(address) {
        return Some(key);
    }
    let what = "this is the key of the recipient: what the sponsor has is what can be lost";
    let at = section.get("key")?.at;
    report.add(at, Wrong::write(what, "the key of an account of its own"));
    None
}

/// The secret key, by reference, with its address.
pub(super) fn key(
    section: Section<'_>,
    keeper: &Keeper,
    report: &mut Report<'_>,
) -> Option<(Secret, Address)> {
    let Keeper { file, variable, .. } = keeper;
    let Some(item) = section.get("key") else {
        let at = section.items().first().map(|item| item.key_at.clone());
        match at {
            Some(at) => report.add(at, Wrong::write(keeper.lacks, keeper.example)),
            None => report.missing(keeper.lacks, keeper.example),
        }
        return None;
    };
    let table = match item.value {
        DeValue::Table(table) => Section {
            name: "`key`",
            table,
        },
        DeValue::String(_) => {
            report.hide(item.at.clone());
            let what = "a file that others may see is no place for a secret";
            let instead = format!("key = {{ file = \"{file}\" }}, or {{ env = \"{variable}\" }}");
            report.add(item.at, Wrong::write(what, instead));
            return None;
        }
        other => {
            let what = format!("a key is a table, and not {}", kind(other));
            let instead = format!("key = {{ file = \"{file}\" }}");
            report.add(item.at, Wrong::write(what, instead));
            return None;
        }
    };
    table.only(&["env", "file"], report);
    let from = secret_from(table, &item.at, report)?;
    let text = read_or_tell(from.read(), table, report)?;
    let key = digits(text.expose());
    let address = key.and_then(|key| SigningKey::from_bytes(key).ok());
    let Some(address) = address.map(|key| key.address()) else {
        let at = table.get("env").or_else(|| table.get("file"))?.at;
        let what = "what is there is no secret key of an account";
        let instead = "64 hexadecimal digits, with or without 0x";
        report.add(at, Wrong::write(what, instead));
        return None;
    };
    Some((Secret::new(key?), address))
}

/// 32 bytes as 64 digits.
fn digits(text: &[u8]) -> Option<[u8; 32]> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"0x").unwrap_or(text);
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let half = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(half(pair[0])? << 4 | half(pair[1])?).ok()?;
    }
    Some(bytes)
}
