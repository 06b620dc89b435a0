//! `farthing receipts`: what was paid, and what is pending.

mod args;
mod csv;
mod export;

use std::sync::Arc;

use farthing::{
    client::{Client, Outgoing, Policy, Standing, WriteOffError},
    clock::SystemClock,
    core::{
        domain::receipts::{Kept, Receipts},
        port::{
            BoxFuture,
            method::{Fault, Refusal},
            payer::{Offer, Payer, Proof, Quote, Resolved},
        },
        value::{MethodId, PaymentId, Timestamp},
    },
    ledger::method,
    tempo::TempoPayer,
};
use serde_json::{Value, json};

use crate::{
    buyer::{self, Opened},
    error::{Error, as_json, told},
    exit::Exit,
    keystore::Keystore,
    money::Money,
    screen::{self, Paint, clean},
};

pub(crate) use args::Args;

/// Receipts that are read at once.
pub(crate) const PAGE: usize = 200;

/// The store of what was paid, as somebody sees it who pays nothing.
pub(crate) struct Records {
    pub(crate) client: Client,
    /// What is known of the codes that receipts name.
    pub(crate) money: Money,
    receipts: Receipts,
    store: Opened,
}

pub(crate) async fn run(command: Args, keystore: &Keystore) -> Result<Exit, Error> {
    let records = match command.store() {
        Some(path) => Records::of(Opened::at(path)?, keystore, Policy::new(), Vec::new())?,
        None if matches!(command, Args::WriteOff { .. }) => {
            // The chain is asked before anything is given back.
            let watchers = buyer::watchers(keystore)?;
            Records::of(
                Opened::existing(keystore)?,
                keystore,
                Policy::new(),
                watchers,
            )?
        }
        None => Records::open(keystore, Policy::new())?,
    };
    let done = match command {
        Args::List {
            pending: false,
            limit,
            json,
            ..
        } => records.list(limit, json).await,
        Args::List { limit, json, .. } => records.list_pending(limit, json).await,
        Args::Show { id, json, .. } => records.show(id, json).await,
        Args::Export(export) => export::run(&export, &records).await,
        Args::WriteOff { id, json } => records.write_off(id, json).await,
    };
    records.close().await;
    done
}

impl Records {
    /// Looking makes no files: where nothing was paid yet there is nothing to see.
    pub(crate) fn open(keystore: &Keystore, policy: Policy) -> Result<Self, Error> {
        Self::of(Opened::existing(keystore)?, keystore, policy, Vec::new())
    }

    fn of(
        store: Opened,
        keystore: &Keystore,
        policy: Policy,
        watchers: Vec<TempoPayer>,
    ) -> Result<Self, Error> {
        let mut builder = Client::builder().payer(Onlooker(method()));
        for watcher in watchers {
            builder = builder.payer(watcher);
        }
        Ok(Self {
            money: Money::of(keystore)?,
            receipts: Receipts::new(Arc::clone(&store.backend)),
            client: builder
                .policy(policy)
                .backend(Arc::clone(&store.backend))
                .clock(Arc::new(SystemClock))
                .http(buyer::http())
                .build()?,
            store,
        })
    }

    pub(crate) async fn close(&self) {
        self.store.close().await;
    }

    /// The newest receipts first, going on after the last one of the page before.
    pub(crate) async fn page(
        &self,
        after: Option<&Kept>,
        limit: usize,
    ) -> Result<Vec<Kept>, Error> {
        self.receipts.list(after, limit).await.map_err(failed)
    }

    async fn list(&self, limit: usize, json: bool) -> Result<Exit, Error> {
        let mut kept: Vec<Kept> = Vec::new();
        while kept.len() < limit {
            let most = PAGE.min(limit - kept.len());
            let page = self.page(kept.last(), most).await?;
            let is_last = page.len() < most;
            kept.extend(page);
            if is_last {
                break;
            }
        }
        if json {
            return put(
                json!({ "receipts": kept.iter().map(|it| receipt(it, &self.money)).collect::<Vec<_>>() }),
            );
        }
        if kept.is_empty() {
            screen::tell("no receipts yet");
            screen::hint("farthing pay URL");
            return Ok(Exit::Done);
        }
        let rows: Vec<_> = kept.iter().map(|it| row(it, &self.money)).collect();
        put(screen::table(
            Paint::for_stdout(),
            ["ID", "PAID AT", "PRICE", "FOR"],
            &rows,
        ))?;
        if kept.len() == limit {
            screen::hint("there may be more: --limit shows them");
        }
        Ok(Exit::Done)
    }

