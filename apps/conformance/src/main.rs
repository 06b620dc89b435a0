//! Reads one JSON request from standard input and writes one JSON response to standard output.

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
    time::UNIX_EPOCH,
};

use farthing_conformance::answer;
use farthing_core::value::Timestamp;

/// Bytes of a request.
const REQUEST: u64 = 4 * 1024 * 1024;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "farthing-conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut request = String::new();
    io::stdin().take(REQUEST).read_to_string(&mut request)?;
    // The time is read once, here, and handed on.
    let since_1970 = UNIX_EPOCH.elapsed().map_err(io::Error::other)?;
    let now = Timestamp::from_secs(since_1970.as_secs());
    writeln!(io::stdout(), "{}", answer(&request, now))
}
