//! Questions of different kinds in one round trip.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::{
    Node, Request, RpcError,
    node::{Answers, BATCH, question},
    wire::Question,
};

/// Questions that are asked together, of one endpoint, in the order in which they were put in.
///
/// ```
/// # async fn check(node: &farthing_evm::Node, payer: farthing_evm::Address)
/// # -> Result<(), farthing_evm::RpcError> {
/// use farthing_evm::{At, Batch, request};
///
/// let mut batch = Batch::new();
/// let latest = batch.ask(request::block(At::Latest));
/// let balance = batch.ask(request::balance(payer, At::Latest));
/// let mut answered = node.ask_batch(&batch).await?;
/// let (latest, balance) = (answered.take(&latest)?, answered.take(&balance)?);
/// # let _ = (latest, balance);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    questions: Vec<Question>,
}

/// The place of a question in its batch, with the type of its answer.
#[derive(Debug)]
pub struct Asked<T> {
    place: usize,
    method: &'static str,
    answer: PhantomData<fn() -> T>,
}

/// What was answered to a batch.
#[derive(Debug)]
pub struct Answered {
    parts: Vec<Answers>,
}

impl Batch {
    /// No questions.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            questions: Vec::new(),
        }
    }

    /// Puts a question in, and says where its answer will be.
    pub fn ask<T>(&mut self, asked: Request<T>) -> Asked<T> {
        let place = self.questions.len();
        let method = asked.method;
        self.questions.push(question(&asked));
        Asked {
            place,
            method,
            answer: PhantomData,
        }
    }
}

impl Answered {
    /// The answer to a question, once: a second time it is missing.
    ///
    /// # Errors
    /// When this question was not answered. Others may have been.
    pub fn take<T: DeserializeOwned>(&mut self, asked: &Asked<T>) -> Result<T, RpcError> {
        let part = self.parts.get_mut(asked.place / BATCH);
        let part = part.ok_or(RpcError::Misconfigured {
            what: "the question was put into another batch",
            source: None,
        })?;
        part.read_at(asked.place % BATCH, asked.method)
    }
}

impl Node {
    /// Asks the questions of a batch: one round trip for each hundred of them.
    ///
    /// # Errors
    /// When they could not be asked. Each has its own answer.
    pub async fn ask_batch(&self, batch: &Batch) -> Result<Answered, RpcError> {
        let mut parts = Vec::with_capacity(1);
        for some in batch.questions.chunks(BATCH) {
            parts.push(self.exchange(some).await?);
        }
        Ok(Answered { parts })
    }
}
