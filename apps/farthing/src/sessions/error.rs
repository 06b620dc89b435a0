//! What goes wrong with channels, and how it is told.

use std::borrow::Cow;

use farthing::{
    client::{Error as ClientError, LockBound, SessionFault},
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
        SessionFault::Deposit {
            by: LockBound::Locked,
            ..
        } => "close a channel that is not needed, as `farthing sessions list` shows them, or allow \
              more with --locked"
            .into(),
        SessionFault::Deposit {
            by: LockBound::Budgets,
            ..
        } => "see `farthing wallet budget`, and `farthing wallet budget set`".into(),
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

/// Who else can close a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ElseBy {
    /// Its payer alone, on its rail.
    Payer,
    /// Its payer asked the rail already.
    Asked,
    /// Nobody: its seller's books are the rail.
    Nobody,
}

/// A channel that was not closed. It pays nothing more, and can be closed in another way.
#[derive(Debug, thiserror::Error)]
#[error("the channel was not closed")]
pub(crate) struct NotClosed {
    pub(crate) id: farthing::core::value::PaymentId,
    pub(crate) else_by: ElseBy,
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
        // Without its rail nobody closes it, its payer neither.
        let is_away = matches!(&self.source, ClientError::Rail(_));
        let next = match (is_final, self.else_by) {
            (true, _) => next,
            (false, _) if is_away => "try again when the chain answers, or name another endpoint \
                                      with --rpc: nobody closes it without the chain"
                .into(),
            (false, ElseBy::Payer) => format!(
                "try again, or without its seller: farthing sessions close {} --alone",
                self.id
            )
            .into(),
            (false, ElseBy::Asked) => {
                "try the same again; what is locked stays where it is meanwhile".into()
            }
            (false, ElseBy::Nobody) => {
                "try again; what is spent out of it is on its seller's books, which nobody else can \
                 close"
                    .into()
            }
        };
        (exit, blame, moved, next)
    }
}

#[cfg(test)]
mod tests {
    use farthing::core::{
        port::method::{Fault, Refusal},
        value::{Entropy, PaymentId},
    };

    use super::*;

    #[test]
    fn no_way_without_the_seller_is_named_where_the_chain_is_away() {
        let check = |source: ClientError, blame, alone: bool| {
            let failed = NotClosed {
                id: PaymentId::new(Entropy([7; 16])),
                else_by: ElseBy::Payer,
                source,
            };
            let (exit, whose, moved, next) = failed.row();
            assert_eq!((exit, whose, moved), (Exit::Unpaid, blame, Moved::No));
            assert_eq!(next.contains("--alone"), alone, "{next}");
        };
        let away = Refusal::new(Fault::Unavailable, "the node does not answer");
        check(ClientError::Rail(away), Blame::Rail, false);
        check(SessionFault::Denied.into(), Blame::Server, true);
    }
}
