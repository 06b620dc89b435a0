//! Sending a transaction.

use std::time::Duration;

use alloy_primitives::TxHash;
use serde_json::json;

use super::{
    Node, Request, RpcError,
    endpoint::{Endpoint, Failure},
    node::{Answers, question, refused},
    wire::Answer,
};
use crate::{RawTransaction, Receipt};

/// Why a node did not take a transaction. Its hash is known, so what became of it can always be found
/// out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody received it.
    #[error("the transaction was not sent")]
    NotSent(#[source] RpcError),
    /// It may have been received. It may move value now or later: look for its hash.
    #[error("nobody knows whether the transaction was received")]
    InDoubt(#[source] RpcError),
    /// The node said no. It has not taken these bytes; another node may have.
    #[error("the node refused the transaction")]
    Refused {
        /// Why, as far as nodes agree on words for it.
        why: Refused,
        /// What it said.
        #[source]
        source: RpcError,
    },
}

/// Why a node refuses a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Its nonce was used: perhaps by this very transaction.
    NonceTooLow,
    /// Another one with its nonce waits, and pays as much.
    Underpriced,
    /// Its sender cannot pay for it.
    InsufficientFunds,
    /// Something else.
    Other,
}

impl Node {
    /// Sends a transaction, once. An endpoint that nobody reaches is passed over; where one may have
    /// received it, no other is tried.
    ///
    /// # Errors
    /// When the node does not say that it took it. A transaction it has already is taken.
    pub async fn send_raw(&self, raw: &RawTransaction) -> Result<(), SendError> {
        let asked: Request<TxHash> = Request::new("eth_sendRawTransaction", json!([raw.bytes()]));
        let (endpoint, answer) = self.send(&asked, Duration::ZERO).await?;
        let said = match taken(asked.method, answer)? {
            Some(said) => Answers::one(&endpoint, said).read(&asked),
            None => return Ok(()),
        };
        match said {
            Ok(hash) if hash == raw.hash() => Ok(()),
            Ok(_) => Err(SendError::InDoubt(RpcError::Nonsense {
                endpoint: endpoint.shown(),
                what: "it took a transaction by another hash",
                source: None,
            })),
            Err(error) => Err(SendError::InDoubt(error)),
        }
    }

    /// Sends a transaction and waits for its receipt in the same exchange, where the node can
    /// (`eth_sendRawTransactionSync`); `None` where it took the transaction and the receipt is still to
    /// come, or where it cannot and was sent it in the usual way.
    ///
    /// # Errors
    /// When the node does not say that it took it.
    pub async fn send_raw_sync(&self, raw: &RawTransaction) -> Result<Option<Receipt>, SendError> {
        let asked: Request<Option<Receipt>> =
            Request::new("eth_sendRawTransactionSync", json!([raw.bytes()]));
        // It answers when the transaction is in a block.
        let more = self.shared.options.block_time * 2;
        let (endpoint, answer) = self.send(&asked, more).await?;
        match answer {
            Err(error) if error.code == -32601 => self.send_raw(raw).await.map(|()| None),
            // EIP-7966: it was taken, and is not in a block in time.
            Err(error) if error.code == 4 => Ok(None),
            answer => match taken(asked.method, answer)? {
                None => Ok(None),
                Some(said) => {
                    let mut answers = Answers::one(&endpoint, said);
                    let receipt = answers.read(&asked).map_err(SendError::InDoubt)?;
                    if receipt
                        .as_ref()
                        .is_some_and(|receipt| !receipt.is_of(raw.hash()))
                    {
                        let lie = answers.nonsense("the receipt is of another transaction");
                        return Err(SendError::InDoubt(lie));
                    }
                    Ok(receipt)
                }
            },
        }
    }

    /// The answer of the first endpoint that can have received it, which may take longer than for others.
    async fn send<T>(
        &self,
        asked: &Request<T>,
        more: Duration,
    ) -> Result<(std::sync::Arc<Endpoint>, Answer), SendError> {
        let mut last = None;
        let shared = &self.shared;
        let patience = shared.options.attempt + more;
        for endpoint in shared.in_turn() {
            if let Err(error) = shared.check(endpoint).await {
                last = Some(error);
                continue;
            }
            let questions = [question(asked)];
            match shared.raw_within(endpoint, &questions, patience).await {
                Ok(mut answers) => {
                    let answer = answers.pop().ok_or_else(|| self.no_answer(endpoint))?;
                    return Ok((endpoint.clone(), answer));
                }
                Err(failure @ Failure::NotSent(_)) => last = Some(shared.failed(endpoint, failure)),
                Err(failure) => {
                    return Err(SendError::InDoubt(shared.failed(endpoint, failure)));
                }
            }
        }
        let chain = self.chain();
        Err(SendError::NotSent(last.unwrap_or_else(|| {
            RpcError::Unreachable {
                chain,
                endpoint: "none".to_owned(),
                source: "no endpoint answered in time".into(),
            }
        })))
    }

    fn no_answer(&self, endpoint: &Endpoint) -> SendError {
        SendError::InDoubt(RpcError::Nonsense {
            endpoint: endpoint.shown(),
            what: "an answer is missing",
            source: None,
        })
    }
}

/// The answer of a node that took it; `None` where it had it already.
fn taken(method: &'static str, answer: Answer) -> Result<Option<Answer>, SendError> {
    let error = match answer {
        Ok(said) => return Ok(Some(Ok(said))),
        Err(error) => error,
    };
    let why = match error.message.to_ascii_lowercase() {
        said if said.contains("already known") || said.contains("already imported") => {
            return Ok(None);
        }
        said if said.contains("nonce too low") => Refused::NonceTooLow,
        said if said.contains("underpriced") => Refused::Underpriced,
        said if said.contains("insufficient") => Refused::InsufficientFunds,
        _ => Refused::Other,
    };
    let source = refused(method, error);
    Err(SendError::Refused { why, source })
}

impl Answers {
    fn one(endpoint: &Endpoint, answer: Answer) -> Self {
        Self::of(endpoint.shown(), vec![answer])
    }
}
