//! The channels of a store, a page at a time.

use farthing::{
    core::{
        domain::settlements::Past,
        intent::session::{ChannelId, Standing},
        value::Amount,
    },
    server::session::Books,
};
use serde_json::json;

use super::{
    Looking,
    args::{List, State},
    failed, show,
};
use crate::{
    error::Error,
    exit::Exit,
    operator::{OperatorError, PAGE, put},
    screen::{self, Paint, clean},
};

/// A channel of the list.
enum Found {
    Live(Box<Books>),
    Past(Box<Past>),
}

/// What was found, and whether there is more.
struct Page {
    found: Vec<Found>,
    is_all: bool,
}

pub(super) async fn run(looking: &Looking<'_>, asked: &List) -> Result<Exit, Error> {
    let page = match asked.state {
        Some(State::Ended) => ended(looking, asked).await?,
        _ => live(looking, asked).await?,
    };
    if asked.json {
        let channels = page.found.iter().map(|found| match found {
            Found::Live(books) => show::object(books, &looking.coins),
            Found::Past(past) => show::past_object(past, &looking.coins),
        });
        return put(json!({
            "store": looking.store.told(),
            "channels": channels.collect::<Vec<_>>(),
            "all": page.is_all,
        }));
    }
    if page.found.is_empty() {
        screen::tell("no channels");
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = page.found.iter().map(|found| row(looking, found)).collect();
    let head = [
        "STATE", "USED", "DEPOSIT", "ACCEPTED", "SPENT", "SETTLED", "AT RISK", "PAYER", "CHANNEL",
    ];
    put(screen::table(Paint::for_stdout(), head, &rows))?;
    let is_owed = |found: &Found| matches!(found, Found::Live(books) if !books.at_risk.is_zero());
    if page.found.iter().any(is_owed) {
        screen::hint("farthing channels settle CHANNEL, for what is at risk");
    }
    if let Some(last) = page.found.last().filter(|_| !page.is_all) {
        screen::hint(format!("there are more: --after {}", id(last)));
    }
    Ok(Exit::Done)
}

async fn live(looking: &Looking<'_>, asked: &List) -> Result<Page, Error> {
    let mut taking = Taking::new(asked);
    let mut last: Option<Books> = None;
    loop {
        let page = looking.till.list(last.as_ref(), PAGE).await;
        let page = page.map_err(failed)?;
        last = page.last().cloned();
        for books in page {
            let is_wanted = match (asked.state, books.standing) {
                (_, Standing::Closed) => false,
                (None, _)
                | (Some(State::Open), Standing::Open)
                | (Some(State::Asked), Standing::CloseRequested(_))
                | (Some(State::Closing), Standing::Closing) => true,
                _ => false,
            };
            let is_payers = asked
                .payer
                .as_ref()
                .is_none_or(|it| *it == books.terms.payer);
            let is_at_risk = !asked.at_risk || !books.at_risk.is_zero();
            let fits = is_wanted && is_payers && is_at_risk;
            if !taking.take(Found::Live(Box::new(books)), fits) {
                return Ok(taking.page(false));
            }
        }
        if last.is_none() {
            return taking.end();
        }
    }
}

async fn ended(looking: &Looking<'_>, asked: &List) -> Result<Page, Error> {
    let mut taking = Taking::new(asked);
    let mut last: Option<Past> = None;
    loop {
        let page = looking.till.settlements().ends(last.as_ref(), PAGE).await;
        let page = page.map_err(failed)?;
        last = page.last().cloned();
        for past in page {
            let is_payers = asked.payer.as_ref().is_none_or(|it| *it == past.end.payer);
            // Of what ended nothing is at risk any more: it is settled or lost.
            let fits = is_payers && !asked.at_risk;
            if !taking.take(Found::Past(Box::new(past)), fits) {
                return Ok(taking.page(false));
            }
        }
        if last.is_none() {
            return taking.end();
        }
    }
}

/// What is taken of the pages that are read.
struct Taking<'a> {
    asked: &'a List,
    has_begun: bool,
    found: Vec<Found>,
}

impl<'a> Taking<'a> {
    const fn new(asked: &'a List) -> Self {
        Self {
            asked,
            has_begun: asked.after.is_none(),
            found: Vec::new(),
        }
    }

    /// Takes one that fits, unless there are enough: `false` where it would be one too many.
    fn take(&mut self, found: Found, fits: bool) -> bool {
        if !self.has_begun {
            self.has_begun = self.asked.after.as_ref() == Some(id(&found));
            return true;
        }
        if fits && self.found.len() >= self.asked.limit.into() {
            return false;
        }
        if fits {
            self.found.push(found);
        }
        true
    }

    fn page(self, is_all: bool) -> Page {
        Page {
            found: self.found,
            is_all,
        }
    }

    /// After the last page.
    fn end(self) -> Result<Page, Error> {
        match &self.asked.after {
            Some(after) if !self.has_begun => Err(OperatorError::NoChannel(after.clone()).into()),
            _ => Ok(self.page(true)),
        }
    }
}

fn id(found: &Found) -> &ChannelId {
    match found {
        Found::Live(books) => &books.channel,
        Found::Past(past) => &past.channel,
    }
}

fn row(looking: &Looking<'_>, found: &Found) -> [String; 9] {
    match found {
        Found::Live(books) => {
            let (terms, balance) = (&books.terms, books.balance);
            let price =
                |amount: Amount| looking.coins.price(&terms.method, &terms.currency, amount);
            [
                show::state(books.standing).to_owned(),
                books.used_at.whole_secs().to_string(),
                price(balance.deposit),
                price(balance.accepted),
                price(balance.spent),
                price(balance.settled),
                price(books.at_risk),
                clean(terms.payer.as_str()).into_owned(),
                books.channel.to_string(),
            ]
        }
        Found::Past(past) => {
            let end = &past.end;
            let price = |amount: Amount| looking.coins.price(&end.method, &end.currency, amount);
            [
                "ended".to_owned(),
                end.at.whole_secs().to_string(),
                "-".to_owned(),
                price(end.accepted),
                price(end.spent),
                price(end.settled),
                "-".to_owned(),
                clean(end.payer.as_str()).into_owned(),
                past.channel.to_string(),
            ]
        }
    }
}
