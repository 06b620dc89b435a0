//! The simulator of sessions: a million steps.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    reason = "a test says what it found"
)]

use farthing_testkit::sim::sessions::{self, Action};

/// A seed from the environment, to look at a failure again.
fn seed() -> u64 {
    let given = std::env::var("FARTHING_SIM_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(402)
}

fn run(part: u64) {
    let seed = seed() + part;
    println!("seed {seed}");
    match sessions::run(250_000, seed) {
        Ok(tally) => {
            println!("{tally:?}");
            // A run in which nothing happens proves nothing.
            assert!(tally.charged > tally.asked / 4, "{tally:?}");
            assert!(tally.delivered > tally.charged / 4, "{tally:?}");
            assert!(tally.taken_back > 0 && tally.repeated > 0, "{tally:?}");
            assert!(tally.left_over > 0 && tally.crashes > 0, "{tally:?}");
            assert!(tally.settled > 0 && tally.withdrawn > 0, "{tally:?}");
            assert!(tally.paid_before > 0 && tally.forgotten > 0, "{tally:?}");
        }
        Err(broken) => panic!("{broken}"),
    }
}

// In four parts that run side by side.

#[test]
fn the_invariants_of_a_channel_hold_1() {
    run(1);
}

#[test]
fn the_invariants_of_a_channel_hold_2() {
    run(2);
}

#[test]
fn the_invariants_of_a_channel_hold_3() {
    run(3);
}

#[test]
fn the_invariants_of_a_channel_hold_4() {
    run(4);
}

#[test]
fn any_bytes_are_actions() {
    assert_eq!(Action::decode_some(&[], 9), []);
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(Action::decode_some(&bytes, 9).len(), 9);
    sessions::run_bytes(&bytes).unwrap();
}
