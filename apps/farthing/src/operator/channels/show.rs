//! One channel, as it is shown.

use farthing::{
    core::{
        domain::settlements::{End, Past, Payout},
        intent::session::{ChannelId, Protocol, Standing},
        value::{Amount, MethodId},
    },
    server::session::Books,
};
use serde_json::{Value, json};

use super::{Coins, Looking, failed};
use crate::{
    error::Error,
    exit::Exit,
    operator::{OperatorError, put},
    screen::{self, Paint, clean},
};

pub(super) async fn run(
    looking: &Looking<'_>,
    channel: &ChannelId,
    json: bool,
) -> Result<Exit, Error> {
    let (till, coins) = (&looking.till, &looking.coins);
    let settlements = till.settlements();
    let payouts = settlements.payouts(channel).await.map_err(failed)?;
    let Some(books) = till.show(channel).await.map_err(failed)? else {
        // Its end is remembered for longer than the channel.
        let end = settlements.ended(channel).await.map_err(failed)?;
        let end = end.ok_or_else(|| OperatorError::NoChannel(channel.clone()))?;
        let channel = channel.clone();
        let past = Past { channel, end };
        if json {
            return put(past_object(&past, coins));
        }
        return put(screen::rows(
            Paint::for_stdout(),
            0,
            &past_rows(&past, coins),
        ));
    };
    let method = &books.terms.method;
    if json {
        let mut told = object(&books, coins);
        let payouts = payouts.iter().map(|it| payout_object(it, method, coins));
        told["payouts"] = payouts.collect();
        return put(told);
    }
    put(screen::rows(Paint::for_stdout(), 0, &rows(&books, coins)))?;
    if !payouts.is_empty() {
        let rows: Vec<_> = payouts
            .iter()
            .map(|it| payout_row(it, &books, coins))
            .collect();
        let head = ["AT", "PAID OUT", "IN ALL", "BY", "FEE", "REFERENCE"];
        put(screen::table(Paint::for_stdout(), head, &rows))?;
    }
    hint_of(&books);
    Ok(Exit::Done)
}

/// What there is to do next with a channel.
fn hint_of(books: &Books) {
    let owed = !books.at_risk.is_zero();
    if books.payable.is_some() && owed {
        screen::hint(format!("farthing channels settle {}", books.channel));
    } else if owed && books.standing == Standing::Open && books.protocol == Protocol::V2 {
        screen::hint(format!(
            "no voucher says what was spent, so only a close takes it: farthing channels close {}",
            books.channel
        ));
    }
}

pub(super) const fn state(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "open",
        Standing::CloseRequested(_) => "asked",
        Standing::Closing => "closing",
        Standing::Closed => "ended",
    }
}

const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::V1 => "v1",
        Protocol::V2 => "v2",
    }
}

fn rows(books: &Books, coins: &Coins) -> Vec<(&'static str, String)> {
    let (terms, balance) = (&books.terms, books.balance);
    let price = |amount: Amount| coins.price(&terms.method, &terms.currency, amount);
    let mut rows = vec![
        ("channel", books.channel.to_string()),
        ("state", state(books.standing).to_owned()),
    ];
    if let Standing::CloseRequested(at) = books.standing {
        rows.push(("end asked", at.to_string()));
    }
    rows.extend([
        (
            "by",
            format!("{} {}", terms.method, protocol(books.protocol)),
        ),
        ("from", clean(terms.payer.as_str()).into_owned()),
        ("to", clean(terms.payee.as_str()).into_owned()),
        ("realm", clean(terms.realm.as_str()).into_owned()),
        ("deposit", price(balance.deposit)),
        ("accepted", price(balance.accepted)),
        ("spent", price(balance.spent)),
        ("settled", price(balance.settled)),
        ("at risk", price(books.at_risk)),
    ]);
    if !books.unsure.is_zero() {
        rows.push(("being served", price(books.unsure)));
    }
    if !balance.reserved.is_zero() {
        rows.push(("held", price(balance.reserved)));
    }
    let payable = books.payable;
    rows.extend(payable.map(|amount| ("voucher", price(amount))));
    rows.push(("used", books.used_at.to_string()));
    rows.extend(books.end.iter().flat_map(|end| end_rows(end, coins)));
    rows
}

