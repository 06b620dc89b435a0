//! Running the binary, and a demo of it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::Arc,
};

use farthing::{
    core::value::CurrencyCode,
    ledger::{Account, Accounts, Balance, Currencies},
    store::{SqliteBackend, SqliteOptions},
};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_farthing");

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn text(&self) -> &str {
        &self.stdout
    }

    pub(crate) fn json(&self) -> Value {
        let text = self.text();
        assert_eq!(text.lines().count(), 1, "one object, one line: {self:?}");
        serde_json::from_str(text).unwrap()
    }

    /// The same, for a run that has to end with a code.
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// Somebody's machine: a home, and an environment with nothing else in it.
pub(crate) struct Machine {
    home: TempDir,
    environment: Vec<(String, String)>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .envs(self.environment.iter().cloned())
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, b"")
    }

    /// The same, with something on stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Run {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Writes a file that only its owner can open.
pub(crate) fn private(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A machine whose owner has a passphrase, in the file that comes back.
pub(crate) fn owner() -> (Machine, PathBuf) {
    let machine = Machine::new();
    let file = machine.path("passphrase-file");
    private(&file, "correct horse\nthe second line does not count\n");
    let name = file.to_str().unwrap().to_owned();
    (machine.with("FARTHING_PASSPHRASE_FILE", name), file)
}

/// A demo that is up, with the machine of its buyer.
pub(crate) struct Dev {
    pub(crate) buyer: Machine,
    pub(crate) ready: Value,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Dev {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(args: &[&str]) -> Self {
        let machine = Machine::new();
        let mut child = machine
            .command(&[&["dev", "--json"], args].concat())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let keystore = ready["keystore"].as_str().unwrap().to_owned();
        Self {
            buyer: machine.with("FARTHING_KEYSTORE", keystore),
            ready,
            child,
            stdout,
        }
    }

    pub(crate) fn says(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    pub(crate) fn pay(&self, args: &[&str]) -> Run {
        self.buyer.run(&[&["pay"], args].concat())
    }

    pub(crate) fn folder(&self) -> PathBuf {
        Path::new(self.says("store")).parent().unwrap().to_owned()
    }

    /// What the buyer and the seller have, in base units, read from the seller's store.
    pub(crate) fn balances(&self) -> (u128, u128) {
        let seller = self.folder().join("seller/default.wallet.json");
        let seller: Value = serde_json::from_slice(&std::fs::read(seller).unwrap()).unwrap();
        let store = Path::new(self.says("store"));
        let of = |account: &str| balance(store, account);
        (
            of(self.says("wallet")),
            of(seller["account"].as_str().unwrap()),
        )
    }

    /// What the seller has.
    pub(crate) fn seller_has(&self) -> u128 {
        let seller = self.folder().join("seller/default.wallet.json");
        let seller: Value = serde_json::from_slice(&std::fs::read(seller).unwrap()).unwrap();
        let account = seller["account"].as_str().unwrap();
        available(Path::new(self.says("store")), account)
    }

    /// Sends a signal and waits for the end; what was still printed comes back.
    pub(crate) fn end(mut self, signal: &str) -> (ExitStatus, String) {
        send(&self.child, signal);
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([format!("-{signal}"), child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// What an account has, where nothing may be held.
pub(crate) fn balance(store: &Path, account: &str) -> u128 {
    let balance = both(store, account);
    assert!(balance.held.is_zero(), "nothing stays held: {balance:?}");
    balance.available.units()
}

fn available(store: &Path, account: &str) -> u128 {
    both(store, account).available.units()
}

fn both(store: &Path, account: &str) -> Balance {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let options = SqliteOptions {
        create: false,
        ..SqliteOptions::new(store)
    };
    let backend = Arc::new(SqliteBackend::open(options).unwrap());
    let accounts = Accounts::new(backend, Currencies::default());
    let (account, dollar) = (
        Account::parse(account).unwrap(),
        CurrencyCode::new("usd6").unwrap(),
    );
    runtime
        .block_on(accounts.balance(&account, &dollar))
        .unwrap()
}
