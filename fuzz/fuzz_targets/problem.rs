//! Problems: what parses is written as something that parses to the same.
#![no_main]

use farthing_core::{bounds, noun::problem::Problem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(problem) = Problem::parse(data, 402) else {
        return;
    };
    let written = problem.to_json();
    // A problem at the bound may be written a little longer than it came.
    if written.len() <= bounds::PROBLEM {
        let again = Problem::parse(written.as_bytes(), 402);
        assert!(again.is_ok_and(|again| again == problem), "{written}");
    }
});
