//! Two processes that serve one channel out of one file, and are killed.
//!
//! Each charges requests, says what it charged once that is durable, says what it delivered, and takes
//! back what it did not. What they said is what the file has to hold, whenever they died.

use std::{
    collections::BTreeSet,
    env,
    io::{self, BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use farthing_core::{
    domain::{
        calls::{Call, CallState, Calls, HeldCall},
        channels::{Buying, Channels, Held, Purchase, Step, Stepping, Work},
    },
    intent::session::{Channel, ChannelId},
    port::backend::Backend,
    value::{Amount, Fingerprint, Timestamp},
};
use farthing_store::{SqliteBackend, SqliteOptions};
use tempfile::TempDir;

use crate::{
    channels::{caps, gateway, id, purchase},
    options,
};

const STORE: &str = "FARTHING_TEST_CHANNEL";
const FIRST: &str = "FARTHING_TEST_FIRST";
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const PRICE: u128 = 3;
/// How many requests one process takes into one write.
const TOGETHER: u32 = 4;

/// The key of a request: its number, so that whoever looks finds the row of each.
fn key(number: u32) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Fingerprint(bytes)
}

fn bought(number: u32) -> (HeldCall, Purchase) {
    let call = Call {
        whole: key(number),
        price: Amount::new(PRICE),
        metered: Amount::ZERO,
        units: 1,
        attempts: 1,
        state: CallState::Charged {
            until: NOW.saturating_add(Duration::from_secs(30)),
        },
        forget_at: NOW.saturating_add(Duration::from_secs(900)),
    };
    let (call, (guards, writes)) = HeldCall::begin(&key(number), call, NOW);
    // Each of them brings a voucher; those of two processes fall between one another.
    let bought = Purchase {
        voucher: None,
        price: Amount::new(PRICE),
        guards,
        writes,
        ..purchase(0)
    };
    (call, bought)
}

/// The line is whole when it leaves: whoever dies afterwards has said it.
fn tell(word: &str, number: u32) {
    let mut out = io::stdout().lock();
    io::Write::write_fmt(&mut out, format_args!("\n{word} {number}\n")).unwrap();
}

/// Serves until it is killed.
#[tokio::main(flavor = "current_thread")]
async fn serve(path: String, first: u32) {
    let store: Arc<dyn Backend> = Arc::new(SqliteBackend::open(SqliteOptions::new(path)).unwrap());
    let channels = Channels::new(store);
    let mut held = channels.load(&id()).await.unwrap().unwrap();
    let (mut served, mut number) = (Amount::ZERO, first);
    loop {
        let (calls, mut works): (Vec<_>, Vec<_>) = (number..number + TOGETHER)
            .map(|number| {
                let (call, purchase) = bought(number);
                ((number, call), Buying::new(purchase))
            })
            .unzip();
        number += TOGETHER;
        let all = works.iter_mut().map(|work| work as &mut dyn Work);
        let written = channels
            .apply(&mut held, NOW, served, all.collect(), &caps())
            .await;
        served = served.checked_sub(written).unwrap();
        for ((number, call), work) in calls.into_iter().zip(works) {
            work.into_outcome().unwrap().charge.unwrap();
            tell("charged", number);
            if number % TOGETHER == 1 {
                take_back(&channels, &mut held, &call).await;
                tell("back", number);
            } else {
                served = served.checked_add(Amount::new(PRICE)).unwrap();
                tell("delivered", number);
            }
        }
    }
}

async fn take_back(channels: &Channels, held: &mut Held, call: &HeldCall) {
    let mut step = Stepping::new(|channel: &mut Channel| {
        let taken = channel.unserved(Amount::new(PRICE));
        let (guards, writes) = call.unserved();
        Ok(Step::to(taken).with(guards, writes))
    });
    let all: Vec<&mut dyn Work> = vec![&mut step];
    channels.apply(held, NOW, Amount::ZERO, all, &caps()).await;
    assert_eq!(step.into_outcome().unwrap(), Amount::new(PRICE));
}

struct Server {
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Server {
    fn start(test: &str, dir: &TempDir, first: u32) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", &format!("mortal::{test}"), "--nocapture"]);
        command.env(STORE, options(dir).path);
        command.env(FIRST, first.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        Self { child, told }
    }

    /// Listens until it said so much, kills it, and hears the rest of what it said.
    fn kill_after(mut self, lines: usize, said: &mut Said) {
        let mut heard = 0;
        let mut line = String::new();
        while self.told.read_line(&mut line).unwrap() > 0 {
            heard += usize::from(said.hear(&line));
            line.clear();
            if heard == lines {
                self.child.kill().unwrap();
            }
        }
        assert!(heard >= lines, "it ended by itself");
        assert!(!self.child.wait().unwrap().success());
    }
}

#[derive(Default)]
struct Said {
    charged: BTreeSet<u32>,
    delivered: BTreeSet<u32>,
    back: BTreeSet<u32>,
}

impl Said {
    fn hear(&mut self, line: &str) -> bool {
        let Some((word, number)) = line.trim_end().split_once(' ') else {
            return false;
        };
        let of = match word {
            "charged" => &mut self.charged,
            "delivered" => &mut self.delivered,
            "back" => &mut self.back,
            _ => return false,
        };
        number.parse().is_ok_and(|number| of.insert(number))
    }
}

#[test]
fn two_killed_processes_leave_what_they_said() {
    if let (Ok(path), Ok(first)) = (env::var(STORE), env::var(FIRST)) {
        return serve(path, first.parse().unwrap());
    }
    let test = "two_killed_processes_leave_what_they_said";
    let dir = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(fund(&dir));
    let mut said = Said::default();
    for round in 0..3u32 {
        let first = round * 200_000;
        let one = Server::start(test, &dir, first);
        let two = Server::start(test, &dir, first + 100_000);
        let lines = 40 + 37 * usize::try_from(round).unwrap();
        one.kill_after(lines, &mut said);
        two.kill_after(lines, &mut said);
        runtime.block_on(audit(&dir, &said, (round + 1) * 2));
    }
}

/// One voucher covers all that is charged here.
async fn fund(dir: &TempDir) {
    let (channels, mut held) = gateway(dir, 1_000_000).await;
    let voucher = purchase(1_000_000);
    let first = Purchase {
        price: Amount::ZERO,
        ..voucher
    };
    let paid = channels
        .accept_and_charge(&mut held, NOW, &first, &caps())
        .await;
    assert!(paid.unwrap().charge.is_ok());
}

/// What was said is there, and what is there and was not said was in flight when somebody died.
async fn audit(dir: &TempDir, said: &Said, deaths: u32) {
    let store: Arc<dyn Backend> = Arc::new(SqliteBackend::open(options(dir)).unwrap());
    let (channels, calls) = (Channels::new(Arc::clone(&store)), Calls::new(store));
    let held = channels.load(&id()).await.unwrap().unwrap();
    let mut found = BTreeSet::new();
    let last = said.charged.last().copied().unwrap_or_default();
    let firsts = (0..=last / 100_000).map(|of| of * 100_000);
    for first in firsts {
        let said_there = said.charged.range(first..first + 100_000).count();
        let most = u32::try_from(said_there).unwrap() + 3 * TOGETHER;
        for number in first..first + most {
            if there(&calls, &id(), number).await {
                found.insert(number);
            }
        }
    }
    let is = held.channel().balance();
    assert_eq!(is.spent, Amount::new(found.len() as u128 * PRICE));
    assert!(is.unsure <= is.spent && is.spent <= is.accepted);
    let lost: Vec<_> = said.delivered.difference(&found).collect();
    assert!(lost.is_empty(), "delivered and not charged: {lost:?}");
    let kept: Vec<_> = said.back.intersection(&found).collect();
    assert!(kept.is_empty(), "taken back and charged: {kept:?}");
    let unsaid = found.difference(&said.delivered).count();
    assert!(unsaid <= (deaths * TOGETHER) as usize, "{unsaid} in flight");
    // What is sure was delivered, to the unit.
    let most = Amount::new(said.delivered.len() as u128 * PRICE);
    assert!(held.channel().sure() <= most, "{:?}", held.channel());
}

async fn there(calls: &Calls, channel: &ChannelId, number: u32) -> bool {
    calls.find(channel, &key(number)).await.unwrap().is_some()
}
