//! What goes wrong between a command and a chain.

use std::{borrow::Cow, fmt};

use farthing::{
    core::{payment::Moved, value::Amount},
    evm::{self, Address, TxHash},
    tempo::{
        InvalidTransaction, NetworkError, PayerError, Token, TokenError,
        keychain::KeychainError,
        tip20::{ReadError, TransferError},
    },
};

use crate::{
    error::{Blame, Row},
    exit::Exit,
    keystore::{NetworkFault, RpcError},
};

/// What goes wrong between a command and a chain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    #[error("there is no network {name}; known are {known}")]
    Unknown { name: String, known: String },
    #[error("{name} is no token that is known on {network}; known are {known}")]
    NoToken {
        name: String,
        network: String,
        known: String,
    },
    #[error("{0} has no entry of one's own")]
    NoEntry(String),
    #[error("the network {name} cannot be used")]
    Entry { name: String, source: NetworkFault },
    #[error("which chain {0} is was not said")]
    NoChain(String),
    #[error(transparent)]
    Endpoint(#[from] RpcError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Payer(#[from] PayerError),
    #[error("the network {network} did not tell what it was asked")]
    Rpc {
        network: String,
        source: evm::RpcError,
    },
    #[error("the network {network} did not tell of a token")]
    Read { network: String, source: ReadError },
    #[error("{0} is no development chain whose money everybody has")]
    Ungiven(String),
    #[error(transparent)]
    Transfer(Box<Unmade>),
    #[error("the account's keys were not changed")]
    Call(#[from] CallError),
}

/// A transfer that was not made, or of which nothing can be said.
#[derive(Debug)]
pub(crate) struct Unmade {
    pub(crate) id: String,
    pub(crate) source: TransferError,
    /// The tokens it is about, so that amounts can be told in them.
    pub(crate) tokens: Vec<Token>,
}

/// A call to a chain that was not made, or of which nothing can be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the chain does not answer")]
    Rpc(#[from] evm::RpcError),
    #[error("the chain refuses it: {0}")]
    Refused(evm::Revert),
    #[error("the fee could be {fee}, and may be {most} at the most")]
    Fee { fee: String, most: String },
    #[error("it could not be signed")]
    Sign(#[source] InvalidTransaction),
    #[error("{0} was sent, and no block has it yet")]
    Waiting(TxHash),
    #[error("no block took it in time, and none will")]
    Dead,
    #[error("{0} was executed and failed: it cost its fee")]
    Reverted(TxHash),
    #[error("the chain's keychain answers with nonsense")]
    Keychain(#[from] KeychainError),
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
            source => source.fmt(f),
        }
    }
}

impl std::error::Error for Unmade {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}

impl Unmade {
    fn row(&self) -> Row {
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
            TransferError::Fee { .. } => nothing((
                Exit::Unpaid,
                Blame::Rail,
                "try again later, or ask another endpoint with --rpc",
            )),
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

impl CallError {
    fn row(&self) -> Row {
        let (exit, blame, moved, next) = match self {
            Self::Rpc(source) => {
                let (exit, blame, next) = of_rpc(source);
                (exit, blame, Moved::No, next)
            }
            Self::Waiting(_) => (
                Exit::Unresolved,
                Blame::Rail,
                Moved::Unknown,
                "see `farthing wallet keys list`, and run the same command again",
            ),
            Self::Refused(_) | Self::Reverted(_) => (
                Exit::Unpaid,
                Blame::Rail,
                Moved::No,
                "see `farthing wallet keys list` for how the key stands",
            ),
            Self::Fee { .. } | Self::Dead => (
                Exit::Unpaid,
                Blame::Rail,
                Moved::No,
                "run the same command again, later",
            ),
            Self::Sign(_) => (
                Exit::Other,
                Blame::Program,
                Moved::No,
                "report it: this is a defect",
            ),
            Self::Keychain(_) => (
                Exit::Network,
                Blame::Rail,
                Moved::No,
                "ask another endpoint with --rpc",
            ),
        };
        (exit, blame, moved, next.into())
    }
}

impl ChainError {
    pub(crate) fn row(&self) -> Row {
        let (exit, blame, next) = match self {
            Self::Unknown { .. } => (
                Exit::Usage,
                Blame::You,
                "see `farthing networks list`, or name one with `farthing networks add`",
            ),
            Self::NoToken { .. } => (
                Exit::Usage,
                Blame::You,
                "write one of those, or make it known with `farthing networks add --token ADDRESS`",
            ),
            Self::NoEntry(_) => (Exit::Usage, Blame::You, "see `farthing networks list`"),
            Self::NoChain(_) => (
                Exit::Usage,
                Blame::You,
                "say it with --chain-id: whoever answers there is asked whether it is that chain",
            ),
            Self::Endpoint(_)
            | Self::Network(_)
            | Self::Token(_)
            | Self::Payer(_)
            | Self::Entry { .. } => (
                Exit::Usage,
                Blame::You,
                "see `farthing networks add --help`",
            ),
            Self::Rpc { source, .. } => of_rpc(source),
            Self::Read { source, .. } => of_read(source),
            Self::Ungiven(_) => (
                Exit::Unpaid,
                Blame::Rail,
                "send money to the address that `farthing wallet list` shows",
            ),
            Self::Transfer(unmade) => return unmade.row(),
            Self::Call(error) => return error.row(),
        };
        (exit, blame, Moved::No, next.into())
    }
}

/// How a run ends, who is to blame, and what to do.
pub(crate) type Advice = (Exit, Blame, &'static str);

/// Where a node was asked, and did not tell.
pub(crate) const fn of_rpc(source: &evm::RpcError) -> Advice {
    match source {
        evm::RpcError::WrongChain { .. } => (
            Exit::Usage,
            Blame::You,
            "name the endpoint's own network with --network, or another endpoint with --rpc",
        ),
        evm::RpcError::Misconfigured { .. } => {
            (Exit::Usage, Blame::You, "name an endpoint with --rpc")
        }
        _ => of_node(),
    }
}

const fn of_read(source: &ReadError) -> Advice {
    match source {
        ReadError::Rpc(source) => of_rpc(source),
        ReadError::NoFaucet(_) => (
            Exit::Usage,
            Blame::You,
            "send money to the address that `farthing wallet list` shows",
        ),
        ReadError::NoToken(_) | ReadError::Unusable { .. } => {
            (Exit::Usage, Blame::You, "check the token's address")
        }
        _ => of_node(),
    }
}

const fn of_node() -> Advice {
    (
        Exit::Network,
        Blame::Rail,
        "try again, or name another endpoint with --rpc",
    )
}
