//! Gateways that are processes of their own, on one file on disk.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
};

use farthing::{
    client::{Client, CloseHow, Closing},
    clock::SystemClock,
    core::{
        port::{backend::Backend, clock::Clock},
        value::Amount,
    },
    ledger::{Accounts, Currencies, Funding, TransferId},
    store::{SqliteBackend, SqliteOptions},
};
use farthing_gateway::{
    config::Config,
    serve::{Deps, Gateway},
};

use crate::{
    rig::until,
    world::{FUNDS, dollar, key},
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

/// A gateway in a process of its own; dropped, it is killed.
pub(crate) struct Running(Child);

impl Running {
    /// One that listens.
    pub(crate) async fn start(file: &Path, at: SocketAddr) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::child", "--nocapture"])
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

/// Where gateways keep what they know.
pub(crate) struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    /// One that the buyer has money in.
    pub(crate) async fn open() -> Self {
        let shop = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let (backend, accounts) = shop.accounts();
        let deposit = Funding {
            id: TransferId::new("opening").unwrap(),
            account: key(1).account().clone(),
            currency: dollar(),
            amount: Amount::new(FUNDS),
            at: SystemClock.now(),
        };
        accounts.deposit(&deposit).await.unwrap();
        backend.close().await;
        shop
    }

    fn accounts(&self) -> (Arc<SqliteBackend>, Accounts) {
        let store = self.folder.path().join("farthing.db");
        let backend = Arc::new(SqliteBackend::open(SqliteOptions::new(store)).unwrap());
        let accounts = Accounts::new(
            Arc::clone(&backend) as Arc<dyn Backend>,
            Currencies::default(),
        );
        (backend, accounts)
    }

    /// The file of a gateway that listens there and is called by `site`. What nobody finished is not
    /// waited for: whoever was killed finishes nothing.
    pub(crate) fn file(&self, site: SocketAddr, at: SocketAddr, to: &str, routes: &str) -> PathBuf {
        let file = self.folder.path().join(format!("{}.toml", at.port()));
        let text = format!(
            "site = \"{site}\"\nto = \"{to}\"\nlisten = \"{at}\"\n\
             pay.ledger = {{ account = \"{}\", session = true }}\n\
             [pay.session]\nclose_patience = \"1s\"\n[routes]\n{routes}\n",
            key(2).account(),
        );
        fs::write(&file, text).unwrap();
        file
    }

    /// Asserts what moved, to the unit on both sides and with nothing held.
    pub(crate) async fn has_moved(&self, amount: u128) {
        let (_backend, accounts) = self.accounts();
        let (buyer, seller) = (key(1).account().clone(), key(2).account().clone());
        let buyer = accounts.balance(&buyer, &dollar()).await.unwrap();
        let seller = accounts.balance(&seller, &dollar()).await.unwrap();
        assert_eq!(
            (
                buyer.available.units(),
                buyer.held.units(),
                seller.available.units()
            ),
            (FUNDS - amount, 0, amount)
        );
    }
}

/// Closes the one channel of a buyer, with its seller.
pub(crate) async fn closes(client: &Client) {
    let sessions = client.sessions();
    let purses = sessions.list(None, 9).await.unwrap();
    assert_eq!(purses.len(), 1, "{purses:?}");
    let closing = sessions
        .close(purses[0].id, CloseHow::Together)
        .await
        .unwrap();
    assert!(matches!(closing, Closing::Closed(_)), "{closing:?}");
}
