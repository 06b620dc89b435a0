//! Many at once, in two processes on one store.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use farthing_core::{
    intent::session::{Channel, Protocol, Seen},
    memory::MemoryBackend,
    port::{
        BoxFuture,
        backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table},
        session::Session as _,
    },
};
use tokio::task::JoinSet;

use super::{Shop, done, fund, job, paid};

const TASKS: u32 = 60;

/// A store whose every call lets others get ahead, before it and after it.
struct Turning(MemoryBackend);

impl Turning {
    async fn turn(&self) {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
}

impl Backend for Turning {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async move {
            self.turn().await;
            let row = self.0.get(partition, table, key).await;
            self.turn().await;
            row
        })
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            self.turn().await;
            let rows = self.0.range(range).await;
            self.turn().await;
            rows
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        Box::pin(async move {
            self.turn().await;
            let committed = self.0.commit(batch).await;
            self.turn().await;
            committed
        })
    }
}

async fn shop(deposit: u128) -> Arc<Shop> {
    let store = Arc::new(Turning(MemoryBackend::new()));
    Arc::new(Shop::on(store, deposit).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_opening_that_many_send_locks_once() {
    let shop = shop(1_000).await;
    let (_, payload) = shop.opening(600).await;
    let ready = shop.check(&payload, None).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (shop, ready) = (shop.clone(), ready.clone());
        tasks.spawn(async move { done(&fund(&shop.restarted(), &ready).await) });
    }
    assert!(tasks.join_all().await.into_iter().all(|done| done));
    assert_eq!(shop.has().await, (400, 600, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn openings_that_do_not_all_fit_lock_what_there_is() {
    let shop = shop(1_000).await;
    let mut all = Vec::new();
    for _ in 0..TASKS {
        let (_, payload) = shop.opening(100).await;
        all.push(shop.check(&payload, None).await.unwrap());
    }
    let mut tasks = JoinSet::new();
    for ready in all {
        let shop = shop.clone();
        tasks.spawn(async move { done(&fund(&shop.restarted(), &ready).await) });
    }
    let opened = tasks.join_all().await.into_iter().filter(|done| *done);
    assert_eq!(opened.count(), 10);
    assert_eq!(shop.has().await, (0, 1_000, 0));
}

/// Every top-up is done, whoever else writes the channel meanwhile; each voucher is paid at most once;
/// and whoever watches sees neither number fall.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_channel_is_watched_while_many_write_it() {
    let shop = shop(10_000).await;
    let channel = shop.open(1_000).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let first = shop.seen(&channel).await.unwrap();
    // What was seen as of each block, by whomever.
    let blocks = Arc::new(Mutex::new(BTreeMap::from([(first.block, first.state)])));
    let mut watchers = JoinSet::new();
    for _ in 0..4 {
        let (shop, channel, is_over) = (shop.clone(), channel.clone(), is_over.clone());
        let blocks = blocks.clone();
        watchers.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                let of = [(channel.keeping.id.clone(), channel.terms.clone())];
                // Where it is written all the time, a look may have to be taken again.
                if let Ok(seen) = shop.restarted().look(&of).await {
                    let seen = seen[0].unwrap();
                    let mut blocks = blocks.lock().unwrap();
                    let state = *blocks.entry(seen.block).or_insert(seen.state);
                    assert_eq!(state, seen.state, "block {} has two states", seen.block);
                }
                tokio::task::yield_now().await;
            }
        });
    }
    let mut tasks = JoinSet::new();
    for number in 1..=TASKS {
        let (shop, channel) = (shop.clone(), channel.clone());
        tasks.spawn(async move {
            let sessions = shop.restarted();
            if number.is_multiple_of(3) {
                let more = shop.top_up(&channel, 10).await;
                let more = shop.check(&more, Some(&channel.terms)).await.unwrap();
                assert!(done(&fund(&sessions, &more).await));
            } else {
                let item = shop.pay(&channel, u128::from(number) * 10);
                paid(&sessions.settle(&job(number, vec![item])).await);
            }
        });
    }
    tasks.join_all().await;
    is_over.store(true, Ordering::SeqCst);
    watchers.join_all().await;
    let mut books = Channel::open(Protocol::V2, first).unwrap();
    for (block, state) in blocks.lock().unwrap().clone() {
        books.observe(Seen { block, state }).unwrap();
    }
    let (deposit, settled) = shop.numbers(&channel).await;
    // The highest voucher is the last one that is no top-up.
    assert_eq!((deposit, settled), (1_200, 590));
    assert_eq!(shop.has().await, (8_800, 610, 590));
}

/// Jobs that close the same channels in other orders: each channel ends once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn channels_end_once() {
    let shop = shop(1_000).await;
    let mut channels = Vec::new();
    for _ in 0..4 {
        channels.push(shop.open(100).await);
    }
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let (shop, mut channels) = (shop.clone(), channels.clone());
        channels.rotate_left(number as usize % 4);
        tasks.spawn(async move {
            let capture = u128::from(number % 5);
            let close = |it| shop.close(it, capture, Some(capture));
            let items = channels.iter().map(close).collect();
            paid(&shop.restarted().settle(&job(number, items)).await).then_some(capture)
        });
    }
    let won: Vec<u128> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1, "{won:?}");
    assert_eq!(shop.has().await, (1_000 - 4 * won[0], 0, 4 * won[0]));
}
