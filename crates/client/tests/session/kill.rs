//! Processes that pay out of one channel, over one SQLite file, are killed with the signal that cannot be
//! caught; whoever is left goes on, and in the end both sides' books agree to the unit.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use farthing_client::{Client, CloseHow, Closing, Options, Stage};
use farthing_core::{
    intent::session::Protocol,
    port::{backend::Backend, clock::Clock},
    value::{Amount, Timestamp},
};
use farthing_store::{SqliteBackend, SqliteOptions};
use farthing_testkit::{
    method::{self, FakeReserve, FakeSessionPayer},
    process::Mortal,
};

use super::{
    WEALTH,
    common::{StillClock, hasty},
    generous,
    shop::Shop,
    used,
};

const DIR: &str = "FARTHING_KILL_DIR";
const URL: &str = "FARTHING_KILL_URL";
const RUN: &str = "FARTHING_KILL_RUN";

/// Requests that each process has under way at once.
const AT_ONCE: usize = 3;

/// How often one of the two is killed.
const KILLS: u128 = 16;

const PRICE: u128 = 1_000;

/// The clock of a buyer, which goes on while its processes die.
struct GoingClock {
    /// When the test began, in milliseconds of this machine.
    began: u64,
    later: Duration,
}

impl Clock for GoingClock {
    fn now(&self) -> Timestamp {
        let since = Duration::from_millis(wall() - self.began);
        let shops = StillClock::new().now();
        shops.saturating_add(since).saturating_add(self.later)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lease of a process that died runs out in another one"
)]
fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn store(dir: &Path) -> Arc<dyn Backend> {
    Arc::new(SqliteBackend::open(SqliteOptions::new(dir.join("buyer.db"))).unwrap())
}

fn client(dir: &Path, run: &str, reserve: FakeReserve, later: Duration) -> Client {
    let account = method::account("buyer");
    let began = fs::read_to_string(dir.join("began")).unwrap();
    let began = began.parse().unwrap();
    let payer = FakeSessionPayer::new(Arc::new(reserve), &account).in_run(run);
    Client::builder()
        .session_payer(Arc::new(payer))
        .policy(generous())
        .backend(store(dir))
        .clock(Arc::new(GoingClock { began, later }))
        .options(Options {
            sends: 20,
            ..hasty()
        })
        .build()
        .unwrap()
}

/// The rail, as a process sees it that writes nothing to it: its time stands still.
fn rail(dir: &Path) -> FakeReserve {
    FakeReserve::in_file(dir.join("rail.json"), StillClock::new())
}

/// In a process that was started for it: pays, until it is killed or told to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer() {
    let (Ok(dir), Ok(url), Ok(run)) = (env::var(DIR), env::var(URL), env::var(RUN)) else {
        return;
    };
    let dir = PathBuf::from(dir);
    let client = client(&dir, &run, rail(&dir), Duration::ZERO);
    tell("listening 127.0.0.1:1\n");
    let mut at_work = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, url, stop) = (client.clone(), url.clone(), dir.join("stop"));
        at_work.spawn(async move {
            while !stop.exists() {
                match client.get(&url).send().await {
                    Ok(answer) => assert_eq!(answer.status(), 200),
                    // Its neighbour died with the work on the channel; it tries again.
                    Err(error) => {
                        fs::write(stop.with_extension("last"), error.to_string()).unwrap()
                    }
                }
            }
        });
    }
    while let Some(ended) = at_work.join_next().await {
        ended.unwrap();
    }
}

fn tell(line: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes()).unwrap();
    out.flush().unwrap();
}

struct Street {
    dir: tempfile::TempDir,
    reserve: Arc<FakeReserve>,
    clock: Arc<StillClock>,
    shop: Shop,
    runs: u32,
}

