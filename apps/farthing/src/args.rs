//! The command line.

use std::{env, net::SocketAddr, path::PathBuf};

use clap::{
    Args as Arguments, Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser},
};
use farthing::core::value::{PaymentId, Price};
use http::Method;

use crate::{
    exit,
    inspect::Inspect,
    keystore::{Keystore, Kind, WalletName},
    pay::HeaderLine,
};

/// Pay for HTTP requests, and try out charging for them.
#[derive(Debug, Parser)]
#[command(name = "farthing", version, after_help = exit::help())]
#[command(disable_help_subcommand = true, max_term_width = 80)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
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
    Pay(Pay),
    /// Keys to pay with
    #[command(subcommand)]
    Wallet(Wallet),
    /// What was paid, and what is pending
    #[command(subcommand)]
    Receipts(Receipts),
    /// Run a small paid API on this machine, with a funded wallet to try it with
    ///
    /// Nothing in it is worth anything: the wallet's passphrase lies beside it, and the money is
    /// the demo's own.
    Dev(Dev),
    /// Say what a payment header or a saved response means, and what is wrong with it
    Inspect(Inspect),
}

/// The arguments of `farthing pay`.
#[derive(Debug, Arguments)]
#[command(after_help = exit::help())]
pub(crate) struct Pay {
    /// What to fetch
    pub(crate) url: String,
    /// The HTTP method [default: GET, or POST with -d]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<Method>,
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
    /// Print one JSON object: what was paid, and the answer
    #[arg(long, conflicts_with = "include")]
    pub(crate) json: bool,
    /// The most this request may cost, for example '$0.01' or '0.01 USD'
    #[arg(long, value_name = "PRICE")]
    pub(crate) max: Option<Price>,
    /// Only say what it would cost
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask; the limits hold
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// The wallet to pay from [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Wallet {
    /// Make a wallet with a new key
    Create {
        /// What to call it
        #[arg(default_value = "default")]
        name: WalletName,
        /// The kind of key
        #[arg(long, value_enum, default_value_t = Kind::Ed25519, value_name = "KIND")]
        key_type: Kind,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the wallets and their accounts
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what a wallet's account has in a seller's store on this machine
    Balance {
        /// The seller's store; a demo's wallet knows its own
        #[arg(
            long,
            value_name = "FILE",
            env = "FARTHING_STORE",
            hide_env_values = true,
            value_parser = any_path()
        )]
        store: Option<PathBuf>,
        /// The wallet [default: the only one, or 'default']
        #[arg(long, value_name = "NAME")]
        wallet: Option<WalletName>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Receipts {
    /// List receipts, the newest first
    List {
        /// List the payments whose outcome is not known instead
        #[arg(long)]
        pending: bool,
        /// How many to show
        #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
        limit: usize,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show one receipt or pending payment
    Show {
        /// Its id, as `receipts list` shows it
        // One in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: PaymentId,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Give a pending payment up, and its share of the budgets back
    ///
    /// Only once what was signed has run out. It is your decision and no proof: where the seller took
    /// the payment in time after all, money has moved.
    WriteOff {
        /// Its id, as `receipts list --pending` shows it
        #[arg(allow_hyphen_values = true)]
        id: PaymentId,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
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

    /// Whether stdout belongs to one JSON object.
    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            Command::Pay(pay) => pay.json,
            Command::Dev(dev) => dev.json,
            Command::Inspect(inspect) => inspect.json,
            Command::Wallet(
                Wallet::Create { json, .. } | Wallet::List { json } | Wallet::Balance { json, .. },
            )
            | Command::Receipts(
                Receipts::List { json, .. }
                | Receipts::Show { json, .. }
                | Receipts::WriteOff { json, .. },
            ) => *json,
        }
    }
}

/// A path that may be empty: a variable that is set to nothing is as one that is not set.
fn any_path() -> impl TypedValueParser<Value = PathBuf> {
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
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }
}
