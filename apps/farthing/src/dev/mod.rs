//! `farthing dev`: a small paid API on this machine, with a funded wallet to try it with.

mod chain;
mod folder;
mod log;
mod rail;
mod shop;
mod show;
mod stream;
mod walk;

use std::{future::IntoFuture, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use farthing::{core::port::backend::Backend, store::SqliteBackend};
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle, time::timeout};

use crate::{
    args::{Dev, OnChain},
    buyer,
    error::Error,
    exit::Exit,
    keystore::{Keystore, KeystoreError, WalletName},
    screen::{self, Paint},
    signer,
};

pub(crate) use chain::AnvilError;

use chain::Chain;
use folder::Folder;
use log::Log;
use rail::Rail;
use shop::Shop;

/// How long requests under way may take once the end has come, and then payments.
const FINISH: Duration = Duration::from_secs(5);

/// How often the reconciler looks for work that was left.
const RECONCILE: Duration = Duration::from_secs(5);

/// A demo that is up.
struct Demo {
    url: String,
    shop: Shop,
    buyer: Keystore,
    store: PathBuf,
}

pub(crate) async fn run(dev: Dev) -> Result<Exit, Error> {
    if !dev.listen.ip().is_loopback() {
        return Err(Error::Usage {
            what: format!("{} is not an address of this machine only", dev.listen),
            next: "listen on 127.0.0.1: the demo's keys are for everybody to see",
        });
    }
    let mut ends = folder::Ends::listen().map_err(Error::System)?;
    let starting = match dev.chain {
        OnChain::None => "starting: a store, a ledger, a funded wallet, a priced API",
        OnChain::Tempo => "starting: a chain, a store, a funded wallet, a priced API",
    };
    screen::tell(starting);
    let folder = Folder::open(dev.dir.as_deref())?;
    let log = Log::start();
    let (demo, listener) = set_up(&folder, &dev, &log).await?;
    let stop = Arc::new(Notify::new());
    let server = serve(listener, demo.shop.router()?, Arc::clone(&stop));
    let reconciler = tokio::spawn(demo.shop.gate.clone().keep_reconciling(RECONCILE));

    let shown = tokio::select! {
        shown = show(&demo, &dev, &folder) => shown,
        () = ends.wait() => Ok(true),
    };
    if matches!(shown, Ok(false)) {
        log.talk(!dev.json);
        ends.wait().await;
    }
    screen::tell("stopping");
    stop.notify_one();
    let _ = timeout(FINISH, server).await;
    let _ = timeout(FINISH, demo.shop.gate.drain()).await;
    reconciler.abort();
    demo.shop.store.close().await;
    if let Some(dir) = folder.remove() {
        screen::tell(format!("removed {}", dir.display()));
    }
    shown.map(|_| Exit::Done)
}

/// Shows what there is to see, and says whether the end came meanwhile.
async fn show(demo: &Demo, dev: &Dev, folder: &Folder) -> Result<bool, Error> {
    let text = if dev.json {
        let mut line = json!({
            "paid_url": demo.at("/paid"),
            "free_url": demo.at("/free"),
            "render_url": demo.at("/render"),
            "stream_url": demo.at("/rhyme"),
            "socket_url": demo.at("/bells").replacen("http", "ws", 1),
            "wallet": demo.shop.rail.payer(),
            "keystore": demo.buyer.dir().display().to_string(),
            "store": demo.store.display().to_string(),
        });
        if let Some(chain) = demo.shop.rail.chain() {
            line["rpc"] = json!(chain.url());
            line["chain_id"] = json!(chain.network().chain());
        }
        line.to_string()
    } else {
        walk::walk(demo).await?;
        stream::walk(demo).await?;
        show::lines_to_try(demo, folder, Paint::for_stdout())
    };
    screen::data(text).map_err(Error::System)?;
    Ok(false)
}

async fn set_up(folder: &Folder, dev: &Dev, log: &Log) -> Result<(Demo, TcpListener), Error> {
    let failed = |source| Error::Listen {
        at: dev.listen.to_string(),
        source,
    };
    let listener = TcpListener::bind(dev.listen).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    let (path, buyer, opened, rail) = match dev.chain {
        OnChain::None => on_ledger(folder)?,
        OnChain::Tempo => on_chain(folder).await?,
    };
    let shop = Shop::open(folder, opened, &at.to_string(), rail, log)?;
    shop.rail.fund(&buyer).await?;
    let demo = Demo {
        url: format!("http://{at}"),
        shop,
        buyer,
        store: path,
    };
    Ok((demo, listener))
}

/// What a demo is made of: its store, the buyer's keystore, the store opened, the rail.
type Parts = (PathBuf, Keystore, Arc<SqliteBackend>, Rail);

fn on_ledger(folder: &Folder) -> Result<Parts, Error> {
    let store = folder.path("store.db");
    let (buyer, account) = folder.account("buyer", &store)?;
    let (_, payee) = folder.account("seller", &store)?;
    let opened = buyer::open(store.clone())?;
    let backend = Arc::clone(&opened) as Arc<dyn Backend>;
    let rail = Rail::ledger(backend, account, payee);
    Ok((store, buyer, opened, rail))
}

/// A chain is new each time, so what is kept of an earlier one is apart from it.
async fn on_chain(folder: &Folder) -> Result<Parts, Error> {
    let chain = Chain::start().await?;
    let store = folder.path("chain.db");
    let (keystore, buyer) = folder.address("chain-buyer", &store)?;
    let (till, seller) = folder.address("chain-seller", &store)?;
    chain.tell(&keystore)?;
    let opened = buyer::open(store.clone())?;
    let keys = signer::unlock(&till, Some(&WalletName::default_name()))?;
    let key = keys.chain.ok_or(KeystoreError::NoKey)?;
    let backend = Arc::clone(&opened) as Arc<dyn Backend>;
    let sessions = chain.sessions(key, seller, backend)?;
    let rail = Rail::Chain {
        sessions: Arc::new(sessions),
        chain: Box::new(chain),
        buyer,
        seller,
    };
    Ok((store, keystore, opened, rail))
}

/// Serves until it is told to stop, then ends idle connections and finishes the others.
fn serve(listener: TcpListener, app: Router, stop: Arc<Notify>) -> JoinHandle<()> {
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server =
        axum::serve(listener, service).with_graceful_shutdown(async move { stop.notified().await });
    tokio::spawn(async move {
        // It only ends when it is told to.
        let _ = server.into_future().await;
    })
}

impl Demo {
    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}
