//! A backend that lets others have their turn around every call, so that a process can die and a
//! request can be dropped there.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use farthing_core::port::{
    BoxFuture,
    backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table},
};

/// How many turns others have before and after each call.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Arc<AtomicU32>);

impl Pace {
    pub(super) fn set(&self, turns: u32) {
        self.0.store(turns, Ordering::SeqCst);
    }

    async fn wait(&self) {
        for _ in 0..self.0.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }
}

pub(super) struct Paced<B> {
    pub(super) inner: B,
    pub(super) pace: Pace,
}

impl<B: Backend> Backend for Paced<B> {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async move {
            self.pace.wait().await;
            self.inner.get(partition, table, key).await
        })
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            self.pace.wait().await;
            self.inner.range(range).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        Box::pin(async move {
            self.pace.wait().await;
            let answer = self.inner.commit(batch).await;
            self.pace.wait().await;
            answer
        })
    }
}
