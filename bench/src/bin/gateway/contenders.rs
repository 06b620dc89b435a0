//! The servers of the rows: upstream, forwarder, nginx, gateway.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
};

use farthing::{
    clock::SystemClock,
    core::{
        port::clock::Clock as _,
        value::{Amount, CurrencyCode},
    },
    ledger::{AccountKey, Accounts, Currencies, Funding, KeyType, TransferId},
    store::{SqliteBackend, SqliteOptions},
};

use crate::{
    Failed,
    process::{OTHERS, SERVERS, Server},
};

/// What a gateway is paid for in the rows.
pub(crate) const FREE: &str = "/free";
pub(crate) const PAID: &str = "/paid";

pub(crate) fn upstream() -> Result<Server, Failed> {
    ours(OTHERS, &["serve", "upstream"])
}

pub(crate) fn forwarder(to: SocketAddr) -> Result<Server, Failed> {
    ours(SERVERS, &["serve", "forwarder", "--to", &to.to_string()])
}

pub(crate) fn empty() -> Result<Server, Failed> {
    ours(SERVERS, &["serve", "empty"])
}

fn ours(core: usize, args: &[&str]) -> Result<Server, Failed> {
    Server::start(core, &std::env::current_exe()?, args)
}

/// nginx as a plain reverse proxy with one worker; nothing where it is not installed.
pub(crate) fn nginx(folder: &Path, to: SocketAddr) -> Result<Option<Server>, Failed> {
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
    let Some(program) = program.iter().map(PathBuf::from).find(|path| path.exists()) else {
        return Ok(None);
    };
    // It cannot be asked which port it got, so it is told one that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let folder = folder.join("nginx");
    fs::create_dir_all(&folder)?;
    let file = folder.join("nginx.conf");
    let at = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {at}/{name};\n"))
        .concat();
    let text = format!(
        "daemon off;\nworker_processes 1;\npid {at}/pid;\nerror_log {at}/error.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n{temporary}  access_log off;\n  \
         keepalive_requests 100000000;\n  upstream behind {{ server {to}; keepalive 64; \
         keepalive_requests 100000000; }}\n  server {{\n    listen {address};\n    location / {{\n      \
         proxy_pass http://behind;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    );
    fs::write(&file, text)?;
    let file = file.display().to_string();
    let args = ["-c", &file, "-e", &format!("{at}/error.log")];
    Server::start_at(SERVERS, &program, &args, address).map(Some)
}

/// The gateway, over a store in which the buyer is rich.
pub(crate) struct Gateway {
    pub(crate) server: Server,
    pub(crate) config: PathBuf,
}

pub(crate) fn gateway(farthing: &Path, folder: &Path, to: SocketAddr) -> Result<Gateway, Failed> {
    let buyer = buyer()?;
    let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32])?;
    let store = folder.join("farthing.db");
    fund(&store, &buyer)?;
    let config = folder.join("farthing.toml");
    let account = seller.account().did();
    let text = format!(
        "site = \"127.0.0.1\"\nto = \"http://{to}\"\nlisten = \"127.0.0.1:0\"\nstore = \"{}\"\n\
         pay.ledger = {{ account = \"{account}\" }}\n[log]\nformat = \"off\"\n[limits]\n\
         per_peer = 10000000\npeer_burst = 10000000\ntotal = 10000000\n[routes]\n\
         \"GET {FREE}\" = \"free\"\n\"GET /stream\" = \"free\"\n\"GET {PAID}\" = \"$0.002\"\n",
        store.display()
    );
    fs::write(&config, text)?;
    let server = start(farthing, &config)?;
    Ok(Gateway { server, config })
}

/// Who pays.
pub(crate) fn buyer() -> Result<AccountKey, Failed> {
    Ok(AccountKey::from_seed(KeyType::Ed25519, [1; 32])?)
}

pub(crate) fn start(farthing: &Path, config: &Path) -> Result<Server, Failed> {
    let config = config.display().to_string();
    Server::start(SERVERS, farthing, &["gateway", "--config", &config])
}

fn fund(store: &Path, buyer: &AccountKey) -> Result<(), Failed> {
    let backend = Arc::new(SqliteBackend::open(SqliteOptions::new(store))?);
    let deposit = Funding {
        id: TransferId::new("opening")?,
        account: buyer.account().clone(),
        currency: CurrencyCode::new("usd6")?,
        amount: Amount::new(1 << 60),
        at: SystemClock.now(),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(Accounts::new(backend, Currencies::default()).deposit(&deposit))?;
    Ok(())
}

/// A file with so many routes.
pub(crate) fn many_routes(folder: &Path, routes: usize) -> Result<PathBuf, Failed> {
    let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32])?;
    let mut text = format!(
        "site = \"api.example.com\"\nto = \"http://127.0.0.1:9\"\npay.ledger = {{ account = \"{}\" }}\n[routes]\n",
        seller.account().did()
    );
    for route in 0..routes {
        text.push_str(&format!(
            "\"GET /v{}/things/{{id}}/part{route}\" = \"$0.00{}\"\n",
            route % 7,
            1 + route % 9
        ));
    }
    let file = folder.join("many.toml");
    fs::write(&file, text)?;
    Ok(file)
}
