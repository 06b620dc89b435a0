//! The arguments of `farthing wallet`.

use std::path::PathBuf;

use clap::Subcommand;
use farthing::core::value::Price;

use crate::{
    args::any_path,
    keystore::{Host, Kind, WalletName},
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
        #[arg(long, value_enum, default_value_t = Kind::Ed25519, value_name = "KIND")]
        key_type: Kind,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make a wallet with a key from elsewhere
    ///
    /// The key is read from a terminal that does not show it, from stdin, or from a file; never from
    /// the command line, which other programs can see. It is written as `wallet export` prints it
    /// (z…), as 64 hexadecimal digits, or as those behind `ed25519:` or `secp256k1:`.
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
    /// Show what a wallet paid, the newest first, with the sums
    History(History),
    /// Show what may be spent and what is left of it, or set the limits
    #[command(args_conflicts_with_subcommands = true)]
    Budget(Budget),
}

/// The arguments of `farthing wallet import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// What to call it; a name that is not taken
    pub(crate) name: WalletName,
    /// A file that holds the key; - is stdin [default: a terminal is asked, else stdin]
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// The kind of key that bare digits are [default: ed25519]
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
            Self::Create { json, .. } | Self::List { json } | Self::Balance { json, .. } => *json,
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
