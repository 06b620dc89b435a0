//! What goes wrong with channels, and how it is told.

use std::borrow::Cow;

use farthing::{
    client::{Error as ClientError, SessionFault},
    core::payment::Moved,
};

use crate::{
    error::{Blame, Row, of_client},
    exit::Exit,
    screen::clean,
};

/// How a run ends that a channel does not pay for, who is to blame, what to do.
pub(crate) fn of_fault(fault: &SessionFault, error: &ClientError) -> Row {
    let (exit, blame) = match fault {
        SessionFault::Deposit { .. }
        | SessionFault::NoDeposit { .. }
        | SessionFault::Cap { .. } => (Exit::Refused, Blame::Limits),
        SessionFault::Waits { .. } => (Exit::Unresolved, Blame::Rail),
        SessionFault::Unanswered(_) => (Exit::Unresolved, Blame::Server),
        SessionFault::Socket(_) if error.moved() == Moved::Unknown => {
            (Exit::Unresolved, Blame::Server)
        }
        SessionFault::Rail(_) => (Exit::Unpaid, Blame::Rail),
        SessionFault::Contended => (Exit::Unpaid, Blame::Machine),
        SessionFault::NoPayer(_) => (Exit::Unpaid, Blame::Wallet),
        SessionFault::NoChannel | SessionFault::Stage(_) => (Exit::Other, Blame::You),
        _ => (Exit::Unpaid, Blame::Server),
    };
    (exit, blame, error.moved(), next(fault, error))
}

fn next(fault: &SessionFault, error: &ClientError) -> Cow<'static, str> {
    match fault {
        SessionFault::Deposit { asked, .. } => {
            format!("allow it with --deposit '{}'", clean(asked)).into()
        }
        SessionFault::NoDeposit { symbol } => {
            format!("allow it with --deposit 'PRICE {}'", clean(symbol)).into()
        }
        SessionFault::Cap { asked, .. } => {
            format!("allow it with --max '{}'", clean(asked)).into()
        }
        SessionFault::AsksTooMuch { .. } | SessionFault::Disputed(_) | SessionFault::Nags => {
            "nothing more is signed for this seller: see `farthing sessions list`, and close the \
             channel to get the rest back"
                .into()
        }
        SessionFault::Denied => {
            "see `farthing sessions list`, and close the channel with --alone".into()
        }
        SessionFault::Waits { .. } => "run the same command again: what was signed is presented \
                                       again, never anew; see `farthing sessions list`"
            .into(),
        SessionFault::Unanswered(_) => {
            "see `farthing sessions list`: what it may have cost is counted there, and asking again \
             pays again"
                .into()
        }
        SessionFault::NoChannel | SessionFault::Stage(_) => {
            "see `farthing sessions list --all`".into()
        }
        SessionFault::NoPayer(_) => "name the wallet that the channel was opened with: \
                                     `farthing wallet list`"
            .into(),
        _ => error.hint().into(),
    }
}

/// A channel that was not closed. It pays nothing more, and can be closed in another way.
#[derive(Debug, thiserror::Error)]
#[error("the channel was not closed")]
pub(crate) struct NotClosed {
    pub(crate) id: farthing::core::value::PaymentId,
    /// Whether its rail closes it without its seller.
    pub(crate) can_leave: bool,
    pub(crate) source: ClientError,
}

impl NotClosed {
    pub(crate) fn row(&self) -> Row {
        let (exit, blame, moved, next) = of_client(&self.source);
        let is_final = matches!(
            &self.source,
            ClientError::Session(fault)
                if matches!(**fault, SessionFault::Stage(_) | SessionFault::NoChannel | SessionFault::NoPayer(_))
        );
        let next = match (is_final, self.can_leave) {
            (true, _) => next,
            (false, true) => format!(
                "try again, or without its seller: farthing sessions close {} --alone",
                self.id
            )
            .into(),
            (false, false) => {
                "try again; what is spent out of it is on its seller's books, which nobody else can \
                 close"
                    .into()
            }
        };
        (exit, blame, moved, next)
    }
}
