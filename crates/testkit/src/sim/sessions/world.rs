//! The channel, the two processes that serve it, its rail, and what everybody was told.

mod doing;

use std::{collections::HashMap, sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        calls::{Call, CallState, Calls, HeldCall, Repeat},
        channels::{Caps, ChannelError, Channels, Held, Opened},
        responses::Stored,
    },
    intent::session::{
        Admitted, Channel, ChannelId, Details, Protocol, RawSignature, Refused, Terms, Voucher,
    },
    memory::MemoryBackend,
    port::backend::Backend,
    value::{Amount, Fingerprint, Timestamp},
};

use super::{
    Tally,
    action::{Action, Chore, Fault, OnRail, Shown},
    process::{Done, Ended, Job, Process, Serving, is_taken},
    rail::{GRACE, Rail},
};
use crate::{faulty::Failure, sim::world::now};

/// How long a request is served at the most.
const LEASE: Duration = Duration::from_secs(30);
const REMEMBER: Duration = Duration::from_secs(900);

/// What a request is, to the one who sent it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) price: Amount,
    pub(super) key: Option<u8>,
    pub(super) fate: Fate,
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waits.
    Asked,
    /// It was told that it is not charged.
    Refused,
    /// It is charged and being served.
    Charged,
    /// It was not served, and its charge is being taken back.
    Failing,
    /// It was delivered.
    Delivered,
    /// It was not served, and its charge was taken back.
    TakenBack,
    /// It was in flight when its process died, or when the store did not say whether it wrote.
    LeftOver,
    /// It was not served, after it counted as left over.
    TooLate,
}

/// What was paid for a call beyond its price, over all its runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beyond {
    /// What was charged.
    pub(super) charged: Amount,
    /// What the longest run used.
    pub(super) most: Amount,
}

pub(super) struct World {
    pub(super) store: Arc<dyn Backend>,
    pub(super) channels: Channels,
    pub(super) calls: Calls,
    pub(super) processes: [Process; 2],
    pub(super) rail: Rail,
    pub(super) caps: Caps,
    pub(super) now: Timestamp,
    /// By how much the clock jumped back.
    pub(super) behind: Duration,
    pub(super) requests: Vec<Request>,
    /// The highest that was told to be accepted.
    pub(super) accepted: Amount,
    /// The highest that the buyer signed and meant.
    signed: u128,
    /// What was delivered and paid for, and what was left over and counts as that.
    pub(super) delivered: Amount,
    pub(super) made_sure: Amount,
    /// What was there when it was looked at last.
    pub(super) last: Option<Channel>,
    /// What was paid for each key's call beyond its price.
    pub(super) beyond: HashMap<u8, Beyond>,
    /// Whether the channel was forgotten.
    pub(super) is_forgotten: bool,
    tally: Tally,
}

pub(super) fn id() -> ChannelId {
    ChannelId::new("channel").expect("it is an id")
}

impl World {
    /// The first action says by which protocol the channel is kept.
    pub(super) fn new(first: Option<&Action>) -> Self {
        let is_second = !matches!(first, Some(Action::Ask { price: 0..=3, .. }));
        let protocol = if is_second {
            Protocol::V2
        } else {
            Protocol::V1
        };
        let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let (channels, calls) = (
            Channels::new(Arc::clone(&store)),
            Calls::new(Arc::clone(&store)),
        );
        let at = Timestamp::from_secs(1_800_000_000);
        let rail = Rail::new(protocol, 300);
        let channel = Channel::open(protocol, rail.seen()).expect("it was just opened");
        let opened = now(channels.open(&id(), &terms(), channel, at));
        assert!(matches!(opened, Ok(Opened::New(_))), "{opened:?}");
        Self {
            processes: [0, 1].map(|_| Process::new(&store, at)),
            store,
            channels,
            calls,
            rail,
            caps: caps(),
            now: at,
            behind: Duration::ZERO,
            requests: Vec::new(),
            accepted: Amount::ZERO,
            signed: 0,
            delivered: Amount::ZERO,
            made_sure: Amount::ZERO,
            last: None,
            beyond: HashMap::new(),
            is_forgotten: false,
            tally: Tally::default(),
        }
    }

