//! A gateway on loopback with a buyer who has money, and both its sides as raw bytes.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its part of it"
)]

use std::{
    future::Future,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use farthing::{
    core::{
        header::{authorization, payment_receipt, www_authenticate},
        memory::MemoryBackend,
        noun::{Credential, Receipt, Source},
        port::{
            backend::Backend,
            payer::{Offer, Payer, Proof},
        },
        value::{Amount, CurrencyCode, Timestamp},
    },
    ledger::{AccountKey, Accounts, Currencies, Funding, KeyType, LedgerPayer, TransferId},
};
use farthing_gateway::{
    config::Config,
    observe::Sink,
    serve::{Changes, Deps, Gateway, ReloadError},
};
use farthing_testkit::clock::FakeClock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub const FUNDS: u128 = 100_000_000;

/// What is waited for at most. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway, and who pays it.
pub struct Rig {
    pub gateway: Gateway,
    pub address: SocketAddr,
    pub clock: FakeClock,
    accounts: Accounts,
    seller: AccountKey,
    buyer: AccountKey,
    payer: LedgerPayer,
    folder: tempfile::TempDir,
}

fn key(seed: u8) -> AccountKey {
    AccountKey::from_seed(KeyType::Ed25519, [seed; 32]).unwrap()
}

fn text(to: &str, rest: &str, seller: &AccountKey) -> String {
    let account = seller.account();
    format!(
        "site = \"127.0.0.1\"\nto = \"{to}\"\nlisten = \"127.0.0.1:0\"\n\
         pay.ledger = {{ account = \"{account}\" }}\n{rest}\n"
    )
}

fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").unwrap()
}

impl Rig {
    /// A gateway before an upstream. `rest` is what its file says beyond that: tables, the last of
    /// them `[routes]`.
    pub async fn open(to: &str, rest: &str) -> Self {
        Self::start(to, rest, &[], Sink::default()).await
    }

    /// The same, with its access log somewhere.
    pub async fn open_with(to: &str, rest: &str, log: Sink) -> Self {
        Self::start(to, rest, &[], log).await
    }

    /// The same, with files beside its own.
    pub async fn open_beside(to: &str, rest: &str, files: &[(&str, &str)]) -> Self {
        Self::start(to, rest, files, Sink::default()).await
    }

    async fn start(to: &str, rest: &str, files: &[(&str, &str)], log: Sink) -> Self {
        let (seller, buyer) = (key(2), key(1));
        let folder = tempfile::tempdir().unwrap();
        // For a rule that wants a secret.
        let secret = folder.path().join("key");
        std::fs::write(&secret, "ours").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let file = folder.path().join("farthing.toml");
        std::fs::write(&file, text(to, rest, &seller)).unwrap();
        let config = Config::read(&file).unwrap_or_else(|findings| panic!("{findings:?}"));
        let start = Timestamp::from_secs(1_800_000_000);
        let clock = FakeClock::at(start);
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let accounts = Accounts::new(Arc::clone(&backend), Currencies::default());
        let deposit = Funding {
            id: TransferId::new("opening").unwrap(),
            account: buyer.account().clone(),
            currency: dollar(),
            amount: Amount::new(FUNDS),
            at: start,
        };
        accounts.deposit(&deposit).await.unwrap();
        let mut deps = Deps::new(Arc::new(clock.clone()));
        deps.store = Some(backend);
        deps.log = log;
        let gateway = Gateway::start(config, deps).await.unwrap();
        Self {
            address: gateway.address(),
            gateway,
            clock,
            accounts,
            seller,
            buyer,
            payer: LedgerPayer::new(key(1)),
            folder,
        }
    }

    /// Writes the file anew and lets the gateway read it.
    pub async fn reload(&self, to: &str, rest: &str) -> Result<Changes, ReloadError> {
        let file = self.folder.path().join("farthing.toml");
        std::fs::write(&file, text(to, rest, &self.seller)).unwrap();
        self.gateway.reload_file(&file).await
    }

    /// Where it forwards to, as its metrics call it.
    pub fn upstream(&self) -> String {
        let upstream = self.gateway.config().upstream;
        format!("{}://{}", upstream.scheme, upstream.authority)
    }

