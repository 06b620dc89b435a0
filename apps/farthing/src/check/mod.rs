//! `farthing check`: is this a correct payment server?
//!
//! It asks twice without paying, makes its requests from what comes back, and judges each rule of
//! its table by the answers. Nothing is paid unless `--pay` says so.

mod forge;
mod http;
mod paid;
mod rules;
mod seen;
mod show;
mod target;
mod verdict;

use std::{pin::pin, time::Duration};

use clap::Args;
use farthing::{
    clock::SystemClock,
    core::{port::clock::Clock, value::Price},
};

use self::http::{Ask, Http};
use crate::{
    buyer::{Asker, Buyer, Rails},
    error::Error,
    exit::{self, Exit},
    keystore::{Keystore, WalletName},
    pay::{HeaderLine, confirm},
    screen::{self, Paint},
};
use paid::{Bill, Purse};
use rules::{Entry, Trial, table};
use seen::Seen;
use show::{Outcome, Progress};
use target::Target;
use verdict::Verdict;

/// The arguments of `farthing check`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct Check {
    /// What to check: a URL that asks for a payment
    #[arg(required_unless_present = "list")]
    url: Option<String>,
    /// The HTTP method [default: GET, or POST with -d]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<::http::Method>,
    /// A header line, 'Name: value'; repeatable
    #[arg(short = 'H', long = "header", value_name = "LINE")]
    headers: Vec<HeaderLine>,
    /// A body
    #[arg(
        short = 'd',
        long = "data",
        value_name = "TEXT",
        allow_hyphen_values = true
    )]
    data: Option<String>,
    /// Check these rules only, by their names; repeatable, or with commas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave these rules out; repeatable, or with commas
    #[arg(
        long,
        value_name = "RULE",
        value_delimiter = ',',
        conflicts_with = "only"
    )]
    skip: Vec<String>,
    /// A page of the same server that is free; repeatable
    #[arg(long, value_name = "PATH")]
    free: Vec<String>,
    /// Another page that costs, which the payment must not buy
    #[arg(long, value_name = "PATH", requires = "pay")]
    other: Option<String>,
    /// Pay once, and check what only a payment shows
    #[arg(long, requires = "max")]
    pay: bool,
    /// The most the payment may cost, for example '$0.01'
    #[arg(long, value_name = "PRICE", requires = "pay")]
    max: Option<Price>,
    /// Do not ask before paying; the limit holds
    #[arg(short = 'y', long, requires = "pay")]
    yes: bool,
    /// The wallet to pay from [default: the only one, or 'default']
    #[arg(long, value_name = "NAME", requires = "pay")]
    wallet: Option<WalletName>,
    /// Give up after this many seconds; what is left is skipped
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// Print the rules, and check nothing
    #[arg(long)]
    list: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: &Check, keystore: &Keystore) -> Result<Exit, Error> {
    let chosen = choose(args)?;
    if args.list {
        screen::data(show::rules(args.json)).map_err(Error::System)?;
        return Ok(Exit::Done);
    }
    let target = Target::new(args)?;
    if args.pay && target.scheme() != "https" && !target.is_loopback() {
        return Err(Error::Usage {
            what: "a payment would go over plain HTTP".to_owned(),
            next: "leave --pay out, or check the server by https",
        });
    }
    let asker: Option<Asker> = (!args.yes && screen::can_ask()).then_some(confirm::ask as Asker);
    let buyer = match &args.max {
        Some(max) if args.pay => {
            let policy = paid::policy(max, &keystore.limits()?);
            let rails = Rails::of(keystore)?;
            Some(Buyer::new(keystore, args.wallet.as_ref(), policy, rails)?)
        }
        _ => None,
    };
    let checked = tokio::select! {
        biased;
        // A payment that was signed by then is in the keystore, and pending.
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted {
            moved: match args.pay {
                true => farthing::core::payment::Moved::Unknown,
                false => farthing::core::payment::Moved::No,
            },
        }),
        checked = check(args, target, &chosen, buyer.as_ref(), asker) => checked,
    };
    let locked_out = buyer.as_ref().and_then(Buyer::locked_out);
    if let Some(buyer) = &buyer {
        buyer.close().await;
    }
    let outcome = match (checked, locked_out) {
        (Err(_), Some(error)) => return Err(Error::Keystore(error)),
        (checked, _) => checked?,
    };
    tell(&outcome, args.json)?;
    Ok(outcome.exit())
}

fn tell(outcome: &Outcome, json: bool) -> Result<(), Error> {
    let text = match json {
        true => outcome.to_json().to_string(),
        false => outcome.text(Paint::for_stdout()),
    };
    screen::data(text).map_err(Error::System)?;
    if !json {
        match &outcome.trouble {
            Some(trouble) => trouble.tell(),
            None if outcome.exit() == Exit::Findings => {
                screen::hint("farthing inspect shows what is in a saved answer, part by part");
            }
            None => {}
        }
    }
    Ok(())
}

