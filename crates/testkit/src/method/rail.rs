//! The fake rail: what it is asked, and what it answers.

use std::{
    collections::VecDeque,
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use farthing_core::{
    port::{
        BoxFuture,
        clock::Clock,
        method::{Fault, Order, Outcome, Outside, Refusal, Until},
    },
    value::{Did, Reference, Secret, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use tokio::sync::Notify;

use super::truth::{Kept, Transfer, Truth, lock};

/// How the rail answers one call. Whatever it answers, it never moves value twice for one nonce,
/// and never says that it refused what it moved.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It moves the value and says so.
    Settle,
    /// It refuses for good: nothing moves, now or later.
    Refuse,
    /// It has it and is not done.
    Pending(Duration),
    /// It takes it, and moves the value a second later, as a chain does with its next block: who
    /// waits until the payment is final gets its answer then, who waits until it is taken at once.
    Block,
    /// It moves the value, and the answer is lost.
    MovedButLost,
    /// The call never reached it.
    Lost,
    /// It waits for the latch, and settles then.
    Hang(Latch),
    /// It moves the value, or does not, and never answers.
    Never {
        /// Whether it moves the value first.
        moved: bool,
    },
}

/// What a hanging call waits for. Each opening lets one call go on.
#[derive(Clone, Debug, Default)]
pub struct Latch(Arc<Notify>);

impl Latch {
    /// Lets the call that waits, or the next one that comes, go on.
    pub fn open(&self) {
        self.0.notify_one();
    }

    pub(super) async fn opened(&self) {
        self.0.notified().await;
    }
}

/// A rail that is somewhere else, with a truth of its own.
pub struct FakeRail {
    kept: Kept,
    clock: Arc<dyn Clock>,
    script: Mutex<VecDeque<Answer>>,
    pace: AtomicU32,
}

/// What is sent to the rail: the same bytes for the same proof.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Effect {
    pub(super) nonce: String,
    /// What it is for: the challenge. A nonce is good for one effect.
    pub(super) memo: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) amount: u128,
    /// Until when the rail takes it, in milliseconds. What it took by then it may move later.
    #[serde(default)]
    pub(super) send_before: Option<u64>,
}

impl Effect {
    pub(super) fn seal(&self) -> Secret {
        Secret::new(serde_json::to_vec(self).expect("an effect is plain data"))
    }

    fn open(secret: &Secret) -> Option<Self> {
        serde_json::from_slice(secret.expose()).ok()
    }
}

