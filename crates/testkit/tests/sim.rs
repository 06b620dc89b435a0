//! The simulator, for as many steps as a normal run of the tests can bear.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    reason = "a test says what it found"
)]

use farthing_testkit::sim::{self, Action};

/// A seed from the environment, to look at a failure again.
fn seed() -> u64 {
    let given = std::env::var("FARTHING_SIM_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(402)
}

fn run(part: u64) {
    let seed = seed() + part;
    println!("seed {seed}");
    match sim::run(25_000, seed) {
        Ok(tally) => {
            println!("{tally:?}");
            // A run in which nothing happens proves nothing.
            assert!(tally.settled > tally.signed / 10, "{tally:?}");
            assert!(tally.delivered > tally.signed / 20, "{tally:?}");
            assert!(tally.owed > 0 && tally.nothing > 0 && tally.crashes > 0);
            assert!(tally.defaulted > 0, "{tally:?}");
        }
        Err(broken) => panic!("{broken}"),
    }
}

// A hundred thousand steps, in four parts that run side by side.

#[test]
fn the_invariants_hold_1() {
    run(1);
}

#[test]
fn the_invariants_hold_2() {
    run(2);
}

#[test]
fn the_invariants_hold_3() {
    run(3);
}

#[test]
fn the_invariants_hold_4() {
    run(4);
}

#[test]
fn any_bytes_are_actions() {
    assert_eq!(Action::decode_all(&[]), []);
    let bytes: Vec<u8> = (0..=255).collect();
    assert!(!Action::decode_all(&bytes).is_empty());
    sim::run_bytes(&bytes).unwrap();
}
