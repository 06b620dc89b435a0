//! What a process does, and dies over.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use farthing_core::{
    binding::Secrets,
    domain::{
        channels::{Caps, Channels, Purchase, Step},
        settlements::Wish,
    },
    intent::session::{Channel, Protocol, Rule, SessionRequest, Voucher},
    port::{
        backend::Backend,
        clock::Clock,
        session::{Action, Said, Session, Shown},
    },
    value::{Amount, ChallengeId, Realm, Recipient, Secret, Timestamp, Worth},
};
use farthing_server::session::{FundingAsked, Till, TillOptions, TillParts};
use farthing_store::{SqliteBackend, SqliteOptions};
use farthing_testkit::{
    clock::FakeClock,
    method::{
        FakeDescriptor, FakeReserve, FakeSession, FakeSessionPayload, account, currency, method,
    },
    process::{Mortal, runtime},
};

const DIR: &str = "FARTHING_TILL_DIR";
const ACT: &str = "FARTHING_TILL_ACT";
const LATER: &str = "FARTHING_TILL_LATER";

/// What the buyer begins with, what it locks, what it locks more, and what it is charged in all.
pub(crate) const FUNDS: u128 = 10_000_000;
pub(crate) const DEPOSIT: u128 = 1_000_000;
pub(crate) const MORE: u128 = 500_000;
pub(crate) const SPENT: u128 = 30_000;

/// When the first process runs.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Open,
    Serve,
    TopUp,
    Settle,
    Close,
    /// What a server does when it begins.
    Recover,
}

const ACTS: [(&str, Act); 6] = [
    ("open", Act::Open),
    ("serve", Act::Serve),
    ("top up", Act::TopUp),
    ("settle", Act::Settle),
    ("close", Act::Close),
    ("recover", Act::Recover),
];

pub(crate) fn store(dir: &Path) -> Arc<dyn Backend> {
    let options = SqliteOptions::new(dir.join("store.db"));
    Arc::new(SqliteBackend::open(options).unwrap())
}

pub(crate) fn reserve(dir: &Path, clock: &FakeClock) -> Arc<FakeReserve> {
    let path = dir.join("rail.json");
    Arc::new(FakeReserve::in_file(path, Arc::new(clock.clone())))
}

/// The buyer's channel.
pub(crate) fn channel() -> FakeDescriptor {
    let (buyer, shop) = (account("buyer"), account("shop"));
    FakeDescriptor::new(&buyer, &shop, Protocol::V2, "salt")
}

/// Does something in a process of its own.
pub(crate) fn run(dir: &Path, act: Act, later: u64) -> Mortal {
    start(dir, act, later, None)
}

/// Does something in a process that dies at a point.
pub(crate) fn run_until(dir: &Path, act: Act, later: u64, point: &str) -> Mortal {
    start(dir, act, later, Some(point))
}

fn start(dir: &Path, act: Act, later: u64, point: Option<&str>) -> Mortal {
    let (name, _) = ACTS.iter().find(|(_, it)| *it == act).unwrap();
    Mortal::start_until("the_till", point, |command| {
        command
            .env(DIR, dir)
            .env(ACT, name)
            .env(LATER, later.to_string());
    })
}

/// In the process that was started for it: does what it is asked to.
#[expect(
    clippy::print_stdout,
    reason = "the test that started this process reads it"
)]
pub(crate) fn work_if_asked() {
    let Some(dir) = env::var_os(DIR) else {
        return;
    };
    let asked = env::var(ACT).unwrap();
    let (_, act) = ACTS.iter().find(|(name, _)| *name == asked).unwrap();
    let later: u64 = env::var(LATER).unwrap().parse().unwrap();
    // Nobody talks to it.
    println!("listening 127.0.0.1:1");
    let dir = PathBuf::from(dir);
    let now = START.saturating_add(Duration::from_secs(later));
    runtime().block_on(Shop::new(&dir, now).act(*act));
}

struct Shop {
    clock: FakeClock,
    reserve: Arc<FakeReserve>,
    store: Arc<dyn Backend>,
    till: Till,
}

