//! A process that serves the channel: what it remembers, what waits in it, and what it is writing.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use farthing_core::{
    domain::{
        calls::{Calls, HeldCall},
        channels::{
            Buying, Caps, ChannelError, Channels, Held, Purchase, Rows, Step, Stepping, Work,
        },
    },
    intent::session::{Admitted, Channel, Refused, ReservationId, Rule, Seen, Standing, Voucher},
    port::backend::{Backend, Key, Place, Table, Write},
    value::{Amount, Timestamp},
};

use super::super::paced::{Pace, Paced};
use crate::faulty::{Faults, Faulty};

/// Where each charge leaves a row, in the batch that makes it.
pub(super) const CHARGES: Table = Table::new("sim.charges");

/// How many a process takes into one write.
const MOST: usize = 6;

/// For how long nobody serves any more who was serving.
pub(super) const IDLE: Duration = Duration::from_secs(300);

/// What a process does to the channel.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// Charges a request.
    Buy {
        request: usize,
        voucher: Option<Voucher>,
        price: Amount,
        call: Option<(HeldCall, Rows)>,
    },
    /// Serves a request again that somebody else left.
    Again {
        request: usize,
        call: HeldCall,
        rows: Rows,
    },
    /// Writes down the answer of a request.
    Answered(Rows),
    /// Takes a charge back.
    Unserved {
        request: usize,
        price: Amount,
        call: Option<HeldCall>,
    },
    /// Holds an estimate.
    Reserve { estimate: Amount, until: Timestamp },
    /// Pays for a piece out of an estimate; `ends` gives the rest of it back.
    Piece {
        request: usize,
        id: ReservationId,
        price: Amount,
        until: Timestamp,
        ends: bool,
    },
    /// Pays for a piece of a request under a key, beyond what was paid for it before.
    Beyond {
        request: usize,
        /// The request that is served.
        of: usize,
        price: Amount,
        /// What it used by then in all.
        used: Amount,
        call: HeldCall,
        rows: Rows,
    },
    /// Takes in what the rail says.
    Look(Seen),
    /// Stops the service.
    Close(Option<Voucher>),
    /// What has to be done now and then.
    Chore(super::action::Chore),
}

/// What a job led to.
#[derive(Clone, Debug)]
pub(super) enum Done {
    Bought(Admitted),
    Again,
    Answered,
    TakenBack(Amount),
    Reserved(ReservationId),
    Piece,
    Forgotten(bool),
    Looked,
    Closing,
    MadeSure(Amount),
    Nothing,
}

/// What a process wrote, or failed to.
pub(super) type Ended = Vec<(Job, Result<Done, ChannelError>)>;

type Writing = Pin<Box<dyn Future<Output = (Box<Held>, Ended, Amount)>>>;

/// A request that is being served.
#[derive(Clone, Debug)]
pub(super) struct Serving {
    pub(super) request: usize,
    /// What it was charged; nothing where it is served again.
    pub(super) price: Amount,
    pub(super) call: Option<HeldCall>,
    pub(super) is_again: bool,
    /// What it used beyond that.
    pub(super) used: Amount,
}

pub(super) struct Process {
    pub(super) faults: Faults,
    pub(super) channels: Channels,
    pub(super) calls: Calls,
    pub(super) held: Option<Box<Held>>,
    writing: Option<Writing>,
    /// What is being written at the moment.
    pub(super) at_work: Vec<Job>,
    pub(super) waiting: VecDeque<Job>,
    pub(super) serving: Vec<Serving>,
    pub(super) estimates: Vec<ReservationId>,
    /// What was delivered since the channel was written last.
    pub(super) served: Amount,
    pub(super) looked_at: Timestamp,
}

impl Process {
    pub(super) fn new(store: &Arc<dyn Backend>, now: Timestamp) -> Self {
        let (faulty, faults) = Faulty::over(Arc::clone(store));
        let pace = Pace::default();
        pace.set(1);
        let store: Arc<dyn Backend> = Arc::new(Paced {
            inner: faulty,
            pace,
        });
        Self {
            faults,
            channels: Channels::new(Arc::clone(&store)),
            calls: Calls::new(store),
            held: None,
            writing: None,
            at_work: Vec::new(),
            waiting: VecDeque::new(),
            serving: Vec::new(),
            estimates: Vec::new(),
            served: Amount::ZERO,
            looked_at: now,
        }
    }