    pub(super) fn act(&mut self, action: &Action) -> Result<(), String> {
        match *action {
            Action::Ask {
                process,
                voucher,
                price,
                key,
            } => {
                let voucher = self.shown(voucher);
                self.ask(process.into(), voucher, price.into(), key);
            }
            Action::Run { process, turns } => return self.run(process.into(), turns),
            Action::Serve {
                process,
                which,
                well,
            } => {
                return self.serve(process.into(), which, well);
            }
            Action::Meter {
                process,
                step,
                amount,
            } => {
                self.meter(process.into(), step, Amount::new(amount.into()));
            }
            Action::Payer(OnRail::TopUp(more)) => self.rail.top_up(more.into()),
            Action::Payer(OnRail::RequestClose) => self.rail.request_close(self.now),
            Action::Payer(OnRail::Withdraw) => self.rail.withdraw(self.now),
            Action::Look(process) => self.look(process.into()),
            Action::Settle(process) => self.settle(process.into()),
            Action::Close { process, farewell } => return self.close(process.into(), farewell),
            Action::Chore { process, chore } => self.chore(process.into(), chore),
            Action::Crash(process) => self.crash(process.into()),
            Action::Commit {
                process,
                nth,
                fault,
            } => {
                let (faults, nth) = (
                    &self.processes[usize::from(process)].faults,
                    u64::from(nth) + 1,
                );
                match fault {
                    Fault::Busy => faults.fail_commit(nth, Failure::Busy),
                    Fault::DoubtWritten => faults.doubt_commit(nth),
                    Fault::DoubtLost => faults.fail_commit(nth, Failure::InDoubt),
                }
            }
            Action::Wait(secs) => {
                self.now = self.now.saturating_add(Duration::from_secs(secs.into()));
            }
            Action::JumpBack(secs) => {
                let by = Duration::from_secs(secs.into());
                self.now = self.now.saturating_sub(by);
                self.behind += by;
            }
        }
        Ok(())
    }

    /// What the buyer signs, by what it was told and what it signed.
    fn shown(&mut self, shown: Shown) -> Option<Voucher> {
        let accepted = self.accepted.units();
        let cumulative = match shown {
            Shown::Nothing => return None,
            Shown::Higher(by) => {
                let signed = self.signed.max(accepted) + u128::from(by);
                self.signed = signed.min(self.rail.deposit);
                self.signed
            }
            Shown::Equal => accepted,
            Shown::Lower(by) => accepted.saturating_sub(by.into()),
            Shown::Beyond(by) => self.rail.deposit + u128::from(by),
        };
        Some(self.voucher(cumulative))
    }

    pub(super) fn voucher(&self, cumulative: u128) -> Voucher {
        let signature = RawSignature {
            r: [1; 32],
            s: [2; 32],
        };
        Voucher::new(self.rail.protocol, Amount::new(cumulative), signature)
            .expect("the simulator's amounts are small")
    }

    pub(super) fn ask(
        &mut self,
        at: usize,
        voucher: Option<Voucher>,
        price: u128,
        key: Option<u8>,
    ) {
        let (now, price) = (self.now, Amount::new(price));
        let process = &mut self.processes[at];
        self.tally.asked += 1;
        // The chain was silent for too long, and is asked first.
        if process.looked_at.saturating_add(GRACE / 3) < now {
            return self.look(at);
        }
        let request = self.requests.len();
        let call = key.map(|key| HeldCall::begin(&print(key), call(key, price, now), now));
        self.requests.push(Request {
            price,
            key,
            fate: Fate::Asked,
        });
        process.waiting.push_back(Job::Buy {
            request,
            voucher,
            price,
            call,
        });
    }

    pub(super) fn run(&mut self, at: usize, turns: u8) -> Result<(), String> {
        for _ in 0..turns {
            let process = &mut self.processes[at];
            if process.held.is_none() && !process.is_writing() {
                let Some(held) = see(&self.channels)? else {
                    process.waiting.clear();
                    break;
                };
                process.held = Some(Box::new(held));
            }
            let Some(ended) = process.turn(self.now, &self.caps) else {
                if self.processes[at].is_writing() {
                    continue;
                }
                break;
            };
            self.ended(at, ended)?;
        }
        Ok(())
    }

    fn ended(&mut self, at: usize, ended: Ended) -> Result<(), String> {
        for (job, result) in ended {
            match result {
                Ok(done) => self.done(at, job, done)?,
                Err(error) => self.failed(at, job, &error)?,
            }
        }
        Ok(())
    }

