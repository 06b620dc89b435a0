//! Channels, as they are shown.

use farthing::{
    client::{Closing, Purse, Stage, Synced},
    core::value::{Amount, Timestamp},
};
use serde_json::{Value, json};

use crate::{
    error::Error,
    exit::Exit,
    screen::{self, Paint, clean},
};

use super::hint_of;

pub(super) fn put(text: impl std::fmt::Display) -> Result<Exit, Error> {
    screen::data(text).map_err(Error::System)?;
    Ok(Exit::Done)
}

pub(super) fn list(purses: &[Purse], json: bool) -> Result<Exit, Error> {
    if json {
        let all: Vec<_> = purses.iter().map(object).collect();
        return put(json!({ "sessions": all, "locked": locked(purses) }));
    }
    if purses.is_empty() {
        screen::tell("no channels: nothing is locked");
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = purses
        .iter()
        .map(|purse| {
            let show = |amount| purse.currency().display(amount);
            [
                purse.id.to_string(),
                stage(purse).to_owned(),
                purse.used_at.whole_secs().to_string(),
                show(spent(purse)),
                show(purse.locked()),
                purse.rail.to_string(),
                clean(purse.realm.as_str()).into_owned(),
            ]
        })
        .collect();
    let head = ["ID", "STAGE", "USED", "SPENT", "LOCKED", "BY", "SELLER"];
    put(screen::table(Paint::for_stdout(), head, &rows))?;
    if purses.iter().any(|purse| purse.stage.is_live()) {
        screen::hint("farthing sessions close ID, and what is locked comes back");
    }
    Ok(Exit::Done)
}

/// How it stands: one that its seller told an untruth of pays nothing more, whatever its stage.
fn stage(purse: &Purse) -> &'static str {
    match purse.dispute {
        Some(_) if purse.stage == Stage::Open => "disputed",
        _ => purse.stage.as_str(),
    }
}

/// What is locked, in each currency.
fn locked(purses: &[Purse]) -> Vec<Value> {
    let mut sums: Vec<(farthing::core::value::Currency, Amount)> = Vec::new();
    for purse in purses {
        let currency = purse.currency();
        let sum = sums.iter_mut().find(|(other, _)| *other == currency);
        match sum {
            Some((_, sum)) => *sum = sum.checked_add(purse.locked()).unwrap_or(*sum),
            None => sums.push((currency, purse.locked())),
        }
    }
    let told = sums.into_iter().map(|(currency, amount)| {
        json!({
            "method": currency.rail,
            "currency": currency.code,
            "decimals": currency.decimals,
            "amount": amount,
            "price": currency.display(amount),
        })
    });
    told.collect()
}

pub(super) fn one(purse: &Purse, json: bool) -> Result<Exit, Error> {
    if json {
        return put(object(purse));
    }
    put(screen::rows(Paint::for_stdout(), 0, &rows(purse)))?;
    hint_of(purse);
    Ok(Exit::Done)
}

fn rows(purse: &Purse) -> Vec<(&'static str, String)> {
    let show = |amount| purse.currency().display(amount);
    let mut rows = vec![
        ("id", purse.id.to_string()),
        ("stage", purse.stage.as_str().to_owned()),
        ("by", purse.rail.to_string()),
    ];
    let network = purse.network.as_ref();
    rows.extend(network.map(|network| ("on", clean(network).into_owned())));
    rows.extend([
        ("seller", clean(purse.realm.as_str()).into_owned()),
        ("paid for", clean(&purse.url).into_owned()),
        ("from", purse.payer.to_string()),
        ("to", clean(purse.payee.as_str()).into_owned()),
        ("deposit", show(purse.deposit)),
        ("signed", show(purse.signed)),
        ("spent", show(spent(purse))),
        ("locked", show(purse.locked())),
    ]);
    let fee = purse.fee.as_ref();
    rows.extend(fee.map(|fee| {
        let most = fee.amount.to_decimal(fee.decimals);
        ("fees", format!("at the most {most} {}", fee.symbol))
    }));
    let channel = purse.channel.as_ref();
    rows.extend(channel.map(|channel| ("channel", channel.to_string())));
    rows.push(("opened", purse.at.to_string()));
    rows.push(("used", purse.used_at.to_string()));
    let dispute = purse.dispute.as_ref();
    rows.extend(dispute.map(|why| ("dispute", clean(why).into_owned())));
    let asked = purse.close_requested_at;
    rows.extend(asked.map(|at| ("end asked", at.to_string())));
    rows.extend(purse.paid_out.map(|amount| ("paid out", show(amount))));
    let reference = purse.reference.as_ref();
    rows.extend(reference.map(|it| ("reference", clean(it.as_str()).into_owned())));
    rows
}

/// What it cost by now: once it is closed, what the rail paid out of it.
fn spent(purse: &Purse) -> Amount {
    purse.paid_out.unwrap_or(purse.owed)
}

