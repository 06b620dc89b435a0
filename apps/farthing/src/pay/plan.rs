//! What a dry run found out. It is the run's data, so it goes to stdout.

use farthing::{
    client::{Choice, Response, SessionChoice},
    core::{
        payment::Moved,
        port::payer::{Fee, Quote, Share},
        value::Currency,
    },
};
use serde_json::{Value, json};

use super::answer::exit_of;
use crate::{
    error::Error,
    exit::Exit,
    money::Money,
    screen::{self, Paint, clean},
};

pub(super) fn print(response: &Response, money: &Money, json: bool) -> Result<Exit, Error> {
    let (choice, session) = (response.would_pay(), response.would_use());
    let text = if json {
        json!({
            "status": response.status().as_u16(),
            "url": response.url().as_str(),
            "paid": null,
            "wouldPay": choice.map(object),
            "wouldUse": session.map(session_object),
        })
        .to_string()
    } else {
        match (choice, session) {
            (Some(choice), _) => rows(choice, money),
            (None, Some(session)) => session_rows(session),
            (None, None) => format!("free: {}", response.status()),
        }
    };
    screen::data(text).map_err(|source| Error::Answer {
        source,
        moved: Moved::No,
    })?;
    Ok(match (choice, session) {
        (None, None) => exit_of(response),
        _ => Exit::Done,
    })
}

fn session_object(session: &SessionChoice) -> Value {
    let (offer, quote) = (session.offer(), session.quote());
    let fee = quote.fee.as_ref().map(fee_object);
    json!({
        "unitPrice": offer.request.amount,
        "currency": quote.currency.code,
        "decimals": quote.currency.decimals,
        "price": session.price(),
        "unit": offer.request.unit_type,
        "suggestedDeposit": offer.request.suggested_deposit,
        "method": offer.challenge.method,
        "network": quote.network,
        "realm": offer.challenge.realm,
        "recipient": offer.request.recipient,
        "protocol": offer.protocol,
        "fee": fee,
        "expires": offer.challenge.expires.as_ref().map(|end| end.at()),
    })
}

/// Out of a channel: what a unit costs, and how much the seller advises to lock.
fn session_rows(session: &SessionChoice) -> String {
    let (offer, quote) = (session.offer(), session.quote());
    let unit = offer.request.unit_type.as_deref().unwrap_or("request");
    let mut rows = vec![
        (
            "would pay",
            format!("{} for each {}", session.price(), clean(unit)),
        ),
        (
            "by",
            format!("{}, out of a channel", offer.challenge.method),
        ),
    ];
    let advised = offer.request.suggested_deposit;
    rows.extend(advised.map(|most| {
        (
            "would lock",
            format!("about {}", quote.currency.display(most)),
        )
    }));
    let network = quote.network.as_ref();
    rows.extend(network.map(|network| ("on", network.to_string())));
    rows.push((
        "asked by",
        clean(offer.challenge.realm.as_str()).into_owned(),
    ));
    rows.push(("to", clean(offer.request.recipient.as_str()).into_owned()));
    let fee = quote.fee.as_ref();
    rows.extend(fee.map(|fee| ("fee", at_most(&fee.currency.display(fee.most)))));
    screen::rows(Paint::for_stdout(), 0, &rows)
}

fn fee_object(fee: &Fee) -> Value {
    json!({
        "most": fee.most,
        "currency": fee.currency.code,
        "decimals": fee.currency.decimals,
        "price": fee.currency.display(fee.most),
    })
}

fn object(choice: &Choice) -> Value {
    let (offer, quote) = (choice.offer(), choice.quote());
    let shares = quote.shares.iter().map(|share| {
        json!({
            "recipient": share.recipient,
            "amount": share.amount,
        })
    });
    let fee = quote.fee.as_ref().map(fee_object);
    json!({
        "amount": offer.request.amount,
        "currency": quote.currency.code,
        "decimals": quote.currency.decimals,
        "price": choice.price(),
        "method": offer.challenge.method,
        "network": quote.network,
        "realm": offer.challenge.realm,
        "recipient": offer.request.recipient,
        "shares": shares.collect::<Vec<_>>(),
        "fee": fee,
        "expires": offer.challenge.expires.as_ref().map(|end| end.at()),
    })
}

fn rows(choice: &Choice, money: &Money) -> String {
    let (challenge, request) = (&choice.offer().challenge, &choice.offer().request);
    let quote = choice.quote();
    let mut rows = vec![
        ("would pay", choice.price()),
        ("by", challenge.method.to_string()),
    ];
    rows.extend(on_chain(quote, money));
    rows.push(("asked by", clean(challenge.realm.as_str()).into_owned()));
    rows.extend(recipients(
        request.recipient.as_ref().map(|to| to.as_str()),
        &quote.shares,
        &quote.currency,
    ));
    let fee = quote.fee.as_ref();
    rows.extend(fee.map(|fee| ("fee", at_most(&fee.currency.display(fee.most)))));
    let until = challenge.expires.as_ref();
    rows.extend(until.map(|until| ("until", until.at().to_string())));
    screen::rows(Paint::for_stdout(), 0, &rows)
}

/// The chain and the token, where it is paid on one.
fn on_chain(quote: &Quote, money: &Money) -> Vec<(&'static str, String)> {
    let Some(network) = &quote.network else {
        return Vec::new();
    };
    let token = money.token(&quote.currency.code).map_or_else(
        || quote.currency.code.to_string(),
        |token| format!("{}, {}", token.symbol, token.address),
    );
    vec![("on", network.to_string()), ("in", token)]
}

/// Who gets it, and which part where several do.
pub(super) fn recipients(
    to: Option<&str>,
    shares: &[Share],
    currency: &Currency,
) -> Vec<(&'static str, String)> {
    if shares.len() < 2 {
        return to
            .map(|to| ("to", clean(to).into_owned()))
            .into_iter()
            .collect();
    }
    let told = |share: &Share| {
        let whom = clean(share.recipient.as_str());
        ("to", format!("{whom}: {}", currency.display(share.amount)))
    };
    shares.iter().map(told).collect()
}

/// What a rail may take beside the price.
pub(super) fn at_most(fee: &str) -> String {
    format!("at the most {fee}")
}