    pub(super) const fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Whether it is ending what is left over, and may have done so.
    pub(super) fn ends_left_over(&self) -> bool {
        let chore = super::action::Chore::EndLeftOver;
        let mut at_work = self.at_work.iter();
        at_work.any(|job| matches!(job, Job::Chore(of) if *of == chore))
    }

    /// Whether it is forgetting the channel, and may have done so.
    pub(super) fn forgets(&self) -> bool {
        let chore = super::action::Chore::Forget;
        let mut at_work = self.at_work.iter();
        at_work.any(|job| matches!(job, Job::Chore(of) if *of == chore))
    }

    /// Goes on with what it writes, or begins with what waits. Answers what came to an end.
    pub(super) fn turn(&mut self, now: Timestamp, caps: &Caps) -> Option<Ended> {
        if self.writing.is_none() {
            self.begin(now, caps);
        }
        let mut context = Context::from_waker(Waker::noop());
        match self.writing.as_mut()?.as_mut().poll(&mut context) {
            Poll::Pending => None,
            Poll::Ready((held, ended, written)) => {
                self.writing = None;
                self.at_work.clear();
                self.held = Some(held);
                self.served = self.served.checked_sub(written).unwrap_or_default();
                Some(ended)
            }
        }
    }

    fn begin(&mut self, now: Timestamp, caps: &Caps) {
        let Some(first) = self.waiting.front() else {
            return;
        };
        let Some(held) = self.held.take() else {
            return;
        };
        let (channels, caps) = (self.channels.clone(), caps.clone());
        if let Job::Chore(_) = first {
            let chore = self.waiting.pop_front();
            self.at_work.extend(chore.clone());
            let (calls, Some(chore)) = (self.calls.clone(), chore) else {
                return;
            };
            self.writing = Some(Box::pin(do_chore(channels, calls, held, now, caps, chore)));
            return;
        }
        let is_step = |job: &&Job| !matches!(job, Job::Chore(_));
        let count = self.waiting.iter().take(MOST).take_while(is_step).count();
        let jobs: Vec<Job> = self.waiting.drain(..count).collect();
        self.at_work.clone_from(&jobs);
        self.writing = Some(Box::pin(write(
            channels,
            held,
            now,
            self.served,
            caps,
            jobs,
        )));
    }
}

async fn write(
    channels: Channels,
    mut held: Box<Held>,
    now: Timestamp,
    served: Amount,
    caps: Caps,
    jobs: Vec<Job>,
) -> (Box<Held>, Ended, Amount) {
    let mut works: Vec<SimWork> = jobs.iter().map(work).collect();
    let all = works.iter_mut().map(SimWork::as_work).collect();
    let written = channels.apply(&mut held, now, served, all, &caps).await;
    let done = works.into_iter().map(SimWork::into_outcome);
    (held, jobs.into_iter().zip(done).collect(), written)
}

async fn do_chore(
    channels: Channels,
    calls: Calls,
    mut held: Box<Held>,
    now: Timestamp,
    caps: Caps,
    job: Job,
) -> (Box<Held>, Ended, Amount) {
    use super::action::Chore;
    let Job::Chore(chore) = job else {
        return (held, Vec::new(), Amount::ZERO);
    };
    let term = Duration::from_secs(30);
    let done = match chore {
        Chore::GiveBack => {
            let is_closed = held.channel().standing() == Standing::Closed;
            let spare = Amount::new(if is_closed { 0 } else { 3 });
            let freed = channels.give_back(&mut held, &caps, spare, now).await;
            freed.map(|_| Done::Nothing)
        }
        Chore::EndLeftOver => {
            let sure = channels.end_left_over(&mut held, now, IDLE).await;
            sure.map(Done::MadeSure)
        }
        Chore::Acquire => {
            let acquired = channels.acquire(&mut held, now, term).await;
            acquired.map(|_| Done::Nothing)
        }
        Chore::Release => channels.release(&mut held).await.map(|()| Done::Nothing),
        Chore::ForgetCalls => {
            let forgotten = calls.forget(held.id(), now).await;
            forgotten
                .map(|_| Done::Nothing)
                .map_err(ChannelError::Store)
        }
        Chore::Forget => forget(&channels, &mut held, &caps, now).await,
    };
    (held, vec![(job, done)], Amount::ZERO)
}

/// As the till does it: what a closed channel holds of its caps is given back before.
async fn forget(
    channels: &Channels,
    held: &mut Held,
    caps: &Caps,
    now: Timestamp,
) -> Result<Done, ChannelError> {
    if held.channel().standing() == Standing::Closed {
        channels.give_back(held, caps, Amount::ZERO, now).await?;
    }
    channels.forget(held.id()).await.map(Done::Forgotten)
}

