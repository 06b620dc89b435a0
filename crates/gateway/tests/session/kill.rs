//! A gateway that is killed in the middle of a stream, and the next one on its store.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
};

use farthing::{
    client::{CloseHow, Closing},
    clock::SystemClock,
    core::{
        port::{backend::Backend, clock::Clock},
        value::Amount,
    },
    ledger::{Accounts, Currencies, Funding, LedgerSessionPayer, TransferId},
    store::{SqliteBackend, SqliteOptions},
};
use farthing_gateway::{
    config::Config,
    serve::{Deps, Gateway},
};

use crate::{
    life::{pausing, reads},
    rig::until,
    world::{FUNDS, WORDS, buyer, dollar, key, words},
};

/// Names the file of the gateway that a child is.
const FILE: &str = "FARTHING_TEST_GATEWAY";

/// Is a gateway where it is told so, until it is killed.
#[tokio::test]
async fn child() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    let config = Config::read(Path::new(&file)).unwrap_or_else(|findings| panic!("{findings:?}"));
    let _gateway = Gateway::start(config, Deps::new(Arc::new(SystemClock)))
        .await
        .unwrap();
    std::future::pending::<()>().await;
}

struct Running(Child);

impl Running {
    /// A gateway in a process of its own, once it listens.
    async fn start(file: &Path, at: SocketAddr) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture"])
            .env(FILE, file)
            .spawn()
            .unwrap();
        let running = Self(child);
        until("the gateway listens", async || {
            tokio::net::TcpStream::connect(at).await.is_ok()
        })
        .await;
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn open(store: &Path) -> (Arc<SqliteBackend>, Accounts) {
    let backend = Arc::new(SqliteBackend::open(SqliteOptions::new(store)).unwrap());
    let accounts = Accounts::new(
        Arc::clone(&backend) as Arc<dyn Backend>,
        Currencies::default(),
    );
    (backend, accounts)
}

async fn fund(store: &Path) {
    let (backend, accounts) = open(store);
    let deposit = Funding {
        id: TransferId::new("opening").unwrap(),
        account: key(1).account().clone(),
        currency: dollar(),
        amount: Amount::new(FUNDS),
        at: SystemClock.now(),
    };
    accounts.deposit(&deposit).await.unwrap();
    backend.close().await;
}

fn file(folder: &Path, to: &str, at: SocketAddr) -> PathBuf {
    let file = folder.join("farthing.toml");
    let text = format!(
        "site = \"{at}\"\nto = \"{to}\"\nlisten = \"{at}\"\n\
         pay.ledger = {{ account = \"{}\", session = true }}\n\
         [routes]\n\"GET /words\" = {{ session = {{ price = \"$0.001\", usage = \"events\" }} }}\n",
        key(2).account(),
    );
    fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn who_is_killed_over_a_stream_charged_what_was_sent_and_the_next_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("farthing.db");
    fund(&store).await;
    let at = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (upstream, go) = pausing().await;
    let file = file(folder.path(), &upstream.url(), at);
    let client = buyer(Arc::new(LedgerSessionPayer::new(key(1))));
    let url = format!("http://{at}/words");

    let first = Running::start(&file, at).await;
    let mut answer = client.get(&url).send().await.unwrap();
    assert_eq!(reads(&mut answer, 2).await, words(&WORDS[..2]));
    drop(first);
    while let Ok(Some(_)) = answer.chunk().await {}
    drop(answer);

    let second = Running::start(&file, at).await;
    go.send_replace(true);
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), words(&WORDS));
    let sessions = client.sessions();
    let purses = sessions.list(None, 9).await.unwrap();
    let closing = sessions
        .close(purses[0].id, CloseHow::Together)
        .await
        .unwrap();
    assert!(matches!(closing, Closing::Closed(_)), "{closing:?}");
    drop(second);

    let (_backend, accounts) = open(&store);
    let (buyer, seller) = (key(1).account().clone(), key(2).account().clone());
    let buyer = accounts.balance(&buyer, &dollar()).await.unwrap();
    let seller = accounts.balance(&seller, &dollar()).await.unwrap();
    assert_eq!(
        (
            buyer.available.units(),
            buyer.held.units(),
            seller.available.units()
        ),
        (FUNDS - 7_000, 0, 7_000)
    );
}
