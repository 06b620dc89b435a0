//! What a price can be in: the currencies of the rails that are set up.

use farthing::{
    core::value::{Currency, Price, PriceError},
    ledger::Currencies,
    tempo::Token,
};

use super::{super::Pay, report::Wrong, section::shown};

/// The currencies of each rail.
#[derive(Debug)]
pub(super) struct Money {
    chain: OnChain,
    /// The rail as it is called in a sentence, and what it counts.
    rails: Vec<(String, Vec<Currency>)>,
    /// Whether a price of nothing has a meaning on each of them.
    takes_nothing: bool,
    /// Whether there are channels, as far as the file can be read.
    has_channels: bool,
}

/// What is counted on a chain.
#[derive(Debug)]
pub(super) enum OnChain {
    /// Nothing is paid there.
    Nothing,
    /// What a file says of it cannot be read.
    Unreadable,
    /// These.
    Counts(Vec<Currency>),
}

impl Money {
    /// The rails that are set up; the ledger, where none is. A rail may be named and not readable.
    pub(super) fn of(pay: &Pay, names_chain: bool) -> Self {
        let mut rails = Vec::new();
        let mut chain = match names_chain {
            true => OnChain::Unreadable,
            false => OnChain::Nothing,
        };
        if let Some(tempo) = &pay.tempo {
            let name = format!("the tokens on {}", tempo.network.name());
            let counts: Vec<_> = tempo.tokens.iter().map(Token::currency).collect();
            chain = OnChain::Counts(counts.clone());
            rails.push((name, counts));
        }
        let takes_nothing = names_chain && pay.ledger.is_none();
        if pay.ledger.is_some() || !names_chain {
            let dollars = Currencies::default().iter().cloned().collect();
            rails.push(("the ledger".to_owned(), dollars));
        }
        let has_channels = pay.takes_sessions() || matches!(chain, OnChain::Unreadable);
        Self {
            chain,
            rails,
            takes_nothing,
            has_channels,
        }
    }

    pub(super) const fn on_chain(&self) -> &OnChain {
        &self.chain
    }

    /// What to write where there are no channels.
    pub(super) const fn without_sessions(&self) -> Option<&'static str> {
        match self.has_channels {
            true => None,
            false => Some("session = true in pay.ledger, or a table [pay.tempo.session]"),
        }
    }

    /// A price that each rail can ask for.
    pub(super) fn price(&self, text: &str) -> Result<Price, Wrong> {
        let price: Price = match text.parse() {
            Ok(price) => price,
            Err(error) => return Err(no_price(text, &error)),
        };
        if price.is_zero() && !self.takes_nothing {
            let what = "a price of nothing cannot be paid";
            return Err(Wrong::write(what, "write \"free\""));
        }
        for (rail, currencies) in &self.rails {
            sayable(&price, rail, currencies)?;
        }
        Ok(price)
    }
}

/// Whether a rail can say a price in each of its currencies that has the price's unit.
fn sayable(price: &Price, rail: &str, currencies: &[Currency]) -> Result<(), Wrong> {
    let unit = price.unit().as_str();
    let mut found = currencies.iter().filter(|known| *known.symbol == *unit);
    let Some(first) = found.next() else {
        let mut known: Vec<_> = currencies.iter().map(|known| &*known.symbol).collect();
        known.dedup();
        let has = if rail == "the ledger" {
            ("has", "it counts")
        } else {
            ("have", "they count")
        };
        let what = format!("{rail} {} no {unit}: {} {}", has.0, has.1, known.join(", "));
        return Err(Wrong::new(what));
    };
    for currency in [first].into_iter().chain(found) {
        match price.in_currency(currency) {
            Ok(_) => {}
            Err(PriceError::Inexact { decimals, .. }) => {
                let counts = if rail == "the ledger" {
                    "counts"
                } else {
                    "count"
                };
                return Err(Wrong::new(format!(
                    "{price} is too fine: {rail} {counts} {unit} with {decimals} decimals"
                )));
            }
            Err(error) => return Err(Wrong::new(error.to_string())),
        }
    }
    Ok(())
}

/// What somebody probably meant by what is no price.
fn no_price(text: &str, error: &PriceError) -> Wrong {
    let number = text.trim().trim_start_matches('$').replace(',', "");
    let number = match number.starts_with('.') {
        true => format!("0{number}"),
        false => number,
    };
    let dollars = format!("${number}");
    let instead = if dollars.parse::<Price>().is_ok() {
        format!("write \"{dollars}\"")
    } else if text.eq_ignore_ascii_case("free") {
        "write \"free\"".to_owned()
    } else {
        "write it like \"$0.002\", or \"free\"".to_owned()
    };
    let what = match error {
        PriceError::Overflow { .. } => error.to_string(),
        _ => format!("`{}` is no price", shown(text)),
    };
    Wrong::write(what, instead)
}
