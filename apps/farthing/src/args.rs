//! The command line.

use std::{env, net::SocketAddr, path::PathBuf};

use clap::{
    Args as Arguments, CommandFactory, Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser},
    error::ErrorKind,
};
use farthing::core::value::Price;
use http::Method;

use crate::{
    check::Check,
    complete, exit, gateway,
    inspect::Inspect,
    keystore::{Keystore, WalletName},
    networks::{self, RpcText},
    operator,
    pay::HeaderLine,
    receipts, sessions, wallet,
};

/// Pay for HTTP requests, and charge for them.
#[derive(Debug, Parser)]
#[command(name = "farthing", version, after_help = exit::help())]
#[command(disable_help_subcommand = true, max_term_width = 80)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print the whole command tree as JSON, for programs
    #[arg(long)]
    describe: bool,
    /// The folder of keys and receipts [default: $XDG_DATA_HOME/farthing]
    #[arg(long, global = true, value_name = "DIR", env = "FARTHING_KEYSTORE")]
    #[arg(hide_env_values = true, display_order = 100, value_parser = any_path())]
    keystore: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch a URL, and pay for it where that is asked
    ///
    /// Without --max, a payment that nobody confirms may cost $0.10, and all of them together $1.
    /// Limits of your own, from `farthing wallet budget set`, take the place of both.
    Pay(Pay),
    /// Keys to pay with, what they paid, and what they may spend
    #[command(subcommand)]
    Wallet(wallet::Args),
    /// The chains that wallets pay on, and where they are reached
    #[command(subcommand)]
    Networks(networks::Args),
    /// What was paid, and what is pending
    #[command(subcommand)]
    Receipts(receipts::Args),
    /// The channels that wallets pay out of: what is locked where, and getting it back
    #[command(subcommand)]
    Sessions(sessions::Args),
    /// Run a small paid API on this machine, with a funded wallet to try it with
    ///
    /// Nothing in it is worth anything: the wallet's passphrase lies beside it, and the money is
    /// the demo's own.
    Dev(Dev),
    /// Put prices in front of an API, without a change to it
    ///
    /// With a URL and a price nothing else is needed; a file says more. Payments are kept in a store
    /// on this machine. Buyers have accounts in it, which `farthing ledger deposit` credits, or pay on a
    /// chain with --tempo.
    Gateway(gateway::Args),
    /// Find out whether a server asks for payments as the specification has it
    ///
    /// Nothing is paid without --pay. The requests it makes are those of a hostile client too, so it is
    /// for servers of one's own.
    Check(Check),
    /// Say what a payment header or a saved response means, and what is wrong with it
    Inspect(Inspect),
    /// The accounts of a seller's ledger: who has what, and money in and out
    #[command(subcommand)]
    Ledger(operator::ledger::Args),
    /// The payments a seller's store knows: what is owed, and giving it back
    #[command(subcommand)]
    Payments(operator::payments::Args),
    /// The channels a seller's store is paid out of: settling and closing them, and the sums
    #[command(subcommand)]
    Channels(operator::channels::Args),
    /// Print a script that completes commands in a shell
    Completions(complete::Args),
    /// Print the whole command tree as JSON, which `--describe` asks for
    #[command(skip)]
    Describe,
}

