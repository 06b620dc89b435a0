//! The real binary as a gateway: started, paid, told by signals and files, ended, killed.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are the helpers of tests"
)]

#[path = "../cli/world.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod world;

#[path = "../cli/chain/world.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod market;

mod chain;
mod end;
mod reload;
mod secrets;
mod start;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use farthing::{
    core::value::{Amount, CurrencyCode, Timestamp},
    ledger::{Account, AccountKey, Accounts, Currencies, Funding, KeyType, TransferId},
    store::{SqliteBackend, SqliteOptions},
};
use serde_json::Value;
use world::{Machine, Run, balance, send};

/// The buyer's key, and what the buyer begins with.
const KEY: &str = "5ec2e70000000000000000000000000000000000000000000000000000005ec2";
const FUNDS: u128 = 1_000_000;

/// An upstream that answers `ok`, and under `/slow` begins an answer that the test ends.
struct Upstream {
    at: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    go: mpsc::Sender<()>,
}

impl Upstream {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (go, went) = mpsc::channel();
        let (seen, went) = (Arc::clone(&heads), Arc::new(Mutex::new(went)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, went) = (Arc::clone(&seen), Arc::clone(&went));
                thread::spawn(move || answer(stream.unwrap(), &seen, &went));
            }
        });
        Self { at, heads, go }
    }

    fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    fn asked(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, seen: &Mutex<Vec<String>>, went: &Mutex<mpsc::Receiver<()>>) {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while !head.ends_with("\r\n\r\n") {
        // A connection that only looks whether somebody is there.
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let is_slow = head.starts_with("GET /slow");
    seen.lock().unwrap().push(head);
    // Whoever went away does not want to know.
    if is_slow {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nfirst");
        let _ = went.lock().unwrap().recv();
        let _ = stream.write_all(b"last");
    } else {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    }
}

/// A gateway that is up. With `--json` it says a line about each thing that happens.
struct Gateway {
    machine: Machine,
    ready: Value,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Gateway {
    fn start(machine: Machine, args: &[&str]) -> Self {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(machine.path("stderr"))
            .unwrap();
        let mut child = machine
            .command(&[&["gateway", "--json"], args].concat())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!(
                "{line}{}",
                fs::read_to_string(machine.path("stderr")).unwrap()
            )
        });
        Self {
            machine,
            ready,
            child,
            stdout,
        }
    }

    /// In front of an upstream, without a file.
    fn quick(upstream: &Upstream) -> Self {
        let url = upstream.url();
        let args = [&*url, "--price", "$0.002", "--listen", "127.0.0.1:0"];
        Self::start(Machine::new(), &args)
    }

    /// With a file of these rules.
    fn with_file(upstream: &Upstream, rules: &str) -> Self {
        let machine = Machine::new();
        write(&machine.path("farthing.toml"), upstream, rules);
        Self::start(machine, &[])
    }

    fn says(&self, name: &str) -> &str {
        self.ready[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {}", self.ready))
    }

    fn address(&self) -> SocketAddr {
        self.says("address").parse().unwrap()
    }

    /// The next thing it says.
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?} {}", self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.machine.path("stderr")).unwrap()
    }

    fn store(&self) -> &Path {
        Path::new(self.says("store"))
    }

    /// Puts money into the buyer's account.
    fn fund(&self) {
        fund(self.store());
    }

    fn pay(&self, path: &str) -> Run {
        let buyer = Machine::new().with("FARTHING_KEY", KEY);
        buyer.run(&["pay", "-y", "-s", &format!("{}{path}", self.says("url"))])
    }

    /// Asserts what moved, on both sides.
    #[track_caller]
    fn assert_moved(&self, amount: u128) {
        let buyer = balance(self.store(), &buyer().to_string());
        let seller = balance(self.store(), self.says("account"));
        assert_eq!((buyer, seller), (FUNDS - amount, amount));
    }

    /// Sends a signal.
    fn signal(&self, signal: &str) {
        send(&self.child, signal);
    }

    /// Waits for the end.
    fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(path: &Path, upstream: &Upstream, rules: &str) {
    let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32]).unwrap();
    let text = format!(
        "site = \"127.0.0.1\"\nlisten = \"127.0.0.1:0\"\nto = \"{}\"\n\
         pay.ledger = {{ account = \"{}\" }}\n{rules}",
        upstream.url(),
        seller.account()
    );
    fs::write(path, text).unwrap();
}

fn buyer() -> Account {
    let digits: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&KEY[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    let key = AccountKey::from_seed(KeyType::Ed25519, digits.try_into().unwrap()).unwrap();
    key.account().clone()
}

fn fund(store: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let backend = Arc::new(SqliteBackend::open(SqliteOptions::new(store)).unwrap());
    let accounts = Accounts::new(backend, Currencies::default());
    let deposit = Funding {
        id: TransferId::new("opening").unwrap(),
        account: buyer(),
        currency: CurrencyCode::new("usd6").unwrap(),
        amount: Amount::new(FUNDS),
        at: Timestamp::from_secs(1_800_000_000),
    };
    runtime.block_on(accounts.deposit(&deposit)).unwrap();
}

/// One request, and the answer as a text.
fn ask(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}
