//! The simulator: bytes become actions, actions happen to a shop, and after each of them a model
//! asks whether the invariants of a payment still hold.
//!
//! The shop is the whole server side: the tower layer, the [`Gate`](farthing_server::Gate), the
//! ledger and the fake rail, over a store that fails when it is told to. It runs on one thread
//! whose time stands still until an action moves it. A crash drops the runtime with everything in
//! it, wherever it is, and opens another shop over the same store.
//!
//! | invariant | what is asked |
//! |---|---|
//! | never settled twice | one receipt a challenge; balances to the unit, on both rails |
//! | never delivered unpaid | what a client read was moved before it read it, or is on credit within the limits |
//! | never paid and lost | at the end all that moved is delivered or owed, after it was offered again; nothing is held, reserved or journaled |
//! | money is never invented | no receipt and no reference that the rail did not give; no answer denies what moved or tells of what did not |
//! | limits before money | a limit is never exceeded, and what is counted is what is in flight, and what is on credit |
//! | sent in time | the rail is not sent what it takes no more |
//!
//! What a payment is asked is asked of [sessions] in their own way.
//!
//! A seed gives the same actions each time. What is random in the gate are its ids, and they
//! decide nothing but the order of two payments that are due in the same millisecond.

mod action;
mod audit;
mod client;
mod finale;
mod handler;
mod paced;
mod purchase;
pub mod sessions;
mod shop;
mod world;

use std::fmt;

pub use action::Action;
use action::Script;
use world::World;

/// How many actions happen to one shop before its books are closed.
const EPISODE: usize = 80;

/// A run that ended well.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Actions that happened.
    pub steps: usize,
    /// Shops whose books were closed.
    pub episodes: usize,
    /// Credentials that were signed.
    pub signed: usize,
    /// Payments that settled.
    pub settled: usize,
    /// Payments that were delivered.
    pub delivered: usize,
    /// Payments that were owed in the end.
    pub owed: usize,
    /// Payments that were served on credit and never paid.
    pub defaulted: usize,
    /// Payments that came to nothing.
    pub nothing: usize,
    /// Processes that died.
    pub crashes: usize,
}

/// An invariant that did not hold, and the shortest way there that was found.
#[derive(Clone, Debug)]
pub struct Broken<A = Action> {
    /// The seed of the run.
    pub seed: u64,
    /// Which episode of it.
    pub episode: usize,
    /// What did not hold.
    pub what: String,
    /// The actions that lead there.
    pub actions: Vec<A>,
}

impl<A: fmt::Debug> fmt::Display for Broken<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        writeln!(f, "seed {}, episode {}:", self.seed, self.episode)?;
        for action in &self.actions {
            writeln!(f, "  {action:?}")?;
        }
        Ok(())
    }
}

impl<A: fmt::Debug> std::error::Error for Broken<A> {}

/// Runs at least so many actions from a seed.
///
/// # Errors
/// When an invariant does not hold.
pub fn run(steps: usize, seed: u64) -> Result<Tally, Box<Broken>> {
    let mut tally = Tally::default();
    while tally.steps < steps {
        let actions = Script::new(seed, tally.episodes).actions(EPISODE);
        if let Err(what) = episode(&actions, &mut tally) {
            let breaks = |actions: &[Action]| episode(actions, &mut Tally::default()).is_err();
            let actions = shrink(actions, breaks);
            // The shortest way may end elsewhere than the first one.
            let what = episode(&actions, &mut Tally::default())
                .err()
                .unwrap_or(what);
            return Err(Box::new(Broken {
                seed,
                episode: tally.episodes,
                what,
                actions,
            }));
        }
        tally.steps += actions.len();
        tally.episodes += 1;
    }
    Ok(tally)
}

/// Runs given actions: what a failure printed, or what a fuzzer made up.
///
/// # Errors
/// When an invariant does not hold.
pub fn replay(actions: &[Action]) -> Result<Tally, String> {
    let mut tally = Tally::default();
    episode(actions, &mut tally).map(|()| tally)
}

/// Makes actions of bytes, and runs them.
///
/// # Errors
/// When an invariant does not hold.
pub fn run_bytes(bytes: &[u8]) -> Result<Tally, String> {
    replay(&Action::decode_all(bytes))
}

fn episode(actions: &[Action], tally: &mut Tally) -> Result<(), String> {
    let mut world = World::new()?;
    for (at, action) in actions.iter().enumerate() {
        world
            .act(action)
            .map_err(|what| format!("after action {at}, {action:?}: {what}"))?;
        if at % 8 == 7 {
            audit::check(&world).map_err(|what| format!("after action {at}: {what}"))?;
        }
    }
    finale::close(&mut world, tally)
}

/// Leaves out what is not needed to break something, in ever smaller pieces.
fn shrink<A: Clone>(mut actions: Vec<A>, breaks: impl Fn(&[A]) -> bool) -> Vec<A> {
    let mut piece = actions.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < actions.len() {
            let mut fewer = actions.clone();
            fewer.drain(at..(at + piece).min(actions.len()));
            if breaks(&fewer) {
                actions = fewer;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    actions
}