type BoxedStep = Box<dyn FnMut(&mut Channel) -> Result<Step<Done>, Refused> + Send>;

enum SimWork {
    Buying(Box<Buying>),
    Stepping(Stepping<Done, BoxedStep>),
}

impl SimWork {
    fn as_work(&mut self) -> &mut dyn Work {
        match self {
            Self::Buying(work) => &mut **work,
            Self::Stepping(work) => work,
        }
    }

    fn into_outcome(self) -> Result<Done, ChannelError> {
        match self {
            Self::Buying(work) => work.into_outcome().map(Done::Bought),
            Self::Stepping(work) => work.into_outcome(),
        }
    }
}

/// The piece of work that a job is.
fn work(job: &Job) -> SimWork {
    let step: BoxedStep = match job.clone() {
        Job::Buy {
            request,
            voucher,
            price,
            call,
        } => {
            let (guards, mut writes) = call.map(|(_, rows)| rows).unwrap_or_default();
            writes.push(charge(request, price));
            return SimWork::Buying(Box::new(Buying::new(Purchase {
                voucher,
                rule: Rule::ANY,
                price,
                guards,
                writes,
            })));
        }
        Job::Again { rows, .. } => plain(Done::Again, rows),
        Job::Answered(rows) => plain(Done::Answered, rows),
        Job::Unserved {
            request,
            price,
            call,
        } => Box::new(move |channel| Ok(take_back(channel, request, price, call.as_ref()))),
        Job::Reserve { estimate, until } => Box::new(move |channel| {
            channel
                .reserve(estimate, until)
                .map(|id| Step::to(Done::Reserved(id)))
        }),
        Job::Piece {
            request,
            id,
            price,
            until,
            ends,
        } => Box::new(move |channel| {
            if ends {
                channel.correct(id, price)?;
            } else {
                channel.draw(id, price, until)?;
            }
            Ok(Step::to(Done::Piece).with(Vec::new(), vec![charge(request, price)]))
        }),
        Job::Beyond {
            request,
            price,
            rows: (guards, writes),
            ..
        } => Box::new(move |channel| {
            channel.charge(price)?;
            let mut writes = writes.clone();
            writes.push(charge(request, price));
            Ok(Step::to(Done::Piece).with(guards.clone(), writes))
        }),
        Job::Look(seen) => {
            Box::new(move |channel| channel.observe(seen).map(|_| Step::to(Done::Looked)))
        }
        Job::Close(voucher) => Box::new(move |channel| {
            channel
                .close(voucher.as_ref())
                .map(|_| Step::to(Done::Closing))
        }),
        Job::Chore(_) => plain(Done::Nothing, Rows::default()),
    };
    SimWork::Stepping(Stepping::new(step))
}

fn plain(done: Done, (guards, writes): Rows) -> BoxedStep {
    Box::new(move |_| Ok(Step::to(done.clone()).with(guards.clone(), writes.clone())))
}

/// Takes a charge back, with its call; what cannot be taken back stays charged, and may be asked for
/// again.
fn take_back(
    channel: &mut Channel,
    request: usize,
    price: Amount,
    call: Option<&HeldCall>,
) -> Step<Done> {
    let taken = channel.unserved(price);
    let left = price.checked_sub(taken).unwrap_or_default();
    let (guards, mut writes): Rows = match call {
        Some(call) if left.is_zero() => call.unserved(),
        Some(call) => (call.unserved().0, Vec::new()),
        None => (Vec::new(), Vec::new()),
    };
    writes.push(if left.is_zero() {
        Write::Delete {
            table: CHARGES,
            key: charge_key(request),
        }
    } else {
        charge(request, left)
    });
    Step::to(Done::TakenBack(taken)).with(guards, writes)
}

/// The row of a charge.
fn charge(request: usize, price: Amount) -> Write {
    Write::Put {
        table: CHARGES,
        key: charge_key(request),
        value: price.units().to_be_bytes().to_vec(),
        fence: 0,
        place: Some(Place {
            group: Key::from("all"),
            at: request as u64,
        }),
    }
}

pub(super) fn charge_key(request: usize) -> Key {
    Key::from(format!("{request}").as_str())
}

/// Whether it is the first guard of what came with the job that did not hold.
pub(super) const fn is_taken(error: &ChannelError) -> bool {
    matches!(error, ChannelError::Guarded(0))
}
