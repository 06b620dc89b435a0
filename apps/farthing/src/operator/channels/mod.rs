//! `farthing channels`: the channels out of which a seller's store is paid, settling and closing them.
//!
//! | file | what is there |
//! |---|---|
//! | `args` | the arguments |
//! | `coins` | what amounts are of |
//! | `list` | the channels of a store, a page at a time |
//! | `show` | one channel, as it is shown |
//! | `report` | the sums |
//! | `work` | what settling and closing have in common: rails, questions, waiting |
//! | `settle`, `close` | the two |

mod args;
mod close;
mod coins;
mod list;
mod report;
mod settle;
mod show;
mod work;

use std::sync::Arc;

use farthing::{
    clock::SystemClock,
    core::{intent::session::ChannelId, port::backend::StoreError},
    server::session::{Books, OnDemand, SettleOptions, Till},
};

use super::{OperatorError, Store};
use crate::{error::Error, exit::Exit};

pub(crate) use args::Args;
use coins::Coins;

/// A store's channels, looked at.
struct Looking<'a> {
    till: Till,
    coins: Coins,
    store: &'a Store,
}

pub(crate) async fn run(command: Args) -> Result<Exit, Error> {
    let (config, store) = command.store().open_with_config()?;
    let looking = Looking {
        till: reader(&store)?,
        coins: Coins::of(config.as_ref()),
        store: &store,
    };
    let done = match &command {
        Args::List(asked) => list::run(&looking, asked).await,
        Args::Show { channel, json, .. } => show::run(&looking, channel, *json).await,
        Args::Report { limit, json, .. } => report::run(&looking, (*limit).into(), *json).await,
        Args::Settle(asked) => settle::run(&looking, config.as_ref(), asked).await,
        Args::Close(asked) => close::run(&looking, config.as_ref(), asked).await,
    };
    drop(looking);
    store.file.close().await;
    done
}

/// A till that reads the books and has no rails.
fn reader(store: &Store) -> Result<Till, Error> {
    let till = Till::on_demand(OnDemand {
        store: store.backend(),
        clock: Arc::new(SystemClock),
        rails: Vec::new(),
        observer: None,
        settle: SettleOptions::default(),
    });
    Ok(till.map_err(OperatorError::from)?)
}

impl Looking<'_> {
    /// A channel that has to be there.
    async fn books(&self, channel: &ChannelId) -> Result<Books, Error> {
        let found = self.till.show(channel).await.map_err(failed)?;
        found.ok_or_else(|| OperatorError::NoChannel(channel.clone()).into())
    }
}

fn failed(source: StoreError) -> Error {
    farthing::client::Error::from(source).into()
}
