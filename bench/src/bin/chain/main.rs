//! `cargo xtask bench --chain`: a charge from its challenge to its 200, on a chain of one's own, beside a
//! transaction of the same kind that is only sent.
//!
//! What is compared is time on the wall: both wait for the same blocks. The chain, the seller and the
//! buyers share the machine, as they do in the tests.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to a person"
)]

mod market;
mod raw;
mod rows;
mod settling;

use std::process::ExitCode;

use clap::Parser;

/// What went wrong, for a person.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Measures charges on a chain.
#[derive(Parser)]
#[command(name = "farthing-chain-bench", version, about)]
struct Args {
    /// Charges one after the other, on each kind of chain.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    charges: u16,
    /// Charges at the same time.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=200))]
    many: u16,
    /// Only rows whose name has this in it.
    filter: Option<String>,
    /// Print one JSON object a row.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let wanted = rows::Wanted {
        charges: usize::from(args.charges),
        many: usize::from(args.many),
        filter: args.filter,
    };
    let measured = tokio::runtime::Runtime::new()
        .map_err(Failed::from)
        .and_then(|runtime| {
            runtime.block_on(rows::run(&wanted, |line| {
                if args.json {
                    println!("{}", line.to_json());
                } else {
                    println!("{line}");
                }
            }))
        });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("charges could not be measured: {error}");
            ExitCode::FAILURE
        }
    }
}
