//! `farthing pay`: fetch a URL, and pay for it where that is asked.

mod answer;
pub(crate) mod confirm;
mod json;
mod plan;
mod request;
mod running;
mod session;
mod socket;

use std::io::{self, IsTerminal};

use farthing::{
    client::{
        Client, Error as ClientError, Outgoing, Outlay, PayerFault, Policy, Refused, Response,
        SessionFault, Standing, UseSessions,
    },
    clock::SystemClock,
    core::{intent::session::SESSION, payment::Moved, port::clock::Clock, value::Timestamp},
    tempo::Mode,
};

use crate::{
    args::{Pay, Rail},
    buyer::{Buyer, Rails},
    error::Error,
    exit::Exit,
    keystore::{Keystore, Limits},
    money::Money,
    networks::{self, OnNetwork},
    screen,
};

pub(crate) use request::HeaderLine;

use answer::Sink;
use request::Prepared;
use session::{Ending, Paid};

/// What one question may be about. Beyond it `--max` has to be given, so that a slip of the finger
/// has a bound as well.
const MOST_TO_ASK: &str = "$100";

/// Pending payments that are read at once.
const PAGE: usize = 200;

pub(crate) async fn run(pay: Pay, keystore: &Keystore) -> Result<Exit, Error> {
    // Everything that can go wrong on our side goes wrong before anything is sent.
    let prepared = Prepared::new(&pay)?;
    let sink = Sink::open(pay.output.as_deref())?;
    let asks = !pay.yes && screen::can_ask();
    let limits = keystore.limits()?;
    let policy = policy(&pay, asks, &limits).count_days();
    let policy = match &pay.max_fee {
        Some(most) => policy.max_fee(most.clone()),
        None => policy,
    };
    let policy = with_sessions(policy, &pay);
    let rails = rails(&pay, keystore)?;
    let money = Money::of(keystore)?;
    let buyer = if pay.dry_run {
        Buyer::for_dry_run(keystore, pay.wallet.as_ref(), policy, rails)?
    } else {
        Buyer::new(keystore, pay.wallet.as_ref(), policy, rails)?
    };
    let tells = !pay.silent && !pay.json;
    let client = buyer.client_telling(if asks { Some(confirm::ask) } else { None }, tells)?;
    if tells {
        screen::tell(format!("{} {}", prepared.method, screen::clean(&pay.url)));
    }
    let started = SystemClock.now();
    if prepared.is_socket {
        let done = socket::run(&client, prepared, sink, &pay, started).await;
        let done = done.map_err(|error| why(error, &buyer, &limits, &pay));
        buyer.close().await;
        return done;
    }
    let sent = tokio::select! {
        // First, so that it is listened for before anything is sent.
        biased;
        // A future that is dropped leaves a signed payment pending, never lost.
        _ = tokio::signal::ctrl_c() => return Err(interrupted(&client, started).await),
        sent = send(&client, prepared) => sent,
    };
    let response = match sent {
        Ok(response) => response,
        Err(error) => return Err(why(error, &buyer, &limits, &pay)),
    };
    let moved = response.paid().map_or(Moved::No, Outlay::moved);
    let by_session = Paid::of(&response, &sink, &pay);
    let shown = tokio::select! {
        biased;
        // Whoever listened once has to listen to the end: the signal ends nothing by itself now.
        _ = tokio::signal::ctrl_c() => None,
        shown = show(response, sink, &pay, &money) => Some(shown),
    };
    let shown = match (by_session, shown) {
        (Some(paid), None) => paid.conclude(&client, Ending::Interrupted).await,
        (Some(paid), Some(shown)) => paid.conclude(&client, Ending::Read(shown)).await,
        (None, None) => Err(Error::Interrupted { moved }),
        (None, Some(shown)) => shown,
    };
    buyer.close().await;
    shown
}

/// When a channel pays, and how much may be locked in one and in all.
fn with_sessions(policy: Policy, pay: &Pay) -> Policy {
    let policy = match (pay.session, pay.no_session) {
        (true, _) => policy.sessions(UseSessions::Always),
        (_, true) => policy.sessions(UseSessions::Never),
        _ => policy,
    };
    let policy = match &pay.deposit {
        Some(most) => policy.max_deposit(most.clone()),
        None => policy,
    };
    match &pay.locked {
        Some(most) => policy.max_locked(most.clone()),
        None => policy,
    }
}

