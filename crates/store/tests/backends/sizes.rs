//! What a channel takes in a file, and what a request writes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use farthing_core::{
    domain::{
        calls::{Call, CallState, Calls, HeldCall},
        channels::{Channels, Held, Opened},
        responses::Stored,
    },
    intent::session::{Channel, OnChain, Protocol, Seen, Terms},
    port::{
        BoxFuture,
        backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table, Write},
    },
    value::{Amount, Did, Fingerprint, Timestamp},
};
use farthing_store::SqliteBackend;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    channels::{caps, purchase},
    options,
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const CHANNELS: u64 = 2_000;

/// A file, with what was committed to it.
struct Counting {
    file: SqliteBackend,
    commits: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Counting {
    /// How many commits there were since it was asked last, of how many rows, and how many bytes they had.
    fn taken(&self) -> (u64, u64, u64) {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::SeqCst);
        (take(&self.commits), take(&self.rows), take(&self.bytes))
    }
}

impl Backend for Counting {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        self.file.get(partition, table, key)
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.file.range(range)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        let size = |write: &Write| match write {
            Write::Put { key, value, .. } => key.as_bytes().len() + value.len(),
            Write::Add { key, .. } => key.as_bytes().len() + 16,
            _ => 0,
        };
        let bytes: usize = batch.writes.iter().map(size).sum();
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.rows
            .fetch_add(batch.writes.len() as u64, Ordering::SeqCst);
        self.bytes.fetch_add(bytes as u64, Ordering::SeqCst);
        self.file.commit(batch)
    }
}

/// The terms of a channel as those of a chain are: with its descriptor.
fn terms() -> Terms {
    let address = "0x1234567890123456789012345678901234567890";
    let details = serde_json::json!({
        "chainId": 4217,
        "escrowContract": address,
        "sessionProtocol": "v2",
        "descriptor": {
            "payer": address, "payee": address, "operator": address, "token": address,
            "authorizedSigner": address, "salt": format!("0x{}", "ab".repeat(32)),
            "expiringNonceHash": format!("0x{}", "cd".repeat(32)),
        },
    });
    Terms {
        method: "fake".parse().unwrap(),
        realm: "api.example.com".parse().unwrap(),
        currency: "fake6".parse().unwrap(),
        payee: address.parse().unwrap(),
        payer: Did::new(format!("did:pkh:eip155:4217:{address}")).unwrap(),
        details: details.as_object().unwrap().clone().into(),
    }
}

#[tokio::test]
async fn a_channel_and_a_request_are_no_larger_than_was_measured() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(Counting {
        file: SqliteBackend::open(options(&dir)).unwrap(),
        commits: AtomicU64::new(0),
        rows: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    });
    let backend: Arc<dyn Backend> = Arc::clone(&store) as Arc<dyn Backend>;
    let channels = Channels::new(Arc::clone(&backend));
    let mut held = bought(&channels, 0).await;
    let (commits, rows, bytes) = store.taken();
    // With its first request, which draws what all of them may hold unsettled.
    eprintln!("an opening: {commits} commits, {rows} rows, {bytes} bytes");
    assert_eq!((commits, rows), (4, 7));
    assert!(bytes <= 1_250, "{bytes}");
    // Together, or each of them would wait for the disk.
    let mut tasks = JoinSet::new();
    for number in 1..CHANNELS {
        let channels = channels.clone();
        tasks.spawn(async move { bought(&channels, number).await });
    }
    assert_eq!(tasks.join_all().await.len() as u64, CHANNELS - 1);
    store.taken();
    let paid = channels
        .accept_and_charge(&mut held, NOW, &purchase(6), &caps())
        .await;
    paid.unwrap().charge.unwrap();
    let (commits, rows, bytes) = store.taken();
    eprintln!("a request: {commits} commits, {rows} rows, {bytes} bytes");
    assert_eq!((commits, rows), (1, 1));
    assert!(bytes <= 180, "{bytes}");
    let (key, call) = (Fingerprint([7; 32]), call());
    let (begun, (guards, writes)) = HeldCall::begin(&key, call, NOW);
    let mut keyed = purchase(9);
    (keyed.guards, keyed.writes) = (guards, writes);
    let paid = channels
        .accept_and_charge(&mut held, NOW, &keyed, &caps())
        .await;
    paid.unwrap().charge.unwrap();
    let (commits, rows, bytes) = store.taken();
    eprintln!("a request under a key: {commits} commits, {rows} rows, {bytes} bytes");
    assert_eq!((commits, rows), (1, 3));
    assert!(bytes <= 350, "{bytes}");
    let answer = Stored {
        status: 200,
        headers: Vec::new(),
        body: vec![b'x'; 100],
    };
    let (_, (guards, writes)) = begun.served(Some(answer), NOW);
    let step = |_: &mut Channel| {
        Ok(farthing_core::domain::channels::Step::to(()).with(guards.clone(), writes.clone()))
    };
    channels.update(&mut held, NOW, step).await.unwrap();
    let (commits, rows, bytes) = store.taken();
    eprintln!("its answer of 100 bytes: {commits} commits, {rows} rows, {bytes} bytes");
    assert_eq!((commits, rows), (1, 3));
    assert!(
        Calls::new(backend.clone())
            .find(held.id(), &key)
            .await
            .unwrap()
            .is_some()
    );
    drop((channels, backend, store));
    let file: u64 = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let each = file / CHANNELS;
    eprintln!("a channel: {each} bytes of a file");
    assert!(each <= 2_500, "{each}");
}

/// A channel that was just opened and charged.
async fn bought(channels: &Channels, number: u64) -> Held {
    let id = format!("0x{number:064x}").parse().unwrap();
    let state = OnChain::open(Amount::new(1_000_000));
    let channel = Channel::open(Protocol::V2, Seen { block: 1, state }).unwrap();
    let opened = channels.open(&id, &terms(), channel, NOW).await.unwrap();
    let (Opened::New(mut held) | Opened::Known(mut held)) = opened;
    let paid = channels
        .accept_and_charge(&mut held, NOW, &purchase(3), &caps())
        .await;
    paid.unwrap().charge.unwrap();
    held
}

fn call() -> Call {
    Call {
        whole: Fingerprint([1; 32]),
        price: Amount::new(3),
        metered: Amount::ZERO,
        units: 1,
        attempts: 1,
        state: CallState::Charged { until: NOW },
        forget_at: NOW,
    }
}
