//! The arguments of `farthing wallet`.

use std::path::PathBuf;

use clap::Subcommand;
use farthing::core::value::Price;

use super::{keys, send::Send};
use crate::{
    args::any_path,
    keystore::{Host, Kind, WalletName},
    networks::OnNetwork,
    when::When,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Make a wallet with a new key
    Create {
        /// What to call it
        #[arg(default_value = "default")]
        name: WalletName,
        /// The kind of key
        #[arg(long, value_enum, default_value_t = Kind::Secp256k1, value_name = "KIND")]
        key_type: Kind,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make a wallet with a key from elsewhere
    ///
    /// The key is read from a terminal that does not show it, from stdin, or from a file; never from
    /// the command line, which other programs can see. It is written as `wallet export` prints it
    /// (z…), as 64 hexadecimal digits, or as those behind `ed25519:`, `secp256k1:` or `p256:`. With
    /// `0x` in front they are a secp256k1 key, as Ethereum's wallets write it, without it an Ed25519
    /// seed, unless --key-type says otherwise.
    Import(Import),
    /// Print a wallet's secret key
    ///
    /// Whoever reads it can spend everything the account has. On a terminal the wallet's name has to
    /// be typed first; a program says --yes. The passphrase is needed in any case.
    Export(Export),
    /// List the wallets and their accounts
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what a wallet has
    ///
    /// On the network that is named or meant. What it has on a ledger is kept by the seller: where their
    /// store is on this machine, --store names it and the balance is read there.
    Balance(Balance),
    /// Send money on a chain
    ///
    /// It asks first; without a terminal, --yes says that it is meant. Given an id, the same command
    /// can be repeated: money moves once for an id, whatever happened before. The limits of `wallet
    /// budget` are about what servers ask for, and do not count here.
    Send(Send),
    /// Get test money, or see where to send real money
    Fund(Fund),
    /// Keys that may spend a part of what a wallet has
    ///
    /// An access key signs for the wallet's account within limits that the chain keeps: how much of
    /// which token, until when, for whom. Give one to an agent, and keep the wallet.
    #[command(subcommand)]
    Keys(keys::Args),
    /// Show what a wallet paid, the newest first, with the sums
    History(History),
    /// Show what may be spent and what is left of it, or set the limits
    #[command(args_conflicts_with_subcommands = true)]
    Budget(Budget),
}

/// The arguments of `farthing wallet balance`.
#[derive(Debug, clap::Args)]
pub(crate) struct Balance {
    #[command(flatten)]
    pub(crate) on: OnNetwork,
    /// Only this token: its symbol or its address
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// A seller's store on this machine; a demo's wallet knows its own
    #[arg(
        long,
        value_name = "FILE",
        env = "FARTHING_STORE",
        hide_env_values = true,
        value_parser = any_path()
    )]
    pub(crate) store: Option<PathBuf>,
    /// The wallet [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `farthing wallet fund`.
#[derive(Debug, clap::Args)]
pub(crate) struct Fund {
    #[command(flatten)]
    pub(crate) on: OnNetwork,
    /// The wallet [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `farthing wallet import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// What to call it; a name that is not taken
    pub(crate) name: WalletName,
    /// A file that holds the key; - is stdin [default: a terminal is asked, else stdin]
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// The kind of key that digits are which do not say it
    /// [default: secp256k1 with 0x, else ed25519]
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) key_type: Option<Kind>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `farthing wallet export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The wallet
    pub(crate) name: WalletName,
    /// Write it to a new file that only its owner can read
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// As 0x and 64 digits, which other wallets read, rather than as a multibase
    #[arg(long)]
    pub(crate) digits: bool,
    /// Do not ask; only with --json or without a terminal
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `farthing wallet history`.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// The wallet [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    /// Only from then on: 2026-01-31, 2026-01-31T12:00:00Z, or an age such as 30d, 12h, 15m
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<When>,
    /// How many to show; the sums are of all
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `farthing wallet budget`.
#[derive(Debug, clap::Args)]
pub(crate) struct Budget {
    #[command(subcommand)]
    pub(crate) command: Option<SetBudget>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SetBudget {
    /// Set what all wallets of the keystore may spend, together
    ///
    /// What is set stays until it is set again; 'none' takes a limit away. A limit with --realm
    /// counts that host by itself, beside the limits for all. As long as every limit is for a host,
    /// nobody else is paid.
    Set(Limits),
}

/// The arguments of `farthing wallet budget set`.
#[derive(Debug, clap::Args)]
pub(crate) struct Limits {
    /// The most one request may cost, for example '$0.05', or none
    #[arg(long, value_name = "PRICE", required_unless_present_any = ["per_day", "total", "clear"])]
    pub(crate) per_request: Option<Setting>,
    /// The most a day of UTC may cost, or none
    #[arg(long, value_name = "PRICE")]
    pub(crate) per_day: Option<Setting>,
    /// The most everything may cost, for as long as the keystore lives, or none
    #[arg(long, value_name = "PRICE")]
    pub(crate) total: Option<Setting>,
    /// Only for this host, as it stands in the URL; repeatable
    #[arg(long, value_name = "HOST")]
    pub(crate) realm: Vec<Host>,
    /// Take every limit away; with --realm, every limit for that host
    #[arg(long, conflicts_with_all = ["per_request", "per_day", "total"])]
    pub(crate) clear: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A limit that is set, or taken away.
#[derive(Clone, Debug)]
pub(crate) enum Setting {
    To(Price),
    None,
}

impl std::str::FromStr for Setting {
    type Err = farthing::core::value::PriceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            price => price.parse().map(Self::To),
        }
    }
}

impl Args {
    /// Whether stdout belongs to one JSON object.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::Create { json, .. } | Self::List { json } => *json,
            Self::Balance(balance) => balance.json,
            Self::Send(send) => send.json,
            Self::Fund(fund) => fund.json,
            Self::Keys(keys) => keys.is_json(),
            Self::Import(import) => import.json,
            Self::Export(export) => export.json,
            Self::History(history) => history.json,
            Self::Budget(Budget {
                command: Some(SetBudget::Set(limits)),
                ..
            }) => limits.json,
            Self::Budget(budget) => budget.json,
        }
    }
}
