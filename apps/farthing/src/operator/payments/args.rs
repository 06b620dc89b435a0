//! The arguments of `farthing payments`.

use clap::Subcommand;
use farthing::core::value::{PaymentId, Reference};

use super::super::StoreAt;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// List the payments that a store knows: those that are owed first, then those that were served on
    /// credit and never paid, then the others
    ///
    /// A payment that was delivered is forgotten some time after its proof ran out; its receipt
    /// stays.
    List {
        /// Only those that are owed: paid, and not delivered in time
        #[arg(long)]
        owed: bool,
        /// Only those that were served on credit and never paid
        #[arg(long, conflicts_with = "owed")]
        defaulted: bool,
        /// How many to show
        #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
        #[command(flatten)]
        store: StoreAt,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show one payment
    Show {
        /// Its id, as `payments list` shows it
        // One in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: PaymentId,
        #[command(flatten)]
        store: StoreAt,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Send a payment back to whoever made it
    ///
    /// It takes the amount out of the account that was paid. A payment is refunded once; a gateway
    /// on the same store may go on meanwhile. On a rail where you send the value back yourself, say so
    /// with --reference, and it is recorded.
    Refund {
        /// Its id, as `payments list` shows it
        #[arg(allow_hyphen_values = true)]
        id: PaymentId,
        /// Record that you sent the value back yourself: what the rail calls that transfer
        #[arg(long, value_name = "REFERENCE")]
        reference: Option<Reference>,
        /// Do not ask
        #[arg(short = 'y', long)]
        yes: bool,
        #[command(flatten)]
        store: StoreAt,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Let go of a payment that was served on credit and never paid
    ///
    /// What was never paid counts against the limits of credit until you write it off: its payer gets
    /// more credit then.
    WriteOff {
        /// Its id, as `payments list` shows it
        #[arg(allow_hyphen_values = true)]
        id: PaymentId,
        /// Do not ask
        #[arg(short = 'y', long)]
        yes: bool,
        #[command(flatten)]
        store: StoreAt,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Args {
    /// Whether stdout belongs to one JSON object.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::List { json, .. }
            | Self::Show { json, .. }
            | Self::Refund { json, .. }
            | Self::WriteOff { json, .. } => *json,
        }
    }
}
