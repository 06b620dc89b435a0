//! `farthing wallet keys`: keys that may spend a part of what a wallet has.

mod args;
mod call;
mod grant;
mod list;
mod revoke;
mod subject;

use crate::{error::Error, exit::Exit, keystore::Keystore};

pub(crate) use args::{Age, Allowance, Args};

pub(super) async fn run(command: Args, keystore: &Keystore) -> Result<Exit, Error> {
    match command {
        Args::Grant(asked) => grant::run(&asked, keystore).await,
        Args::List(asked) => list::run(&asked, keystore).await,
        Args::Revoke(asked) => revoke::run(&asked, keystore).await,
    }
}