/// The rules the command line asks for.
fn choose(args: &Check) -> Result<Vec<&'static Entry>, Error> {
    let known = |name: &&String| table().any(|entry| entry.id == name.as_str());
    if let Some(unknown) = args.only.iter().chain(&args.skip).find(|name| !known(name)) {
        return Err(Error::Usage {
            what: format!("there is no rule {unknown:?}"),
            next: "see `farthing check --list`",
        });
    }
    let named = |names: &[String], entry: &Entry| names.iter().any(|name| name == entry.id);
    let chosen = table().filter(|entry| match args.only.is_empty() {
        true => !named(&args.skip, entry),
        false => named(&args.only, entry),
    });
    Ok(chosen.collect())
}

async fn check(
    args: &Check,
    target: Target,
    chosen: &[&'static Entry],
    buyer: Option<&Buyer>,
    asker: Option<Asker>,
) -> Result<Outcome, Error> {
    let url = target.url().to_string();
    let mut http = Http::new(target.clone())?;
    let mut over = pin!(tokio::time::sleep(Duration::from_secs(args.timeout)));
    let mut is_over = false;
    let seen = look(&mut http, target, args).await?;
    let plan = plan(&seen, chosen);
    let asks: usize = plan
        .iter()
        .map(|(_, asks)| asks.as_ref().map_or(0, Vec::len))
        .sum();
    let about = http.sent + asks;
    if !args.json {
        let pays = if buyer.is_some() {
            "; one payment is made"
        } else {
            "; nothing is paid"
        };
        let rules = chosen.len();
        screen::tell(format!(
            "{rules} rules, {about} requests without a payment{pays}"
        ));
    }
    let progress = Progress::new(args.json, about);
    let mut verdicts = Vec::with_capacity(plan.len());
    for (entry, asks) in plan {
        progress.at(http.sent, entry.id);
        let sends = asks.as_ref().is_ok_and(|asks| !asks.is_empty());
        let verdict = if sends && is_over {
            None
        } else {
            tokio::select! {
                // The time comes first, or answers that are always there would outlast it.
                biased;
                () = &mut over, if sends => {
                    is_over = true;
                    None
                }
                verdict = judge(entry, asks, &seen, &mut http) => Some(verdict),
            }
        };
        let late = || Verdict::Skipped(format!("the {} s of --timeout were over", args.timeout));
        verdicts.push((entry, verdict.unwrap_or_else(late)));
    }
    drop(progress);
    let bill = bill(args, &seen, &mut http, chosen, buyer, asker).await?;
    for (entry, verdict) in &mut verdicts {
        if let (Trial::Paid, Some(found)) = (entry.trial, bill.verdicts.get(entry.id)) {
            *verdict = found.clone();
        }
    }
    Ok(Outcome {
        url,
        requests: http.sent,
        verdicts,
        outlay: bill.outlay,
        trouble: bill.trouble,
    })
}

/// Asks twice, one right after the other, and for the discovery document.
async fn look(http: &mut Http, target: Target, args: &Check) -> Result<Seen, Error> {
    let answer = http.send(&Ask::default()).await;
    let first = answer.map_err(|fault| Error::Unreachable {
        url: target.url().as_str().into(),
        source: fault.into(),
    })?;
    let second = http.send(&Ask::default()).await;
    let discovery = http.send(&Ask::page("/openapi.json")).await;
    let now = SystemClock.now();
    let challenge = Seen::read(&first).into_iter().next();
    let forged = forge::forge(challenge.as_ref(), now).await;
    Ok(Seen {
        target,
        first,
        second,
        now,
        challenge,
        payload: forged.payload,
        cheaper: forged.cheaper,
        discovery,
        free: args.free.clone(),
    })
}

/// The requests of every rule, known before any of them is sent.
fn plan(seen: &Seen, chosen: &[&'static Entry]) -> Vec<(&'static Entry, rules::Asks)> {
    let asks = |entry: &Entry| match entry.trial {
        Trial::Ask(asks, _) => asks(seen),
        Trial::Look(_) | Trial::Paid => Ok(Vec::new()),
    };
    chosen.iter().map(|entry| (*entry, asks(entry))).collect()
}

async fn judge(entry: &Entry, asks: rules::Asks, seen: &Seen, http: &mut Http) -> Verdict {
    let asks = match asks {
        Ok(asks) => asks,
        Err(verdict) => return verdict,
    };
    match entry.trial {
        Trial::Look(judge) => judge(seen).into(),
        Trial::Paid => Verdict::Skipped("only with --pay".to_owned()),
        Trial::Ask(_, judge) => {
            let mut answers = Vec::with_capacity(asks.len());
            for ask in &asks {
                answers.push(http.send(ask).await);
            }
            judge(seen, &answers).into()
        }
    }
}

/// Pays, where that is asked for and a rule needs it.
async fn bill(
    args: &Check,
    seen: &Seen,
    http: &mut Http,
    chosen: &[&'static Entry],
    buyer: Option<&Buyer>,
    ask: Option<Asker>,
) -> Result<Bill, Error> {
    let wanted = chosen
        .iter()
        .any(|entry| matches!(entry.trial, Trial::Paid));
    let Some(buyer) = buyer.filter(|_| wanted) else {
        return Ok(Bill::default());
    };
    if !seen.asks() {
        return Ok(Bill::default());
    }
    let purse = Purse {
        buyer,
        ask,
        other: args.other.as_deref(),
        now: seen.now,
    };
    paid::pay(seen, http, &purse).await
}
