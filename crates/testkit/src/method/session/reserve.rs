//! The fake reserve: what it is asked, and what it answers.

use std::{
    collections::VecDeque,
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use farthing_core::{
    intent::session::{ChannelId, RawSignature},
    port::{
        clock::Clock,
        method::{Fault, Outcome, Refusal},
    },
    value::{Amount, Did, Reference, Timestamp},
};
use serde_json::Map;
use tokio::sync::Notify;

use super::{
    chain::{FakeChannel, FakeSent, FakeStanding, ReserveTruth},
    descriptor::FakeDescriptor,
    work::{FakeItem, FakeWork, GRACE_SECS},
};
use crate::method::{
    charge::Judgement,
    rail::Answer,
    truth::{Kept, lock},
};

/// A rail that keeps channels, with a truth of its own.
///
/// Time on it is that of the clock it is given: whoever asks for the newest block finds one that was
/// made just now. Unless a test says otherwise, whatever is sent is done at once, in a block of its
/// own.
pub struct FakeReserve {
    kept: Kept<ReserveTruth>,
    clock: Arc<dyn Clock>,
    blocks: Notify,
    funding: Mutex<VecDeque<Answer>>,
    settling: Mutex<VecDeque<Answer>>,
    looking: Mutex<VecDeque<Judgement>>,
    pace: AtomicU32,
    silent: AtomicBool,
    by_hand: AtomicBool,
    forgets_the_end: AtomicBool,
    asked: AtomicU64,
}

/// What became of something that was sent.
pub(super) enum Fate {
    Done { reference: Reference, at: Timestamp },
    Refused { why: Box<str>, culprits: Vec<usize> },
    Pending(Duration),
    Unknown(&'static str),
}

/// How long what waits for a block waits.
const BLOCK: Duration = Duration::from_secs(1);

impl FakeReserve {
    /// A rail that lives as long as it is held.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let truth = ReserveTruth::starting(clock.now());
        Self::kept(Kept::Memory(Mutex::new(truth)), clock)
    }

    /// A rail whose truth is in a file, so that it outlives the process. One process at a time.
    #[must_use]
    pub fn in_file(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self::kept(Kept::File(Mutex::new(path.into())), clock)
    }

    fn kept(kept: Kept<ReserveTruth>, clock: Arc<dyn Clock>) -> Self {
        Self {
            kept,
            clock,
            blocks: Notify::new(),
            funding: Mutex::default(),
            settling: Mutex::default(),
            looking: Mutex::default(),
            pace: AtomicU32::new(0),
            silent: AtomicBool::new(false),
            by_hand: AtomicBool::new(false),
            forgets_the_end: AtomicBool::new(false),
            asked: AtomicU64::new(0),
        }
    }

    /// Gives somebody money.
    pub fn deposit(&self, account: &Did, amount: u128) {
        self.kept
            .change(|truth| truth.credit(account.as_str(), amount));
    }

    /// What is true, all of it. What is asked often is asked by [`FakeReserve::with`].
    #[must_use]
    pub fn truth(&self) -> ReserveTruth {
        self.kept.read()
    }

    /// Looks at the truth.
    pub fn with<T>(&self, look: impl FnOnce(&ReserveTruth) -> T) -> T {
        self.kept.look(look)
    }

    /// A channel as it is now.
    #[must_use]
    pub fn channel(&self, id: &ChannelId) -> Option<FakeChannel> {
        self.kept.look(|truth| truth.channel(id).cloned())
    }

    /// How often the rail was asked for anything.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// How long a payer waits between asking for a channel's end and taking back what is left.
    #[must_use]
    pub const fn grace() -> Duration {
        Duration::from_secs(GRACE_SECS)
    }

    /// How the next calls that fund a channel are answered; without an answer they are done.
    /// [`Answer::Pending`] takes what was sent and forgets it.
    pub fn script_funding(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.funding).extend(answers);
    }

    /// The same for settlements, requests to close, and withdrawals.
    pub fn script_settling(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.settling).extend(answers);
    }

    /// How the next looks, checks of fundings, and questions for news go.
    pub fn script_looking(&self, judgements: impl IntoIterator<Item = Judgement>) {
        lock(&self.looking).extend(judgements);
    }

    /// Forgets the answers that were not used.
    pub fn forget_script(&self) {
        lock(&self.funding).clear();
        lock(&self.settling).clear();
        lock(&self.looking).clear();
    }

    /// How many other tasks get their turn before a call arrives, and again before its answer does.
    pub fn set_pace(&self, turns: u32) {
        self.pace.store(turns, Ordering::SeqCst);
    }

    /// Whether it cannot be reached: nothing arrives, and nothing is answered.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// Whether blocks are made by [`FakeReserve::mine`] alone. Then what is sent waits, and the
    /// newest block grows old.
    pub fn set_blocks_by_hand(&self, by_hand: bool) {
        self.by_hand.store(by_hand, Ordering::SeqCst);
    }

    /// Whether it says nothing of what a finished channel paid out, as a chain does that keeps
    /// nothing of it.
    pub fn set_forgets_the_end(&self, forgets: bool) {
        self.forgets_the_end.store(forgets, Ordering::SeqCst);
    }

    /// Makes a block, with all that waits, and says its number.
    pub fn mine(&self) -> u64 {
        let now = self.clock.now();
        let block = self.kept.change(|truth| {
            truth.make_block(now, Timestamp::FAR);
            truth.block
        });
        self.blocks.notify_waiters();
        block
    }

    /// Opens a channel behind everybody's back.
    ///
    /// # Panics
    /// When the rail refuses it.
    pub fn open(&self, channel: &FakeDescriptor, amount: u128) {
        let lock = channel.opening(Amount::new(amount), Timestamp::FAR);
        self.must(FakeWork::Lock(lock));
    }

    /// Locks more in one.
    ///
    /// # Panics
    /// When the rail refuses it.
    pub fn top_up(&self, channel: &FakeDescriptor, amount: u128) {
        let nonce = format!("behind {}", self.kept.look(|truth| truth.block));
        let lock = channel.top_up(Amount::new(amount), &nonce, Timestamp::FAR);
        self.must(FakeWork::Lock(lock));
    }

    /// The payer asks for the channel's end, without its seller.
    ///
    /// # Panics
    /// When there is no such channel.
    pub fn request_close(&self, channel: &ChannelId) {
        self.must(FakeWork::RequestClose(channel.clone()));
    }

    /// The payer takes back what is left, and it is said whether the rail let it.
    pub fn withdraw(&self, channel: &ChannelId) -> bool {
        self.now(FakeWork::Withdraw(channel.clone())).is_ok()
    }

    /// The payee settles a voucher behind its server's back.
    ///
    /// # Panics
    /// When the rail refuses it.
    pub fn settle(&self, channel: &FakeDescriptor, cumulative: u128) {
        let cumulative = Amount::new(cumulative);
        let RawSignature { r, s } = channel.sign(cumulative);
        self.must(FakeWork::Settle(vec![FakeItem {
            channel: channel.id(),
            by: channel.payee.as_str().into(),
            voucher: Some((cumulative, r, s)),
            capture: None,
        }]));
    }

    fn must(&self, work: FakeWork) {
        let done = self.now(work);
        assert!(
            done.is_ok(),
            "the fake reserve refuses what a test does by hand: {done:?}"
        );
    }

    fn now(&self, work: FakeWork) -> Result<(), Box<str>> {
        let now = self.clock.now();
        let done = self.kept.change(|truth| {
            truth.make_block(now, now);
            work.apply(truth).map_err(|why| why.text)
        });
        self.blocks.notify_waiters();
        done
    }

    /// Hands something in under its name. What has a name is done once.
    pub(super) async fn send(&self, name: String, work: FakeWork) -> Fate {
        let script = match work {
            FakeWork::Lock(_) => &self.funding,
            _ => &self.settling,
        };
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.wait().await;
        if self.is_silent() {
            return Fate::Unknown("the rail does not answer");
        }
        let usual = match self.by_hand.load(Ordering::SeqCst) {
            true => Answer::Block,
            false => Answer::Settle,
        };
        let answer = lock(script).pop_front().unwrap_or(usual);
        if !matches!(answer, Answer::Lost) {
            self.arrive(&name, &work);
        }
        let fate = match answer {
            Answer::Settle => self.execute(&name),
            Answer::Refuse => self.refuse(&name),
            Answer::Pending(ask_after) => Fate::Pending(ask_after),
            Answer::Block => self.queue(&name),
            Answer::MovedButLost => {
                drop(self.execute(&name));
                Fate::Unknown("the answer was lost, as a test asked for")
            }
            Answer::Lost => Fate::Unknown("the call was lost, as a test asked for"),
            Answer::Hang(latch) => {
                latch.opened().await;
                self.execute(&name)
            }
            Answer::Never { moved } => {
                if moved {
                    drop(self.execute(&name));
                }
                std::future::pending().await
            }
        };
        self.wait().await;
        fate
    }

    /// Asks without sending, and says nothing where a test wants it silent.
    pub(super) async fn ask<T>(&self, look: impl FnOnce(&ReserveTruth) -> T) -> Result<T, Refusal> {
        let down = || Refusal::new(Fault::Unavailable, "the rail does not answer");
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.wait().await;
        if self.is_silent() {
            return Err(down());
        }
        let judgement = lock(&self.looking).pop_front().unwrap_or(Judgement::Now);
        match judgement {
            Judgement::Now => {}
            Judgement::Later(latch) => latch.opened().await,
            Judgement::Down => return Err(down()),
        }
        self.go_with_time();
        let found = self.kept.look(look);
        self.wait().await;
        Ok(found)
    }

    /// Waits for a block, and for no longer than one takes.
    pub(super) async fn next_block(&self) {
        let made = self.blocks.notified();
        drop(tokio::time::timeout(BLOCK, made).await);
    }

    pub(super) fn tells_the_end(&self) -> bool {
        !self.forgets_the_end.load(Ordering::SeqCst)
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    async fn wait(&self) {
        for _ in 0..self.pace.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    /// Makes the block that the clock says is there by now.
    fn go_with_time(&self) {
        if self.by_hand.load(Ordering::SeqCst) {
            return;
        }
        let now = self.clock.now();
        if self.kept.look(|truth| now > truth.at || truth.has_due(now)) {
            self.kept.change(|truth| truth.make_block(now, now));
        }
    }

    /// Notes that something arrived. Another thing under the same name is counted and never done.
    fn arrive(&self, name: &str, work: &FakeWork) {
        self.kept.change(|truth| {
            let sent = truth
                .sent
                .entry(name.to_owned())
                .or_insert_with(|| FakeSent {
                    work: work.clone(),
                    standing: FakeStanding::Forgotten,
                    arrived: 0,
                    mixed: 0,
                });
            sent.arrived += 1;
            sent.mixed += u64::from(sent.work != *work);
        });
    }

    fn execute(&self, name: &str) -> Fate {
        let now = self.clock.now();
        let fate = self.kept.change(|truth| {
            if !is_over(truth, name) {
                truth.make_block(now, now);
                // The block may have taken it already, where it waited.
                if !is_over(truth, name) {
                    truth.execute(name);
                }
            }
            fate(truth, name)
        });
        self.blocks.notify_waiters();
        fate
    }

    fn refuse(&self, name: &str) -> Fate {
        self.kept.change(|truth| {
            if !is_over(truth, name)
                && let Some(sent) = truth.sent.get_mut(name)
            {
                sent.standing = FakeStanding::Refused {
                    why: "the rail refuses this".into(),
                    culprits: Vec::new(),
                };
                truth.waiting.remove(name);
            }
            fate(truth, name)
        })
    }

    fn queue(&self, name: &str) -> Fate {
        let due = self.clock.now().saturating_add(BLOCK);
        self.go_with_time();
        self.kept.change(|truth| {
            if let Some(sent) = truth.sent.get_mut(name)
                && sent.standing == FakeStanding::Forgotten
            {
                sent.standing = FakeStanding::Waits(due);
                truth.waiting.insert(name.to_owned());
            }
            fate(truth, name)
        })
    }
}

fn is_over(truth: &ReserveTruth, name: &str) -> bool {
    let standing = truth.sent.get(name).map(|sent| &sent.standing);
    matches!(
        standing,
        Some(FakeStanding::Done(..) | FakeStanding::Refused { .. })
    )
}

fn fate(truth: &ReserveTruth, name: &str) -> Fate {
    match truth.sent.get(name).map(|sent| &sent.standing) {
        Some(FakeStanding::Done(_, at)) => Fate::Done {
            reference: reference(name),
            at: *at,
        },
        Some(FakeStanding::Refused { why, culprits }) => Fate::Refused {
            why: why.clone(),
            culprits: culprits.clone(),
        },
        Some(FakeStanding::Waits(_) | FakeStanding::Forgotten) | None => Fate::Pending(BLOCK),
    }
}

pub(super) fn reference(name: &str) -> Reference {
    Reference::new(name).expect("the fake reserve's names are references")
}

impl From<Fate> for Outcome {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Done { reference, at } => Self::Settled {
                reference,
                at,
                details: Map::new(),
            },
            Fate::Refused { why, .. } => {
                Self::Refused(Refusal::new(Fault::Invalid, String::from(why)))
            }
            Fate::Pending(ask_after) => Self::Pending { ask_after },
            Fate::Unknown(why) => Self::Unknown {
                source: Some(why.into()),
            },
        }
    }
}

impl fmt::Debug for FakeReserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeReserve")
            .field("truth", &self.truth())
            .finish_non_exhaustive()
    }
}
