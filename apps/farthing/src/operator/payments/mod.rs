//! `farthing payments`: what a seller's store knows, what is owed, and giving it back.

mod args;

use std::sync::Arc;

use farthing::{
    clock::SystemClock,
    core::{
        domain::{claims::Held, payments::Payments},
        payment::{Payment, State},
        port::{backend::StoreError, clock::Clock, method::Charge},
        value::{PaymentId, Reference, Timestamp},
    },
    ledger::{Account, Ledger, method},
    server::{record_refund, refund, write_off},
};
use serde_json::{Value, json};

use super::{OperatorError, PAGE, Store, put};
use crate::{
    error::{Error, as_json, told},
    exit::Exit,
    money::Money,
    screen::{self, Paint, clean},
};

pub(crate) use args::Args;

pub(crate) async fn run(command: Args) -> Result<Exit, Error> {
    let at = match &command {
        Args::List { store, .. }
        | Args::Show { store, .. }
        | Args::Refund { store, .. }
        | Args::WriteOff { store, .. } => store,
    };
    let store = at.open()?;
    let payments = Payments::new(store.backend());
    let done = match command {
        Args::List {
            owed,
            defaulted,
            limit,
            json,
            ..
        } => {
            let lists: &[List] = match (owed, defaulted) {
                (true, _) => &[List::Owed],
                (_, true) => &[List::Defaulted],
                _ => &[List::Owed, List::Defaulted, List::Others],
            };
            list(&payments, lists, limit.into(), json, &store).await
        }
        Args::Show { id, json, .. } => match find(&payments, id).await {
            Ok(payment) => put(shown(&payment, json)),
            Err(error) => Err(error),
        },
        Args::Refund {
            id,
            reference,
            yes,
            json,
            ..
        } => give_back(&payments, id, reference, yes, json).await,
        Args::WriteOff { id, yes, json, .. } => let_go(&payments, id, yes, json).await,
    };
    store.file.close().await;
    done
}

/// The lists of a store, in the order in which they are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Owed,
    Defaulted,
    Others,
}

impl List {
    /// What is said where they are empty.
    const fn empty(lists: &[Self]) -> &'static str {
        match lists {
            [Self::Owed] => "nothing is owed",
            [Self::Defaulted] => "nothing was served on credit and never paid",
            _ => "no payments",
        }
    }
}

