//! `farthing wallet history`: what a wallet paid, and the sums.

use std::collections::BTreeMap;

use farthing::{
    client::{Client, Error as ClientError, Outgoing, Policy},
    clock::SystemClock,
    core::{
        domain::receipts::Kept,
        port::clock::Clock,
        value::{Amount, CurrencyCode, MethodId, PaymentId, Timestamp},
    },
};
use serde_json::{Value, json};

use super::{args::History, put};
use crate::{
    error::Error,
    exit::Exit,
    keystore::{Holder, Keystore},
    money::Money,
    receipts::{PAGE, Records},
    screen::{self, Paint, clean},
    signer::Signer,
};

/// What is shown: the newest of a wallet's payments, and the sums of all of them. However many
/// there are, no more are held than are shown.
struct Statement {
    payer: Holder,
    since: Timestamp,
    limit: usize,
    lines: BTreeMap<(Timestamp, PaymentId), Line>,
    sums: BTreeMap<(MethodId, CurrencyCode), Sum>,
}

/// One payment.
struct Line {
    amount: Amount,
    currency: CurrencyCode,
    method: MethodId,
    standing: &'static str,
    bought: String,
    realm: Option<String>,
    recipient: Option<String>,
    reference: Option<String>,
}

/// What was paid in a currency.
#[derive(Default)]
struct Sum {
    payments: u64,
    paid: Amount,
    pending: Amount,
}

/// Where payments without a receipt are listed.
#[derive(Clone, Copy)]
enum List {
    Pending,
    Unconfirmed,
    Unreceipted,
}

impl List {
    async fn page(
        self,
        client: &Client,
        last: Option<&Outgoing>,
    ) -> Result<Vec<Outgoing>, ClientError> {
        match self {
            Self::Pending => client.pending(last, PAGE).await,
            Self::Unconfirmed => client.unconfirmed(last, PAGE).await,
            Self::Unreceipted => client.unreceipted(last, PAGE).await,
        }
    }
}

pub(super) async fn run(history: &History, keystore: &Keystore) -> Result<Exit, Error> {
    let signer = Signer::of(keystore, history.wallet.as_ref())?;
    let since = history.since.map(|when| when.at(SystemClock.now()));
    let mut statement = Statement {
        payer: signer.holder,
        since: since.unwrap_or(Timestamp::EPOCH),
        limit: history.limit.into(),
        lines: BTreeMap::new(),
        sums: BTreeMap::new(),
    };
    let records = Records::open(keystore, Policy::new())?;
    let read = statement.read(&records).await;
    records.close().await;
    read?;
    if history.json {
        return put(statement.to_json(&records.money));
    }
    statement.print(&records.money)
}

