//! The arguments of `farthing ledger`.

use clap::Subcommand;
use farthing::{
    core::value::Price,
    ledger::{Account, TransferId},
};

use super::super::StoreAt;
use crate::when::When;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Credit an account with money that was received elsewhere
    ///
    /// The ledger takes your word for it. A deposit of an id is booked once, however often it is
    /// made: when in doubt, repeat it with the same --id.
    Deposit(Transfer),
    /// Debit an account for money that is paid out elsewhere
    ///
    /// What is held for payments under way cannot be withdrawn. A withdrawal of an id is booked once.
    Withdraw(Transfer),
    /// Show what an account has
    Balance {
        /// The account, did:key:z…
        account: Account,
        #[command(flatten)]
        store: StoreAt,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the accounts that money was put into, the latest first
    ///
    /// An account that was only ever paid by others, as the seller's own, is in none of these
    /// lines: `ledger balance` shows it.
    Accounts {
        /// How many to show
        #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        #[command(flatten)]
        store: StoreAt,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what moved on an account, the newest first
    History(History),
}

/// The arguments of `farthing ledger deposit` and `withdraw`.
#[derive(Debug, clap::Args)]
pub(crate) struct Transfer {
    /// The account, did:key:z…
    pub(crate) account: Account,
    /// How much, for example '$5' or '5 USD'
    pub(crate) amount: Price,
    /// Your id of it, such as a bank's reference [default: a new one, which is told]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) id: Option<TransferId>,
    #[command(flatten)]
    pub(crate) store: StoreAt,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `farthing ledger history`.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// The account, did:key:z…
    pub(crate) account: Account,
    /// Only from then on: 2026-01-31, 2026-01-31T12:00:00Z, or an age such as 30d, 12h, 15m
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<When>,
    /// How many to show
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
    #[command(flatten)]
    pub(crate) store: StoreAt,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// Whether stdout belongs to one JSON object.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::Deposit(transfer) | Self::Withdraw(transfer) => transfer.json,
            Self::Balance { json, .. } | Self::Accounts { json, .. } => *json,
            Self::History(history) => history.json,
        }
    }
}
