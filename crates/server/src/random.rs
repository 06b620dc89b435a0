//! Randomness, taken from the system a page at a time: a challenge needs sixteen bytes, and a
//! system call for each would cost more than its signature.

use std::cell::RefCell;

use farthing_core::value::Entropy;
use ring::rand::{SecureRandom, SystemRandom};

const PAGE: usize = 1024;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; PAGE], used: PAGE }) };
}

struct Pool {
    bytes: [u8; PAGE],
    used: usize,
}

/// The system has no randomness to give. Nothing can be issued then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no randomness")]
pub struct NoRandomness;

/// Sixteen bytes that nobody has seen. Given-out bytes are wiped from the pool.
pub(crate) fn entropy() -> Result<Entropy, NoRandomness> {
    POOL.with_borrow_mut(|pool| {
        if pool.used + 16 > PAGE {
            SystemRandom::new()
                .fill(&mut pool.bytes)
                .map_err(|_| NoRandomness)?;
            pool.used = 0;
        }
        let mut out = [0; 16];
        let next = &mut pool.bytes[pool.used..pool.used + 16];
        out.copy_from_slice(next);
        next.fill(0);
        pool.used += 16;
        Ok(Entropy(out))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn never_gives_the_same_twice() {
        let seen: HashSet<_> = (0..1000).map(|_| entropy().unwrap().0).collect();
        assert_eq!(seen.len(), 1000);
        assert!(!seen.contains(&[0; 16]));
    }
}
