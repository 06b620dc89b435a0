//! The channels that are in memory: sharded, bounded, and each there once.

use std::{
    collections::HashMap,
    future::Future,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
};

use farthing_core::{
    domain::channels::{ChannelError, Step},
    intent::session::{Balance, ChannelId, Terms},
    port::BoxFuture,
};
use tokio::{sync::OnceCell, task::JoinSet};

use super::{Live, lock};
use crate::session::{
    Sessions,
    till::{Memory, RailStep},
};

const SHARDS: usize = 64;

/// Channels that are written at the same time when a gate closes.
const FLUSHED_AT_ONCE: usize = 64;

/// Channels in memory, by their ids.
///
/// One that somebody holds stays, so that no two of one channel are ever there. Of those that nobody
/// holds the longest unused go when there is no more room. Those in use are bounded by the requests
/// that may be under way.
pub(crate) struct Directory {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    most: usize,
}

#[derive(Default)]
struct Shard {
    places: HashMap<ChannelId, Place>,
    /// Rises with each use.
    uses: u64,
}

/// A channel's place. It is there while the channel is being loaded, so that it is loaded once.
struct Place {
    cell: Arc<Cell>,
    used: u64,
}

type Cell = OnceCell<Arc<Live>>;

impl Place {
    /// Whether nobody but the directory has it.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.cell) == 1
            && self
                .cell
                .get()
                .is_none_or(|live| Arc::strong_count(live) == 1)
    }
}

impl Directory {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            most: most.div_ceil(SHARDS).max(1),
        }
    }

    /// The channel as it is in memory, or what loading it leads to. However many ask at once, it is
    /// loaded by one of them; where that fails, the next one tries.
    pub(crate) async fn get<E, F>(
        &self,
        id: &ChannelId,
        load: impl FnOnce() -> F,
    ) -> Result<Option<Arc<Live>>, E>
    where
        F: Future<Output = Result<Option<Live>, E>>,
    {
        let cell = self.place(id);
        if let Some(live) = cell.get() {
            return Ok(Some(Arc::clone(live)));
        }
        let asking = Asking {
            shard: self.shard(id),
            id,
            cell: Some(cell),
        };
        let loaded = asking
            .cell()
            .get_or_try_init(|| async {
                match load().await {
                    Ok(Some(live)) => Ok(Arc::new(live)),
                    Ok(None) => Err(None),
                    Err(error) => Err(Some(error)),
                }
            })
            .await
            .cloned();
        match loaded {
            Ok(live) => {
                let mut shard = lock(self.shard(id));
                // Only what is there takes the place of something: asking for what is not empties nothing.
                if shard.places.len() > self.most {
                    shard.forget_idle();
                }
                Ok(Some(live))
            }
            Err(error) => error.map_or(Ok(None), Err),
        }
    }

    /// The channel, where it is in memory.
    fn peek(&self, id: &ChannelId) -> Option<Arc<Live>> {
        let shard = lock(self.shard(id));
        shard.places.get(id)?.cell.get().cloned()
    }

    /// How many are in memory.
    pub(crate) fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| lock(shard).places.len()).sum()
    }

    /// Those of which something was delivered that the store does not know of.
    fn unwritten(&self) -> Vec<Arc<Live>> {
        let shards = self.shards.iter();
        let all = shards.flat_map(|shard| {
            let shard = lock(shard);
            let cells = shard.places.values().filter_map(|place| place.cell.get());
            let found = cells.filter(|live| live.is_unwritten()).cloned();
            found.collect::<Vec<_>>()
        });
        all.collect()
    }

    fn shard(&self, id: &ChannelId) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(id);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }

    fn place(&self, id: &ChannelId) -> Arc<Cell> {
        let mut shard = lock(self.shard(id));
        shard.uses += 1;
        let used = shard.uses;
        if let Some(place) = shard.places.get_mut(id) {
            place.used = used;
            return Arc::clone(&place.cell);
        }
        let cell = Arc::new(Cell::new());
        let place = Place {
            cell: Arc::clone(&cell),
            used,
        };
        shard.places.insert(id.clone(), place);
        cell
    }
}

