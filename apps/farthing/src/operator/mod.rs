//! What an operator does with a seller's store: accounts, money in and out, what is owed.

pub(crate) mod channels;
mod error;
pub(crate) mod ledger;
pub(crate) mod payments;

use std::{fmt::Display, path::PathBuf, sync::Arc};

use farthing::{core::port::backend::Backend, store::SqliteBackend};

use farthing_gateway::config::{self as gateway, Config};

use crate::{args::any_path, buyer, error::Error, exit::Exit, gateway::GatewayError, screen};

pub(crate) use error::{OperatorError, Problem};

/// Rows that are read at once.
const PAGE: usize = 200;

/// Where the seller's store is.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreAt {
    /// The seller's store
    #[arg(
        long,
        value_name = "FILE",
        env = "FARTHING_STORE",
        hide_env_values = true,
        value_parser = any_path()
    )]
    store: Option<PathBuf>,
    /// The gateway's file, which names its store; it comes before --store
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A store that is there, open.
struct Store {
    path: PathBuf,
    file: Arc<SqliteBackend>,
}

impl StoreAt {
    /// Opens it, with the gateway's file where one names it.
    fn open_with_config(&self) -> Result<(Option<Config>, Store), Error> {
        let config = self.config.as_ref();
        let config = config.map(|file| Config::read(file).map_err(GatewayError::File));
        Ok((config.transpose()?, self.open()?))
    }

    /// The store's file: the one a gateway's file names, else the one that is named here or in the
    /// environment.
    pub(crate) fn path(&self) -> Result<PathBuf, Error> {
        if let Some(file) = &self.config {
            let config = Config::read(file).map_err(GatewayError::File)?;
            return match config.store {
                gateway::Store::Sqlite(path) => Ok(path),
                _ => Err(OperatorError::NoStore.into()),
            };
        }
        let named = self.store.clone();
        named
            .filter(|path| !path.as_os_str().is_empty())
            .ok_or_else(|| OperatorError::NoStore.into())
    }

    /// Opens it. One that is not there is not made: its name would be a slip.
    fn open(&self) -> Result<Store, Error> {
        let path = self.path()?;
        if !path.exists() {
            return Err(OperatorError::MissingStore(path).into());
        }
        let file = buyer::open_existing(&path)?;
        Ok(Store { path, file })
    }
}

impl Store {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.file) as Arc<dyn Backend>
    }

    fn told(&self) -> String {
        self.path.display().to_string()
    }
}

fn put(text: impl Display) -> Result<Exit, Error> {
    screen::data(text).map_err(Error::System)?;
    Ok(Exit::Done)
}
