//! `farthing sessions`: the channels that wallets pay out of, and how what is locked comes back.

mod args;
mod error;
mod show;

use farthing::{
    client::{Client, CloseHow, Error as ClientError, Policy, Purse, SessionFault, Stage},
    core::{payment::Moved, value::PaymentId},
};
use serde_json::json;

use crate::{
    buyer::{Buyer, Rails},
    error::Error,
    exit::Exit,
    keystore::{Keystore, WalletName},
    money::Money,
    networks::{self, OnNetwork},
    screen,
    signer::Signer,
};

pub(crate) use args::Args;
pub(crate) use error::{ElseBy, NotClosed, of_fault};
pub(crate) use show::object;

use args::{Close, Recover};

/// Channels that are read at once.
const PAGE: usize = 200;

pub(crate) async fn run(command: Args, keystore: &Keystore) -> Result<Exit, Error> {
    match command {
        Args::List { all, limit, json } => {
            let looking = Looking::at(keystore, &OnNetwork::default())?;
            let listed = list(&looking.client, all, limit.into()).await;
            looking
                .end(listed.and_then(|purses| show::list(&purses, json)))
                .await
        }
        Args::Show { id, json } => {
            let looking = Looking::at(keystore, &OnNetwork::default())?;
            let found = find(&looking.client, id).await;
            looking
                .end(found.and_then(|purse| show::one(&purse, json)))
                .await
        }
        Args::Close(asked) => close(&asked, keystore).await,
        Args::Sync { on, json } => sync(&on, json, keystore).await,
        Args::Recover(asked) => recover(&asked, keystore).await,
    }
}

/// Every wallet's channels, looked at.
struct Looking {
    buyer: Buyer,
    client: Client,
}

impl Looking {
    fn at(keystore: &Keystore, on: &OnNetwork) -> Result<Self, Error> {
        let buyer = Buyer::of_all(keystore, leaving(keystore)?, rails(keystore, on)?)?;
        let client = buyer.client(None)?;
        Ok(Self { buyer, client })
    }

    async fn end<T>(self, done: Result<T, Error>) -> Result<T, Error> {
        let done = done.map_err(|error| self.buyer.locked_out().map_or(error, Error::Keystore));
        self.buyer.close().await;
        done
    }
}

fn rails(keystore: &Keystore, on: &OnNetwork) -> Result<Rails, Error> {
    Ok(Rails {
        networks: networks::all(keystore, on)?,
        ..Rails::of(keystore)?
    })
}

/// Nothing is bought here, so no limit keeps anybody from getting back what is theirs.
fn leaving(keystore: &Keystore) -> Result<Policy, Error> {
    let mut policy = Policy::new();
    for currency in Money::of(keystore)?.all() {
        let most = format!("1000000000 {}", currency.symbol).parse();
        if let Ok(most) = most {
            policy = policy.max_per_request(most);
        }
    }
    Ok(policy)
}

/// The latest ones first: those that live, then those that ended.
async fn list(client: &Client, all: bool, limit: usize) -> Result<Vec<Purse>, Error> {
    let sessions = client.sessions();
    let mut found = Vec::new();
    for ended in [false, true].into_iter().take(1 + usize::from(all)) {
        let mut group: Vec<Purse> = Vec::new();
        loop {
            let last = group.last();
            let page = match ended {
                false => sessions.list(last, PAGE).await?,
                true => sessions.ended(last, PAGE).await?,
            };
            let is_last = page.len() < PAGE;
            group.extend(page);
            if is_last {
                break;
            }
        }
        group.reverse();
        found.extend(group);
    }
    found.truncate(limit);
    Ok(found)
}

async fn find(client: &Client, id: PaymentId) -> Result<Purse, Error> {
    let found = client.sessions().show(id).await?;
    Ok(found.ok_or_else(|| ClientError::from(SessionFault::NoChannel))?)
}