/// The arguments of `farthing pay`.
#[derive(Debug, Arguments)]
#[command(after_help = exit::help())]
pub(crate) struct Pay {
    /// What to fetch
    pub(crate) url: String,
    /// The HTTP method [default: GET, or POST with -d]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) request: Option<Method>,
    /// A header line, 'Name: value'; repeatable
    #[arg(short = 'H', long = "header", value_name = "LINE")]
    pub(crate) headers: Vec<HeaderLine>,
    /// A form body: the text, @FILE, or @- for stdin; repeated ones are joined by '&'
    #[arg(
        short = 'd',
        long = "data",
        value_name = "DATA",
        allow_hyphen_values = true
    )]
    pub(crate) data: Vec<String>,
    /// Write the body to a file
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print the head of the answer as well
    #[arg(short = 'i', long = "include")]
    pub(crate) include: bool,
    /// Say nothing on stderr but errors
    #[arg(short = 's', long = "silent")]
    pub(crate) silent: bool,
    /// Print one JSON object: what was paid, and the answer; of a stream that a channel pays for, a line
    /// for each event
    #[arg(long, conflicts_with = "include")]
    pub(crate) json: bool,
    /// The most this request may cost, for example '$0.01' or '0.01 USD'; never more than the
    /// limits of `wallet budget`
    #[arg(long, value_name = "PRICE")]
    pub(crate) max: Option<Price>,
    /// The most that a rail may take for itself beside it, for example '$0.25' [default: $0.10]
    #[arg(long, value_name = "PRICE")]
    pub(crate) max_fee: Option<Price>,
    /// Pay out of a channel, opened now where none is, also where the request could be paid for alone
    #[arg(long)]
    pub(crate) session: bool,
    /// Pay for this request alone, also where a channel is open
    #[arg(long, conflicts_with = "session")]
    pub(crate) no_session: bool,
    /// The most to lock in one channel, for example '$5'; what is not spent comes back [default: $1]
    #[arg(long, value_name = "PRICE")]
    pub(crate) deposit: Option<Price>,
    /// The most to lock in all channels together [default: five deposits]
    #[arg(long, value_name = "PRICE")]
    pub(crate) locked: Option<Price>,
    /// Of a stream of events, print the data alone, a line each
    #[arg(long, conflicts_with = "json")]
    pub(crate) text: bool,
    /// Only say what it would cost
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask; the limits hold
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// The wallet to pay from [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    /// Pay by this method and no other
    #[arg(long, value_enum, value_name = "METHOD")]
    pub(crate) method: Option<Rail>,
    /// Send the transaction of a payment on a chain oneself, where the seller leaves that open
    #[arg(long)]
    pub(crate) push: bool,
    /// Pay on this network and no other: tempo, moderato, one of `farthing networks`
    /// [default: every one that is known]
    #[arg(
        long,
        value_name = "NAME",
        env = "FARTHING_NETWORK",
        hide_env_values = true
    )]
    pub(crate) network: Option<String>,
    /// Where to ask it, in place of its usual endpoints; repeatable
    #[arg(long, value_name = "URL", env = "FARTHING_RPC", hide_env_values = true)]
    pub(crate) rpc: Vec<RpcText>,
}

/// A method that wallets pay by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rail {
    /// Accounts in the seller's own store
    Ledger,
    /// Stablecoins on Tempo
    Tempo,
}

/// The arguments of `farthing dev`.
#[derive(Debug, Arguments)]
pub(crate) struct Dev {
    /// Print one line of JSON once it is ready, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to listen, an address of this machine only
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Keep everything in this folder [default: a new one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Pay on a chain on this machine; 'none' pays on a ledger in the demo's store
    #[arg(long, value_name = "CHAIN", value_enum, default_value = "none")]
    pub(crate) chain: OnChain,
}

/// What the demo is paid on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnChain {
    /// No chain, but a ledger
    None,
    /// Tempo: `anvil` has to be on the PATH, or named by FARTHING_ANVIL
    Tempo,
}

impl Args {
    /// The keystore that is meant: the one that is named, or the user's own.
    pub(crate) fn keystore(&self) -> Keystore {
        let named = self
            .keystore
            .clone()
            .filter(|dir| !dir.as_os_str().is_empty());
        Keystore::at(named.unwrap_or_else(default_keystore))
    }

    /// What is to be done. A command line that asks for nothing, or for two things, ends the program
    /// here, as one that cannot be read does.
    pub(crate) fn into_command(self) -> Command {
        let (kind, told) = match (self.command, self.describe) {
            (Some(command), false) => return command,
            (None, true) => return Command::Describe,
            (None, false) => (ErrorKind::MissingSubcommand, "a command is missing"),
            (Some(_), true) => (
                ErrorKind::ArgumentConflict,
                "--describe is about all commands, and stands alone",
            ),
        };
        Self::command().error(kind, told).exit()
    }
}

impl Command {
    /// Whether stdout belongs to one JSON object.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Describe => true,
            Self::Pay(pay) => pay.json,
            Self::Dev(dev) => dev.json,
            Self::Wallet(wallet) => wallet.is_json(),
            Self::Inspect(inspect) => inspect.json,
            Self::Check(check) => check.json,
            Self::Gateway(gateway) => gateway.is_json(),
            Self::Networks(networks) => networks.is_json(),
            Self::Receipts(receipts) => receipts.is_json(),
            Self::Sessions(sessions) => sessions.is_json(),
            Self::Ledger(ledger) => ledger.is_json(),
            Self::Payments(payments) => payments.is_json(),
            Self::Channels(channels) => channels.is_json(),
            Self::Completions(_) => false,
        }
    }
}

/// A path that may be empty: a variable that is set to nothing is as one that is not set.
pub(crate) fn any_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// As the XDG Base Directory Specification has it; a relative `XDG_DATA_HOME` does not count.
fn default_keystore() -> PathBuf {
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.filter(|dir| dir.is_absolute());
    let home = || env::home_dir().unwrap_or_default().join(".local/share");
    data.unwrap_or_else(home).join("farthing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
