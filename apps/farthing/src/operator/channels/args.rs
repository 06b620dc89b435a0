//! The arguments of `farthing channels`.

use clap::{Subcommand, ValueEnum};
use farthing::core::{intent::session::ChannelId, value::Did};

use super::super::StoreAt;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// List the channels out of which this store is paid, the latest first
    List(List),
    /// Show one channel: what was accepted, spent and settled, and its last settlements
    Show {
        /// Its id, as `channels list` shows it
        channel: ChannelId,
        #[command(flatten)]
        store: StoreAt,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Hand in what was spent, now, and wait until the rail has it
    ///
    /// A gateway does it by itself, when its file says so; it may run on the same store meanwhile. One of
    /// them works at a time, and nothing is handed in twice: repeat the command when in doubt. Channels
    /// on a chain are settled with the key of the gateway's file, which pays the fee; name it with --config.
    Settle(Settle),
    /// Close channels, now: what was spent is paid out, and their buyers get the rest back
    ///
    /// Requests that are being served are waited for, as long as the gateway's file says. From then on the
    /// channel pays nothing. By the first version of the protocol a rail pays what a voucher says; what was
    /// spent beyond the highest that fits is lost then, and it is told before anything is done.
    Close(Close),
    /// Sum up: what is locked, accepted, spent, settled and at risk, for each payer and in all; and what was
    /// ever settled, lost, and taken by rails as fees
    Report {
        /// How many payers to show, those with the most at risk first
        #[arg(short = 'n', long, default_value_t = 20, value_name = "COUNT")]
        #[arg(value_parser = clap::value_parser!(u16).range(0..=10_000))]
        limit: u16,
        #[command(flatten)]
        store: StoreAt,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// The arguments of `farthing channels list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only those in this state [default: all that have not ended]
    #[arg(long, value_enum, value_name = "STATE")]
    pub(crate) state: Option<State>,
    /// Only those of this payer
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) payer: Option<Did>,
    /// Only those in which something was served that is not paid out
    #[arg(long)]
    pub(crate) at_risk: bool,
    /// How many to show
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
    /// Go on after this one: the last of the page before
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) after: Option<ChannelId>,
    #[command(flatten)]
    pub(crate) store: StoreAt,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How far a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// It pays for requests
    Open,
    /// Its payer asked the rail to end it
    Asked,
    /// It is being closed
    Closing,
    /// It ended
    Ended,
}

/// The arguments of `farthing channels settle`.
#[derive(Debug, clap::Args)]
pub(crate) struct Settle {
    /// The channels, as `channels list` shows them
    #[arg(value_name = "CHANNEL", required_unless_present = "all")]
    pub(crate) channels: Vec<ChannelId>,
    /// Every channel that something can be handed in of
    #[arg(long, conflicts_with = "channels")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) how: How,
}

/// The arguments of `farthing channels close`.
#[derive(Debug, clap::Args)]
pub(crate) struct Close {
    /// The channels, as `channels list` shows them
    #[arg(value_name = "CHANNEL", required = true)]
    pub(crate) channels: Vec<ChannelId>,
    #[command(flatten)]
    pub(crate) how: How,
}

/// What those have in common that move money.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// How long to wait for the rail. What is not done by then goes on, where a gateway runs
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub(crate) wait: u16,
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
            Self::List(list) => list.json,
            Self::Show { json, .. } | Self::Report { json, .. } => *json,
            Self::Settle(settle) => settle.how.json,
            Self::Close(close) => close.how.json,
        }
    }

    pub(super) const fn store(&self) -> &StoreAt {
        match self {
            Self::List(list) => &list.store,
            Self::Show { store, .. } | Self::Report { store, .. } => store,
            Self::Settle(settle) => &settle.how.store,
            Self::Close(close) => &close.how.store,
        }
    }
}