impl Shop {
    fn new(dir: &Path, now: Timestamp) -> Self {
        let clock = FakeClock::at(now);
        let (store, reserve) = (store(dir), reserve(dir, &clock));
        if reserve.truth().accounts.is_empty() {
            reserve.deposit(&account("buyer"), FUNDS);
        }
        let mut options = TillOptions::default();
        options.settle.close_unused = None;
        let session = FakeSession::new(Arc::clone(&reserve), &account("shop"), Protocol::V2);
        let till = Till::new(TillParts {
            store: Arc::clone(&store),
            clock: Arc::new(clock.clone()),
            secrets: Secrets::new(&Secret::new([7; 32])).unwrap(),
            rails: vec![Arc::new(session)],
            memory: None,
            observer: None,
            options,
        });
        Self {
            clock,
            reserve,
            store,
            till: till.unwrap(),
        }
    }

    async fn act(&self, act: Act) {
        let channel = channel();
        match act {
            Act::Open => {
                let lock = channel.opening(Amount::new(DEPOSIT), Timestamp::FAR);
                let payload = FakeSessionPayload::open(&channel, &lock, Amount::ZERO);
                self.fund(&payload, true).await;
            }
            Act::TopUp => {
                let lock = channel.top_up(Amount::new(MORE), "more", Timestamp::FAR);
                let payload = FakeSessionPayload::top_up(&channel, &lock);
                self.fund(&payload, false).await;
            }
            Act::Serve => self.serve().await,
            Act::Settle => {
                let (now, wanted) = (self.clock.now(), self.till.settlements());
                let due = (now, now);
                let id = channel.id();
                wanted
                    .want(&method(), &id, Wish::Settle, due)
                    .await
                    .unwrap();
                self.till.settle(&method()).await.unwrap();
            }
            Act::Close => {
                let said = Said {
                    channel: channel.id(),
                    cumulative: Amount::new(SPENT),
                    signature: channel.sign(Amount::new(SPENT)),
                };
                let end = self.till.close(&said).await.unwrap();
                assert_eq!(end.settled, Amount::new(SPENT));
                assert!(end.reference.is_some());
            }
            Act::Recover => {
                for _ in 0..2 {
                    self.till.reconcile_fundings().await.unwrap();
                    self.till.look_around(&method()).await.unwrap();
                    self.till.settle(&method()).await.unwrap();
                    self.clock.advance(Duration::from_secs(70));
                }
            }
        }
    }

    async fn fund(&self, payload: &FakeSessionPayload, opens: bool) {
        let (raw, realm) = (payload.raw(), Realm::new("api.example.com").unwrap());
        let challenge = ChallengeId::new("a-challenge").unwrap();
        let payee = Recipient::new(account("shop").as_str()).unwrap();
        let mut request = SessionRequest::new(Amount::new(1_000), currency().code, payee);
        let details = &mut request.method_details;
        details.insert("sessionProtocol".to_owned(), "v2".into());
        let shown = Shown {
            challenge: &challenge,
            realm: &realm,
            request: &request,
            expires: Timestamp::FAR,
            source: None,
            payload: &raw,
            now: self.clock.now(),
        };
        let shop = account("shop");
        let session = FakeSession::new(Arc::clone(&self.reserve), &shop, Protocol::V2);
        let (Action::Open(funding) | Action::TopUp(funding)) = session.read(&shown).unwrap() else {
            unreachable!("it funds a channel");
        };
        let method = method();
        let asked = FundingAsked {
            shown,
            funding: &funding,
            method: &method,
        };
        let funded = match opens {
            true => self.till.open(&asked).await,
            false => self.till.top_up(&asked).await,
        };
        assert!(funded.unwrap().reference.is_some());
    }

    /// Charges the channel and serves, all of it.
    async fn serve(&self) {
        let (channels, channel) = (Channels::new(Arc::clone(&self.store)), channel());
        let mut held = channels.load(&channel.id()).await.unwrap().unwrap();
        let all = Amount::new(SPENT);
        let purchase = Purchase {
            voucher: Some(Voucher::new(Protocol::V2, all, channel.sign(all)).unwrap()),
            rule: Rule::ANY,
            price: all,
            guards: Vec::new(),
            writes: Vec::new(),
        };
        let caps = Caps {
            payer: channel.payer.clone(),
            currency: currency(),
            per_payer: Worth::UNLIMITED,
            in_total: Worth::UNLIMITED,
            slice: Amount::ZERO,
        };
        let now = self.clock.now();
        let admitted = channels
            .accept_and_charge(&mut held, now, &purchase, &caps)
            .await;
        admitted.unwrap().charge.unwrap();
        let step = |channel: &mut Channel| {
            channel.served(all);
            Ok(Step::to(()))
        };
        channels.update(&mut held, now, step).await.unwrap();
    }
}
