//! Stores that older programs wrote: opened, migrated, and read as if this one had written them.
//!
//! `fixtures/schema-1.db` was written by [`fill`] when that was the newest schema. Before a schema is
//! added, `FARTHING_NEW_FIXTURE=1` in the environment keeps a file of the present one.

use std::{fmt::Write as _, fs, path::PathBuf, sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        claims::{Change, Claim, Claimed, Debit, Debts, Held},
        payments::Payments,
        receipts::{Kept, Receipts},
        responses::{Responses, Slot, Stored},
    },
    intent::charge,
    noun::Receipt,
    payment::{Answer, Event, Payment, SettlePolicy, State},
    port::backend::{Backend, Batch, Commit, Key, Partition, Place, Range, Table, Write},
    value::{
        Amount, ChallengeId, ClaimKey, CurrencyCode, Did, Entropy, Fingerprint, MethodId,
        PaymentId, Realm, Recipient, Reference, RouteId, Secret, Timestamp,
    },
};
use farthing_store::SqliteBackend;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{ROWS, batch, options};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const KINDS: u8 = 7;

fn fixture(schema: u32) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    folder.join(format!("schema-{schema}.db"))
}

fn after(secs: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(secs))
}

fn details() -> serde_json::Map<String, serde_json::Value> {
    let text = r#"{"block":7,"memo":"π \"quoted\"","nested":[null,true,{"a":-1.5}]}"#;
    serde_json::from_str(text).unwrap()
}

/// A payment that was just claimed. The even ones say only what every payment says.
fn payment(number: u8) -> Payment {
    let full = number % 2 == 1;
    Payment {
        id: PaymentId::new(Entropy([number; 16])),
        method: MethodId::new("fake").unwrap(),
        intent: charge::id(),
        challenge: ChallengeId::new(format!("challenge-{number}")).unwrap(),
        realm: Realm::new("api.example.com").unwrap(),
        route: RouteId::new("GET /weather").unwrap(),
        fingerprint: Fingerprint([1; 32]),
        proof: Fingerprint([number; 32]),
        amount: Amount::new(if full { u128::MAX } else { 2000 }),
        currency: CurrencyCode::new("fake6").unwrap(),
        payee: full.then(|| Recipient::new("seller").unwrap()),
        payer: full.then(|| Did::new("did:example:alice").unwrap()),
        policy: SettlePolicy::First,
        rerunnable: full,
        proof_until: after(300),
        redeliver: Duration::new(900, u32::from(full) * 5),
        claimed_at: NOW,
        state: State::Claimed,
        answer: Answer::None,
        attempts: 0,
        lease_until: after(30),
        asked: 0,
        awaits: None,
        send_before: None,
        returned: None,
        reference: None,
        settled_at: None,
        confirmed_at: None,
        details: serde_json::Map::new(),
        idempotency: full.then_some(Fingerprint([number + 100; 32])),
        remember_until: full.then(|| after(9000)),
    }
}

fn keys(payment: &Payment) -> Vec<ClaimKey> {
    let mut keys = vec![ClaimKey::challenge(&payment.challenge)];
    keys.extend(payment.idempotency.as_ref().map(ClaimKey::idempotency));
    keys
}

/// What happened to each payment since it was claimed.
fn story(number: u8) -> Vec<Event> {
    let settle = || Event::Settle {
        reference: Reference::new(format!("ref-{number}")).unwrap(),
        at: NOW,
        details: if number == 3 {
            details()
        } else {
            serde_json::Map::new()
        },
    };
    match number {
        1 => vec![],
        2 => vec![Event::Send, Event::Lose],
        3 => vec![settle(), Event::Run],
        4 => vec![settle(), Event::Run, Event::Deliver],
        5 => vec![settle(), Event::Owe],
        6 => vec![Event::Refuse],
        _ => vec![Event::Send, Event::Postpone],
    }
}

