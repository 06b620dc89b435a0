//! A process that dies at any commit: the next one finds what was done, and does the rest once.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use farthing_core::{
    memory::MemoryBackend,
    port::{
        BoxFuture,
        backend::{Backend, Batch, Commit, Key, Partition, Range, Row, StoreError, Table},
        method::Outcome,
        session::{Session as _, Settled},
    },
};

use super::{Shop, fund, job};

/// A store whose process dies at one commit, before it is applied or right after. From then on
/// nothing answers until there is a new one.
struct Dying {
    inner: MemoryBackend,
    left: AtomicU64,
    applies: Mutex<bool>,
}

const NEVER: u64 = u64::MAX;

impl Dying {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryBackend::new(),
            left: AtomicU64::new(NEVER),
            applies: Mutex::new(false),
        })
    }

    /// Dies at the commit after `commits` more.
    fn die_after(&self, commits: u64, applies: bool) {
        *self.applies.lock().unwrap() = applies;
        self.left.store(commits, Ordering::SeqCst);
    }

    /// A new process. Whether the last one died.
    fn revive(&self) -> bool {
        self.left.swap(NEVER, Ordering::SeqCst) == 0
    }

    fn dead(&self) -> Result<(), StoreError> {
        match self.left.load(Ordering::SeqCst) {
            0 => Err(StoreError::InDoubt("the process died".into())),
            _ => Ok(()),
        }
    }
}

impl Backend for Dying {
    fn get<'a>(
        &'a self,
        partition: &'a Partition,
        table: Table,
        key: &'a Key,
    ) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(async move {
            self.dead()?;
            self.inner.get(partition, table, key).await
        })
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            self.dead()?;
            self.inner.range(range).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Commit, StoreError>> {
        Box::pin(async move {
            self.dead()?;
            if self.left.load(Ordering::SeqCst) != NEVER {
                self.left.fetch_sub(1, Ordering::SeqCst);
            }
            let dies = self.dead().is_err();
            if dies && !*self.applies.lock().unwrap() {
                self.dead()?;
            }
            let committed = self.inner.commit(batch).await;
            self.dead()?;
            committed
        })
    }
}

/// Runs a step with a death at its every commit, and once more in a new process.
async fn with_deaths<F, Fut>(mut step: F)
where
    F: FnMut(Arc<Dying>, Shop, Box<dyn Fn(&Dying)>) -> Fut,
    Fut: Future<Output = bool>,
{
    for applies in [false, true] {
        for commits in 1.. {
            let store = Dying::new();
            let shop = Shop::on(store.clone(), 1_000).await;
            let arm = Box::new(move |store: &Dying| store.die_after(commits, applies));
            if !step(store, shop, arm).await {
                break;
            }
            assert!(commits < 20, "the step never ends");
        }
    }
}

#[tokio::test]
async fn a_channel_is_opened_once_whenever_the_process_dies() {
    with_deaths(|store, shop, arm| async move {
        let (_, payload) = shop.opening(600).await;
        let ready = shop.check(&payload, None).await.unwrap();
        arm(&store);
        let first = fund(&shop.sessions, &ready).await;
        let died = store.revive();
        assert_eq!(died, matches!(first, Outcome::Unknown { .. }), "{first:?}");
        for _ in 0..2 {
            let again = fund(&shop.restarted(), &ready).await;
            assert!(matches!(again, Outcome::Settled { .. }), "{again:?}");
            assert_eq!(shop.has().await, (400, 600, 0));
        }
        died
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_kept_whenever_the_process_dies() {
    with_deaths(|store, shop, arm| async move {
        let (_, one) = shop.opening(600).await;
        let (_, two) = shop.opening(600).await;
        let one = shop.check(&one, None).await.unwrap();
        let two = shop.check(&two, None).await.unwrap();
        fund(&shop.sessions, &one).await;
        arm(&store);
        let first = fund(&shop.sessions, &two).await;
        let died = store.revive();
        assert_eq!(died, matches!(first, Outcome::Unknown { .. }), "{first:?}");
        let again = fund(&shop.restarted(), &two).await;
        assert!(matches!(again, Outcome::Refused(_)), "{again:?}");
        shop.pay_in("more", 1_000).await;
        let later = fund(&shop.restarted(), &two).await;
        assert!(matches!(later, Outcome::Refused(_)), "{later:?}");
        assert_eq!(shop.has().await, (1_400, 600, 0));
        died
    })
    .await;
}

#[tokio::test]
async fn a_job_is_done_once_whenever_the_process_dies() {
    with_deaths(|store, shop, arm| async move {
        let (one, two) = (shop.open(300).await, shop.open(300).await);
        let items = vec![shop.pay(&one, 100), shop.close(&two, 50, Some(70))];
        let job = job(1, items);
        arm(&store);
        let first = shop.sessions.settle(&job).await;
        let died = store.revive();
        assert_eq!(died, matches!(first, Settled::Unknown { .. }), "{first:?}");
        for _ in 0..2 {
            let again = shop.restarted().settle(&job).await;
            assert!(matches!(again, Settled::Done { .. }), "{again:?}");
            assert_eq!(shop.has().await, (650, 200, 150));
        }
        died
    })
    .await;
}
