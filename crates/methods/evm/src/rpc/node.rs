//! A chain: its endpoints, asked in turn.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Bytes, U64};
use reqwest::Client;
use serde::de::DeserializeOwned;
use tokio::{task::JoinSet, time};

use super::{
    Request, Revert, RpcError,
    client::{checked, http, jittered, misconfigured},
    endpoint::{Endpoint, Failure, Standing},
    heads::{Follower, Heads},
    options::NodeOptions,
    request,
    revert::plain,
    wire::{Answer, Question, WireError},
};
use crate::ChainId;

/// The most questions in one exchange.
pub(super) const BATCH: usize = 100;

/// The pause before the second round; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// A chain that can be asked. Clones are the same.
#[derive(Clone)]
pub struct Node {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) options: NodeOptions,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    pub(super) http: Client,
    /// Tells of new blocks, once somebody waits for one.
    follower: OnceLock<Follower>,
    round_trips: AtomicU64,
}

impl Node {
    /// Reaches a chain. One endpoint of several may be down; none may be of another chain.
    ///
    /// # Errors
    /// When there is no endpoint, none answers, or one is of another chain.
    pub async fn connect(options: NodeOptions) -> Result<Self, RpcError> {
        let node = Self::new(options)?;
        node.check().await?;
        Ok(node)
    }

    /// A chain that nobody was asked about yet. Each endpoint is checked before it is believed, so it makes no
    /// difference to what is answered; only what is wrong with the options is told later.
    ///
    /// # Errors
    /// When there is no endpoint, or one that anybody on the way could answer for.
    pub fn new(options: NodeOptions) -> Result<Self, RpcError> {
        checked(&options)?;
        let http = http(&options)?;
        let endpoints = options.endpoints.iter().cloned();
        let endpoints = endpoints.map(|url| Arc::new(Endpoint::new(url))).collect();
        let shared = Arc::new(Shared {
            options,
            endpoints,
            http,
            follower: OnceLock::new(),
            round_trips: AtomicU64::new(0),
        });
        Ok(Self { shared })
    }

    /// Asks every endpoint which chain it is of.
    ///
    /// # Errors
    /// [`RpcError::WrongChain`] when one is of another chain, and why the last one failed when none answers.
    pub async fn check(&self) -> Result<(), RpcError> {
        let mut checks = JoinSet::new();
        for endpoint in &self.shared.endpoints {
            let (shared, endpoint) = (self.shared.clone(), endpoint.clone());
            checks.spawn(async move { shared.check(&endpoint).await });
        }
        let (mut any, mut down) = (false, None);
        while let Some(checked) = checks.join_next().await {
            match checked {
                Ok(Ok(())) => any = true,
                Ok(Err(wrong @ RpcError::WrongChain { .. })) => return Err(wrong),
                Ok(Err(error)) => down = Some(error),
                Err(source) => down = Some(misconfigured("a check ended early", source)),
            }
        }
        match down {
            Some(error) if !any => Err(error),
            _ => Ok(()),
        }
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        self.shared.options.chain
    }

    /// How long to wait before looking for a new block where none is told of: a fraction of the time
    /// between two.
    #[must_use]
    pub fn poll(&self) -> Duration {
        (self.shared.options.block_time / 6)
            .clamp(Duration::from_millis(10), Duration::from_secs(2))
    }

    /// The new blocks from now on, to look again at each. Only [within a runtime](tokio::runtime).
    #[must_use]
    pub fn heads(&self) -> Heads {
        let options = &self.shared.options;
        let follow = || Follower::start(options.clone());
        let follower =
            (!options.sockets.is_empty()).then(|| self.shared.follower.get_or_init(follow));
        Heads::of(follower, self.poll(), options.block_time)
    }

