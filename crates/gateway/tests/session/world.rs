//! A gateway in front of a service that streams, and a buyer with a client and money on the ledger.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use farthing::{
    client::{Client, CloseHow, Closing, Limit, Policy, Response, UseSessions},
    clock::SystemClock,
    core::{
        memory::MemoryBackend,
        port::{backend::Backend, clock::Clock, session_payer::SessionPayer},
        value::{Amount, CurrencyCode},
    },
    ledger::{AccountKey, Accounts, Currencies, Funding, KeyType, LedgerSessionPayer, TransferId},
};
use farthing_gateway::{
    config::Config,
    observe::Sink,
    serve::{Changes, Deps, Gateway, ReloadError},
};

use crate::rig::{Conn, Upstream};

/// What the buyer begins with.
pub(crate) const FUNDS: u128 = 10_000_000;

/// The words of a stream.
pub(crate) const WORDS: [&str; 5] = ["the", "quick", "brown", "fox", "jumps"];

/// What a reader sees of them: nothing of the scheme's.
pub(crate) fn words(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("data: {word}\n\n"))
        .collect()
}

pub(crate) fn key(seed: u8) -> AccountKey {
    AccountKey::from_seed(KeyType::Ed25519, [seed; 32]).unwrap()
}

/// Whoever pays as much as these tests cost.
pub(crate) fn buyer(payer: Arc<dyn SessionPayer>) -> Client {
    buyer_with(payer, Arc::new(MemoryBackend::new()))
}

/// The same, who keeps its books there.
pub(crate) fn buyer_with(payer: Arc<dyn SessionPayer>, books: Arc<dyn Backend>) -> Client {
    let policy = Policy::new()
        .max_per_request("$0.10".parse().unwrap())
        .budget(Limit::total("$5".parse().unwrap()))
        .sessions(UseSessions::Always);
    Client::builder()
        .session_payer(payer)
        .policy(policy)
        .backend(books)
        .clock(Arc::new(SystemClock))
        .build()
        .unwrap()
}

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    pub(crate) client: Client,
    accounts: Accounts,
    log: Lines,
    folder: tempfile::TempDir,
    rest: String,
}

/// What the access log says.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl World {
    /// `rest` is what the file says beyond who is paid: tables, the last of them `[routes]`.
    pub(crate) async fn open(upstream: Upstream, rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let accounts = Accounts::new(Arc::clone(&backend), Currencies::default());
        let deposit = Funding {
            id: TransferId::new("opening").unwrap(),
            account: key(1).account().clone(),
            currency: dollar(),
            amount: Amount::new(FUNDS),
            at: SystemClock.now(),
        };
        accounts.deposit(&deposit).await.unwrap();
        let file = write(folder.path(), port(), &upstream, rest);
        let mut deps = Deps::new(Arc::new(SystemClock));
        deps.store = Some(backend);
        let log = Lines::default();
        deps.log = Sink::Writer(Box::new(log.clone()));
        let config = Config::read(&file).unwrap_or_else(|findings| panic!("{findings:?}"));
        let gateway = Gateway::start(config, deps).await.unwrap();
        Self {
            gateway,
            upstream,
            client: buyer(Arc::new(LedgerSessionPayer::new(key(1)))),
            accounts,
            log,
            folder,
            rest: rest.to_owned(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.address())
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// Reads the file anew, with something else in it.
    pub(crate) async fn reload(&self, from: &str, to: &str) -> Result<Changes, ReloadError> {
        assert!(self.rest.contains(from), "{from}");
        let rest = self.rest.replace(from, to);
        let file = write(
            self.folder.path(),
            self.gateway.address(),
            &self.upstream,
            &rest,
        );
        self.gateway.reload_file(&file).await
    }

    /// Closes the one channel, and asserts what moved, to the unit on both sides and with nothing held.
    pub(crate) async fn closes_with(&self, amount: u128) {
        let purses = self.client.sessions().list(None, 9).await.unwrap();
        assert_eq!(purses.len(), 1, "{purses:?}");
        let sessions = self.client.sessions();
        let closing = sessions
            .close(purses[0].id, CloseHow::Together)
            .await
            .unwrap();
        assert!(matches!(closing, Closing::Closed(_)), "{closing:?}");
        self.has_moved(amount).await;
    }

    pub(crate) async fn has_moved(&self, amount: u128) {
        let of = |seed: u8| async move {
            let account = key(seed).account().clone();
            self.accounts.balance(&account, &dollar()).await.unwrap()
        };
        let (buyer, seller) = (of(1).await, of(2).await);
        assert_eq!(
            (
                buyer.available.units(),
                seller.available.units(),
                buyer.held.units()
            ),
            (FUNDS - amount, amount, 0)
        );
    }

    /// The lines of the access log, once the gateway has ended.
    pub(crate) async fn logged(&self) -> Vec<String> {
        self.gateway.stop().await;
        let bytes = self.log.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The value of a metric's sample.
    pub(crate) async fn sample(&self, name: &str) -> f64 {
        sample(&self.gateway, name).await
    }
}

pub(crate) async fn sample(gateway: &Gateway, name: &str) -> f64 {
    let text = gateway.metrics().await;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.parse().unwrap()
}

/// A port that is free: the site is called by it.
pub(crate) fn port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn write(folder: &Path, at: SocketAddr, upstream: &Upstream, rest: &str) -> PathBuf {
    let file = folder.join("farthing.toml");
    let text = format!(
        "site = \"{at}\"\nto = \"{}\"\nlisten = \"{at}\"\nstore = \"{}\"\n\
         pay.ledger = {{ account = \"{}\", session = true }}\n{rest}\n",
        upstream.url(),
        folder.join("farthing.db").display(),
        key(2).account(),
    );
    fs::write(&file, text).unwrap();
    file
}

pub(crate) fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").unwrap()
}

/// Begins an answer that is a stream of events.
pub(crate) async fn begins(conn: &mut Conn) {
    conn.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n").await;
}

/// Sends a piece of one.
pub(crate) async fn sends(conn: &mut Conn, text: &str) {
    conn.say(format!("{:x}\r\n{text}\r\n", text.len())).await;
}

/// Ends one.
pub(crate) async fn ends(conn: &mut Conn) {
    conn.say("0\r\n\r\n").await;
}