    fn done(&mut self, at: usize, job: Job, done: Done) -> Result<(), String> {
        match (job, done) {
            (
                Job::Buy {
                    request,
                    voucher,
                    price,
                    call,
                },
                Done::Bought(admitted),
            ) => {
                let said = voucher.map_or(Amount::ZERO, |it| it.cumulative());
                self.accepted = self.accepted.max(said);
                self.bought(at, request, price, call.map(|(call, _)| call), admitted)?;
            }
            (Job::Again { request, call, .. }, Done::Again) => {
                self.requests[request].fate = Fate::Refused;
                self.processes[at].serving.push(Serving {
                    request,
                    price: Amount::ZERO,
                    call: Some(call),
                    is_again: true,
                    used: Amount::ZERO,
                });
            }
            (Job::Unserved { request, price, .. }, Done::TakenBack(taken)) => {
                let is_whole = taken == price;
                self.requests[request].fate = if is_whole {
                    Fate::TakenBack
                } else {
                    Fate::TooLate
                };
                self.tally.taken_back += usize::from(is_whole);
            }
            (
                Job::Beyond {
                    request,
                    of,
                    price,
                    used,
                    call,
                    ..
                },
                Done::Piece,
            ) => self.paid_beyond(at, (request, of), price, used, call)?,
            (Job::Chore(_), Done::Forgotten(true)) => self.is_forgotten = true,
            (Job::Reserve { .. }, Done::Reserved(id)) => self.processes[at].estimates.push(id),
            (
                Job::Piece {
                    request,
                    id,
                    price,
                    ends,
                    ..
                },
                Done::Piece,
            ) => {
                if ends {
                    self.processes[at].estimates.retain(|it| *it != id);
                }
                self.deliver(at, request, price)?;
            }
            (Job::Chore(_), Done::MadeSure(amount)) => {
                self.made_sure = sum(self.made_sure, amount);
            }
            _ => {}
        }
        Ok(())
    }

    fn bought(
        &mut self,
        at: usize,
        request: usize,
        price: Amount,
        call: Option<HeldCall>,
        admitted: Admitted,
    ) -> Result<(), String> {
        match admitted.charge {
            Ok(_) if self.is_forgotten => {
                return Err("what is forgotten is charged".to_owned());
            }
            Ok(balance) => {
                if let Some(key) = self.requests[request].key {
                    self.beyond.remove(&key);
                }
                if balance.unsure < price || balance.accepted > balance.deposit {
                    return Err(format!("it was told {balance:?}"));
                }
                self.tally.charged += 1;
                self.requests[request].fate = Fate::Charged;
                self.processes[at].serving.push(Serving {
                    request,
                    price,
                    call,
                    is_again: false,
                    used: Amount::ZERO,
                });
            }
            Err(Refused::Short(need)) => {
                self.requests[request].fate = Fate::Refused;
                let required = need.accepted.checked_add(need.lacks);
                if need.lacks.is_zero() || required != Some(need.required) {
                    return Err(format!("it was told {need:?}"));
                }
            }
            Err(_) => self.requests[request].fate = Fate::Refused,
        }
        Ok(())
    }

    fn failed(&mut self, at: usize, job: Job, error: &ChannelError) -> Result<(), String> {
        let is_in_doubt = matches!(error, ChannelError::Store(error) if error.in_doubt());
        match job {
            Job::Buy { request, .. }
            | Job::Again { request, .. }
            | Job::Piece { request, .. }
            | Job::Beyond { request, .. } => {
                if let (true, Some(key)) = (is_in_doubt, self.requests[request].key) {
                    self.beyond.remove(&key);
                }
                let fate = if is_in_doubt {
                    Fate::LeftOver
                } else {
                    Fate::Refused
                };
                self.requests[request].fate = fate;
                if is_taken(error) && self.requests[request].key.is_some() {
                    return self.repeated(at, request);
                }
            }
            Job::Unserved { request, .. }
                if is_in_doubt || is_taken(error) || matches!(error, ChannelError::Unknown) =>
            {
                self.requests[request].fate = Fate::LeftOver;
            }
            // Nothing was written, so it is tried again.
            Job::Unserved { .. } | Job::Answered(_)
                if matches!(error, ChannelError::Store(_) | ChannelError::Leased { .. }) =>
            {
                self.processes[at].waiting.push_back(job);
            }
            Job::Chore(Chore::Forget) if is_in_doubt => {
                self.is_forgotten = see(&self.channels)?.is_none();
            }
            Job::Chore(Chore::EndLeftOver) if is_in_doubt => self.doubt_what_is_sure(),
            _ => {}
        }
        if let ChannelError::Refused(Refused::Contradiction | Refused::Unbacked { .. }) = error {
            return Err(format!("{error:?}"));
        }
        Ok(())
    }