async fn list(
    payments: &Payments,
    lists: &[List],
    limit: usize,
    json: bool,
    store: &Store,
) -> Result<Exit, Error> {
    let mut found: Vec<Held<Payment>> = Vec::new();
    for list in lists {
        // Each list goes on from its own last row.
        let start = found.len();
        while found.len() < limit {
            let most = PAGE.min(limit - found.len());
            let last = found[start..].last();
            let page = match (list, last) {
                (List::Owed, None) => payments.owed(most).await,
                (List::Owed, Some(last)) => payments.owed_after(last, most).await,
                (List::Defaulted, last) => payments.defaulted(last, most).await,
                (List::Others, None) => payments.due(Timestamp::FAR, most).await,
                (List::Others, Some(last)) => payments.due_after(Timestamp::FAR, last, most).await,
            };
            let page = page.map_err(failed)?;
            let is_last = page.len() < most;
            found.extend(page);
            if is_last {
                break;
            }
        }
    }
    if json {
        let found = found.iter().map(|held| object(&held.record));
        return put(json!({
            "store": store.told(),
            "payments": found.collect::<Vec<_>>(),
        }));
    }
    if found.is_empty() {
        screen::tell(List::empty(lists));
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = found.iter().map(|held| row(&held.record)).collect();
    let head = ["ID", "CLAIMED", "PRICE", "STATE", "ROUTE"];
    put(screen::table(Paint::for_stdout(), head, &rows))?;
    let any = |state| found.iter().any(|held| held.record.state == state);
    if any(State::Owed) {
        screen::hint("farthing payments refund ID, for what is owed");
    }
    if any(State::Defaulted) {
        screen::hint("farthing payments write-off ID, for what was never paid");
    }
    if found.len() == limit {
        screen::hint("there may be more: --limit shows them");
    }
    Ok(Exit::Done)
}

async fn find(payments: &Payments, id: PaymentId) -> Result<Payment, Error> {
    let held = payments.claims().load(&id.to_key()).await.map_err(failed)?;
    held.map(|held| held.record)
        .ok_or_else(|| OperatorError::NoPayment(id).into())
}

async fn give_back(
    payments: &Payments,
    id: PaymentId,
    returned: Option<Reference>,
    yes: bool,
    json: bool,
) -> Result<Exit, Error> {
    let payment = find(payments, id).await?;
    if !yes {
        confirm(&payment, "Refund it?")?;
    }
    let mut methods: Vec<Arc<dyn Charge>> = Vec::new();
    if payment.method == method() {
        let payee = payment.payee.as_ref();
        let payee = payee.and_then(|payee| Account::parse(payee.as_str()).ok());
        // The books take the payee from the payment; without one they refuse.
        methods.extend(payee.map(|payee| Arc::new(Ledger::new(payee)) as Arc<dyn Charge>));
    }
    let now = SystemClock.now();
    let refunded = match returned {
        Some(returned) => record_refund(payments, &methods, id, returned, now).await,
        None => refund(payments, &methods, id, now).await,
    };
    let refunded = refunded.map_err(OperatorError::from)?;
    if json {
        return put(object(&refunded));
    }
    screen::tell(format!(
        "{} {} to {}",
        Paint::for_stderr().good("refunded"),
        price(&refunded),
        refunded
            .payer
            .as_ref()
            .map_or("whoever paid", |payer| payer.as_str()),
    ));
    Ok(Exit::Done)
}

async fn let_go(payments: &Payments, id: PaymentId, yes: bool, json: bool) -> Result<Exit, Error> {
    let payment = find(payments, id).await?;
    if !yes {
        confirm(&payment, "Write it off?")?;
    }
    let gone = write_off(payments, id, SystemClock.now())
        .await
        .map_err(OperatorError::from)?;
    if json {
        return put(object(&gone));
    }
    screen::tell(format!(
        "{} {}, served on credit and never paid",
        Paint::for_stderr().good("written off"),
        price(&gone),
    ));
    Ok(Exit::Done)
}

fn confirm(payment: &Payment, question: &str) -> Result<(), Error> {
    if !screen::can_ask() {
        return Err(Error::Usage {
            what: "there is no terminal to confirm it at".to_owned(),
            next: "say with --yes that it is meant",
        });
    }
    screen::tell(rows(payment, Paint::for_stderr(), 2));
    let answer = screen::ask(&format!("{question} [y/N] ")).map_err(Error::System)?;
    if screen::is_yes(&answer) {
        Ok(())
    } else {
        Err(Error::Declined)
    }
}

fn row(payment: &Payment) -> [String; 5] {
    [
        payment.id.to_string(),
        payment.claimed_at.whole_secs().to_string(),
        price(payment),
        payment.state.as_str().to_owned(),
        clean(payment.route.as_str()).into_owned(),
    ]
}

fn shown(payment: &Payment, json: bool) -> String {
    if json {
        object(payment).to_string()
    } else {
        rows(payment, Paint::for_stdout(), 0)
    }
}

fn rows(payment: &Payment, paint: Paint, indent: usize) -> String {
    let mut rows = vec![
        ("id", payment.id.to_string()),
        ("state", payment.state.as_str().to_owned()),
        ("money", told(payment.state.moved()).to_owned()),
        ("price", price(payment)),
        ("route", clean(payment.route.as_str()).into_owned()),
        ("by", payment.method.to_string()),
        ("claimed", payment.claimed_at.to_string()),
    ];
    let (payer, payee) = (payment.payer.as_ref(), payment.payee.as_ref());
    rows.extend(payer.map(|it| ("from", clean(it.as_str()).into_owned())));
    rows.extend(payee.map(|it| ("to", clean(it.as_str()).into_owned())));
    rows.extend(payment.settled_at.map(|at| ("settled", at.to_string())));
    let reference = payment.reference.as_ref();
    rows.extend(reference.map(|it| ("reference", clean(it.as_str()).into_owned())));
    // What is awaited is of interest as long as nothing is known.
    let awaits = payment.awaits.as_ref().filter(|_| reference.is_none());
    rows.extend(awaits.map(|it| ("awaits", clean(it.as_str()).into_owned())));
    let returned = payment.returned.as_ref();
    rows.extend(returned.map(|it| ("sent back", clean(it.as_str()).into_owned())));
    screen::rows(paint, indent, &rows)
}

fn object(payment: &Payment) -> Value {
    json!({
        "payment": payment.id,
        "state": payment.state,
        "moneyMoved": as_json(payment.state.moved()),
        "amount": payment.amount,
        "currency": payment.currency,
        "decimals": Money::public().decimals(&payment.method, &payment.currency),
        "price": price(payment),
        "method": payment.method,
        "route": payment.route.as_str(),
        "payer": payment.payer,
        "recipient": payment.payee,
        "challenge": payment.challenge,
        "claimedAt": payment.claimed_at,
        "settledAt": payment.settled_at,
        "reference": payment.reference,
        "awaits": payment.awaits,
        "returned": payment.returned,
        "deliveries": payment.attempts,
    })
}

/// The price in what everybody knows of the currency: a seller's store has no networks of its own.
fn price(payment: &Payment) -> String {
    Money::public().price(&payment.method, &payment.currency, payment.amount)
}

fn failed(source: StoreError) -> Error {
    farthing::client::Error::from(source).into()
}