    /// How many exchanges there were with the chain's endpoints, those that failed and the checks of their
    /// chain ids included. A batch is one.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::Relaxed)
    }

    /// Asks one question.
    ///
    /// # Errors
    /// When it is not answered.
    pub async fn ask<T: DeserializeOwned>(&self, asked: Request<T>) -> Result<T, RpcError> {
        let mut answers = self.exchange(&[question(&asked)]).await?;
        answers.read(&asked)
    }

    /// Asks two questions in one round trip, of one endpoint.
    ///
    /// # Errors
    /// When one of them is not answered.
    pub async fn ask2<A: DeserializeOwned, B: DeserializeOwned>(
        &self,
        a: Request<A>,
        b: Request<B>,
    ) -> Result<(A, B), RpcError> {
        let mut answers = self.exchange(&[question(&a), question(&b)]).await?;
        Ok((answers.read(&a)?, answers.read(&b)?))
    }

    /// Asks any number of questions of one kind, at most a hundred a round trip.
    ///
    /// # Errors
    /// When they could not be asked. Each has its own answer.
    pub async fn ask_all<T: DeserializeOwned>(
        &self,
        asked: &[Request<T>],
    ) -> Result<Vec<Result<T, RpcError>>, RpcError> {
        let mut all = Vec::with_capacity(asked.len());
        for some in asked.chunks(BATCH) {
            let questions: Vec<_> = some.iter().map(question).collect();
            let mut answers = self.exchange(&questions).await?;
            all.extend(some.iter().map(|asked| answers.read(asked)));
        }
        Ok(all)
    }

    /// Asks questions in one round trip, of one endpoint, in this order.
    pub(crate) async fn exchange(&self, questions: &[Question]) -> Result<Answers, RpcError> {
        let mut last = None;
        let deadline = self.shared.options.deadline;
        let rounds = self.shared.rounds(questions, &mut last);
        match time::timeout(deadline, rounds).await {
            Ok(Some(answers)) => Ok(answers),
            _ => Err(last.unwrap_or_else(|| RpcError::Unreachable {
                chain: self.chain(),
                endpoint: "none".to_owned(),
                source: Box::new(Failure::Slow(deadline)),
            })),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.shared.options).finish()
    }
}

impl Shared {
    /// The endpoints in the order in which they are tried: what answered last first.
    pub(super) fn in_turn(&self) -> Vec<&Arc<Endpoint>> {
        let mut all: Vec<_> = self.endpoints.iter().collect();
        all.sort_by_key(|endpoint| endpoint.standing());
        all
    }

    async fn rounds(&self, questions: &[Question], last: &mut Option<RpcError>) -> Option<Answers> {
        for round in 0..self.options.rounds.max(1) {
            if round > 0 {
                time::sleep(jittered(PAUSE * 2_u32.saturating_pow(round - 1))).await;
            }
            for endpoint in self.in_turn() {
                match self.once(endpoint, questions).await {
                    Ok(answers) => return Some(answers),
                    Err(error) => {
                        tracing::debug!(endpoint = endpoint.shown(), %error, "an endpoint did not answer");
                        *last = Some(error);
                    }
                }
            }
        }
        None
    }

    async fn once(&self, endpoint: &Endpoint, questions: &[Question]) -> Result<Answers, RpcError> {
        self.check(endpoint).await?;
        let answers = self.raw(endpoint, questions).await;
        let answers = answers.map_err(|failure| self.failed(endpoint, failure))?;
        let busy = |answer: &Answer| answer.as_ref().is_err_and(is_busy);
        if answers.iter().any(busy) {
            return Err(RpcError::Unreachable {
                chain: self.options.chain,
                endpoint: endpoint.shown(),
                source: "it is asked too much".into(),
            });
        }
        Ok(Answers::of(endpoint.shown(), answers))
    }