    /// A request whose key is there: it gets what it is told to get, and is not charged.
    fn repeated(&mut self, at: usize, request: usize) -> Result<(), String> {
        let key = self.requests[request].key.unwrap_or_default();
        let found = now(self.calls.find(&id(), &print(key))).map_err(|error| error.to_string())?;
        let Some(found) = found else { return Ok(()) };
        match found.call().repeat(&print(key), self.now, true) {
            Repeat::Answer(answer) if answer != stored(key) => Err(format!("{answer:?} of {key}")),
            Repeat::Answer(_) => {
                self.tally.repeated += 1;
                Ok(())
            }
            Repeat::Again => {
                let until = self.now.saturating_add(LEASE);
                let (call, rows) = found.again(until, self.now);
                self.processes[at].waiting.push_back(Job::Again {
                    request,
                    call,
                    rows,
                });
                Ok(())
            }
            Repeat::InFlight(_) | Repeat::Over => Ok(()),
            Repeat::Mismatch => Err("the same request is another".to_owned()),
        }
    }

    /// Somebody may have ended what was left over, and did not learn of it.
    fn doubt_what_is_sure(&mut self) {
        if let Ok(held) = load(&self.channels) {
            let sure = held.channel().sure();
            let known = sum(self.delivered, self.made_sure);
            self.made_sure = sum(self.made_sure, sure.checked_sub(known).unwrap_or_default());
        }
    }

    pub(super) fn count(&self, tally: &mut Tally) {
        let mine = &self.tally;
        let left = self.requests.iter();
        let left = left.filter(|it| matches!(it.fate, Fate::LeftOver | Fate::TooLate));
        *tally = Tally {
            steps: tally.steps,
            episodes: tally.episodes,
            asked: tally.asked + mine.asked,
            charged: tally.charged + mine.charged,
            delivered: tally.delivered + mine.delivered,
            taken_back: tally.taken_back + mine.taken_back,
            repeated: tally.repeated + mine.repeated,
            left_over: tally.left_over + left.count(),
            settled: tally.settled + self.rail.taken,
            withdrawn: tally.withdrawn + usize::from(self.rail.is_withdrawn),
            paid_before: tally.paid_before + mine.paid_before,
            forgotten: tally.forgotten + usize::from(self.is_forgotten),
            crashes: tally.crashes + mine.crashes,
        };
    }
}

pub(super) fn load(channels: &Channels) -> Result<Held, String> {
    see(channels)?.ok_or_else(|| "the channel is gone".to_owned())
}

fn see(channels: &Channels) -> Result<Option<Held>, String> {
    now(channels.load(&id())).map_err(|error| error.to_string())
}

pub(super) fn sum(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).expect("the simulator's amounts are small")
}

const fn print(key: u8) -> Fingerprint {
    Fingerprint([key; 32])
}

fn call(key: u8, price: Amount, now: Timestamp) -> Call {
    Call {
        whole: print(key),
        price,
        metered: Amount::ZERO,
        units: 1,
        attempts: 1,
        state: CallState::Charged {
            until: now.saturating_add(LEASE),
        },
        forget_at: now.saturating_add(REMEMBER),
    }
}

fn stored(key: u8) -> Stored {
    Stored {
        status: 200,
        headers: Vec::new(),
        body: vec![key],
    }
}

fn terms() -> Terms {
    Terms {
        method: crate::method::method(),
        realm: "api.example.com".parse().expect("it is a host"),
        currency: crate::method::currency().code,
        payee: "seller".parse().expect("it is a name"),
        payer: crate::method::account("buyer"),
        details: Details::default(),
    }
}

/// Room for most, and not for all that an episode can spend.
fn caps() -> Caps {
    let currency = crate::method::currency();
    let worth = |units| {
        currency
            .worth(Amount::new(units))
            .expect("it can be counted")
    };
    Caps {
        payer: crate::method::account("buyer"),
        per_payer: worth(150),
        in_total: worth(120),
        slice: Amount::new(10),
        currency,
    }
}