    async fn list_pending(&self, limit: usize, json: bool) -> Result<Exit, Error> {
        let mut pending: Vec<Outgoing> = Vec::new();
        while pending.len() < limit {
            let most = PAGE.min(limit - pending.len());
            let page = self.client.pending(pending.last(), most).await?;
            let is_last = page.len() < most;
            pending.extend(page);
            if is_last {
                break;
            }
        }
        let rest = limit - pending.len();
        if rest > 0 {
            pending.extend(self.client.unconfirmed(None, rest).await?);
        }
        if json {
            return put(json!({ "pending": pending.iter().map(outgoing).collect::<Vec<_>>() }));
        }
        if pending.is_empty() {
            screen::tell("nothing is pending");
            return Ok(Exit::Done);
        }
        let rows: Vec<_> = pending.iter().map(pending_row).collect();
        let head = ["ID", "SINCE", "PRICE", "STANDING", "MONEY", "FOR"];
        put(screen::table(Paint::for_stdout(), head, &rows))?;
        if pending.iter().any(|one| one.standing == Standing::Doubtful) {
            screen::hint("farthing receipts write-off ID, for one you know nothing will come of");
        }
        if pending
            .iter()
            .any(|one| one.standing == Standing::Unconfirmed)
        {
            screen::hint(
                "farthing receipts write-off ID asks the rail about one that was served without a \
                 receipt: it was paid, or what it reserved comes free",
            );
        }
        if pending.iter().any(|one| one.standing == Standing::Signed) {
            screen::hint(
                "what is signed is sent again by the same `farthing pay` command, never signed anew",
            );
        }
        Ok(Exit::Done)
    }

    async fn write_off(&self, id: PaymentId, json: bool) -> Result<Exit, Error> {
        let payment = match self.client.write_off(id).await {
            Ok(payment) => payment,
            Err(WriteOffError::Client(error)) => return Err(error.into()),
            Err(WriteOffError::Unknown(id)) => return Err(Error::NoReceipt(id)),
            Err(refused) => {
                return Err(Error::Usage {
                    what: refused.to_string(),
                    next: match refused {
                        WriteOffError::Decided(_) => {
                            "see `farthing receipts show ID`: there is nothing to give back"
                        }
                        WriteOffError::Served => {
                            "there is nothing to give back until the rail says that it was never paid"
                        }
                        _ => "see `farthing receipts show ID`, and try again later",
                    },
                });
            }
        };
        put(if json {
            outgoing(&payment).to_string()
        } else {
            outgoing_rows(&payment)
        })
    }

    async fn show(&self, id: PaymentId, json: bool) -> Result<Exit, Error> {
        if let Some(kept) = self.receipts.get(id).await.map_err(failed)? {
            let shown = if json {
                receipt(&kept, &self.money).to_string()
            } else {
                receipt_rows(&kept, &self.money)
            };
            return put(shown);
        }
        let payment = self.client.payment(id).await?.ok_or(Error::NoReceipt(id))?;
        put(if json {
            outgoing(&payment).to_string()
        } else {
            outgoing_rows(&payment)
        })
    }
}

fn row(kept: &Kept, money: &Money) -> [String; 4] {
    [
        kept.payment.to_string(),
        kept.at.to_string(),
        price(kept, money),
        clean(&kept.bought).into_owned(),
    ]
}

/// A kept receipt names a currency by its code; what is known of the code is this program's.
fn price(kept: &Kept, money: &Money) -> String {
    money.price(kept.receipt.method(), &kept.currency, kept.amount)
}

fn pending_row(payment: &Outgoing) -> [String; 6] {
    [
        payment.id.to_string(),
        payment.at.to_string(),
        payment.currency().display(payment.amount),
        payment.standing.as_str().to_owned(),
        told(payment.moved()).to_owned(),
        format!("{} {}", payment.method, clean(&payment.url)),
    ]
}