async fn fill(store: &Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(store));
    for number in 1..=KINDS {
        let mut held = claimed(&payments, number).await;
        for event in story(number) {
            let mut record = held.record.clone();
            record.advance(event, after(1)).unwrap();
            let mut change = Change::to(record);
            if change.record.state == State::Sent {
                let effect = Secret::new(*b"bytes for the rail");
                change
                    .writes
                    .push(Payments::journal(&change.record, &effect).unwrap());
            }
            if change.record.state == State::Settled {
                change
                    .writes
                    .push(Receipts::write(&kept(&change.record)).unwrap());
                change.debts = Debts::Settle;
            }
            held = payments.claims().change(held, change).await.unwrap();
        }
        if number == 7 {
            let record = held.record.clone();
            payments.claims().take_over(held, record).await.unwrap();
        }
    }
    let until = after(60);
    let slots = [
        Slot::Payment(payment(3).id),
        Slot::Idempotency(Fingerprint([103; 32])),
    ];
    commit(
        store,
        slots
            .map(|slot| Responses::write(slot, &answer(), until))
            .into(),
    )
    .await;
    for _ in 0..3 {
        commit(store, vec![append()]).await;
    }
    let mut second = b"log".to_vec();
    second.extend(2u64.to_be_bytes());
    commit(
        store,
        vec![Write::Delete {
            table: ROWS,
            key: Key::new(second),
        }],
    )
    .await;
    commit(store, plain_rows()).await;
    let channel = Partition::Channel("channel".into());
    let in_channel = Batch {
        writes: plain_rows(),
        ..Batch::new(channel)
    };
    assert_eq!(store.commit(in_channel).await.unwrap(), Commit::Committed);
}

fn claim(number: u8) -> Claim<Payment> {
    let record = payment(number);
    let debits = vec![Debit {
        counter: "in flight".into(),
        amount: Amount::new(10),
        limit: Amount::new(1000),
        keep: number == 4,
    }];
    Claim {
        id: record.id.to_key(),
        keys: keys(&record),
        debits,
        record,
        guards: Vec::new(),
        effect: Vec::new(),
        debts: Debts::Keep,
    }
}

async fn claimed(payments: &Payments, number: u8) -> Held<Payment> {
    match payments.claims().claim(claim(number)).await {
        Ok(Claimed::New(held)) => held,
        other => unreachable!("the claim is free: {other:?}"),
    }
}

async fn commit(store: &Arc<dyn Backend>, writes: Vec<Write>) {
    assert_eq!(
        store.commit(batch(writes)).await.unwrap(),
        Commit::Committed
    );
}

fn kept(payment: &Payment) -> Kept {
    let reference = payment.reference.clone().unwrap();
    let receipt = Receipt::new(payment.method.clone(), NOW, reference);
    Kept {
        payment: payment.id,
        amount: payment.amount,
        currency: payment.currency.clone(),
        payee: payment.payee.clone(),
        payer: payment.payer.clone(),
        bought: payment.route.as_str().into(),
        at: NOW,
        receipt: receipt.with_extra(payment.details.clone()),
    }
}

fn answer() -> Stored {
    Stored {
        status: 201,
        headers: vec![("x-one".into(), vec![0xff, b'a'])],
        body: b"body".repeat(3000),
    }
}

fn append() -> Write {
    Write::Append {
        table: ROWS,
        group: "log".into(),
        value: b"line".to_vec(),
    }
}

fn plain_rows() -> Vec<Write> {
    let put = |key: Key, at: u64| Write::Put {
        table: ROWS,
        key,
        value: b"value".to_vec(),
        fence: u64::MAX,
        place: Some(Place {
            group: "places".into(),
            at,
        }),
    };
    let add = |delta| Write::Add {
        table: Table::new("suite.counters"),
        key: "counter".into(),
        delta,
        min: i128::MIN,
        max: i128::MAX,
    };
    vec![
        put(Key::new([]), u64::MAX),
        put(Key::new([0xff; Key::MAX]), 0),
        put(Key::new([0]), 1 << 63),
        put(Key::new([0]), 1),
        add(i128::MIN / 3),
        add(-7),
    ]
}

