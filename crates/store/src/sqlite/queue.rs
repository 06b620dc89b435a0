//! A bounded queue between tasks and threads. Whoever finds it full is told so at once.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use super::error::Refused;

/// How often whoever gathers lets others run.
const PATIENCE: usize = 16;

/// So many are taken at once without waiting for more.
const PLENTY: usize = 256;

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    most: usize,
    most_bytes: usize,
}

struct State<T> {
    items: VecDeque<T>,
    /// Of all items together; counted only where they are taken together.
    bytes: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            most: most.max(1),
            most_bytes,
        }
    }

    pub(super) fn push(&self, item: T, bytes: usize) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        let total = state.bytes.saturating_add(bytes);
        let fits = state.items.len() < self.most && total <= self.most_bytes;
        if !fits && !state.items.is_empty() {
            return Err(Refused::Overloaded);
        }
        state.items.push_back(item);
        state.bytes = total;
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for items and takes them all; `None` once it is closed and empty.
    ///
    /// Whoever gathers lets others run first who are about to bring some and wait for this very core, for as
    /// long as each time some come. Where nobody waits for it, that costs nothing.
    pub(super) fn take_all(&self, gather: bool) -> Option<VecDeque<T>> {
        let mut state = self.filled();
        let (mut patience, mut before) = (if gather { PATIENCE } else { 0 }, 0);
        while patience > 0 && before < state.items.len() && state.items.len() < PLENTY {
            (patience, before) = (patience - 1, state.items.len());
            drop(state);
            thread::yield_now();
            state = self.filled();
        }
        state.bytes = 0;
        Some(mem::take(&mut state.items)).filter(|items| !items.is_empty())
    }

    /// Waits for an item and takes it; `None` once it is closed and empty.
    pub(super) fn take(&self) -> Option<T> {
        self.filled().items.pop_front()
    }

    /// Takes nothing more in. What waits can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Closes it and takes what nobody will come for.
    pub(super) fn abandon(&self) -> VecDeque<T> {
        self.close();
        mem::take(&mut self.lock().items)
    }

    fn filled(&self) -> MutexGuard<'_, State<T>> {
        let waiting = |state: &mut State<T>| state.items.is_empty() && !state.closed;
        self.filled
            .wait_while(self.lock(), waiting)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics halfway, so a poisoned queue is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_by_count_and_by_bytes() {
        let queue = Queue::new(2, 10);
        queue.push('a', 4).unwrap();
        assert!(matches!(queue.push('b', 7), Err(Refused::Overloaded)));
        queue.push('b', 6).unwrap();
        assert!(matches!(queue.push('c', 0), Err(Refused::Overloaded)));
        assert_eq!(queue.take_all(false).unwrap(), ['a', 'b']);
        queue.push('d', 99).expect("a large item alone is taken");
        assert!(matches!(queue.push('e', 1), Err(Refused::Overloaded)));
    }

    #[test]
    fn what_waits_is_taken_after_it_was_closed() {
        let queue = Queue::new(9, 9);
        queue.push('a', 1).unwrap();
        queue.push('b', 1).unwrap();
        queue.close();
        assert!(matches!(queue.push('c', 1), Err(Refused::Closed)));
        assert_eq!(queue.take(), Some('a'));
        assert_eq!(queue.take_all(true).unwrap(), ['b']);
        assert_eq!((queue.take(), queue.take_all(true)), (None, None));
    }
}