fn receipt_rows(kept: &Kept, money: &Money) -> String {
    let receipt = &kept.receipt;
    let mut rows = vec![
        ("id", kept.payment.to_string()),
        ("price", price(kept, money)),
        ("for", clean(&kept.bought).into_owned()),
    ];
    let payee = kept.payee.as_ref();
    rows.extend(payee.map(|payee| ("to", clean(payee.as_str()).into_owned())));
    rows.extend(kept.payer.as_ref().map(|payer| ("from", payer.to_string())));
    rows.push(("by", receipt.method().to_string()));
    let token = money.token(&kept.currency);
    rows.extend(token.map(|token| ("token", format!("{}, {}", token.symbol, token.address))));
    rows.push(("settled", receipt.timestamp().to_string()));
    rows.push((
        "reference",
        clean(receipt.reference().as_str()).into_owned(),
    ));
    for (name, value) in receipt.extra() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        rows.push((name, clean(&value).into_owned()));
    }
    screen::rows(Paint::for_stdout(), 0, &rows)
}

fn outgoing_rows(payment: &Outgoing) -> String {
    let mut rows = vec![
        ("id", payment.id.to_string()),
        ("standing", payment.standing.as_str().to_owned()),
        ("money", told(payment.moved()).to_owned()),
        ("price", payment.currency().display(payment.amount)),
        ("for", format!("{} {}", payment.method, clean(&payment.url))),
        ("asked by", clean(payment.realm.as_str()).into_owned()),
        ("from", payment.payer.to_string()),
        ("by", payment.rail.to_string()),
        ("since", payment.at.to_string()),
    ];
    let (reference, problem) = (payment.reference.as_ref(), payment.problem.as_deref());
    rows.extend(reference.map(|it| ("reference", clean(it.as_str()).into_owned())));
    rows.extend(problem.map(|it| ("problem", clean(it).into_owned())));
    screen::rows(Paint::for_stdout(), 0, &rows)
}

fn receipt(kept: &Kept, money: &Money) -> Value {
    json!({
        "payment": kept.payment,
        "amount": kept.amount,
        "currency": kept.currency,
        "decimals": money.decimals(kept.receipt.method(), &kept.currency),
        "price": price(kept, money),
        "recipient": kept.payee,
        "payer": kept.payer,
        "for": kept.bought,
        "at": kept.at,
        "receipt": kept.receipt,
    })
}

fn outgoing(payment: &Outgoing) -> Value {
    json!({
        "payment": payment.id,
        "standing": payment.standing,
        "moneyMoved": as_json(payment.moved()),
        "amount": payment.amount,
        "currency": payment.currency,
        "price": payment.currency().display(payment.amount),
        "recipient": payment.payee,
        "payer": payment.payer,
        "request": format!("{} {}", payment.method, payment.url),
        "realm": payment.realm,
        "method": payment.rail,
        "challenge": payment.challenge,
        "reference": payment.reference,
        "problem": payment.problem,
        "at": payment.at,
    })
}

fn failed(source: farthing::core::port::backend::StoreError) -> Error {
    farthing::client::Error::from(source).into()
}

fn put(text: impl std::fmt::Display) -> Result<Exit, Error> {
    screen::data(text).map_err(Error::System)?;
    Ok(Exit::Done)
}

/// Looks and never pays: a client has to have somebody to pay with.
struct Onlooker(MethodId);

impl Payer for Onlooker {
    fn method(&self) -> &MethodId {
        &self.0
    }

    fn quote(&self, _: &Offer) -> Result<Quote, Refusal> {
        Err(looks())
    }

    fn sign<'a>(&'a self, _: &'a Offer, _: Timestamp) -> BoxFuture<'a, Result<Proof, Refusal>> {
        Box::pin(std::future::ready(Err(looks())))
    }

    fn resolve<'a>(&'a self, _: &'a Proof, _: Timestamp) -> BoxFuture<'a, Resolved> {
        Box::pin(std::future::ready(Resolved::Unknown))
    }
}

fn looks() -> Refusal {
    Refusal::new(Fault::Unsupported, "this run only looks at what was paid")
}
