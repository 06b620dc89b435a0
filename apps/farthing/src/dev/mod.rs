//! `farthing dev`: a small paid API on this machine, with a funded wallet to try it with.

mod folder;
mod log;
mod shop;
mod show;
mod walk;

use std::{future::IntoFuture, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use farthing::ledger::Account;
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle, time::timeout};

use crate::{
    args::Dev,
    error::Error,
    exit::Exit,
    keystore::Keystore,
    screen::{self, Paint},
};

use folder::Folder;
use log::Log;
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
    account: Account,
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
    screen::tell("starting: a store, a ledger, a funded wallet, a priced API");
    let folder = Folder::open(dev.dir.as_deref())?;
    let log = Log::start();
    let (demo, listener) = set_up(&folder, dev.listen, &log).await?;
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
        json!({
            "paid_url": demo.at("/paid"),
            "free_url": demo.at("/free"),
            "render_url": demo.at("/render"),
            "wallet": demo.account.to_string(),
            "keystore": demo.buyer.dir().display().to_string(),
            "store": demo.store.display().to_string(),
        })
        .to_string()
    } else {
        walk::walk(demo).await?;
        show::lines_to_try(demo, folder, Paint::for_stdout())
    };
    screen::data(text).map_err(Error::System)?;
    Ok(false)
}

async fn set_up(
    folder: &Folder,
    listen: SocketAddr,
    log: &Log,
) -> Result<(Demo, TcpListener), Error> {
    let failed = |source| Error::Listen {
        at: listen.to_string(),
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    let store = folder.path("store.db");
    let (buyer, account) = folder.keystore("buyer", &store)?;
    let (_, payee) = folder.keystore("seller", &store)?;
    let shop = Shop::open(folder, &store, &at.to_string(), payee, log)?;
    shop.fund(&account).await?;
    let demo = Demo {
        url: format!("http://{at}"),
        shop,
        buyer,
        account,
        store,
    };
    Ok((demo, listener))
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
