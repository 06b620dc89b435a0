//! Counts the allocations of one side of a row: `farthing-allocations ROW ours|floor`; and the bytes that so
//! many channels take in memory: `farthing-allocations bytes 1000`.
//!
//! It is a program of its own because an allocator that counts slows down everything that is timed
//! beside it.
#![expect(clippy::print_stdout, reason = "the count is what it is asked for")]

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use farthing_bench::{count, measure};

static COUNTED: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (row, side) = (args.next(), args.next());
    measure::watch_with(|work| {
        let counted = allocation_counter::measure(work);
        COUNTED.fetch_add(counted.count_total, Relaxed);
    });
    let (Some(row), Some(side)) = (row, side) else {
        return ExitCode::from(2);
    };
    if row == "bytes" {
        let Ok(channels) = side.parse() else {
            return ExitCode::from(2);
        };
        let mut bytes = 0;
        count::channels(channels, &mut |work| {
            bytes = allocation_counter::measure(work).bytes_current;
        });
        println!("{bytes}");
        return ExitCode::SUCCESS;
    }
    if !count::once(&row, &side, &[]) {
        return ExitCode::from(2);
    }
    println!("{}", COUNTED.load(Relaxed));
    ExitCode::SUCCESS
}
