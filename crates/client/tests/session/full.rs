//! A store whose counter of what is locked says no, whatever is read of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use farthing_client::SessionFault;
use farthing_core::{
    intent::session::Protocol,
    memory::MemoryBackend,
    port::{
        BoxFuture,
        backend::{
            Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table, Which, Write,
        },
    },
    value::Amount,
};

use super::{World, generous, is};

#[derive(Default)]
struct Full {
    inner: MemoryBackend,
    says_no: AtomicBool,
    asked: AtomicU32,
}

impl Backend for Full {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        self.inner.get(partition, table, key)
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.inner.range(range)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        let locks = |write: &Write| match write {
            Write::Add { key, delta, .. } => *delta > 0 && key.as_bytes().starts_with(b"locked"),
            _ => false,
        };
        match batch.writes.iter().position(locks) {
            Some(at) if self.says_no.load(Ordering::SeqCst) => {
                self.asked.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move { Ok(Commit::Conflict(Which::Write(at))) })
            }
            _ => self.inner.commit(batch),
        }
    }
}

fn no_room(fault: &SessionFault) -> bool {
    matches!(fault, SessionFault::Deposit { cap, .. } if cap.contains("other channels"))
}

#[tokio::test]
async fn a_counter_that_says_no_is_not_asked_for_ever() {
    let backend = Arc::new(Full::default());
    let world = World::with(Protocol::V2, generous(), backend.clone()).await;
    let asked = || backend.asked.swap(0, Ordering::SeqCst);
    *world.shop.advised.lock().unwrap() = Some(2_000);
    backend.says_no.store(true, Ordering::SeqCst);
    let refused = world.client.get(world.shop.url("/goods")).send().await;
    assert!(is(&refused.unwrap_err(), no_room));
    assert_eq!((asked(), world.used().await), (8, 0));
    assert_eq!(world.client.sessions().list(None, 10).await.unwrap(), []);

    // Nothing of it stays, and an opening is as good as ever.
    backend.says_no.store(false, Ordering::SeqCst);
    world.get("/goods").await;
    world.get("/goods").await;
    backend.says_no.store(true, Ordering::SeqCst);
    let refused = world.client.get(world.shop.url("/goods")).send().await;
    assert!(is(&refused.unwrap_err(), no_room));
    assert_eq!((asked(), world.shop.count("topUp")), (8, 0));
    assert_eq!(world.reserve.truth().locked(), 2_000);
    assert_eq!(world.purse().await.deposit, Amount::new(2_000));
}