fn past_rows(past: &Past, coins: &Coins) -> Vec<(&'static str, String)> {
    let end = &past.end;
    let price = |amount: Amount| coins.price(&end.method, &end.currency, amount);
    let mut rows = vec![
        ("channel", past.channel.to_string()),
        ("state", "ended".to_owned()),
        ("by", end.method.to_string()),
        ("from", clean(end.payer.as_str()).into_owned()),
        ("accepted", price(end.accepted)),
        ("spent", price(end.spent)),
        ("settled", price(end.settled)),
    ];
    rows.extend(end_rows(end, coins));
    rows
}

fn end_rows(end: &End, coins: &Coins) -> Vec<(&'static str, String)> {
    let lost = coins.price(&end.method, &end.currency, end.lost);
    let mut rows = vec![("ended", end.at.to_string()), ("lost", lost)];
    let reference = end.reference.as_ref();
    rows.extend(reference.map(|it| ("closed by", clean(it.as_str()).into_owned())));
    rows
}

fn payout_row(payout: &Payout, books: &Books, coins: &Coins) -> [String; 6] {
    let terms = &books.terms;
    let price = |amount: Amount| coins.price(&terms.method, &terms.currency, amount);
    [
        payout.at.whole_secs().to_string(),
        price(payout.amount),
        price(payout.settled),
        if payout.is_close {
            "close"
        } else {
            "settlement"
        }
        .to_owned(),
        fee(payout, &terms.method, coins),
        clean(payout.reference.as_str()).into_owned(),
    ]
}

/// What a rail took for a settlement, and for how many channels.
fn fee(payout: &Payout, method: &MethodId, coins: &Coins) -> String {
    match &payout.fee {
        None => "-".to_owned(),
        Some(fee) => {
            let price = coins.price(method, &fee.currency, fee.amount);
            match payout.channels {
                1 => price,
                channels => format!("{price} for {channels} channels"),
            }
        }
    }
}

pub(super) fn payout_object(payout: &Payout, method: &MethodId, coins: &Coins) -> Value {
    let fee = payout.fee.as_ref().map(|fee| {
        json!({
            "amount": fee.amount,
            "currency": fee.currency,
            "decimals": coins.decimals(method, &fee.currency),
            "price": coins.price(method, &fee.currency, fee.amount),
        })
    });
    json!({
        "at": payout.at,
        "reference": payout.reference,
        "closed": payout.is_close,
        "amount": payout.amount,
        "settled": payout.settled,
        "channels": payout.channels,
        "fee": fee,
    })
}

/// A channel for a program.
pub(super) fn object(books: &Books, coins: &Coins) -> Value {
    let (terms, balance) = (&books.terms, books.balance);
    let asked = match books.standing {
        Standing::CloseRequested(at) => Some(at),
        _ => None,
    };
    json!({
        "channel": books.channel,
        "state": state(books.standing),
        "closeRequestedAt": asked,
        "method": terms.method,
        "protocol": protocol(books.protocol),
        "realm": terms.realm,
        "payer": terms.payer,
        "recipient": terms.payee,
        "currency": terms.currency,
        "decimals": coins.decimals(&terms.method, &terms.currency),
        "deposit": balance.deposit,
        "accepted": balance.accepted,
        "spent": balance.spent,
        "beingServed": books.unsure,
        "reserved": balance.reserved,
        "settled": balance.settled,
        "atRisk": books.at_risk,
        "atRiskPrice": coins.price(&terms.method, &terms.currency, books.at_risk),
        "voucher": books.payable,
        "usedAt": books.used_at,
        "end": books.end.as_ref().map(end_object),
    })
}

/// A channel of which nothing but its end is known.
pub(super) fn past_object(past: &Past, coins: &Coins) -> Value {
    let end = &past.end;
    json!({
        "channel": past.channel,
        "state": "ended",
        "closeRequestedAt": null,
        "method": end.method,
        "protocol": null,
        "realm": null,
        "payer": end.payer,
        "recipient": null,
        "currency": end.currency,
        "decimals": coins.decimals(&end.method, &end.currency),
        "deposit": null,
        "accepted": end.accepted,
        "spent": end.spent,
        "beingServed": "0",
        "reserved": "0",
        "settled": end.settled,
        "atRisk": "0",
        "atRiskPrice": coins.price(&end.method, &end.currency, Amount::ZERO),
        "voucher": null,
        "usedAt": null,
        "end": end_object(end),
    })
}

pub(super) fn end_object(end: &End) -> Value {
    json!({
        "at": end.at,
        "accepted": end.accepted,
        "spent": end.spent,
        "settled": end.settled,
        "lost": end.lost,
        "reference": end.reference,
    })
}
