//! `farthing channels settle`: what was spent is handed in now.

use std::collections::BTreeMap;

use farthing::{
    core::{
        domain::settlements::Payout,
        intent::session::ChannelId,
        value::{Amount, CurrencyCode, MethodId},
    },
    server::session::{Books, Payable, Till},
};
use farthing_gateway::config::Config;
use serde_json::{Value, json};

use super::{Coins, Looking, args::Settle, failed, show, work};
use crate::{
    error::Error,
    exit::Exit,
    operator::{OperatorError, PAGE, Problem, put},
    screen::{self, Paint, clean},
};

/// A channel that is to be settled.
struct Wanted {
    books: Books,
    payable: Payable,
    /// Whether a process serves that may know more of it.
    is_served: bool,
    /// What became of it.
    paid: Option<Payout>,
    is_refused: bool,
}

impl Wanted {
    /// What is paid out of it in all, at the least, once it is done; `None` where nothing can be.
    fn goal(&self) -> Option<Amount> {
        match self.payable {
            Payable::UpTo(amount) => Some(amount),
            // What is delivered and not written down yet is known by the process that serves.
            Payable::StillServed(_) if self.is_served => {
                self.books.balance.settled.checked_add(Amount::new(1))
            }
            _ => None,
        }
    }

    /// What that adds.
    fn amount(&self) -> Amount {
        match self.payable {
            Payable::UpTo(goal) => goal
                .checked_sub(self.books.balance.settled)
                .unwrap_or_default(),
            Payable::StillServed(amount) => amount,
            _ => Amount::ZERO,
        }
    }

    fn is_waiting(&self) -> bool {
        self.goal().is_some() && self.paid.is_none() && !self.is_refused
    }

    fn outcome(&self) -> &'static str {
        match self.payable {
            _ if self.paid.is_some() => "settled",
            _ if self.is_refused => "refused",
            Payable::UpTo(_) => "waits",
            Payable::OnlyByClosing(_) => "only-by-closing",
            Payable::StillServed(_) => "still-served",
            Payable::NoVoucher(_) => "no-voucher",
            Payable::Closing => "closing",
            Payable::Closed => "ended",
            _ => "nothing",
        }
    }
}

pub(super) async fn run(
    looking: &Looking<'_>,
    config: Option<&Config>,
    asked: &Settle,
) -> Result<Exit, Error> {
    let mut wanted = match asked.all {
        true => all(looking).await?,
        false => named(looking, &asked.channels).await?,
    };
    if wanted.iter().any(|it| it.goal().is_some()) {
        hand_in(looking, config, asked, &mut wanted).await?;
    }
    let failed = failure(&wanted);
    if asked.how.json {
        let settled = wanted.iter().map(|it| object(it, &looking.coins));
        let told = json!({
            "store": looking.store.told(),
            "settled": settled.collect::<Vec<_>>(),
        });
        let (told, exit) = work::with_error(told, failed);
        put(told)?;
        return Ok(exit);
    }
    if wanted.is_empty() {
        screen::tell("everything that can be is settled");
        return Ok(Exit::Done);
    }
    put(table(&wanted, &looking.coins, Paint::for_stdout()))?;
    work::end(failed, false)
}

async fn named(looking: &Looking<'_>, channels: &[ChannelId]) -> Result<Vec<Wanted>, Error> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for channel in channels {
        if !wanted.iter().any(|it| it.books.channel == *channel) {
            let books = looking.books(channel).await?;
            wanted.extend(look(&looking.till, books).await?);
        }
    }
    Ok(wanted)
}

/// All of which something can be handed in.
async fn all(looking: &Looking<'_>) -> Result<Vec<Wanted>, Error> {
    let mut wanted = Vec::new();
    let mut last: Option<Books> = None;
    loop {
        let page = looking.till.list(last.as_ref(), PAGE).await;
        let page = page.map_err(failed)?;
        last = page.last().cloned();
        for books in page.into_iter().filter(|it| !it.at_risk.is_zero()) {
            let found = look(&looking.till, books).await?;
            wanted.extend(found.filter(|it| it.goal().is_some()));
        }
        if last.is_none() {
            return Ok(wanted);
        }
    }
}

async fn look(till: &Till, books: Books) -> Result<Option<Wanted>, Error> {
    let payable = till.payable(&books.channel).await.map_err(failed)?;
    let is_served = till.is_served().await.map_err(failed)?;
    Ok(payable.map(|payable| Wanted {
        books,
        payable,
        is_served,
        paid: None,
        is_refused: false,
    }))
}

