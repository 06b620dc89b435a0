//! What is true on the fake rail, in memory or in a file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What is true on the rail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// What every account has.
    pub accounts: BTreeMap<String, u128>,
    /// What moved, by nonce. An effect that arrives again finds itself here.
    pub moved: BTreeMap<String, Transfer>,
    /// Nonces that were refused for good: nothing will ever move by them.
    pub refused: BTreeSet<String>,
    /// How often each effect arrived.
    pub arrived: BTreeMap<String, u64>,
    /// How often the rail was called to settle.
    pub settles: u64,
    /// How often it was called to settle what it takes no more.
    #[serde(default)]
    pub late: u64,
    /// How often it was asked what became of an effect.
    pub resolves: u64,
}

/// A movement of value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// What it was for: a challenge.
    pub memo: String,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// How much.
    pub amount: u128,
    /// What the rail calls it.
    pub reference: String,
    /// When it moved, in milliseconds.
    pub at: u64,
}

impl Truth {
    /// What somebody has.
    #[must_use]
    pub fn balance(&self, account: &str) -> u128 {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// What everybody has together. No transfer changes it.
    #[must_use]
    pub fn total(&self) -> u128 {
        self.accounts.values().sum()
    }

    /// Moves value between two accounts. `None`, and nothing moves, where there is too little.
    pub(super) fn transfer(&mut self, from: &str, to: &str, amount: u128) -> Option<()> {
        let rest = self.balance(from).checked_sub(amount)?;
        self.accounts.insert(from.to_owned(), rest);
        *self.accounts.entry(to.to_owned()).or_default() += amount;
        Some(())
    }
}

/// Where the truth is kept.
pub(super) enum Kept<T = Truth> {
    Memory(Mutex<T>),
    /// One process at a time; the next one finds what the last one left.
    File(Mutex<PathBuf>),
}

impl<T: Clone + Default + Serialize + DeserializeOwned> Kept<T> {
    pub(super) fn read(&self) -> T {
        self.look(T::clone)
    }

    pub(super) fn look<U>(&self, look: impl FnOnce(&T) -> U) -> U {
        match self {
            Self::Memory(truth) => look(&lock(truth)),
            Self::File(path) => look(&load(&lock(path))),
        }
    }

    /// Changes the truth, whole or not at all: a process that dies meanwhile changed nothing.
    pub(super) fn change<U>(&self, change: impl FnOnce(&mut T) -> U) -> U {
        match self {
            Self::Memory(truth) => change(&mut lock(truth)),
            Self::File(path) => {
                let path = lock(path);
                let mut truth = load(&path);
                let out = change(&mut truth);
                let next = path.with_extension("next");
                let json = serde_json::to_vec(&truth).expect("the truth is plain data");
                fs::write(&next, json).expect("the rail's file can be written");
                fs::rename(&next, &*path).expect("the rail's file can be replaced");
                out
            }
        }
    }
}

fn load<T: Default + DeserializeOwned>(path: &PathBuf) -> T {
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json).expect("the rail's file is whole"),
        Err(_) => T::default(),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