/// Everything that was filled in, as the domain and the kernel answer it.
async fn told(store: &Arc<dyn Backend>) -> String {
    let payments = Payments::new(Arc::clone(store));
    let mut out = String::new();
    for number in 1..=KINDS {
        let payment = payment(number);
        for key in keys(&payment) {
            let held = payments.claims().find(&key).await.unwrap();
            writeln!(out, "{key}: {held:?}").unwrap();
        }
        let journal = payments.journaled(&payment).await.unwrap();
        writeln!(out, "{:?}", journal.map(|effect| effect.expose().to_vec())).unwrap();
    }
    writeln!(
        out,
        "{:?}",
        payments.due(Timestamp::FAR, 100).await.unwrap()
    )
    .unwrap();
    writeln!(out, "{:?}", payments.owed(100).await.unwrap()).unwrap();
    let receipts = Receipts::new(Arc::clone(store));
    writeln!(out, "{:?}", receipts.list(None, 100).await.unwrap()).unwrap();
    let responses = Responses::new(Arc::clone(store));
    for slot in [
        Slot::Payment(payment(3).id),
        Slot::Idempotency(Fingerprint([103; 32])),
    ] {
        writeln!(out, "{:?}", responses.get(slot).await.unwrap()).unwrap();
    }
    for partition in [Partition::Store, Partition::Channel("channel".into())] {
        for (group, newest_first) in [("log", false), ("places", true)] {
            let range = Range {
                partition: partition.clone(),
                table: ROWS,
                group: group.into(),
                before: u64::MAX,
                after: None,
                newest_first,
                limit: 100,
            };
            writeln!(out, "{:?}", store.range(range).await.unwrap()).unwrap();
        }
        for (table, key) in [
            ("suite.counters", "counter"),
            ("core.counters", "in flight"),
        ] {
            let counter = store
                .get(&partition, table_of(table), &key.into())
                .await
                .unwrap();
            writeln!(out, "{:?}", counter.map(|row| (row.counter(), row.version))).unwrap();
        }
        let last = store.get(&partition, ROWS, &Key::new([])).await.unwrap();
        writeln!(out, "{last:?}").unwrap();
    }
    out
}

fn table_of(name: &str) -> Table {
    match name {
        "core.counters" => farthing_core::domain::claims::COUNTERS,
        _ => Table::new("suite.counters"),
    }
}

fn schema_of(path: &PathBuf) -> u32 {
    let plain = Connection::open(path).unwrap();
    plain
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

async fn filled(dir: &TempDir) -> Arc<SqliteBackend> {
    let store = Arc::new(SqliteBackend::open(options(dir)).unwrap());
    fill(&(Arc::clone(&store) as Arc<dyn Backend>)).await;
    store
}

/// A copy of a fixture, opened.
fn migrated(dir: &TempDir, schema: u32) -> Arc<dyn Backend> {
    fs::copy(fixture(schema), options(dir).path).unwrap();
    assert_eq!(schema_of(&options(dir).path), schema);
    Arc::new(SqliteBackend::open(options(dir)).unwrap())
}

#[tokio::test]
async fn the_first_schema_is_read_like_our_own() {
    let (old, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (older, ours) = (migrated(&old, 1), filled(&new).await);
    let (older, ours) = (told(&older).await, told(&(ours as Arc<dyn Backend>)).await);
    for word in [
        "state: Owed",
        "state: Failed",
        "quoted",
        "fence: 2",
        "in flight",
    ] {
        assert!(ours.contains(word), "nothing was filled in: {word}");
    }
    assert_eq!(older, ours);
    assert_eq!(
        schema_of(&options(&old).path),
        schema_of(&options(&new).path)
    );
}

#[tokio::test]
async fn the_first_schema_is_gone_on_with() {
    let dir = TempDir::new().unwrap();
    let store = migrated(&dir, 1);
    let payments = Payments::new(Arc::clone(&store));
    // A key that was claimed stays claimed.
    let taken = claim(2);
    assert!(matches!(
        payments.claims().claim(taken).await.unwrap(),
        Claimed::Taken(_)
    ));
    // An owner goes on under the fence it had, and the row takes the new form.
    let id = payment(3).id.to_key();
    let held = payments.claims().load(&id).await.unwrap().unwrap();
    let mut record = held.record.clone();
    record.advance(Event::Deliver, after(2)).unwrap();
    let held = payments
        .claims()
        .change(held, Change::to(record))
        .await
        .unwrap();
    let again = payments.claims().load(&id).await.unwrap().unwrap();
    assert_eq!(again.record, held.record);
    assert_eq!(again.record.details, details());
    // Numbers that were given are not given again.
    commit(&store, vec![append()]).await;
    let mut fourth = b"log".to_vec();
    fourth.extend(4u64.to_be_bytes());
    let row = store
        .get(&Partition::Store, ROWS, &Key::new(fourth))
        .await
        .unwrap();
    assert_eq!(row.map(|row| row.value), Some(b"line".to_vec()));
}

#[tokio::test]
async fn a_fixture_of_the_present_schema_is_kept_where_asked() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir).await;
    store.close().await;
    if std::env::var_os("FARTHING_NEW_FIXTURE").is_some() {
        let path = options(&dir).path;
        let schema = schema_of(&path);
        fs::copy(path, fixture(schema)).unwrap();
    }
}
