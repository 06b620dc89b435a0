//! The arguments of `farthing sessions`.

use clap::Subcommand;
use farthing::core::value::PaymentId;

use crate::{keystore::WalletName, networks::OnNetwork};

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// List the channels in which money may be locked, the latest first
    List {
        /// Those that ended as well
        #[arg(long)]
        all: bool,
        /// How many to show
        #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show one channel: what is locked, signed and spent, and how to get the rest back
    Show {
        /// Its id, as `sessions list` shows it
        // One in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: PaymentId,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Close a channel: its seller gets what was spent, and the rest comes back
    ///
    /// The seller is asked to, which costs nothing and is done at once. From then on the channel pays nothing,
    /// also where the seller does not answer. A channel on a chain can be closed without its seller, with
    /// --alone: the chain is asked, for a fee; the seller has a quarter of an hour to hand in what it has; then
    /// the same command, or `sessions sync`, withdraws the rest.
    Close(Close),
    /// Look at the chain for every channel, go by what it says, and withdraw what can be by now
    Sync {
        #[command(flatten)]
        on: OnNetwork,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Ask a seller for channels of a wallet that this keystore does not know, to close them
    ///
    /// For when the keystore was lost and the key was not. How much was signed on them nobody here knows, so
    /// nothing is paid out of them.
    Recover(Recover),
}

/// The arguments of `farthing sessions close`.
#[derive(Debug, clap::Args)]
pub(crate) struct Close {
    /// Its id, as `sessions list` shows it
    #[arg(allow_hyphen_values = true)]
    pub(crate) id: PaymentId,
    /// Without its seller, on the chain
    #[arg(long)]
    pub(crate) alone: bool,
    /// The wallet it was opened with [default: the one whose account it is]
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    #[command(flatten)]
    pub(crate) on: OnNetwork,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `farthing sessions recover`.
#[derive(Debug, clap::Args)]
pub(crate) struct Recover {
    /// What the channel paid for
    pub(crate) url: String,
    /// The wallet to ask for [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    #[command(flatten)]
    pub(crate) on: OnNetwork,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// Whether stdout belongs to one JSON object.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::List { json, .. } | Self::Show { json, .. } | Self::Sync { json, .. } => *json,
            Self::Close(close) => close.json,
            Self::Recover(recover) => recover.json,
        }
    }
}