/// What may be paid by: everything, or what the command line names.
fn rails(pay: &Pay, keystore: &Keystore) -> Result<Rails, Error> {
    let on = OnNetwork {
        network: pay.network.clone(),
        rpc: pay.rpc.clone(),
    };
    Ok(Rails {
        only: pay.method.map(|rail| match rail {
            Rail::Ledger => farthing::ledger::method(),
            Rail::Tempo => farthing::tempo::method(),
        }),
        networks: networks::all(keystore, &on)?,
        escrows: keystore.escrows()?,
        mode: if pay.push { Mode::Push } else { Mode::Pull },
    })
}

/// What a failure comes from: a wallet that is not there or stays shut, or limits that were set.
fn why(error: Error, buyer: &Buyer, limits: &Limits, pay: &Pay) -> Error {
    match error {
        Error::Client(ClientError::Payer(PayerFault::Intent(intent)))
            if pay.no_session && &*intent == SESSION =>
        {
            Error::NoSession
        }
        Error::Client(ClientError::Payer(PayerFault::Method(offered))) => match buyer.only() {
            Some(only) => Error::OnlyBy {
                offered,
                only: only.clone(),
            },
            None => Error::Client(PayerFault::Method(offered).into()),
        },
        Error::Client(ClientError::Payer(_)) => buyer.locked_out().map_or(error, Error::Keystore),
        Error::Client(ClientError::Session(ref fault))
            if matches!(**fault, SessionFault::Rail(_)) =>
        {
            buyer.locked_out().map_or(error, Error::Keystore)
        }
        Error::Client(
            refused @ ClientError::Refused(
                Refused::Cap { .. } | Refused::Budget { .. } | Refused::NoCap { .. },
            ),
        ) if !limits.is_empty() => Error::OwnLimits(refused),
        error => error,
    }
}

async fn show(response: Response, sink: Sink, pay: &Pay, money: &Money) -> Result<Exit, Error> {
    if pay.dry_run {
        plan::print(&response, money, pay.json)
    } else if pay.json {
        json::print(response, sink).await
    } else {
        answer::print(response, sink, pay).await
    }
}

/// Whether an interrupted run had signed something is in the store. What is not there never left.
async fn interrupted(client: &Client, started: Timestamp) -> Error {
    if io::stderr().is_terminal() {
        // A question may stand open on the line.
        screen::tell("");
    }
    let signed = |one: &Outgoing| one.at >= started && one.standing != Standing::Reserved;
    let mut page = client.pending(None, PAGE).await;
    while let Ok(pending) = &page {
        if pending.iter().any(signed) {
            break;
        }
        match pending.last() {
            Some(last) if pending.len() == PAGE => page = client.pending(Some(last), PAGE).await,
            _ => return Error::Interrupted { moved: Moved::No },
        }
    }
    Error::Interrupted {
        moved: Moved::Unknown,
    }
}

async fn send(client: &Client, prepared: Prepared) -> Result<Response, Error> {
    let mut request = client
        .request(prepared.method, prepared.url)
        .headers(&prepared.headers);
    if let Some(body) = prepared.body {
        request = request.body(body);
    }
    Ok(request.send().await?)
}

/// The limits of this run. Where the keystore's owner set some, those hold, and `--max` can only
/// lower them. Otherwise those of `--max`; where somebody is asked, what they answer; at last the
/// client's small defaults.
fn policy(pay: &Pay, asks: bool, limits: &Limits) -> Policy {
    let constant = |price: &str| price.parse().expect("the constants are prices");
    if !limits.is_empty() {
        return match &pay.max {
            Some(max) => limits.policy().ceiling(max.clone()),
            None => limits.policy(),
        };
    }
    let policy = Policy::new();
    match &pay.max {
        Some(max) => policy.max_per_request(max.clone()),
        None if asks => policy.max_per_request(constant(MOST_TO_ASK)),
        None => policy,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_help_names_the_default_limits() {
        use clap::CommandFactory;
        use farthing::client::{
            DEFAULT_MAX_DEPOSIT, DEFAULT_MAX_FEE, DEFAULT_MAX_PER_REQUEST, DEFAULT_TOTAL,
        };
        let mut command = crate::args::Args::command();
        let pay = command.find_subcommand_mut("pay").unwrap();
        let help = pay.render_long_help().to_string();
        let words: Vec<_> = help.split_whitespace().collect();
        let help = words.join(" ");
        let limits = format!(
            "may cost {}, and all of them together {}",
            DEFAULT_MAX_PER_REQUEST, DEFAULT_TOTAL
        );
        assert!(help.contains(&limits), "{help}");
        for default in [DEFAULT_MAX_FEE, DEFAULT_MAX_DEPOSIT] {
            assert!(help.contains(&format!("[default: {default}]")), "{help}");
        }
    }
}
