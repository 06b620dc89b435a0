//! `cargo xtask bench --peers`, second half: the gateway beside a bare forwarder and nginx.
//!
//! Each server is a process on a core of its own; who asks and who is forwarded to share the other.
//! So a server's requests a second are what one core of it can do, and its processor time a request
//! is its own.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to a person"
)]

mod ask;
mod contenders;
mod process;
mod rows;
mod servers;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// What went wrong, for a person.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Measures the gateway beside a bare forwarder and nginx.
#[derive(Parser)]
#[command(name = "farthing-gateway-bench", version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the rows.
    Run {
        /// The `farthing` program.
        #[arg(long)]
        farthing: PathBuf,
        /// How often each contender has its turn.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Seconds of a turn.
        #[arg(long, default_value_t = 3)]
        seconds: u32,
        /// Only rows whose name has this in it.
        filter: Option<String>,
        /// Print one JSON object a row.
        #[arg(long)]
        json: bool,
    },
    /// Becomes one of the servers that are compared, and prints its address.
    #[command(hide = true)]
    Serve {
        what: servers::What,
        /// Where a forwarder forwards to.
        #[arg(long)]
        to: Option<std::net::SocketAddr>,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Serve { what, to } => servers::serve(what, to),
        Command::Run {
            farthing,
            runs,
            seconds,
            filter,
            json,
        } => rows::run(
            &rows::Wanted {
                farthing,
                runs,
                seconds,
                filter,
            },
            |row| {
                if json {
                    println!("{}", row.to_json());
                } else {
                    println!("{row}");
                }
            },
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the gateway could not be measured: {error}");
            ExitCode::FAILURE
        }
    }
}
