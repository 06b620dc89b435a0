//! The `farthing` command line: pay for HTTP requests, and charge for them.

mod args;
mod buyer;
mod check;
mod complete;
mod describe;
mod dev;
mod error;
mod exit;
mod gateway;
mod inspect;
mod keystore;
mod money;
mod networks;
mod operator;
mod pay;
mod program;
mod receipts;
mod screen;
mod sessions;
mod signer;
mod wallet;
mod when;

use std::{io, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Args, Command};
use error::Error;
use exit::Exit;
use keystore::Keystore;

fn main() -> ExitCode {
    let args = Args::parse();
    trace();
    let keystore = args.keystore();
    let command = args.into_command();
    let is_json = command.is_json();
    match run(command, &keystore) {
        Ok(exit) => exit.into(),
        Err(error) if is_closed_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            if is_json {
                // A program reads stdout, so that is where it is told. The exit code says the rest.
                let _ = screen::data(error.to_json());
            } else {
                error.tell();
            }
            error.exit().into()
        }
    }
}

fn run(command: Command, keystore: &Keystore) -> Result<Exit, Error> {
    // The one place that chooses the cryptography of TLS. It fails only where it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::System)?;
    let done = runtime.block_on(async {
        match command {
            Command::Pay(pay) => pay::run(pay, keystore).await,
            Command::Wallet(command) => wallet::run(command, keystore).await,
            Command::Networks(command) => networks::run(command, keystore).await,
            Command::Sessions(command) => sessions::run(command, keystore).await,
            Command::Receipts(command) => receipts::run(command, keystore).await,
            Command::Dev(dev) => dev::run(dev).await,
            Command::Ledger(command) => operator::ledger::run(command).await,
            Command::Payments(command) => operator::payments::run(command).await,
            Command::Channels(command) => operator::channels::run(command).await,
            Command::Completions(shell) => complete::run(&shell),
            Command::Gateway(gateway) => gateway::run(gateway, keystore).await,
            Command::Describe => describe::run(),
            Command::Inspect(inspect) => inspect::run(&inspect),
            Command::Check(check) => check::run(&check, keystore).await,
        }
    });
    // A thread may still wait for somebody to type.
    runtime.shutdown_background();
    done
}

/// Traces to stderr, where `RUST_LOG` says so.
fn trace() {
    if std::env::var_os("RUST_LOG").is_some_and(|filter| !filter.is_empty()) {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::from_default_env())
            .with_writer(io::stderr)
            .with_ansi(false)
            .init();
    }
}

/// Whoever read our output had enough, as `head` does. Nothing is wrong, unless it was paid for.
fn is_closed_pipe(error: &Error) -> bool {
    let source = match error {
        Error::System(source) => source,
        Error::Answer { source, moved } if *moved == farthing::core::payment::Moved::No => source,
        _ => return false,
    };
    source.kind() == io::ErrorKind::BrokenPipe
}