async fn hand_in(
    looking: &Looking<'_>,
    config: Option<&Config>,
    asked: &Settle,
    wanted: &mut [Wanted],
) -> Result<(), Error> {
    let due = wanted.iter().filter(|it| it.goal().is_some());
    let terms: Vec<_> = due.map(|it| it.books.terms.clone()).collect();
    let (till, refusals) = work::till(looking, config, &terms).await?;
    if !asked.how.yes {
        let sums = screen::rows(Paint::for_stderr(), 2, &sums(wanted, &looking.coins));
        work::confirm("Settle it?", &sums)?;
    }
    for one in wanted.iter().filter(|it| it.goal().is_some()) {
        let channel = &one.books.channel;
        till.want_settled(channel).await.map_err(failed)?;
    }
    let mut methods: Vec<MethodId> = terms.into_iter().map(|terms| terms.method).collect();
    methods.sort_unstable();
    methods.dedup();
    let round = async || {
        // A process that serves settles it, with what it delivered and did not write down yet.
        if !till.is_served().await.map_err(failed)? {
            for method in &methods {
                till.settle(method).await.map_err(failed)?;
            }
        }
        for one in wanted.iter_mut().filter(|it| it.is_waiting()) {
            one.paid = paid(&till, one).await?;
            one.is_refused = one.paid.is_none() && refusals.has(&one.books.channel);
        }
        Ok(wanted.iter().filter(|it| it.is_waiting()).count())
    };
    work::wait(asked.how.wait, asked.how.json, round).await
}

/// The settlement that paid out what was wanted, whoever handed it in.
async fn paid(till: &Till, wanted: &Wanted) -> Result<Option<Payout>, Error> {
    let (channel, goal) = (&wanted.books.channel, wanted.goal().unwrap_or_default());
    let payouts = till.settlements().payouts(channel).await.map_err(failed)?;
    let mut reached = payouts.into_iter().filter(|it| it.settled >= goal);
    Ok(reached.next_back())
}

fn failure(wanted: &[Wanted]) -> Option<OperatorError> {
    let count = |outcome: &str| wanted.iter().filter(|it| it.outcome() == outcome).count();
    let (waits, refused) = (count("waits"), count("refused"));
    if waits > 0 {
        return Some(OperatorError::Waits(waits));
    }
    if refused > 0 {
        return Some(OperatorError::Refused(refused));
    }
    wanted.iter().find_map(|it| {
        let problem = match it.payable {
            Payable::OnlyByClosing(_) => Problem::OnlyByClosing(it.books.channel.clone()),
            Payable::StillServed(_) => Problem::StillServed,
            Payable::NoVoucher(_) => Problem::NoVoucher,
            _ => return None,
        };
        Some(OperatorError::NotPayable(problem))
    })
}

/// What is handed in, in each currency.
fn sums(wanted: &[Wanted], coins: &Coins) -> Vec<(&'static str, String)> {
    let mut sums: BTreeMap<(&MethodId, &CurrencyCode), Amount> = BTreeMap::new();
    let due = wanted.iter().filter(|it| it.goal().is_some());
    for it in due.clone() {
        let terms = &it.books.terms;
        let sum = sums.entry((&terms.method, &terms.currency)).or_default();
        *sum = sum.checked_add(it.amount()).unwrap_or(*sum);
    }
    let mut rows = vec![("channels", due.count().to_string())];
    rows.extend(sums.into_iter().map(|((method, code), sum)| {
        let price = coins.price(method, code, sum);
        ("to settle", format!("{price} by {method}"))
    }));
    rows
}

fn table(wanted: &[Wanted], coins: &Coins, paint: Paint) -> String {
    let rows: Vec<_> = wanted
        .iter()
        .map(|it| {
            let terms = &it.books.terms;
            let paid = it.paid.as_ref().map_or(Amount::ZERO, |paid| paid.amount);
            let reference = it.paid.as_ref().map(|paid| paid.reference.as_str());
            [
                it.outcome().to_owned(),
                coins.price(&terms.method, &terms.currency, paid),
                it.books.channel.to_string(),
                clean(reference.unwrap_or("-")).into_owned(),
            ]
        })
        .collect();
    screen::table(
        paint,
        ["OUTCOME", "PAID OUT", "CHANNEL", "REFERENCE"],
        &rows,
    )
}

fn object(wanted: &Wanted, coins: &Coins) -> Value {
    let terms = &wanted.books.terms;
    let payout = wanted.paid.as_ref();
    json!({
        "channel": wanted.books.channel,
        "outcome": wanted.outcome(),
        "method": terms.method,
        "currency": terms.currency,
        "decimals": coins.decimals(&terms.method, &terms.currency),
        "payout": payout.map(|it| show::payout_object(it, &terms.method, coins)),
    })
}
