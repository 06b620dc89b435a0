//! `farthing channels close`: channels are closed at their seller's wish.

use farthing::{
    core::{
        domain::settlements::End,
        intent::session::{ChannelId, Protocol, Standing},
        value::Amount,
    },
    server::session::{Books, NotClosed, Till},
};
use farthing_gateway::config::Config;
use serde_json::{Value, json};

use super::{Coins, Looking, args::Close, show, work};
use crate::{
    error::Error,
    exit::Exit,
    operator::{OperatorError, put},
    screen::{self, Paint, clean},
};

/// A channel that is to be closed.
struct Wanted {
    books: Books,
    state: State,
}

/// How far its closing is.
enum State {
    Waits,
    Closed(Box<End>),
    Failed(NotClosed),
}

impl Wanted {
    /// What is paid out of it in all, as far as is known now.
    fn pays(&self) -> Amount {
        let balance = self.books.balance;
        match self.books.protocol {
            Protocol::V1 => balance.settled.max(self.books.payable.unwrap_or_default()),
            Protocol::V2 => balance.settled.max(balance.spent),
        }
    }

    /// What was spent and is paid by nothing.
    fn loses(&self) -> Amount {
        let spent = self.books.balance.spent;
        spent.checked_sub(self.pays()).unwrap_or_default()
    }

    fn returns(&self) -> Amount {
        let deposit = self.books.balance.deposit;
        deposit.checked_sub(self.pays()).unwrap_or_default()
    }

    const fn outcome(&self) -> &'static str {
        match &self.state {
            State::Waits => "waits",
            State::Closed(_) => "closed",
            State::Failed(NotClosed::Ended(_)) => "ended",
            State::Failed(_) => "refused",
        }
    }
}

pub(super) async fn run(
    looking: &Looking<'_>,
    config: Option<&Config>,
    asked: &Close,
) -> Result<Exit, Error> {
    let mut wanted = named(looking, &asked.channels).await?;
    let terms: Vec<_> = wanted.iter().map(|it| it.books.terms.clone()).collect();
    let (till, _) = work::till(looking, config, &terms).await?;
    let is_over = |it: &Wanted| it.books.standing == Standing::Closed;
    if !asked.how.yes && !wanted.iter().all(is_over) {
        let table = plan(&wanted, &looking.coins, Paint::for_stderr());
        work::confirm("Close it?", &table)?;
    }
    let round = async || {
        for one in &mut wanted {
            if let State::Waits = one.state {
                one.state = close(&till, &one.books.channel).await;
            }
        }
        let waits = wanted.iter().filter(|it| matches!(it.state, State::Waits));
        Ok(waits.count())
    };
    work::wait(asked.how.wait, asked.how.json, round).await?;
    tell(looking, asked, wanted)
}

async fn named(looking: &Looking<'_>, channels: &[ChannelId]) -> Result<Vec<Wanted>, Error> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for channel in channels {
        if !wanted.iter().any(|it| it.books.channel == *channel) {
            wanted.push(Wanted {
                books: looking.books(channel).await?,
                state: State::Waits,
            });
        }
    }
    Ok(wanted)
}

async fn close(till: &Till, channel: &ChannelId) -> State {
    match till.close_as_seller(channel).await {
        Ok(end) => State::Closed(Box::new(end)),
        Err(NotClosed::Pending | NotClosed::Overloaded) => State::Waits,
        Err(error) => State::Failed(error),
    }
}

fn tell(looking: &Looking<'_>, asked: &Close, wanted: Vec<Wanted>) -> Result<Exit, Error> {
    let rows = table(&wanted, &looking.coins, Paint::for_stdout());
    let objects: Vec<_> = wanted.iter().map(|it| object(it, &looking.coins)).collect();
    let waits = wanted
        .iter()
        .filter(|it| matches!(it.state, State::Waits))
        .count();
    let mut failed = wanted.into_iter().filter_map(|it| match it.state {
        State::Failed(source) => Some(OperatorError::NotClosed {
            channel: it.books.channel,
            source: Box::new(source),
        }),
        _ => None,
    });
    let failed = failed
        .next()
        .or((waits > 0).then_some(OperatorError::Waits(waits)));
    if asked.how.json {
        let told = json!({ "store": looking.store.told(), "closed": objects });
        let (told, exit) = work::with_error(told, failed);
        put(told)?;
        return Ok(exit);
    }
    put(rows)?;
    work::end(failed, false)
}

/// What closing them comes to.
fn plan(wanted: &[Wanted], coins: &Coins, paint: Paint) -> String {
    let rows: Vec<_> = wanted
        .iter()
        .map(|it| {
            let terms = &it.books.terms;
            let price = |amount: Amount| coins.price(&terms.method, &terms.currency, amount);
            [
                price(it.pays()),
                price(it.returns()),
                price(it.loses()),
                it.books.channel.to_string(),
            ]
        })
        .collect();
    screen::table(
        paint,
        ["PAYS OUT", "GOES BACK", "IS LOST", "CHANNEL"],
        &rows,
    )
}

fn table(wanted: &[Wanted], coins: &Coins, paint: Paint) -> String {
    let rows: Vec<_> = wanted
        .iter()
        .map(|it| {
            let terms = &it.books.terms;
            let price = |amount: Amount| coins.price(&terms.method, &terms.currency, amount);
            let end = end(it);
            let reference = end.and_then(|end| end.reference.as_ref());
            [
                it.outcome().to_owned(),
                end.map_or_else(|| "-".to_owned(), |end| price(end.settled)),
                end.map_or_else(|| "-".to_owned(), |end| price(end.lost)),
                it.books.channel.to_string(),
                clean(reference.map_or("-", |it| it.as_str())).into_owned(),
            ]
        })
        .collect();
    let head = ["OUTCOME", "PAID OUT", "LOST", "CHANNEL", "REFERENCE"];
    screen::table(paint, head, &rows)
}

/// How it ended, by us or not.
fn end(wanted: &Wanted) -> Option<&End> {
    match &wanted.state {
        State::Closed(end) | State::Failed(NotClosed::Ended(end)) => Some(end),
        _ => None,
    }
}

fn object(wanted: &Wanted, coins: &Coins) -> Value {
    let terms = &wanted.books.terms;
    json!({
        "channel": wanted.books.channel,
        "outcome": wanted.outcome(),
        "method": terms.method,
        "currency": terms.currency,
        "decimals": coins.decimals(&terms.method, &terms.currency),
        "end": end(wanted).map(show::end_object),
    })
}
