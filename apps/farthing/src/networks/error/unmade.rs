//! A transfer that was not made, told in the tokens it is about.

use std::{borrow::Cow, error::Error, fmt};

use farthing::{
    core::{payment::Moved, value::Amount},
    evm::Address,
    tempo::{
        Token,
        tip20::{AccessFault, TransferError},
    },
};

use super::{Advice, of_read, of_time};
use crate::{
    error::{Blame, Row},
    exit::Exit,
};

/// A transfer that was not made, or of which nothing can be said.
#[derive(Debug)]
pub(crate) struct Unmade {
    pub(crate) id: String,
    pub(crate) source: TransferError,
    /// The tokens it is about, so that amounts can be told in them.
    pub(crate) tokens: Vec<Token>,
}

impl fmt::Display for Unmade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |token: &Address, amount: &Amount| {
            let known = self.tokens.iter().find(|known| known.address == *token);
            known.map_or_else(
                || format!("{amount} base units of {token}"),
                |known| format!("{} in {}", known.currency().display(*amount), known.symbol),
            )
        };
        match &self.source {
            TransferError::TooLittle { token, has, needs } => write!(
                f,
                "the account has {}, and needs {} with the fee",
                told(token, has),
                told(token, needs)
            ),
            TransferError::Access(AccessFault::Limit { token, left, needs }) => write!(
                f,
                "the access key may spend {}, and {} is needed with the fee",
                told(token, left),
                told(token, needs)
            ),
            source => source.fmt(f),
        }
    }
}

impl Error for Unmade {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

impl Unmade {
    pub(super) fn row(&self) -> Row {
        let repeat = || {
            Cow::Owned(format!(
                "run the same command again with --id {}: money moves once for it",
                self.id
            ))
        };
        let nothing = |(exit, blame, next): Advice| (exit, blame, Moved::No, next.into());
        match &self.source {
            TransferError::Rpc(_) => (Exit::Unresolved, Blame::Rail, Moved::Unknown, repeat()),
            TransferError::Kept(_) => (
                Exit::Unresolved,
                Blame::Machine,
                Moved::Unknown,
                "look at the account's transfers on the chain, and use another --id".into(),
            ),
            TransferError::Token(source) => nothing(of_read(source)),
            TransferError::Outbox(_) => nothing((
                Exit::Storage,
                Blame::Machine,
                "check the keystore's wallet.db and its folder",
            )),
            TransferError::TooLittle { .. } => nothing((
                Exit::Unpaid,
                Blame::Wallet,
                "see `farthing wallet balance` and `farthing wallet fund`",
            )),
            TransferError::Access(_) => nothing((
                Exit::Unpaid,
                Blame::Wallet,
                "see `farthing wallet keys list`, or name another wallet with --wallet",
            )),
            TransferError::Fee { .. } => nothing((
                Exit::Unpaid,
                Blame::Rail,
                "try again later, or ask another endpoint with --rpc",
            )),
            TransferError::Ahead => nothing(of_time()),
            TransferError::Refused(_) => nothing((
                Exit::Unpaid,
                Blame::Rail,
                "check the token, the recipient and what the wallet may spend",
            )),
            TransferError::OtherTransfer => nothing((
                Exit::Usage,
                Blame::You,
                "choose another --id: that one stands for another transfer",
            )),
            TransferError::Order => nothing((
                Exit::Usage,
                Blame::You,
                "check the amount and the recipient",
            )),
            _ => nothing((Exit::Other, Blame::Program, "report it: this is a defect")),
        }
    }
}