impl Sessions {
    /// Writes what was delivered and is known in memory alone. Whoever comes after this process would
    /// have to take it for what may still be served, and wait with a close until nobody can be serving
    /// it any more.
    pub(crate) async fn flush(&self) {
        let mut unwritten = self.directory.unwritten().into_iter();
        let mut writing = JoinSet::new();
        loop {
            while writing.len() < FLUSHED_AT_ONCE
                && let Some(live) = unwritten.next()
            {
                writing.spawn(async move {
                    if let Err(error) = live.step(|_| Ok(Step::to(()))).await {
                        tracing::debug!(channel = %live.id(), "what was delivered is not written down: {error}");
                    }
                });
            }
            if writing.join_next().await.is_none() {
                return;
            }
        }
    }
}

/// One who asks for a channel that is not in memory, until it has it or goes away: the last of them takes
/// a place back that nothing came to.
struct Asking<'a> {
    shard: &'a Mutex<Shard>,
    id: &'a ChannelId,
    cell: Option<Arc<Cell>>,
}

impl Asking<'_> {
    fn cell(&self) -> &Cell {
        let cell = self.cell.as_ref();
        cell.expect("it is given up when nobody asks any more")
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut shard = lock(self.shard);
        // Given up under the lock, or the last two of them would each take the other for the last.
        drop(self.cell.take());
        let is_empty = shard
            .places
            .get(self.id)
            .is_some_and(|place| Arc::strong_count(&place.cell) == 1 && place.cell.get().is_none());
        if is_empty {
            shard.places.remove(self.id);
        }
    }
}

impl Memory for Directory {
    fn take<'a>(
        &'a self,
        channel: &'a ChannelId,
        step: RailStep,
    ) -> Option<BoxFuture<'a, Result<(), ChannelError>>> {
        let live = self.peek(channel)?;
        Some(Box::pin(async move {
            live.step(move |channel| step.apply(channel).map(Step::to))
                .await
        }))
    }

    fn is_serving(&self, channel: &ChannelId) -> bool {
        self.peek(channel).is_some_and(|live| live.is_serving())
    }

    fn each(&self, look: &mut dyn FnMut(&ChannelId, &Terms, Balance)) {
        for shard in &self.shards {
            // What looks may take its time, so nobody waits for it here.
            let all: Vec<Arc<Live>> = {
                let shard = lock(shard);
                let places = shard.places.values();
                places
                    .filter_map(|place| place.cell.get().cloned())
                    .collect()
            };
            for live in all {
                look(live.id(), live.terms(), live.last().balance);
            }
        }
    }
}

impl Shard {
    /// Makes room: of those that nobody holds, the eighth that was not used for longest.
    fn forget_idle(&mut self) {
        let mut used: Vec<u64> = self
            .places
            .values()
            .filter(|place| place.is_idle())
            .map(|place| place.used)
            .collect();
        if used.is_empty() {
            return;
        }
        let at = used.len() / 8;
        let (_, limit, _) = used.select_nth_unstable(at);
        let limit = *limit;
        self.places
            .retain(|_, place| place.used > limit || !place.is_idle());
    }
}

#[cfg(test)]
mod tests {
    use farthing_core::port::backend::StoreError;

    use super::*;

    /// A place costs nothing to ask for: what is asked for by those who go away before they are
    /// answered has to leave none.
    #[tokio::test]
    async fn who_asks_for_what_is_not_there_and_goes_away_leaves_nothing() {
        let directory = Directory::new(64);
        for n in 0..1_000 {
            let id = ChannelId::new(format!("channel{n}")).unwrap();
            let never = || std::future::pending::<Result<Option<Live>, StoreError>>();
            let (one, other) = (directory.get(&id, never), directory.get(&id, never));
            let both = async { tokio::join!(one, other) };
            tokio::select! {
                biased;
                _ = both => unreachable!("it is never loaded"),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(directory.len(), 0);
    }
}
