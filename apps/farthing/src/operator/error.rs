//! What goes wrong when an operator works on a store.

use std::path::PathBuf;

use farthing::{
    core::{payment::Moved, value::PaymentId},
    ledger::{LedgerError, TransferId},
    server::{RefundError, WriteOffError},
};

use crate::{
    error::{Blame, Row, of_store},
    exit::Exit,
};

/// What goes wrong when an operator works on a store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    #[error("no store was named")]
    NoStore,
    #[error("there is no store at {0}")]
    MissingStore(PathBuf),
    #[error("there is no payment {0} in this store")]
    NoPayment(PaymentId),
    #[error("the account has less than {0}")]
    Short(String),
    #[error("the transfer {id} was not booked")]
    Funding { id: TransferId, source: LedgerError },
    #[error("the payment was not refunded")]
    Refund(#[from] RefundError),
    #[error("the payment was not written off")]
    WriteOff(#[from] WriteOffError),
}

impl OperatorError {
    /// How the run ends, who is to blame, whether money moved, what to do.
    pub(crate) fn row(&self) -> Row {
        let (exit, blame, next) = match self {
            Self::NoStore => (
                Exit::Usage,
                Blame::You,
                "name the seller's store with --store FILE, or the gateway's file with --config",
            ),
            Self::MissingStore(_) => (
                Exit::Storage,
                Blame::You,
                "check the path; a store is made by the server that is paid",
            ),
            Self::NoPayment(_) => (
                Exit::Other,
                Blame::You,
                "see `farthing payments list` for the ids",
            ),
            Self::Short(_) => (
                Exit::Other,
                Blame::You,
                "see `farthing ledger balance`; what is held cannot be withdrawn",
            ),
            Self::Funding { source, .. } => return of_ledger(source),
            Self::Refund(error) => return of_refund(error),
            Self::WriteOff(WriteOffError::Store(source)) => {
                (Exit::Storage, Blame::Machine, of_store(source))
            }
            Self::WriteOff(WriteOffError::InFlight) => (
                Exit::Other,
                Blame::Server,
                "see `farthing payments show`, and try again",
            ),
            Self::WriteOff(_) => (
                Exit::Other,
                Blame::You,
                "see `farthing payments list --defaulted` for those that are",
            ),
        };
        (exit, blame, Moved::No, next.into())
    }
}

fn of_ledger(error: &LedgerError) -> Row {
    let nothing = |exit, blame, next: &'static str| (exit, blame, Moved::No, next.into());
    match error {
        LedgerError::Store(source) if source.in_doubt() => (
            Exit::Unresolved,
            Blame::Machine,
            Moved::Unknown,
            "repeat it with this id as --id: it is booked once".into(),
        ),
        LedgerError::Store(source) => nothing(Exit::Storage, Blame::Machine, of_store(source)),
        LedgerError::Reused(_) => nothing(
            Exit::Other,
            Blame::You,
            "give another --id; see `farthing ledger history`",
        ),
        LedgerError::Zero => nothing(Exit::Usage, Blame::You, "name an amount"),
        _ => nothing(Exit::Other, Blame::You, "name a smaller amount"),
    }
}

fn of_refund(error: &RefundError) -> Row {
    let (exit, blame, next) = match error {
        RefundError::Store(source) if source.in_doubt() => {
            return (
                Exit::Unresolved,
                Blame::Machine,
                Moved::Unknown,
                "see `farthing payments show` for what became of it".into(),
            );
        }
        RefundError::Store(source) => (Exit::Storage, Blame::Machine, of_store(source)),
        RefundError::InFlight => (Exit::Other, Blame::Server, "try again in a minute"),
        RefundError::Short => (
            Exit::Other,
            Blame::You,
            "put money into the account that was paid, with `farthing ledger deposit`",
        ),
        RefundError::Unsupported(_) => (
            Exit::Other,
            Blame::Rail,
            "send the value back by the method's own means, then record it with --reference",
        ),
        RefundError::ByItself(_) => (Exit::Other, Blame::You, "leave --reference out"),
        _ => (
            Exit::Other,
            Blame::You,
            "see `farthing payments show` for where it stands",
        ),
    };
    (exit, blame, Moved::No, next.into())
}
