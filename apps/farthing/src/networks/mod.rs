//! `farthing networks`: the chains that wallets pay on, and where they are reached.

mod args;
mod error;
mod pick;

use farthing::tempo::{Network, Token, tip20::metadata};
use serde_json::{Value, json};

use crate::{
    error::Error,
    exit::Exit,
    keystore::{Keystore, NetworkEntry, Networks, TokenEntry},
    screen::{self, Paint},
};

pub(crate) use args::{Args, OnNetwork, RpcText};
pub(crate) use error::{CallError, ChainError, Unmade};
pub(crate) use pick::{all, amount, connect, explorer, fee_token, one, read, token};

use args::Add;

pub(crate) async fn run(command: Args, keystore: &Keystore) -> Result<Exit, Error> {
    match command {
        Args::List { json } => list(keystore, json),
        Args::Add(asked) => add(asked, keystore).await,
        Args::Remove { name, json } => {
            let mut networks = keystore.networks()?;
            if networks.networks.remove(&name).is_none() {
                return Err(ChainError::NoEntry(name).into());
            }
            if networks.default.as_ref() == Some(&name) && Network::named(&name).is_none() {
                networks.default = None;
            }
            keystore.set_networks(&networks)?;
            list(keystore, json)
        }
        Args::Use { name, json } => {
            let named = OnNetwork {
                network: Some(name),
                rpc: Vec::new(),
            };
            let network = one(keystore, &named)?;
            let mut networks = keystore.networks()?;
            networks.default = Some(network.name().to_owned());
            keystore.set_networks(&networks)?;
            list(keystore, json)
        }
    }
}

async fn add(asked: Add, keystore: &Keystore) -> Result<Exit, Error> {
    let public = Network::named(&asked.name).map(|network| network.chain());
    let chain_id = match asked.chain_id.or(public) {
        Some(chain) => chain,
        None => return Err(ChainError::NoChain(asked.name).into()),
    };
    let mut entry = NetworkEntry {
        chain_id,
        rpc: RpcText::read(&asked.rpc).map_err(ChainError::from)?,
        block_time_ms: asked.block_time,
        tokens: Vec::new(),
        escrows: asked.escrow.clone(),
    };
    let broken = |source| ChainError::Entry {
        name: asked.name.clone(),
        source,
    };
    let network = entry.network(&asked.name).map_err(broken)?;
    let node = connect(&network).await?;
    for address in &asked.token {
        let token = read(&network, metadata(&node, *address).await)?.token;
        entry.tokens.push(TokenEntry::of(&token));
    }
    entry.network(&asked.name).map_err(broken)?;
    let mut networks = keystore.networks()?;
    networks.networks.insert(asked.name.clone(), entry);
    keystore.set_networks(&networks)?;
    if !asked.json {
        screen::tell(format!("{} is chain {chain_id}, and answers", asked.name));
    }
    list(keystore, asked.json)
}

fn list(keystore: &Keystore, json: bool) -> Result<Exit, Error> {
    let (networks, all) = (keystore.networks()?, keystore.all_networks()?);
    let default = networks.default.as_deref().unwrap_or("tempo");
    if json {
        let all = all.iter().map(|network| told(&networks, network));
        return put(json!({
            "default": default,
            "networks": all.collect::<Vec<_>>(),
        }));
    }
    let rows: Vec<_> = all
        .iter()
        .map(|network| {
            let is_default = network.name() == default;
            [
                network.name().to_owned(),
                network.chain().to_string(),
                endpoints(network).join(", "),
                if is_default { "yes" } else { "" }.to_owned(),
                symbols(network),
            ]
        })
        .collect();
    let head = ["NAME", "CHAIN", "ASKED AT", "DEFAULT", "TOKENS"];
    put(screen::table(Paint::for_stdout(), head, &rows))
}

fn told(networks: &Networks, network: &Network) -> Value {
    let own = networks.networks.get(network.name());
    json!({
        "name": network.name(),
        "chainId": network.chain(),
        "own": own.is_some(),
        "endpoints": endpoints(network),
        "tokens": network.tokens().iter().map(token_json).collect::<Vec<_>>(),
        "escrows": own.map(|entry| &entry.escrows),
    })
}

/// A token for a program.
pub(crate) fn token_json(token: &Token) -> Value {
    json!({
        "symbol": token.symbol.as_str(),
        "address": token.address.to_string(),
        "decimals": token.decimals,
        "unit": token.unit.as_str(),
    })
}

fn symbols(network: &Network) -> String {
    let symbols = network.tokens().iter().map(|token| token.symbol.as_str());
    symbols.collect::<Vec<_>>().join(", ")
}

/// Scheme, host and port of each endpoint: the rest may be a key.
fn endpoints(network: &Network) -> Vec<String> {
    let endpoints = network.node().endpoints;
    let shown = endpoints
        .iter()
        .map(|url| url.origin().ascii_serialization());
    shown.collect()
}

fn put(text: impl std::fmt::Display) -> Result<Exit, Error> {
    screen::data(text).map_err(Error::System)?;
    Ok(Exit::Done)
}