impl FakeRail {
    /// A rail that lives as long as it is held.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::kept(Kept::Memory(Mutex::default()), clock)
    }

    /// A rail whose truth is in a file, so that it outlives the process.
    #[must_use]
    pub fn in_file(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self::kept(Kept::File(Mutex::new(path.into())), clock)
    }

    fn kept(kept: Kept, clock: Arc<dyn Clock>) -> Self {
        Self {
            kept,
            clock,
            script: Mutex::default(),
            pace: AtomicU32::new(0),
        }
    }

    /// Gives somebody money.
    pub fn deposit(&self, account: &Did, amount: u128) {
        let account = account.as_str().to_owned();
        self.kept
            .change(|truth| *truth.accounts.entry(account).or_default() += amount);
    }

    /// What is true.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.kept.read()
    }

    /// What moved by a nonce.
    #[must_use]
    pub fn moved(&self, nonce: &str) -> Option<Transfer> {
        self.kept.look(|truth| truth.moved.get(nonce).cloned())
    }

    /// How the next call that has no answer yet is answered. Calls without one are settled.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.script).extend(answers);
    }

    /// Forgets the answers that were not used.
    pub fn forget_script(&self) {
        lock(&self.script).clear();
    }

    /// How many other tasks get their turn before a call arrives, and again before its answer
    /// does.
    pub fn set_pace(&self, turns: u32) {
        self.pace.store(turns, Ordering::SeqCst);
    }

    async fn wait(&self) {
        for _ in 0..self.pace.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    async fn call(&self, order: Order<'_>, is_settling: bool) -> Outcome {
        let Some(effect) = Effect::open(order.effect) else {
            return refused("the effect cannot be read");
        };
        let late = effect
            .send_before
            .is_some_and(|until| until <= self.clock.now().as_millis());
        // Whatever becomes of the call: it should not have been made.
        self.kept
            .change(|truth| truth.late += u64::from(late && is_settling));
        self.wait().await;
        let mut answer = lock(&self.script).pop_front().unwrap_or(Answer::Settle);
        let is_new = |truth: &Truth| !truth.arrived.contains_key(&effect.nonce);
        if late && !matches!(answer, Answer::Lost) && self.kept.look(is_new) {
            answer = Answer::Refuse;
        }
        if !matches!(answer, Answer::Lost) {
            self.kept.change(|truth| {
                truth.settles += u64::from(is_settling);
                truth.resolves += u64::from(!is_settling);
                *truth.arrived.entry(effect.nonce.clone()).or_default() += 1;
            });
        }
        let outcome = match answer {
            Answer::Settle => self.settle_now(&effect),
            Answer::Refuse => self.refuse_now(&effect),
            Answer::Pending(ask_after) => Outcome::Pending { ask_after },
            Answer::Block if order.until == Until::Taken => Outcome::Pending {
                ask_after: Duration::from_secs(1),
            },
            Answer::Block => self.settle_now(&effect),
            Answer::MovedButLost => {
                drop(self.settle_now(&effect));
                lost()
            }
            Answer::Lost => lost(),
            Answer::Hang(latch) => {
                latch.opened().await;
                self.settle_now(&effect)
            }
            Answer::Never { moved } => {
                if moved {
                    drop(self.settle_now(&effect));
                }
                std::future::pending().await
            }
        };
        self.wait().await;
        outcome
    }

    /// Moves the value, unless it moved before.
    fn settle_now(&self, effect: &Effect) -> Outcome {
        let now = self.clock.now();
        self.kept.change(|truth| {
            match truth.moved.get(&effect.nonce) {
                Some(transfer) if transfer.memo == effect.memo => return settled(transfer),
                Some(_) => return refused("the nonce was used for something else"),
                None => {}
            }
            if truth.refused.contains(&effect.nonce) {
                return refused("the rail refused this before");
            }
            let Effect {
                nonce,
                memo,
                from,
                to,
                amount,
                ..
            } = effect;
            if truth.transfer(from, to, *amount).is_none() {
                truth.refused.insert(nonce.clone());
                return refused("the account has too little");
            }
            let transfer = Transfer {
                memo: memo.clone(),
                from: from.clone(),
                to: to.clone(),
                amount: *amount,
                reference: name(nonce),
                at: now.as_millis(),
            };
            truth.moved.insert(nonce.clone(), transfer.clone());
            settled(&transfer)
        })
    }

    fn refuse_now(&self, effect: &Effect) -> Outcome {
        self.kept
            .change(|truth| match truth.moved.get(&effect.nonce) {
                Some(transfer) if transfer.memo == effect.memo => settled(transfer),
                Some(_) => refused("the nonce was used for something else"),
                None => {
                    truth.refused.insert(effect.nonce.clone());
                    refused("the rail refuses this")
                }
            })
    }
}

/// What the rail calls what moved by a nonce.
pub(super) fn name(nonce: &str) -> String {
    format!("fake-{nonce}")
}

fn settled(transfer: &Transfer) -> Outcome {
    Outcome::Settled {
        reference: Reference::new(transfer.reference.as_str())
            .expect("the fake rail's references are well formed"),
        at: Timestamp::from_millis(transfer.at),
        details: Map::new(),
    }
}

fn refused(why: &'static str) -> Outcome {
    Outcome::Refused(Refusal::new(Fault::Invalid, why))
}

fn lost() -> Outcome {
    Outcome::Unknown {
        source: Some("the answer was lost, as a test asked for".into()),
    }
}

impl Outside for FakeRail {
    fn settle<'a>(&'a self, order: Order<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.call(order, true))
    }

    fn resolve<'a>(&'a self, order: Order<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.call(order, false))
    }
}

impl fmt::Debug for FakeRail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeRail")
            .field("truth", &self.truth())
            .finish_non_exhaustive()
    }
}