    /// Makes sure that an endpoint is of our chain, unless that is known.
    pub(super) async fn check(&self, endpoint: &Endpoint) -> Result<(), RpcError> {
        if endpoint.standing() == Standing::Good {
            return Ok(());
        }
        let asked: Request<U64> = request::chain_id();
        let answers = self.raw(endpoint, &[question(&asked)]).await;
        let answers = answers.map_err(|failure| self.failed(endpoint, failure))?;
        let mut answers = Answers::of(endpoint.shown(), answers);
        let found = answers.read(&asked)?.to::<u64>();
        if found == self.options.chain.get() {
            endpoint.stands(Standing::Good);
            return Ok(());
        }
        endpoint.stands(Standing::Elsewhere);
        tracing::error!(
            endpoint = endpoint.shown(),
            found,
            "an endpoint is of another chain"
        );
        Err(RpcError::WrongChain {
            endpoint: endpoint.shown(),
            expected: self.options.chain,
            found,
        })
    }

    async fn raw(
        &self,
        endpoint: &Endpoint,
        questions: &[Question],
    ) -> Result<Vec<Answer>, Failure> {
        self.raw_within(endpoint, questions, self.options.attempt)
            .await
    }

    pub(super) async fn raw_within(
        &self,
        endpoint: &Endpoint,
        questions: &[Question],
        patience: Duration,
    ) -> Result<Vec<Answer>, Failure> {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let max = self.options.max_answer;
        endpoint
            .exchange(&self.http, questions, patience, max)
            .await
    }

    pub(super) fn failed(&self, endpoint: &Endpoint, failure: Failure) -> RpcError {
        if failure.is_nonsense() {
            return RpcError::Nonsense {
                endpoint: endpoint.shown(),
                what: "it is no answer",
                source: Some(failure.source()),
            };
        }
        RpcError::Unreachable {
            chain: self.options.chain,
            endpoint: endpoint.shown(),
            source: failure.source(),
        }
    }
}

/// The answers of one exchange, in the order of the questions.
#[derive(Debug)]
pub(crate) struct Answers {
    endpoint: String,
    answers: Vec<Option<Answer>>,
    next: usize,
}

impl Answers {
    pub(super) fn of(endpoint: String, answers: Vec<Answer>) -> Self {
        Self {
            endpoint,
            answers: answers.into_iter().map(Some).collect(),
            next: 0,
        }
    }

    /// Reads the next answer, which is that to this question.
    pub(crate) fn read<T: DeserializeOwned>(&mut self, asked: &Request<T>) -> Result<T, RpcError> {
        self.next += 1;
        self.read_at(self.next - 1, asked.method)
    }

    /// Reads the answer to the question at a place.
    pub(super) fn read_at<T: DeserializeOwned>(
        &mut self,
        place: usize,
        method: &'static str,
    ) -> Result<T, RpcError> {
        let answer = self.answers.get_mut(place).and_then(Option::take);
        let answer = answer.ok_or_else(|| self.nonsense("an answer is missing"))?;
        let raw = answer.map_err(|error| refused(method, error))?;
        serde_json::from_str(raw.get()).map_err(|source| RpcError::Nonsense {
            endpoint: self.endpoint.clone(),
            what: "it has another form than the method's answers",
            source: Some(source.into()),
        })
    }

    pub(crate) fn nonsense(&self, what: &'static str) -> RpcError {
        RpcError::Nonsense {
            endpoint: self.endpoint.clone(),
            what,
            source: None,
        }
    }
}

pub(crate) fn question<T>(asked: &Request<T>) -> Question {
    Question {
        method: asked.method,
        params: asked.params.clone(),
    }
}

/// What a node's error means.
pub(super) fn refused(method: &'static str, error: WireError) -> RpcError {
    let data = error.data.as_ref().and_then(|data| data.as_str());
    let data: Option<Bytes> = data.and_then(|data| data.parse().ok());
    // 3 is what most write; some leave -32000 and say so in words.
    let reverted = error.code == 3 || error.message.starts_with("execution reverted");
    match error.code {
        _ if reverted => RpcError::Reverted(Revert {
            data: data.unwrap_or_default(),
        }),
        -32601 => RpcError::Unsupported { method },
        code => RpcError::Rejected {
            method,
            code,
            message: plain(&error.message),
        },
    }
}

/// Whether a node says that it could answer later (EIP-1474: limit exceeded).
const fn is_busy(error: &WireError) -> bool {
    matches!(error.code, -32005 | 429)
}