/// A channel for a program.
pub(crate) fn object(purse: &Purse) -> Value {
    let currency = purse.currency();
    json!({
        "id": purse.id,
        "stage": purse.stage,
        "channel": purse.channel,
        "protocol": purse.protocol,
        "method": purse.rail,
        "network": purse.network,
        "realm": purse.realm,
        "url": purse.url,
        "payer": purse.payer,
        "recipient": purse.payee,
        "currency": purse.currency,
        "decimals": purse.decimals,
        "deposit": purse.deposit,
        "signed": purse.signed,
        "spent": spent(purse),
        "locked": purse.locked(),
        "lockedPrice": currency.display(purse.locked()),
        "adding": purse.adding,
        "dispute": purse.dispute,
        "closeRequestedAt": purse.close_requested_at,
        "paidOut": purse.paid_out,
        "reference": purse.reference,
        "openedAt": purse.at,
        "usedAt": purse.used_at,
    })
}

/// How far a closing came, and what comes next.
pub(super) fn closing(closing: &Closing, json: bool) -> Result<Exit, Error> {
    let (state, purse, until) = match closing {
        Closing::Closed(purse) => ("closed", purse, None),
        Closing::Waits { purse, until } => ("waits", purse, Some(*until)),
        Closing::Asked(purse) => ("asked", purse, None),
        _ => return Err(Error::Demo("a closing of no known kind")),
    };
    let returned = match state {
        "closed" => purse
            .paid_out
            .map(|paid| purse.deposit.checked_sub(paid).unwrap_or_default()),
        _ => None,
    };
    if json {
        return put(json!({
            "state": state,
            "until": until,
            "returned": returned,
            "session": object(purse),
        }));
    }
    let paint = Paint::for_stderr();
    let show = |amount| purse.currency().display(amount);
    match (state, until) {
        ("closed", _) => {
            let mut rows = vec![("deposit", show(purse.deposit))];
            rows.extend(purse.paid_out.map(|paid| ("spent", show(paid))));
            rows.extend(returned.map(|back| ("returned", show(back))));
            let reference = purse.reference.as_ref();
            rows.extend(reference.map(|it| ("reference", clean(it.as_str()).into_owned())));
            screen::tell(paint.good("closed"));
            put(screen::rows(Paint::for_stdout(), 2, &rows))
        }
        ("waits", Some(until)) => {
            screen::tell(format!(
                "{} its end; the seller may hand in what it has until then",
                paint.asks("asked for")
            ));
            put(withdrawn_at(purse, until))?;
            screen::hint(format!(
                "farthing sessions sync, from then on: it withdraws what is left, {} at the least",
                show(purse.locked())
            ));
            Ok(Exit::Done)
        }
        _ => {
            screen::tell(format!(
                "{} the seller says that it closes it, and the rail does not show it yet",
                paint.asks("asked:")
            ));
            screen::hint("farthing sessions sync, in a minute");
            Ok(Exit::Done)
        }
    }
}

fn withdrawn_at(purse: &Purse, until: Timestamp) -> String {
    let rows = [
        ("locked", purse.currency().display(purse.locked())),
        ("withdrawn", format!("from {} on", until.whole_secs())),
    ];
    screen::rows(Paint::for_stdout(), 2, &rows)
}

/// What a look at the rails told.
pub(super) fn synced(synced: Vec<Synced>, json: bool) -> Result<Exit, Error> {
    let (mut lines, mut objects, mut failed) = (Vec::new(), Vec::new(), None);
    for Synced {
        purse,
        changed,
        error,
        ..
    } in synced
    {
        let told = error.map(|error| {
            let error = Error::Client(error);
            let message = crate::error::with_causes(&error);
            failed.get_or_insert(error.exit());
            message
        });
        let mut one = object(&purse);
        one["changed"] = json!(changed);
        one["error"] = json!(told);
        objects.push(one);
        let what = match (told, changed) {
            (Some(message), _) => clean(&message).into_owned(),
            (None, true) => "changed".to_owned(),
            (None, false) if purse.rail == farthing::ledger::method() => {
                "its seller keeps the books".to_owned()
            }
            (None, false) => "as it was".to_owned(),
        };
        let locked = purse.currency().display(purse.locked());
        let stage = match (purse.stage, purse.close_requested_at) {
            (Stage::Closing, Some(at)) => format!("closing since {}", at.whole_secs()),
            (stage, _) => stage.as_str().to_owned(),
        };
        lines.push([purse.id.to_string(), stage, locked, what]);
    }
    let exit = failed.unwrap_or(Exit::Done);
    if json {
        put(json!({ "sessions": objects }))?;
    } else if lines.is_empty() {
        screen::tell("no channels: nothing is locked");
    } else {
        put(screen::table(
            Paint::for_stdout(),
            ["ID", "STAGE", "LOCKED", "LOOKED AT"],
            &lines,
        ))?;
    }
    Ok(exit)
}