impl Street {
    async fn open(protocol: Protocol) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("began"), wall().to_string()).unwrap();
        let clock = StillClock::new();
        let rail = dir.path().join("rail.json");
        let reserve = Arc::new(FakeReserve::in_file(rail, clock.clone()));
        reserve.deposit(&method::account("buyer"), WEALTH);
        reserve.mine();
        let shop = Shop::open(&reserve, &clock, protocol).await;
        // Two or three kills, and there has to be more in it.
        *shop.advised.lock().unwrap() = Some(40 * PRICE);
        Self {
            dir,
            reserve,
            clock,
            shop,
            runs: 0,
        }
    }

    fn start(&mut self) -> Mortal {
        self.runs += 1;
        tokio::task::block_in_place(|| {
            Mortal::start("kill::a_buyer", |command| {
                command
                    .env(DIR, self.dir.path())
                    .env(URL, self.shop.url("/goods"))
                    .env(RUN, format!("run {}", self.runs));
            })
        })
    }

    /// Waits until so many more were served.
    async fn serves(&self, more: usize) {
        let until = self.shop.served() + more;
        for _ in 0..60_000 {
            if self.shop.served() >= until {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let last = fs::read_to_string(self.dir.path().join("stop.last"));
        panic!("{} served and no more: {last:?}", self.shop.served());
    }
}

/// A number that differs from the last one and is the same in each run.
fn next(random: &mut u64) -> usize {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*random >> 33).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_on_one_channel_are_killed_and_no_unit_is_lost_or_signed_twice() {
    for (protocol, seed) in [(Protocol::V1, 11), (Protocol::V2, 17)] {
        let mut random = seed;
        let mut street = Street::open(protocol).await;
        let mut pair = [street.start(), street.start()];
        for _ in 0..KILLS {
            street.serves(next(&mut random) % 9).await;
            let moment = u64::try_from(next(&mut random) % 4_000).unwrap();
            tokio::time::sleep(Duration::from_micros(moment)).await;
            let which = next(&mut random) % 2;
            pair[which].kill();
            pair[which].died();
            // The other one goes on.
            street.serves(3).await;
            pair[which] = street.start();
        }
        fs::write(street.dir.path().join("stop"), "").unwrap();
        tokio::task::block_in_place(|| pair.map(Mortal::ended));
        check(&street).await;
    }
}

async fn check(street: &Street) {
    // What was under way when a process died is nobody's by now.
    let later = Duration::from_secs(2 * 60 * 60);
    street.clock.advance(later);
    let client = client(
        street.dir.path(),
        "the last",
        rail(street.dir.path()),
        later,
    );
    let sessions = client.sessions();
    let before = sessions.list(None, 9).await.unwrap();
    assert_eq!((before.len(), street.shop.channels()), (1, 1), "{before:?}");
    let answer = client.get(street.shop.url("/goods")).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    let purse = sessions.show(before[0].id).await.unwrap().unwrap();
    assert_eq!((purse.stage, &purse.dispute), (Stage::Open, &None));
    let served = street.shop.served() as u128;
    let (accepted, spent) = street.shop.book();
    assert_eq!(spent, served * PRICE);
    // One request alone, and we know what was spent; nobody was ever shown more than was signed, and
    // nothing was signed but for requests that died with their process.
    assert_eq!((purse.spent.units(), purse.unsure), (spent, Amount::ZERO));
    // Where who opened the channel died before it was charged, no receipt tells whether it speaks of its
    // request, and the count stays too high by what was never charged; what is paid out is not.
    let counted = purse.owed.units();
    let signed = purse.signed.units();
    assert!(street.shop.highest_shown() <= signed && accepted <= signed);
    let died = (KILLS * AT_ONCE as u128 + 1) * PRICE;
    assert!(signed <= spent + died, "{signed} {spent}");
    assert!(spent <= counted && counted <= signed, "{counted}");
    assert_eq!(used(&client, &method::currency()).await, signed);
    let locked = street.reserve.truth().locked();
    assert_eq!((purse.deposit.units(), purse.adding), (locked, None));

    let closed = sessions.close(purse.id, CloseHow::Together).await.unwrap();
    let Closing::Closed(purse) = closed else {
        panic!("{closed:?}")
    };
    assert_eq!(purse.paid_out, Some(Amount::new(spent)));
    assert_eq!(used(&client, &method::currency()).await, spent);
    let truth = street.reserve.truth();
    let (buyer, shop) = (method::account("buyer"), method::account("shop"));
    assert_eq!(truth.balance(buyer.as_str()), WEALTH - spent);
    assert_eq!(truth.balance(shop.as_str()), spent);
}
