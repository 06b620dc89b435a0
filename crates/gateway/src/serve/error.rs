//! Why a gateway does not start, or goes on as it was.

use std::{io, net::SocketAddr, path::PathBuf};

use farthing::{
    core::port::backend::StoreError,
    evm::RpcError,
    secret::SecretFileError,
    server::{RouteError, SetupError, discovery::DiscoveryError, session::TillError},
    tempo::{TempoError, session::TempoSessionError, tip20::ReadError},
};

use crate::{
    config::{Finding, SecretError},
    forward::ForwardError,
    routes::Shadowed,
};

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("the gateway cannot listen on {at}")]
    Listen {
        /// The address.
        at: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("the store {path} cannot be used")]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The process may not have enough files open.
    #[error(
        "a process may not have enough files open here: {needed} are the least (`ulimit -n`, or \
         `LimitNOFILE` of systemd)"
    )]
    Files {
        /// How many it takes.
        needed: u64,
    },
    /// The thread of the access log cannot be started.
    #[error("the access log cannot be started")]
    Log(#[source] io::Error),
    /// What it was told cannot be done.
    #[error(transparent)]
    Setup(#[from] LiveError),
}

/// Why what a gateway was told cannot be done. Nothing is changed by it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The secret that challenges are signed with cannot be read.
    #[error("the challenge secret cannot be read")]
    Secret(#[from] SecretError),
    /// The file of the challenge secret is broken.
    #[error(transparent)]
    SecretFile(#[from] SecretFileError),
    /// The gate cannot be built, or not on this store.
    #[error(transparent)]
    Gate(#[from] SetupError),
    /// There is no way to pay.
    #[error("there is no way to pay: give `pay.ledger` an account, or `pay.tempo` a recipient")]
    NoMethod,
    /// Nobody can be asked about the chain, or who is asked is of another one.
    #[error("the chain of `pay.tempo` cannot be asked")]
    Chain(#[source] RpcError),
    /// Payments on the chain cannot be taken like this.
    #[error("`pay.tempo` cannot be used")]
    Tempo(#[from] TempoError),
    /// Channels on the chain cannot be kept like this.
    #[error("the channels of `pay.tempo.session` cannot be used")]
    TempoSession(#[from] TempoSessionError),
    /// What an operator would settle with cannot be made.
    #[error(transparent)]
    Channels(#[from] TillError),
    /// What is there is no key that could settle, or no fee that it could pay.
    #[error("the key of `pay.tempo.session` cannot be used")]
    SettleKey,
    /// What is there is no key that fees could be paid with.
    #[error("the sponsor of `pay.tempo` cannot be used")]
    SponsorKey,
    /// The chain does not say what a token is that only the file knows.
    #[error("the chain does not know the token {symbol}")]
    Token {
        /// What the file calls it.
        symbol: String,
        /// Why.
        source: ReadError,
    },
    /// The chain says of a token something else than the file.
    #[error(
        "the token {symbol} counts {unit} with {decimals} decimals, and the file says otherwise"
    )]
    OtherToken {
        /// What the file calls it.
        symbol: String,
        /// Its decimals.
        decimals: u8,
        /// Its unit.
        unit: String,
    },
    /// A rule is no route.
    #[error("the rule `{rule}` cannot be served")]
    Route {
        /// The rule.
        rule: Box<str>,
        /// Why.
        source: RouteError,
    },
    /// A rule says neither a price nor a session.
    #[error("the rule `{0}` does not say what it costs")]
    NoPrice(Box<str>),
    /// The price of a rule cannot be asked.
    #[error("the price of `{rule}` cannot be asked")]
    Price {
        /// The rule.
        rule: Box<str>,
        /// Why.
        source: SetupError,
    },
    /// Two rules take the same requests.
    #[error("{}", told(.0))]
    Shadowed(Vec<Shadowed>),
    /// An upstream cannot be spoken to.
    #[error(transparent)]
    Upstream(#[from] ForwardError),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The document of the service cannot be read.
    #[error("{path} cannot be read")]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The discovery documents cannot be made.
    #[error("the discovery documents cannot be made")]
    Discovery(#[from] DiscoveryError),
}

fn told(shadowed: &[Shadowed]) -> String {
    let told: Vec<String> = shadowed.iter().map(ToString::to_string).collect();
    told.join("; ")
}

/// Why a certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What should be a certificate is none.
    #[error("{path} holds no certificate that can be read")]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// What should be a key is none.
    #[error("{path} holds no private key that can be read")]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// The two do not belong together, or are of a kind nobody knows.
    #[error("the certificate {cert} and the key {key} cannot be used together")]
    Pair {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The file has mistakes.
    #[error("{}", mistakes(.0))]
    File(Vec<Finding>),
    /// This can only be changed by a restart.
    #[error("{0} cannot be changed while the gateway runs: restart it")]
    NeedsRestart(&'static str),
    /// What it was told cannot be done.
    #[error(transparent)]
    Setup(#[from] LiveError),
    /// The gateway is on its way out.
    #[error("the gateway is on its way out")]
    Stopping,
}

fn mistakes(findings: &[Finding]) -> String {
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    told.join("; ")
}
