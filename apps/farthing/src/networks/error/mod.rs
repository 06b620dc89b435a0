//! What goes wrong between a command and a chain.

mod call;
mod unmade;

use farthing::{
    core::payment::Moved,
    evm,
    tempo::{NetworkError, PayerError, TokenError, tip20::ReadError},
};

use crate::{
    error::{Blame, Row},
    exit::Exit,
    keystore::{NetworkFault, RpcError},
};

pub(crate) use call::CallError;
pub(crate) use unmade::Unmade;

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
type Advice = (Exit, Blame, &'static str);

/// Where a node was asked, and did not tell.
const fn of_rpc(source: &evm::RpcError) -> Advice {
    match source {
        evm::RpcError::WrongChain { .. } => (
            Exit::Usage,
            Blame::You,
            "name the endpoint's own chain, or another endpoint with --rpc",
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

/// Where a chain's time and ours are too far apart.
const fn of_time() -> Advice {
    (
        Exit::Network,
        Blame::Rail,
        "check this machine's clock, or name another endpoint with --rpc",
    )
}

const fn of_node() -> Advice {
    (
        Exit::Network,
        Blame::Rail,
        "try again, or name another endpoint with --rpc",
    )
}
