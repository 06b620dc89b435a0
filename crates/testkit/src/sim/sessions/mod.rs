//! The simulator of sessions: two processes serve one channel of one store, and a model says what
//! the channel has to hold.
//!
//! What is simulated is a channel's whole life in the seller's books: vouchers of every kind, requests
//! that are charged and then served or not, repeated requests, metered ones, top-ups, settlements,
//! closes at either side's wish. Each process remembers the channel and takes what waits in one write, as
//! the server does. It dies at any call to the store, and the store fails when it is told to.
//!
//! | invariant | what is asked |
//! |---|---|
//! | a voucher's amount never falls | what is accepted, in the store and as it was told |
//! | `settled ≤ sure ≤ spent`, `spent + reserved ≤ accepted ≤ deposit` | of the row in the store, after every action |
//! | nothing accepted is lost | what was told to be accepted is there, whoever died |
//! | charged once, for what is delivered | what is spent is the sum of the charges that are written beside it, to the unit; what is delivered is among them; what is among them and not delivered was in flight when its process died |
//! | only what was served is settled | the rail has no more than what was delivered, and what the dead left over |
//! | a call is paid for once | what is charged under a key beyond its price is no more than its longest run used, however many there were |
//! | what is forgotten is over | a channel that is gone was closed on its rail and holds nothing; it is charged no more |
//! | limits before money | what is unsettled is granted, and what is granted is counted |
//! | books equal the rail | at the end, to the unit, and then all is forgotten |
//!
//! A seed gives the same actions, and the same run, each time.

mod action;
mod audit;
mod finale;
mod process;
mod rail;
mod world;

pub use action::Action;

use super::{Broken, action::Script, shrink};
use world::World;

/// How many actions happen to one channel before its books are closed.
const EPISODE: usize = 80;

/// A run that ended well.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Actions that happened.
    pub steps: usize,
    /// Channels whose books were closed.
    pub episodes: usize,
    /// Requests that asked.
    pub asked: usize,
    /// Requests that were charged.
    pub charged: usize,
    /// Requests, and pieces of metered ones, that were delivered.
    pub delivered: usize,
    /// Requests that were not served, and whose charge was taken back.
    pub taken_back: usize,
    /// Requests that were answered again, or served again, without a charge.
    pub repeated: usize,
    /// Requests that were in flight when their process died, and stayed charged.
    pub left_over: usize,
    /// Settlements that the rail took, closes included.
    pub settled: usize,
    /// Channels that their payer took back from the rail.
    pub withdrawn: usize,
    /// Pieces of calls under a key that an earlier run had paid for.
    pub paid_before: usize,
    /// Channels that were forgotten before their books were closed.
    pub forgotten: usize,
    /// Processes that died.
    pub crashes: usize,
}

/// Runs at least so many actions from a seed.
///
/// # Errors
/// When an invariant does not hold.
pub fn run(steps: usize, seed: u64) -> Result<Tally, Box<Broken<Action>>> {
    let mut tally = Tally::default();
    while tally.steps < steps {
        let bytes = Script::new(seed, tally.episodes).bytes(EPISODE);
        let actions = Action::decode_some(&bytes, EPISODE);
        if let Err(what) = episode(&actions, &mut tally) {
            let breaks = |actions: &[Action]| episode(actions, &mut Tally::default()).err();
            let actions = shrink(actions, |fewer| breaks(fewer).is_some());
            return Err(Box::new(Broken {
                seed,
                episode: tally.episodes,
                what: breaks(&actions).unwrap_or(what),
                actions,
            }));
        }
        tally.steps += actions.len();
        tally.episodes += 1;
    }
    Ok(tally)
}

/// Makes actions of bytes, and runs them.
///
/// # Errors
/// When an invariant does not hold.
pub fn run_bytes(bytes: &[u8]) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let actions = Action::decode_some(bytes, bytes.len());
    episode(&actions, &mut tally).map(|()| tally)
}

fn episode(actions: &[Action], tally: &mut Tally) -> Result<(), String> {
    let mut world = World::new(actions.first());
    for (at, action) in actions.iter().enumerate() {
        let acted = world.act(action).and_then(|()| audit::quick(&mut world));
        acted.map_err(|what| format!("after action {at}, {action:?}: {what}"))?;
        if at % 8 == 7 {
            audit::whole(&world).map_err(|what| format!("after action {at}: {what}"))?;
        }
    }
    finale::close(&mut world)?;
    world.count(tally);
    Ok(())
}
