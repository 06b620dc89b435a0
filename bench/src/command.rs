//! The command: which rows run, how they are shown.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to a person"
)]

use std::process::ExitCode;

use clap::Parser;

use crate::{
    count, measure,
    report::{self, Report},
    rows::{self, Peer},
};

/// Measures what Farthing costs, as ratios to floors measured in the same run.
#[derive(Parser)]
#[command(name = "cargo xtask bench", version, about)]
struct Args {
    /// Run only the row of this name, or the rows whose name has this in it.
    filter: Option<String>,
    /// Print one JSON object a row instead of the table.
    #[arg(long)]
    json: bool,
    /// Also run the rows that take minutes and gigabytes.
    #[arg(long)]
    large: bool,
    /// Name the rows, with what both sides do, and stop.
    #[arg(long)]
    list: bool,
    /// How often each side has its turn.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..1000))]
    runs: u16,
}

/// Runs what the command line asks for. Beside the peers, only rows that one of them has are run.
#[must_use]
pub fn main(peers: &[Peer]) -> ExitCode {
    measure::stay_on_one_core();
    if let [_, word, row, side] = &std::env::args().collect::<Vec<_>>()[..]
        && word == "once"
    {
        // Whoever counts does not time, and valgrind does not take to the clock.
        measure::watch_with(|work| work());
        return ExitCode::from(u8::from(!count::once(row, side, peers)) * 2);
    }
    let args = Args::parse();
    let mut rows = rows::all();
    if !peers.is_empty() {
        rows.retain(|row| peers.iter().any(|peer| peer.row == row.name));
    }
    if rows
        .iter()
        .any(|row| Some(row.name) == args.filter.as_deref())
    {
        rows.retain(|row| Some(row.name) == args.filter.as_deref());
    }
    rows.retain(|row| match &args.filter {
        Some(filter) => {
            row.name.contains(filter) && (args.large || !row.large || filter == row.name)
        }
        None => args.large || !row.large,
    });
    if rows.is_empty() {
        eprintln!("no row is called that; --list names them");
        return ExitCode::from(2);
    }
    if args.list {
        for row in rows {
            let goal = row
                .goal
                .map_or_else(|| "-".to_owned(), |goal| format!("{goal:.2}x"));
            println!("{:<30} {goal:>5}  {}", row.name, row.what);
        }
        return ExitCode::SUCCESS;
    }
    run(&rows, &args, peers)
}

/// Measures and prints. A missed goal is told, and is no failure: what is measured depends on the
/// machine.
fn run(rows: &[rows::Row], args: &Args, peers: &[Peer]) -> ExitCode {
    if !args.json {
        println!("{}", report::head());
    }
    let mut missed = 0;
    for row in rows {
        eprintln!("  {}: {}", row.name, row.what);
        let report = Report::of(
            row,
            usize::from(args.runs),
            peers.iter().find(|peer| peer.row == row.name),
        );
        missed += usize::from(!report.meets_its_goal());
        if args.json {
            match serde_json::to_string(&report) {
                Ok(line) => println!("{line}"),
                Err(error) => {
                    eprintln!("a row could not be written: {error}");
                    return ExitCode::FAILURE;
                }
            }
        } else {
            println!("{}", report.line());
        }
    }
    if !args.json {
        let goals = rows.iter().filter(|row| row.goal.is_some()).count();
        println!("{} of {goals} goals met", goals - missed);
    }
    ExitCode::SUCCESS
}
