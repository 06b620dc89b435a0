//! What settling and closing have in common: the rails, a question before, and waiting.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use farthing::{
    clock::SystemClock,
    core::{
        intent::session::{ChannelId, Terms},
        value::MethodId,
    },
    ledger::{Account, Ledger, LedgerSessions, method},
    server::{
        Event, Observer, What,
        session::{OnDemand, SettleOptions, Till},
    },
};
use farthing_gateway::{
    config::Config,
    serve::{self, StartError},
};
use tokio::time::{sleep, timeout};

use super::Looking;
use crate::{error::Error, exit::Exit, gateway::GatewayError, operator::OperatorError, screen};

/// How long to wait between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The channels that their rail refused to settle.
#[derive(Clone, Default)]
pub(super) struct Refusals(Arc<Mutex<HashSet<ChannelId>>>);

impl Refusals {
    fn observer(&self) -> Observer {
        let refused = self.clone();
        Arc::new(move |event: &Event| {
            if let Event::Session(movement) = event
                && matches!(movement.what, What::NotSettled)
            {
                let mut refused = refused.0.lock().unwrap_or_else(PoisonError::into_inner);
                refused.insert(movement.channel.clone());
            }
        })
    }

    pub(super) fn has(&self, channel: &ChannelId) -> bool {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.contains(channel)
    }
}

/// A till that can settle channels, with what its rails refused.
pub(super) async fn till(
    looking: &Looking<'_>,
    config: Option<&Config>,
    all: &[Terms],
) -> Result<(Till, Refusals), Error> {
    let refusals = Refusals::default();
    let observer = Some(refusals.observer());
    let clock = Arc::new(SystemClock);
    let methods: HashSet<&MethodId> = all.iter().map(|terms| &terms.method).collect();
    if let Some(config) = config {
        for wanted in &methods {
            has_rail(config, wanted)?;
        }
        let till = serve::till(config, looking.store.backend(), clock, observer).await;
        let till = till.map_err(|error| GatewayError::from(Box::new(StartError::from(error))))?;
        return Ok((till, refusals));
    }
    if let Some(other) = methods.iter().find(|other| ***other != method()) {
        return Err(OperatorError::NoRail((*other).clone()).into());
    }
    // Whom a channel pays is in its terms: the account that is named here is asked for by nobody.
    let payee = all
        .first()
        .and_then(|it| Account::parse(it.payee.as_str()).ok());
    let rail = payee.map(|payee| {
        let ledger = Ledger::new(payee);
        LedgerSessions::new(ledger, looking.store.backend(), clock.clone())
    });
    let till = Till::on_demand(OnDemand {
        store: looking.store.backend(),
        clock,
        rails: rail.into_iter().map(|rail| Arc::new(rail) as _).collect(),
        observer,
        settle: SettleOptions::default(),
    });
    Ok((till.map_err(OperatorError::from)?, refusals))
}

fn has_rail(config: &Config, wanted: &MethodId) -> Result<(), Error> {
    let ledger = config.pay.ledger.as_ref().is_some_and(|it| it.session);
    let tempo = config.pay.tempo.as_ref();
    let tempo = tempo.is_some_and(|it| it.session.is_some());
    let is_there = *wanted == method() && ledger || *wanted == farthing::tempo::method() && tempo;
    match is_there {
        true => Ok(()),
        false => Err(OperatorError::NoRail(wanted.clone()).into()),
    }
}

/// Asks whether it is meant, after showing what it is.
pub(super) fn confirm(question: &str, table: &str) -> Result<(), Error> {
    if !screen::can_ask() {
        return Err(Error::Usage {
            what: "there is no terminal to confirm it at".to_owned(),
            next: "say with --yes that it is meant",
        });
    }
    screen::tell(table);
    let answer = screen::ask(&format!("{question} [y/N] ")).map_err(Error::System)?;
    match screen::is_yes(&answer) {
        true => Ok(()),
        false => Err(Error::Declined),
    }
}

/// Looks until everything is done or the time is over; each look says how many are not done. What was
/// begun goes on when the looking ends: it is journaled.
pub(super) async fn wait<F>(seconds: u16, quiet: bool, mut look: F) -> Result<(), Error>
where
    F: AsyncFnMut() -> Result<usize, Error>,
{
    let mut told = None;
    let waiting = async {
        loop {
            let left = look().await?;
            if left == 0 {
                return Ok(());
            }
            if !quiet && told != Some(left) {
                told = Some(left);
                progress(left);
            }
            sleep(LOOK_AGAIN).await;
        }
    };
    let done = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(OperatorError::Interrupted.into()),
        done = timeout(Duration::from_secs(seconds.into()), waiting) => done.unwrap_or(Ok(())),
    };
    if !quiet && screen::can_draw() {
        screen::erase();
    }
    done
}

fn progress(left: usize) {
    let what = match left {
        1 => "waiting for the rail: 1 channel".to_owned(),
        left => format!("waiting for the rail: {left} channels"),
    };
    match screen::can_draw() {
        true => screen::draw(what),
        false => screen::tell(what),
    }
}

/// How the run ends, where not everything is as it was wanted: told once, beside what was done.
pub(super) fn end(failed: Option<OperatorError>, json: bool) -> Result<Exit, Error> {
    let Some(failed) = failed else {
        return Ok(Exit::Done);
    };
    let error = Error::from(failed);
    if !json {
        error.tell();
    }
    Ok(error.exit())
}

/// The same, for a program: what is told of an error stands beside what was done.
pub(super) fn with_error(
    mut told: serde_json::Value,
    failed: Option<OperatorError>,
) -> (serde_json::Value, Exit) {
    let Some(failed) = failed else {
        return (told, Exit::Done);
    };
    let error = Error::from(failed);
    if let (Some(told), serde_json::Value::Object(error)) = (told.as_object_mut(), error.to_json())
    {
        told.extend(error);
    }
    (told, error.exit())
}
