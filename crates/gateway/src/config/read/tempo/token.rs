//! The tokens that are taken.

use std::ops::Range;

use farthing::tempo::{Label, Network, Token, token::is_tip20};
use toml::de::DeValue;

use super::{
    super::{
        report::{Report, Wrong},
        section::{Section, kind, listed, shown},
        suggest::nearest,
    },
    address::address,
};

/// Tokens of one gateway: a 402 has an offer for each.
const MOST: usize = 8;

/// Every TIP-20 token has as many.
const DECIMALS: u8 = 6;

/// The tokens that are named, or the one that is meant where none is; nothing where one is none.
pub(super) fn tokens(
    section: Section<'_>,
    network: &Network,
    report: &mut Report<'_>,
) -> Option<Vec<Token>> {
    let Some(item) = section.get("tokens") else {
        return Some(vec![network.token().clone()]);
    };
    let values: Vec<(&DeValue<'_>, Range<usize>)> = match item.value {
        DeValue::Array(items) => {
            let items = items.iter();
            items.map(|item| (item.get_ref(), item.span())).collect()
        }
        other => vec![(other, item.at.clone())],
    };
    if values.is_empty() || values.len() > MOST {
        let what = format!("`tokens` is from one to {MOST} tokens");
        report.add(
            item.at.clone(),
            Wrong::write(what, format!("tokens = [\"{}\"]", network.token().symbol)),
        );
        return None;
    }
    let count = values.len();
    let mut tokens: Vec<Token> = Vec::new();
    for (value, at) in values {
        match token(value, &at, network, report) {
            Some(token) if tokens.iter().any(|known| known.address == token.address) => {
                report.wrong(at, format!("{} is named already", token.symbol));
            }
            Some(token) => tokens.push(token),
            None => {}
        }
    }
    (tokens.len() == count).then_some(tokens)
}

fn token(
    value: &DeValue<'_>,
    at: &Range<usize>,
    network: &Network,
    report: &mut Report<'_>,
) -> Option<Token> {
    let found = match value {
        DeValue::String(text) => named(text, network),
        DeValue::Table(table) => {
            let section = Section {
                name: "a token",
                table,
            };
            return own(section, at, network, report);
        }
        other => Err(Wrong::write(
            format!("a token is a name or a table, and not {}", kind(other)),
            format!("tokens = [\"{}\"]", network.token().symbol),
        )),
    };
    found.map_err(|wrong| report.add(at.clone(), wrong)).ok()
}

/// A token that is known on the network, by its name or its address.
pub(super) fn named(text: &str, network: &Network) -> Result<Token, Wrong> {
    if let Some(token) = network.token_named(text) {
        return Ok(token.clone());
    }
    let own =
        "{ address = \"0x20c0…\", symbol = \"…\", unit = \"USD\" }, as the token itself has them";
    if text.starts_with("0x") {
        return Err(Wrong::write("this token is not known here", own));
    }
    let tokens = network.tokens().iter();
    let names: Vec<&str> = tokens.map(|token| token.symbol.as_str()).collect();
    let instead = match nearest(text, &names) {
        Some(near) => format!("write \"{near}\""),
        None => format!("{}, or {own}", listed(&names)),
    };
    let what = format!("{} has no token `{}`", network.name(), shown(text));
    Err(Wrong::write(what, instead))
}

/// A token that is not known here, as the file describes it.
fn own(
    section: Section<'_>,
    at: &Range<usize>,
    network: &Network,
    report: &mut Report<'_>,
) -> Option<Token> {
    const KEYS: [&str; 3] = ["address", "symbol", "unit"];
    section.only(&KEYS, report);
    let missing: Vec<_> = KEYS
        .into_iter()
        .filter(|key| section.get(key).is_none())
        .collect();
    if !missing.is_empty() {
        let what = format!("a token of one's own needs {}", listed(&missing));
        let instead = "{ address = \"0x20c0…\", symbol = \"…\", unit = \"USD\" }, as the token itself has them";
        report.add(at.clone(), Wrong::write(what, instead));
    }
    let address = section.parsed("address", report, |text| {
        let address = address(text)?;
        if let Some(known) = network.token_at(address) {
            let what = format!("this is {}, which is known here", known.symbol);
            return Err(Wrong::write(
                what,
                format!("write \"{}\" in place of the table", known.symbol),
            ));
        }
        match is_tip20(address) {
            true => Ok(address),
            false => Err(Wrong::new(
                "a token's address begins with 0x20c0 and twenty zeros",
            )),
        }
    });
    let mut word = |key: &str| {
        section.parsed(key, report, |text| match text.parse::<Label>() {
            Ok(label) => Ok(label),
            Err(error) => Err(Wrong::new(error.to_string())),
        })
    };
    let (symbol, unit) = (word("symbol"), word("unit"));
    Token::new(address?, symbol?, DECIMALS, unit?).ok()
}
