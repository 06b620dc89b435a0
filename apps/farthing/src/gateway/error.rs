//! Why a gateway does not start.

use std::{borrow::Cow, io, path::PathBuf};

use farthing::{core::noun::discovery::DocumentError, evm::RpcError};
use farthing_gateway::{
    config::{Finding, KeyError, QuickError, SecretError},
    serve::{LiveError, StartError},
};

use super::findings::counted;
use crate::{error::Blame, exit::Exit};

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error("nobody said what to stand in front of, and there is no {0} here")]
    Nothing(&'static str),
    #[error("{}", counted(.0))]
    File(Vec<Finding>),
    #[error("two rules of the file take the same requests")]
    Rules,
    #[error("{}", first(.0))]
    Draft(Vec<Finding>),
    #[error("{0} is there already, and nothing was written")]
    Exists(PathBuf),
    #[error("{path} cannot be read as an API's description")]
    Document {
        path: PathBuf,
        source: DocumentError,
    },
    #[error(transparent)]
    Quick(#[from] QuickError),
    #[error("`{rule}` is no rule")]
    Free { rule: String, source: KeyError },
    #[error("the seller's key cannot be kept in {path}")]
    Seller { path: PathBuf, source: io::Error },
    #[error("the seller's key in {path} cannot be used")]
    SellerKey {
        path: PathBuf,
        source: Option<SecretError>,
    },
    #[error(transparent)]
    Start(#[from] Box<StartError>),
}

/// What is wrong with the first thing that is.
fn first(findings: &[Finding]) -> &str {
    findings.first().map_or("", |finding| &finding.what)
}

impl GatewayError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Nothing(_)
            | Self::File(_)
            | Self::Rules
            | Self::Draft(_)
            | Self::Exists(_)
            | Self::Document { .. }
            | Self::Quick(_)
            | Self::Free { .. } => Exit::Usage,
            Self::Seller { .. } | Self::SellerKey { .. } => Exit::Storage,
            Self::Start(error) => match &**error {
                StartError::Store { .. }
                | StartError::Setup(LiveError::SecretFile(_) | LiveError::Secret(_)) => {
                    Exit::Storage
                }
                StartError::Setup(
                    LiveError::Tls(_)
                    | LiveError::Upstream(_)
                    | LiveError::Tempo(_)
                    | LiveError::Chain(RpcError::WrongChain { .. } | RpcError::Misconfigured { .. })
                    | LiveError::OtherToken { .. },
                ) => Exit::Usage,
                // Whoever settles beside a gateway, which itself waits for a chain that is away.
                StartError::Setup(LiveError::Chain(_) | LiveError::Token { .. }) => Exit::Network,
                _ => Exit::Other,
            },
        }
    }

    pub(crate) fn blame(&self) -> Blame {
        match self.exit() {
            Exit::Usage => Blame::You,
            Exit::Network => Blame::Rail,
            _ => Blame::Machine,
        }
    }

    pub(crate) fn next(&self) -> Cow<'static, str> {
        match self {
            Self::Nothing(_) => "name the API and its price: \
                 `farthing gateway http://127.0.0.1:3000 --price '$0.002'`"
                .into(),
            Self::Rules => "see `farthing gateway check`".into(),
            Self::Draft(findings) => {
                let instead = findings.first().and_then(|finding| finding.instead.clone());
                let instead = instead.map(Cow::from);
                instead.unwrap_or_else(|| "see `farthing gateway init --help`".into())
            }
            Self::Exists(_) => "name another file with -o, or move this one away".into(),
            Self::Document { .. } => {
                "give an OpenAPI 3 document in JSON with --from, or leave --from out".into()
            }
            Self::File(_) => "put it right and start again; nothing runs yet".into(),
            Self::Quick(QuickError::Open(_)) => "listen on 127.0.0.1, or write a file with \
                 `tls` or `behind_tls`: `farthing gateway init`"
                .into(),
            Self::Quick(
                QuickError::To {
                    instead: Some(instead),
                    ..
                }
                | QuickError::Price {
                    instead: Some(instead),
                    ..
                }
                | QuickError::Site {
                    instead: Some(instead),
                    ..
                }
                | QuickError::Tempo {
                    instead: Some(instead),
                    ..
                },
            ) => instead.clone().into(),
            Self::Quick(_) => "see `farthing gateway --help`".into(),
            Self::Free { .. } => "write it like --free 'GET /health'".into(),
            Self::Seller { .. } => "name who is paid with --account".into(),
            Self::SellerKey { path, .. } => format!(
                "restore {}, whose account was paid so far, or name another with --account",
                path.display()
            )
            .into(),
            Self::Start(error) => next_of_start(error),
        }
    }
}

fn next_of_start(error: &StartError) -> Cow<'static, str> {
    match error {
        StartError::Listen { at, source } if source.kind() == io::ErrorKind::AddrInUse => format!(
            "another program has port {}, perhaps another gateway: end it, or take any free port \
             with `--listen 127.0.0.1:0` (in a file: `listen`)",
            at.port()
        )
        .into(),
        StartError::Listen { .. } => "choose another address".into(),
        StartError::Store { .. } => "check the store's file and its folder".into(),
        StartError::Setup(LiveError::Gate(farthing::server::SetupError::DisjointSecrets)) => {
            "give both the same secret, or wait a minute if the other one was just ended".into()
        }
        StartError::Setup(LiveError::Chain(RpcError::WrongChain { .. })) => {
            "name endpoints of the network that `network` says, in `rpc`".into()
        }
        StartError::Setup(LiveError::Chain(_) | LiveError::Token { .. }) => {
            "name other endpoints in `rpc`, or try again when these answer".into()
        }
        StartError::Setup(LiveError::OtherToken { .. }) => {
            "describe the token in `tokens` as it describes itself".into()
        }
        StartError::Setup(_) => "put it right and start again; nothing runs yet".into(),
        _ => "try again".into(),
    }
}

#[cfg(test)]
mod tests {
    use farthing::evm::ChainId;

    use super::*;

    #[test]
    fn a_chain_that_is_away_is_no_fault_of_this_machine() {
        let chain = ChainId::new(1337).unwrap();
        let check = |error: RpcError, exit, blame| {
            let error = StartError::Setup(LiveError::Chain(error));
            let error = GatewayError::from(Box::new(error));
            assert_eq!((error.exit(), error.blame()), (exit, blame), "{error}");
        };
        let away = RpcError::Unreachable {
            chain,
            endpoint: "http://127.0.0.1:1".to_owned(),
            source: "refused".into(),
        };
        check(away, Exit::Network, Blame::Rail);
        let another = RpcError::WrongChain {
            endpoint: "http://127.0.0.1:1".to_owned(),
            expected: chain,
            found: 2,
        };
        check(another, Exit::Usage, Blame::You);
    }
}
