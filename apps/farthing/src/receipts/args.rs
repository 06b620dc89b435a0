//! The arguments of `farthing receipts`.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use farthing::core::value::PaymentId;

use crate::when::When;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// List receipts, the newest first
    List {
        /// List the payments whose outcome is not known instead
        #[arg(long)]
        pending: bool,
        /// How many to show
        #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
        limit: usize,
        /// Those of a seller's store, of what was earned, instead
        #[arg(long, value_name = "FILE", conflicts_with = "pending")]
        store: Option<PathBuf>,
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
        /// Those of a seller's store, of what was earned, instead
        #[arg(long, value_name = "FILE")]
        store: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write receipts out, the oldest first, for a spreadsheet or a program
    ///
    /// CSV is as RFC 4180 has it. What a spreadsheet would take for a formula has an apostrophe
    /// before it, which is not part of the value. However many receipts there are, a page of them is
    /// in memory at a time.
    Export(Export),
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

/// The arguments of `farthing receipts export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// How to write them [default: csv, or json with --json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Write them to a file, in the place of what it held
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only from then on: 2026-01-31, 2026-01-31T12:00:00Z, or an age such as 30d, 12h, 15m
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<When>,
    /// Only before then
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<When>,
    /// Those of a seller's store, of what was earned, instead
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Print JSON: the receipts, or with -o an object about the file
    #[arg(long)]
    pub(crate) json: bool,
}

/// The formats of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A head and a line for each receipt.
    Csv,
    /// An array of objects.
    Json,
}

impl Format {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

impl Args {
    /// The seller's store that is meant instead of the keystore's, where one is.
    pub(crate) fn store(&self) -> Option<&Path> {
        match self {
            Self::List { store, .. } | Self::Show { store, .. } => store.as_deref(),
            Self::Export(export) => export.store.as_deref(),
            Self::WriteOff { .. } => None,
        }
    }

    /// Whether stdout belongs to one JSON object.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::List { json, .. } | Self::Show { json, .. } | Self::WriteOff { json, .. } => {
                *json
            }
            Self::Export(export) => export.json,
        }
    }
}
