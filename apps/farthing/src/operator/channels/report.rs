//! The sums: what is locked, accepted, spent, settled and at risk, and what was ever settled and lost.

use farthing::{
    core::value::{Amount, CurrencyCode, Did, MethodId},
    server::session::{InCurrency, Report, Sum},
};
use serde_json::{Value, json};

use super::{Coins, Looking, failed};
use crate::{
    error::Error,
    exit::Exit,
    operator::put,
    screen::{self, Paint, clean},
};

pub(super) async fn run(looking: &Looking<'_>, limit: usize, json: bool) -> Result<Exit, Error> {
    let report = looking.till.report().await.map_err(failed)?;
    if json {
        let currencies = report.currencies.iter();
        let currencies = currencies.map(|(of, sums)| object(of, sums, &looking.coins));
        return put(json!({
            "store": looking.store.told(),
            "currencies": currencies.collect::<Vec<_>>(),
        }));
    }
    if report.currencies.is_empty() {
        screen::tell("no channel was ever opened");
        return Ok(Exit::Done);
    }
    told(&report, &looking.coins, limit)
}

fn told(report: &Report, coins: &Coins, limit: usize) -> Result<Exit, Error> {
    let paint = Paint::for_stdout();
    for (at, ((method, code), sums)) in report.currencies.iter().enumerate() {
        if at > 0 {
            put("")?;
        }
        let known = coins.find(method, code);
        let name = known.map_or_else(|| code.to_string(), |it| it.symbol.to_string());
        put(paint.bold(format!("{method} {name}")))?;
        let price = |amount: Amount| coins.price(method, code, amount);
        put(screen::rows(paint, 2, &rows(sums, price)))?;
        if !sums.payers.is_empty() && limit > 0 {
            put(payers(sums, price, limit))?;
        }
        if sums.payers.len() > limit {
            screen::hint("there are more payers: --limit shows them");
        }
    }
    Ok(Exit::Done)
}

fn rows(sums: &InCurrency, price: impl Fn(Amount) -> String) -> Vec<(&'static str, String)> {
    let (all, ever) = (&sums.all, &sums.ever);
    vec![
        ("open channels", all.channels.to_string()),
        ("locked", price(all.deposit)),
        ("accepted", price(all.accepted)),
        ("spent", price(all.spent)),
        ("being served", price(all.unsure)),
        ("settled", price(all.settled)),
        ("at risk", price(all.at_risk)),
        ("ended channels", ever.ended.to_string()),
        ("ever spent", price(spent(sums))),
        ("ever settled", price(ever.settled)),
        ("settlements", ever.settlements.to_string()),
        ("lost", price(ever.lost)),
        ("fees", price(ever.fees)),
    ]
}

/// What was ever spent: in the channels that ended, and in those that are open.
fn spent(sums: &InCurrency) -> Amount {
    let (ended, open) = (sums.ever.spent, sums.all.spent);
    ended.checked_add(open).unwrap_or(ended)
}

fn payers(sums: &InCurrency, price: impl Fn(Amount) -> String, limit: usize) -> String {
    let rows: Vec<_> = riskiest(sums)
        .take(limit)
        .map(|(payer, sum)| {
            [
                sum.channels.to_string(),
                price(sum.deposit),
                price(sum.accepted),
                price(sum.spent),
                price(sum.settled),
                price(sum.at_risk),
                clean(payer.as_str()).into_owned(),
            ]
        })
        .collect();
    let head = [
        "CHANNELS", "LOCKED", "ACCEPTED", "SPENT", "SETTLED", "AT RISK", "PAYER",
    ];
    screen::table(Paint::for_stdout(), head, &rows)
}

/// Each payer, those with the most at risk first.
fn riskiest(sums: &InCurrency) -> impl Iterator<Item = (&Did, &Sum)> {
    let mut payers: Vec<_> = sums.payers.iter().collect();
    payers.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.at_risk));
    payers.into_iter()
}

fn object((method, code): &(MethodId, CurrencyCode), sums: &InCurrency, coins: &Coins) -> Value {
    let payers = riskiest(sums).map(|(payer, sum)| {
        let mut told = sum_object(sum);
        told["payer"] = json!(payer);
        told
    });
    json!({
        "method": method,
        "currency": code,
        "decimals": coins.decimals(method, code),
        "open": sum_object(&sums.all),
        "payers": payers.collect::<Vec<_>>(),
        "ever": {
            "ended": sums.ever.ended,
            "spent": spent(sums),
            "settled": sums.ever.settled,
            "settlements": sums.ever.settlements,
            "lost": sums.ever.lost,
            "fees": sums.ever.fees,
        },
    })
}

fn sum_object(sum: &Sum) -> Value {
    json!({
        "channels": sum.channels,
        "deposit": sum.deposit,
        "accepted": sum.accepted,
        "spent": sum.spent,
        "beingServed": sum.unsure,
        "settled": sum.settled,
        "atRisk": sum.at_risk,
    })
}