    /// A path in the folder of the gateway's file.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Sends bytes as they are and reads whatever comes until the connection ends.
    pub async fn raw(&self, bytes: &[u8]) -> Vec<Answer> {
        let all = exchange(self.address, bytes).await;
        Answer::read_all(&all)
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(method, path, headers, b"").await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("Connection: close\r\n\r\n");
        let all = exchange(self.address, &[head.as_bytes(), body].concat()).await;
        let mut answers = Answer::read_all(&all);
        assert_eq!(answers.len(), 1, "{method} {path}: {answers:?}");
        answers.remove(0)
    }

    /// Asks, signs what is offered, and says what to present.
    pub async fn credential(&self, method: &str, path: &str, body: &[u8]) -> String {
        let offered = self.send(method, path, &[], body).await;
        assert_eq!(offered.status, 402, "{offered:?}");
        self.sign(&offered).await
    }

    pub async fn sign(&self, offered: &Answer) -> String {
        use farthing::core::port::clock::Clock;
        let lines = offered.all("www-authenticate");
        let challenge = www_authenticate::parse(lines).remove(0).unwrap();
        let offer = Offer {
            request: challenge.request.decode().unwrap(),
            challenge: challenge.clone(),
        };
        let Proof {
            payload, source, ..
        } = self.payer.sign(&offer, self.clock.now()).await.unwrap();
        authorization::format(&Credential {
            challenge,
            source: source.map(|did| Source::new(did.as_str()).unwrap()),
            payload,
        })
    }

    /// Pays and presents.
    pub async fn pay(&self, method: &str, path: &str, body: &[u8]) -> (String, Answer) {
        let credential = self.credential(method, path, body).await;
        let answer = self.present(method, path, &credential, body).await;
        (credential, answer)
    }

    pub async fn present(&self, method: &str, path: &str, credential: &str, body: &[u8]) -> Answer {
        self.send(method, path, &[("Authorization", credential)], body)
            .await
    }

    /// Asserts what moved, to the unit on both sides, and that nothing is held.
    #[track_caller]
    pub fn assert_moved(&self, amount: u128) -> impl Future<Output = ()> + '_ {
        let at = std::panic::Location::caller();
        async move {
            let of = |key: &AccountKey| {
                let account = key.account().clone();
                async move { self.accounts.balance(&account, &dollar()).await.unwrap() }
            };
            let (buyer, seller) = (of(&self.buyer).await, of(&self.seller).await);
            assert_eq!(
                (
                    buyer.available.units(),
                    seller.available.units(),
                    buyer.held.units()
                ),
                (FUNDS - amount, amount, 0),
                "{at}"
            );
        }
    }
}

/// Writes, and reads to the end.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A refusal may come, and the connection go, before all is written.
    let _ = stream.write_all(bytes).await;
    let mut all = Vec::new();
    let reading = async {
        let mut buffer = [0; 16 * 1024];
        // A reset is an end as well.
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            all.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_| panic!("never ended: {:?}", String::from_utf8_lossy(bytes)));
    all
}

/// An answer as it came.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether its body came to its end.
    pub whole: bool,
    pub trailers: Vec<(String, String)>,
}