impl Statement {
    async fn read(&mut self, records: &Records) -> Result<(), Error> {
        let mut last: Option<Kept> = None;
        loop {
            let page = records.page(last.as_ref(), PAGE).await?;
            let since = self.since;
            for kept in page.iter().take_while(|kept| kept.at >= since) {
                self.keep(kept)?;
            }
            last = match page.into_iter().last() {
                Some(kept) if kept.at >= self.since => Some(kept),
                _ => break,
            };
        }
        for list in [List::Pending, List::Unconfirmed, List::Unreceipted] {
            let mut last: Option<Outgoing> = None;
            loop {
                let page = list.page(&records.client, last.as_ref()).await?;
                self.note(&page)?;
                match page.into_iter().last() {
                    Some(payment) => last = Some(payment),
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, kept: &Kept) -> Result<(), Error> {
        if !kept
            .payer
            .as_ref()
            .is_some_and(|payer| self.payer.is(payer))
        {
            return Ok(());
        }
        let line = Line {
            amount: kept.amount,
            currency: kept.currency.clone(),
            method: kept.receipt.method().clone(),
            standing: "paid",
            bought: kept.bought.to_string(),
            realm: None,
            recipient: kept.payee.as_ref().map(ToString::to_string),
            reference: Some(kept.receipt.reference().to_string()),
        };
        self.add(kept.at, kept.payment, line, false)
    }

    fn note(&mut self, page: &[Outgoing]) -> Result<(), Error> {
        for payment in page {
            if !self.payer.is(&payment.payer) || payment.at < self.since {
                continue;
            }
            let line = Line {
                amount: payment.amount,
                currency: payment.currency.clone(),
                method: payment.rail.clone(),
                standing: payment.standing.as_str(),
                bought: format!("{} {}", payment.method, payment.url),
                realm: Some(payment.realm.to_string()),
                recipient: payment.payee.as_ref().map(ToString::to_string),
                reference: payment.reference.as_ref().map(ToString::to_string),
            };
            let is_pending = payment.standing.is_pending();
            self.add(payment.at, payment.id, line, is_pending)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        at: Timestamp,
        id: PaymentId,
        line: Line,
        is_pending: bool,
    ) -> Result<(), Error> {
        let currency = (line.method.clone(), line.currency.clone());
        let sum = self.sums.entry(currency).or_default();
        let side = if is_pending {
            &mut sum.pending
        } else {
            &mut sum.paid
        };
        *side = side.checked_add(line.amount).ok_or(Error::Sum)?;
        sum.payments += 1;
        self.lines.insert((at, id), line);
        if self.lines.len() > self.limit {
            self.lines.pop_first();
        }
        Ok(())
    }

    fn to_json(&self, money: &Money) -> Value {
        let payments = self.lines.iter().rev().map(|((at, id), line)| {
            json!({
                "payment": id,
                "at": at,
                "standing": line.standing,
                "amount": line.amount,
                "currency": line.currency,
                "decimals": money.decimals(&line.method, &line.currency),
                "price": money.price(&line.method, &line.currency, line.amount),
                "method": line.method,
                "for": line.bought,
                "realm": line.realm,
                "recipient": line.recipient,
                "reference": line.reference,
            })
        });
        let sums = self.sums.iter().map(|((method, currency), sum)| {
            json!({
                "method": method,
                "currency": currency,
                "decimals": money.decimals(method, currency),
                "payments": sum.payments,
                "paid": sum.paid,
                "pending": sum.pending,
            })
        });
        json!({
            "account": self.payer.to_string(),
            "payments": payments.collect::<Vec<_>>(),
            "totals": sums.collect::<Vec<_>>(),
        })
    }

    fn print(&self, money: &Money) -> Result<Exit, Error> {
        if self.lines.is_empty() {
            screen::tell("no payments");
            screen::hint("farthing pay URL");
            return Ok(Exit::Done);
        }
        let paint = Paint::for_stdout();
        let rows: Vec<_> = self
            .lines
            .iter()
            .rev()
            .map(|line| row(line, money))
            .collect();
        let head = ["AT", "PRICE", "STANDING", "REFERENCE", "FOR"];
        put(screen::table(paint, head, &rows))?;
        for ((method, currency), sum) in &self.sums {
            let count = match sum.payments {
                1 => "1 payment".to_owned(),
                many => format!("{many} payments"),
            };
            let pending = match sum.pending {
                Amount::ZERO => String::new(),
                units => format!(", and {} pending", money.price(method, currency, units)),
            };
            put(paint.bold(format!(
                "{count}: {} paid{pending}",
                money.price(method, currency, sum.paid)
            )))?;
        }
        let all: u64 = self.sums.values().map(|sum| sum.payments).sum();
        if all > self.lines.len() as u64 {
            screen::hint("there are more: --limit shows them");
        }
        Ok(Exit::Done)
    }
}

fn row(((at, _), line): (&(Timestamp, PaymentId), &Line), money: &Money) -> [String; 5] {
    [
        at.whole_secs().to_string(),
        money.price(&line.method, &line.currency, line.amount),
        line.standing.to_owned(),
        line.reference
            .as_deref()
            .map_or_else(|| "-".to_owned(), |reference| clean(reference).into_owned()),
        clean(&line.bought).into_owned(),
    ]
}
