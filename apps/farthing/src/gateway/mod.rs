//! `farthing gateway`: prices in front of an API that knows nothing of them.

mod check;
mod error;
mod explain;
mod findings;
mod init;
mod pay;
mod rules;
mod run;
mod seller;
mod sessions;
mod show;
mod signals;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args as Arguments, Subcommand};
use farthing::{
    core::value::{Price, Realm},
    ledger::Account,
};

pub(crate) use error::GatewayError;
pub(crate) use findings::{as_json as findings_json, told as findings_told};

use crate::{
    args::any_path,
    error::Error,
    exit::{self, Exit},
    keystore::Keystore,
};

/// Where a gateway listens unless it is told.
const LISTEN: &str = "127.0.0.1:8402";

/// The arguments of `farthing gateway`.
#[derive(Debug, Arguments)]
#[command(after_help = exit::help(), args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

/// What can be done with a gateway's file beside running it.
#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is wrong with a file, or show its prices
    Check(check::Check),
    /// Say which rule decides about a request, and why no other
    Explain(explain::Explain),
    /// Write a first file, from the API's OpenAPI document where there is one
    Init(Box<init::Init>),
}

/// What a gateway is told on the command line.
#[derive(Debug, Arguments)]
struct Run {
    /// The API to stand in front of; without it, farthing.toml says
    #[arg(requires = "price", conflicts_with = "config")]
    url: Option<String>,
    /// What each request costs, for example '$0.002'
    #[arg(long, value_name = "PRICE", requires = "url")]
    price: Option<Price>,
    /// A request that costs nothing, 'GET /health'; repeatable
    #[arg(long, value_name = "RULE", requires = "url")]
    free: Vec<String>,
    /// The file of the gateway [default: farthing.toml]
    #[arg(long, value_name = "FILE", value_parser = any_path())]
    config: Option<PathBuf>,
    /// Where to listen, an address of this machine only [default: 127.0.0.1:8402]
    #[arg(long, value_name = "ADDR", requires = "url")]
    listen: Option<SocketAddr>,
    /// The public host of the API [default: where it listens]
    #[arg(long, value_name = "HOST", requires = "url")]
    site: Option<Realm>,
    /// Who is paid on the ledger [default: a key made once, beside the store]
    #[arg(long, value_name = "DID", requires = "url")]
    account: Option<Account>,
    /// Who is paid on Tempo, in stablecoins; without --account only there
    #[arg(long, value_name = "ADDRESS", requires = "url")]
    tempo: Option<String>,
    /// The network of Tempo: 'tempo', or 'moderato' to try it out [default: tempo]
    #[arg(long, value_name = "NAME", requires = "tempo")]
    network: Option<String>,
    /// Where payments are kept [default: in the keystore's folder]
    #[arg(long, value_name = "FILE", requires = "url", value_parser = any_path())]
    store: Option<PathBuf>,
    /// Print a JSON object a line: when it listens, when it was reloaded, when it ends
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Whether stdout is for programs.
    pub(crate) const fn is_json(&self) -> bool {
        match &self.command {
            None => self.run.json,
            Some(Command::Check(check)) => check.json,
            Some(Command::Explain(explain)) => explain.json,
            Some(Command::Init(_)) => false,
        }
    }
}

pub(crate) async fn run(args: Args, keystore: &Keystore) -> Result<Exit, Error> {
    match &args.command {
        None => run::run(args.run, keystore).await,
        Some(Command::Check(check)) => check::run(check),
        Some(Command::Explain(explain)) => explain::run(explain),
        Some(Command::Init(init)) => init::run(init),
    }
}
