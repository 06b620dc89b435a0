//! The suite of sessions, on the fake reserve and on the ledger.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

use std::{sync::Arc, time::Duration};

use farthing_core::{
    intent::session::Protocol,
    memory::MemoryBackend,
    port::{
        BoxFuture, backend::Backend, clock::Clock as _, session::Session,
        session_payer::SessionPayer,
    },
    value::{Amount, CurrencyCode, Price, Timestamp},
};
use farthing_ledger::{
    Account, AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, LedgerSessionPayer,
    LedgerSessions, TransferId,
};
use farthing_store::{SqliteBackend, SqliteOptions};
use farthing_testkit::{
    clock::FakeClock,
    method::{FakeReserve, FakeSession, FakeSessionPayer, account},
    suite::session::{DEPOSIT, SessionRail},
};

struct Fake {
    clock: FakeClock,
    reserve: Arc<FakeReserve>,
    session: FakeSession,
    payers: [FakeSessionPayer; 3],
}

impl Fake {
    fn new(protocol: Protocol) -> Self {
        let clock = FakeClock::default();
        let reserve = Arc::new(FakeReserve::new(Arc::new(clock.clone())));
        let payers = ["payer", "other", "poor"].map(account);
        for payer in &payers[..2] {
            reserve.deposit(payer, 10 * DEPOSIT);
        }
        Self {
            clock,
            session: FakeSession::new(reserve.clone(), &account("seller"), protocol),
            payers: payers.map(|payer| FakeSessionPayer::new(reserve.clone(), &payer)),
            reserve,
        }
    }
}

impl SessionRail for Fake {
    fn session(&self) -> &dyn Session {
        &self.session
    }

    fn payer(&self) -> &dyn SessionPayer {
        &self.payers[0]
    }

    fn other(&self) -> &dyn SessionPayer {
        &self.payers[1]
    }

    fn poor(&self) -> &dyn SessionPayer {
        &self.payers[2]
    }

    fn price(&self) -> Price {
        "$0.0001".parse().unwrap()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn pass(&self) -> BoxFuture<'_, ()> {
        self.clock.advance(Duration::from_secs(1));
        Box::pin(std::future::ready(()))
    }

    fn advance(&self, by: Duration) -> BoxFuture<'_, bool> {
        self.clock.advance(by);
        Box::pin(std::future::ready(true))
    }

    fn have(&self) -> BoxFuture<'_, (u128, u128)> {
        let of = |name| {
            self.reserve
                .with(|truth| truth.balance(account(name).as_str()))
        };
        Box::pin(std::future::ready((of("payer"), of("seller"))))
    }
}

mod fake {
    use super::*;

    mod first_protocol {
        use super::*;

        farthing_testkit::session_suite!(|| std::future::ready(Fake::new(Protocol::V1)));
    }

    mod second_protocol {
        use super::*;

        farthing_testkit::session_suite!(|| std::future::ready(Fake::new(Protocol::V2)));
    }

    /// What is sent waits for a block each time.
    mod a_block_at_a_time {
        use super::*;
        use farthing_testkit::method::Answer;

        farthing_testkit::session_suite!(|| {
            let rail = Fake::new(Protocol::V2);
            let lost_then_late = || [Answer::Lost, Answer::Block, Answer::MovedButLost];
            for _ in 0..20 {
                rail.reserve.script_funding(lost_then_late());
                rail.reserve.script_settling(lost_then_late());
            }
            std::future::ready(rail)
        });
    }
}

struct OnLedger {
    clock: FakeClock,
    accounts: Accounts,
    people: [Account; 4],
    session: LedgerSessions,
    payers: [LedgerSessionPayer; 3],
    /// The store's folder, where it has one.
    _kept: Option<tempfile::TempDir>,
}

fn key(seed: u8) -> AccountKey {
    let kind = [KeyType::Ed25519, KeyType::Secp256k1][usize::from(seed % 2)];
    AccountKey::from_seed(kind, [seed; 32]).unwrap()
}

fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").unwrap()
}

impl OnLedger {
    async fn new(backend: Arc<dyn Backend>, kept: Option<tempfile::TempDir>) -> Self {
        let clock = FakeClock::default();
        let accounts = Accounts::new(backend.clone(), Currencies::default());
        let people = [1, 2, 3, 4].map(|seed| key(seed).account().clone());
        for (number, person) in people[..2].iter().enumerate() {
            let deposit = Funding {
                id: TransferId::new(format!("deposit-{number}")).unwrap(),
                account: person.clone(),
                currency: dollar(),
                amount: Amount::new(10 * DEPOSIT),
                at: clock.now(),
            };
            accounts.deposit(&deposit).await.unwrap();
        }
        let ledger = Ledger::new(people[3].clone());
        Self {
            session: LedgerSessions::new(ledger, backend, Arc::new(clock.clone())),
            payers: [1, 2, 3].map(|seed| LedgerSessionPayer::new(key(seed))),
            clock,
            accounts,
            people,
            _kept: kept,
        }
    }

    async fn in_memory() -> Self {
        Self::new(Arc::new(MemoryBackend::new()), None).await
    }

    async fn in_a_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store =
            SqliteBackend::open(SqliteOptions::new(folder.path().join("store.db"))).unwrap();
        Self::new(Arc::new(store), Some(folder)).await
    }

    async fn available(&self, who: usize) -> u128 {
        let balance = self.accounts.balance(&self.people[who], &dollar()).await;
        balance.unwrap().available.units()
    }
}

impl SessionRail for OnLedger {
    fn session(&self) -> &dyn Session {
        &self.session
    }

    fn payer(&self) -> &dyn SessionPayer {
        &self.payers[0]
    }

    fn other(&self) -> &dyn SessionPayer {
        &self.payers[1]
    }

    fn poor(&self) -> &dyn SessionPayer {
        &self.payers[2]
    }

    fn price(&self) -> Price {
        "$0.0001".parse().unwrap()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn pass(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn advance(&self, by: Duration) -> BoxFuture<'_, bool> {
        self.clock.advance(by);
        Box::pin(std::future::ready(true))
    }

    fn have(&self) -> BoxFuture<'_, (u128, u128)> {
        Box::pin(async {
            let total = self.accounts.total(&dollar(), &self.people).await.unwrap();
            assert_eq!(total, 0, "money was made or lost");
            (self.available(0).await, self.available(3).await)
        })
    }

    fn lets_payers_leave(&self) -> bool {
        false
    }
}

mod ledger {
    use super::*;

    mod in_memory {
        use super::*;

        farthing_testkit::session_suite!(OnLedger::in_memory);
    }

    mod in_a_file {
        use super::*;

        farthing_testkit::session_suite!(OnLedger::in_a_file);
    }

    /// Vouchers are signed by a key that is not the account's.
    mod with_another_key_for_vouchers {
        use super::*;

        farthing_testkit::session_suite!(|| async {
            let mut rail = OnLedger::in_memory().await;
            for (payer, seed) in rail.payers.iter_mut().zip(11..) {
                let signing = LedgerSessionPayer::new(key(seed - 10));
                *payer = signing.signing_vouchers_with(key(seed));
            }
            rail
        });
    }
}