async fn close(asked: &Close, keystore: &Keystore) -> Result<Exit, Error> {
    let looking = Looking::at(keystore, &asked.on)?;
    let found = find(&looking.client, asked.id).await;
    let purse = looking.end(found).await?;
    let wallet = wallet_of(keystore, &purse, asked.wallet.as_ref())?;
    let rails = rails(keystore, &asked.on)?;
    let buyer = Buyer::new(keystore, wallet.as_ref(), leaving(keystore)?, rails)?;
    let client = buyer.client(None)?;
    if !asked.json {
        screen::tell(match asked.alone {
            true => "asking the chain to close it without its seller".to_owned(),
            false => format!("asking {} to close it", screen::clean(purse.realm.as_str())),
        });
    }
    let how = match asked.alone {
        true => CloseHow::Alone,
        false => CloseHow::Together,
    };
    let sessions = client.sessions();
    // What is begun is written down before it is sent, so a run that is interrupted is gone on with.
    let closed = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted { moved: Moved::Unknown }),
        closed = sessions.close(asked.id, how) => closed.map_err(|source| {
            let else_by = match asked.alone {
                _ if purse.rail == farthing::ledger::method() => ElseBy::Nobody,
                true => ElseBy::Asked,
                false => ElseBy::Payer,
            };
            Error::NotClosed(Box::new(NotClosed { id: asked.id, else_by, source }))
        }),
    };
    let closed = closed.map_err(|error| buyer.locked_out().map_or(error, Error::Keystore));
    buyer.close().await;
    show::closing(&closed?, asked.json)
}

/// The wallet whose channel it is.
fn wallet_of(
    keystore: &Keystore,
    purse: &Purse,
    named: Option<&WalletName>,
) -> Result<Option<WalletName>, Error> {
    if named.is_some() {
        return Ok(named.cloned());
    }
    let usual = Signer::of(keystore, None);
    if usual.is_ok_and(|signer| signer.holder.is(&purse.payer)) {
        return Ok(None);
    }
    let mut wallets = keystore.wallets()?.into_iter();
    let owner = wallets.find(|wallet| wallet.holder.is(&purse.payer));
    let owner = owner
        .ok_or_else(|| ClientError::from(SessionFault::NoPayer(purse.rail.as_str().into())))?;
    Ok(Some(owner.name))
}

async fn sync(on: &OnNetwork, json: bool, keystore: &Keystore) -> Result<Exit, Error> {
    let looking = Looking::at(keystore, on)?;
    let synced = looking.client.sessions().sync().await.map_err(Error::from);
    let synced = looking.end(synced).await?;
    show::synced(synced, json)
}

async fn recover(asked: &Recover, keystore: &Keystore) -> Result<Exit, Error> {
    let rails = rails(keystore, &asked.on)?;
    let buyer = Buyer::new(keystore, asked.wallet.as_ref(), leaving(keystore)?, rails)?;
    let client = buyer.client(None)?;
    let found = client.sessions().recover(&asked.url).await;
    let found = found.map_err(|error| {
        buyer
            .locked_out()
            .map_or(Error::Client(error), Error::Keystore)
    });
    buyer.close().await;
    let found = found?;
    if asked.json {
        let found = found.iter().map(|found| {
            let mut told = object(&found.purse);
            told["accepted"] = json!(found.accepted);
            told["spent"] = json!(found.spent);
            told
        });
        return show::put(json!({ "found": found.collect::<Vec<_>>() }));
    }
    if found.is_empty() {
        screen::tell("the seller tells of no channel that is not known here");
        return Ok(Exit::Done);
    }
    let purses: Vec<_> = found.into_iter().map(|found| found.purse).collect();
    show::list(&purses, false)
}

/// What there is to do next with a channel.
fn next(purse: &Purse) -> Option<String> {
    match purse.stage {
        Stage::Open | Stage::Closing => Some(format!("farthing sessions close {}", purse.id)),
        Stage::Opening => Some("farthing sessions sync".to_owned()),
        _ => None,
    }
}

fn hint_of(purse: &Purse) {
    if let Some(next) = next(purse) {
        screen::hint(next);
    }
}
