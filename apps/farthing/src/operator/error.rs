//! What goes wrong when an operator works on a store.

use std::{borrow::Cow, path::PathBuf};

use farthing::{
    core::{
        domain::channels::ChannelError,
        intent::session::ChannelId,
        payment::Moved,
        value::{MethodId, PaymentId},
    },
    ledger::{LedgerError, TransferId},
    server::{
        RefundError, WriteOffError,
        session::{NotClosed, TillError},
    },
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
    #[error("there is no channel {0} in this store")]
    NoChannel(ChannelId),
    #[error("nothing that was named settles channels by {0}")]
    NoRail(MethodId),
    #[error("{}", waits(*.0))]
    Waits(usize),
    #[error("{}", refused(*.0))]
    Refused(usize),
    #[error(transparent)]
    NotPayable(Problem),
    #[error("the channel {channel} was not closed")]
    NotClosed {
        channel: ChannelId,
        source: Box<NotClosed>,
    },
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    OnDemand(#[from] TillError),
}

/// Why nothing of a channel can be settled, though something is unsettled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error(
        "no voucher says what was spent: its payer signed further ahead, and only a close takes it"
    )]
    OnlyByClosing(ChannelId),
    #[error("what is unsettled was charged for requests that are still being served")]
    StillServed,
    #[error("every voucher says more than was spent, and the rail pays what a voucher says")]
    NoVoucher,
}

fn waits(count: usize) -> String {
    match count {
        1 => "the rail is not done with a channel".to_owned(),
        count => format!("the rail is not done with {count} channels"),
    }
}

fn refused(count: usize) -> String {
    match count {
        1 => "the rail refused to settle a channel".to_owned(),
        count => format!("the rail refused to settle {count} channels"),
    }
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
            Self::NoChannel(_)
            | Self::NoRail(_)
            | Self::Waits(_)
            | Self::Refused(_)
            | Self::NotPayable(_)
            | Self::NotClosed { .. }
            | Self::Interrupted
            | Self::OnDemand(_) => return self.of_channels(),
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

    /// The rows of `farthing channels`.
    fn of_channels(&self) -> Row {
        let nothing = |exit, blame, next: &'static str| (exit, blame, Moved::No, next.into());
        let begun = |exit, blame, next: &'static str| (exit, blame, Moved::Unknown, next.into());
        match self {
            Self::NoChannel(_) => nothing(
                Exit::Other,
                Blame::You,
                "see `farthing channels list`, and with `--state ended` those that are over",
            ),
            Self::NoRail(_) => nothing(
                Exit::Usage,
                Blame::You,
                "name the gateway's file with --config: it has the key that settles on a chain",
            ),
            Self::Waits(_) => begun(
                Exit::Unresolved,
                Blame::Rail,
                "it is written down, and a gateway on the store goes on with it; where none runs, run the \
                 same command again: nothing is handed in twice",
            ),
            Self::Interrupted => begun(
                Exit::Interrupted,
                Blame::Interrupt,
                "what was begun is written down, and a gateway on the store goes on with it; or run the \
                 same command again: nothing is handed in twice",
            ),
            Self::Refused(_) => nothing(
                Exit::Unpaid,
                Blame::Rail,
                "run it again with RUST_LOG=warn to see why; a gateway tries again by itself",
            ),
            Self::NotPayable(problem) => (Exit::Unpaid, Blame::Rail, Moved::No, problem.next()),
            Self::NotClosed { source, .. } => of_closing(source),
            _ => nothing(Exit::Other, Blame::Machine, "try again"),
        }
    }
}

impl Problem {
    fn next(&self) -> Cow<'static, str> {
        match self {
            Self::OnlyByClosing(channel) => format!("farthing channels close {channel}").into(),
            Self::StillServed => "try again when they are served".into(),
            Self::NoVoucher => {
                "wait until as much is spent as a voucher says, or until its payer closes it".into()
            }
        }
    }
}

fn of_closing(error: &NotClosed) -> Row {
    let (exit, blame, moved, next) = match error {
        NotClosed::NotExact { .. } => (
            Exit::Unpaid,
            Blame::Rail,
            Moved::No,
            "its rail closes it by a voucher that says no more than was spent: settle first, or leave it \
             to its payer",
        ),
        NotClosed::Ended(_) => (
            Exit::Other,
            Blame::Rail,
            Moved::No,
            "its payer took back what was left; what was lost is in `farthing channels show`",
        ),
        NotClosed::NoRail => (
            Exit::Usage,
            Blame::You,
            Moved::No,
            "name the gateway's file with --config: it has the key that settles on a chain",
        ),
        NotClosed::Store(source) | NotClosed::Channel(ChannelError::Store(source)) => {
            let next = of_store(source);
            return (Exit::Storage, Blame::Machine, Moved::Unknown, next.into());
        }
        _ => (
            Exit::Other,
            Blame::Machine,
            Moved::No,
            "see `farthing channels show`, and try again",
        ),
    };
    (exit, blame, moved, next.into())
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