impl Answer {
    /// The answers in what a connection gave. None of them may be to a HEAD but a last one.
    pub fn read_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut answers = Vec::new();
        while !bytes.is_empty() {
            let (answer, rest) = Self::read(bytes);
            answers.push(answer);
            bytes = rest;
        }
        answers
    }

    fn read(bytes: &[u8]) -> (Self, &[u8]) {
        let (head, rest) = split(bytes, b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(head.to_vec()).unwrap();
        let (line, fields) = head.split_once("\r\n").unwrap_or((&head, ""));
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Self {
            status,
            headers: fields_of(fields),
            body: Vec::new(),
            whole: true,
            trailers: Vec::new(),
        };
        let rest = if answer.get("transfer-encoding") == Some("chunked") {
            answer.chunks(rest)
        } else if let Some(length) = answer.get("content-length") {
            let length: usize = length.parse().unwrap();
            let there = length.min(rest.len());
            answer.body = rest[..there].to_vec();
            answer.whole = there == length;
            &rest[there..]
        } else if matches!(status, 100..=199 | 204 | 304) {
            rest
        } else {
            answer.body = rest.to_vec();
            &[]
        };
        (answer, rest)
    }

    fn chunks<'a>(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        loop {
            let Some((size, after)) = split(rest, b"\r\n") else {
                self.whole = false;
                return &[];
            };
            let size = usize::from_str_radix(std::str::from_utf8(size).unwrap(), 16).unwrap();
            if size == 0 {
                if let Some(after) = after.strip_prefix(b"\r\n") {
                    return after;
                }
                let (trailers, after) = split(after, b"\r\n\r\n").unwrap();
                self.trailers = fields_of(std::str::from_utf8(trailers).unwrap());
                return after;
            }
            let there = size.min(after.len());
            self.body.extend_from_slice(&after[..there]);
            let Some(next) = after.get(size + 2..) else {
                self.whole = false;
                return &[];
            };
            rest = next;
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(known, _)| known == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn receipt(&self) -> Option<Receipt> {
        self.get("payment-receipt")
            .map(|line| payment_receipt::parse(line).unwrap())
    }

    /// The problem it is, after what every problem has.
    #[track_caller]
    pub fn problem(&self) -> serde_json::Value {
        assert_eq!(
            self.get("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        assert_eq!(self.get("cache-control"), Some("no-store"));
        assert_eq!(self.receipt(), None, "a receipt goes only on a 2xx");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        problem
    }

    /// Asserts which problem it is, and what it says of the money.
    #[track_caller]
    pub fn is_problem(&self, status: u16, kind: &str, moved: Option<bool>) {
        let problem = self.problem();
        let told = problem.get("moneyMoved");
        assert_eq!(
            (
                self.status,
                problem["type"].as_str().unwrap().rsplit(['/', ':']).next(),
                told.map(|told| told.as_bool().unwrap()),
            ),
            (status, Some(kind), moved),
            "{problem}"
        );
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {:?} {:?}",
            self.status,
            self.headers,
            String::from_utf8_lossy(&self.body)
        )
    }
}

fn split<'a>(bytes: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(by.len()).position(|window| window == by)?;
    Some((&bytes[..at], &bytes[at + by.len()..]))
}

fn fields_of(text: &str) -> Vec<(String, String)> {
    text.split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

/// A request as an upstream read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(known, _)| known == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }
}

type Answering = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An upstream of raw bytes. What it does with a request is the test's.
pub struct Upstream {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Upstream {
    /// Answers each request, numbered from 0, and then closes the connection unless the answer
    /// gives it back.
    pub async fn start<F>(answer: F) -> Self
    where
        F: Fn(usize, Conn) -> Answering + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, answer)
    }

    pub fn on<F>(listener: TcpListener, answer: F) -> Self
    where
        F: Fn(usize, Conn) -> Answering + Send + Sync + 'static,
    {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::clone(&asked));
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                running.spawn(async move {
                    let mut conn = Conn {
                        stream,
                        target: String::new(),
                        seen,
                    };
                    if let Some(number) = conn.read().await {
                        answer(number, conn).await;
                    }
                });
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    /// One that says the same to everybody.
    pub async fn says(answer: &'static str) -> Self {
        Self::start(move |_, mut conn| Box::pin(async move { conn.say(answer).await })).await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection of an upstream's.
pub struct Conn {
    pub stream: TcpStream,
    /// What the request asked for.
    pub target: String,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Conn {
    /// Reads a request, and says which one it is by number.
    pub async fn read(&mut self) -> Option<usize> {
        let mut bytes = Vec::new();
        while split(&bytes, b"\r\n\r\n").is_none() {
            self.more(&mut bytes).await?;
        }
        let (head, rest) = split(&bytes, b"\r\n\r\n").unwrap();
        let head = String::from_utf8(head.to_vec()).unwrap();
        let mut body = rest.to_vec();
        let (line, fields) = head.split_once("\r\n").unwrap_or((&head, ""));
        let mut asked = Asked {
            line: line.to_owned(),
            headers: fields_of(fields),
            body: Vec::new(),
        };
        if let Some(length) = asked.all("content-length").first() {
            let length: usize = length.parse().unwrap();
            while body.len() < length {
                self.more(&mut body).await?;
            }
        } else if asked.all("transfer-encoding") == ["chunked"] {
            while !body.ends_with(b"0\r\n\r\n") {
                self.more(&mut body).await?;
            }
        }
        asked.body = body;
        asked.target().clone_into(&mut self.target);
        let mut seen = self.seen.lock().unwrap();
        seen.push(asked);
        Some(seen.len() - 1)
    }

    async fn more(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let read = self.stream.read_buf(bytes).await.ok()?;
        (read > 0).then_some(())
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        // Nobody may be listening any more.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Ends with a reset.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Waits until the other side is gone.
    pub async fn is_left(&mut self) {
        let mut rest = Vec::new();
        while self.more(&mut rest).await.is_some() {}
    }
}

/// Waits for what happens by itself.
pub async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}
