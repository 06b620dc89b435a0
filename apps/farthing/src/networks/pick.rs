//! Which network a command is about.

use std::{borrow::Cow, time::Duration};

use farthing::{
    core::value::{Amount, Price, PriceError},
    evm::{Address, ChainId, Node, TxHash},
    tempo::{
        MAINNET, MODERATO, Network, NetworkError, NetworkOptions, Token,
        tip20::{self, ReadError},
        token::known,
    },
};

use super::{ChainError, OnNetwork, RpcText};
use crate::{
    error::Error,
    keystore::{Keystore, Rpc},
};

/// The time between two blocks of a chain that nothing is known of.
const BLOCK_TIME: Duration = Duration::from_millis(500);

/// The network where nothing says which is meant.
const USUAL: &str = "tempo";

/// Every network that a payment may be made on: the one that is named, or all that are known.
pub(crate) fn all(keystore: &Keystore, named: &OnNetwork) -> Result<Vec<Network>, Error> {
    if named.is_said() {
        return Ok(vec![one(keystore, named)?]);
    }
    Ok(keystore.all_networks()?)
}

/// The network that is named, or the one that is meant where none is.
pub(crate) fn one(keystore: &Keystore, named: &OnNetwork) -> Result<Network, Error> {
    let networks = keystore.networks()?;
    let name = match (named.name(), &networks.default) {
        (Some(name), _) => name,
        (None, Some(name)) => name,
        (None, None) => USUAL,
    };
    let endpoints = RpcText::read(&named.rpc).map_err(ChainError::from)?;
    let all = keystore.all_networks()?;
    let number = name.parse::<ChainId>().ok();
    let found = all
        .iter()
        .find(|it| it.name() == name || number == Some(it.chain()));
    match (found, number, endpoints.as_slice()) {
        (Some(network), _, []) => Ok(network.clone()),
        (Some(network), _, endpoints) => {
            let elsewhere = network.clone().at(urls(endpoints));
            Ok(elsewhere.map_err(ChainError::from)?)
        }
        (None, Some(chain), endpoints @ [_, ..]) => {
            Ok(of_number(chain, endpoints).map_err(ChainError::from)?)
        }
        (None, ..) => {
            let known: Vec<_> = all.iter().map(Network::name).collect();
            Err(ChainError::Unknown {
                name: name.to_owned(),
                known: known.join(", "),
            }
            .into())
        }
    }
}

/// A chain that is known by nothing but its number and whoever answers for it. It has the tokens
/// that every chain of the kind has.
fn of_number(chain: ChainId, endpoints: &[Rpc]) -> Result<Network, NetworkError> {
    Network::custom(NetworkOptions {
        chain,
        name: format!("chain-{chain}"),
        endpoints: urls(endpoints),
        sockets: Vec::new(),
        block_time: BLOCK_TIME,
        tokens: known::TEST_TOKENS.to_vec(),
        faucet: false,
    })
}

fn urls(endpoints: &[Rpc]) -> Vec<reqwest::Url> {
    endpoints.iter().map(Rpc::url).collect()
}

/// Reaches a network, and makes sure that it is the one.
pub(crate) async fn connect(network: &Network) -> Result<Node, ChainError> {
    Node::connect(network.node())
        .await
        .map_err(|source| ChainError::Rpc {
            network: network.name().to_owned(),
            source,
        })
}

/// What a network told of a token, or which network it was that did not.
pub(crate) fn read<T>(network: &Network, answer: Result<T, ReadError>) -> Result<T, ChainError> {
    answer.map_err(|source| ChainError::Read {
        network: network.name().to_owned(),
        source,
    })
}

/// A price in a token's base units. A token is called by its symbol: its address says nothing to
/// whoever wrote the price.
pub(crate) fn amount(price: &Price, token: &Token) -> Result<Amount, PriceError> {
    price
        .in_currency(&token.currency())
        .map_err(|error| match error {
            PriceError::Inexact {
                price, decimals, ..
            } => PriceError::Inexact {
                price,
                code: token.symbol.as_str().into(),
                decimals,
            },
            other => other,
        })
}

/// The token that is named, among those that are known on a network; without a name, the usual one.
pub(crate) fn token<'a>(
    network: &'a Network,
    named: Option<&str>,
) -> Result<Cow<'a, Token>, ChainError> {
    let Some(name) = named else {
        return Ok(Cow::Borrowed(network.token()));
    };
    let found = network.token_named(name).map(Cow::Borrowed);
    found.ok_or_else(|| ChainError::NoToken {
        name: name.to_owned(),
        network: network.name().to_owned(),
        known: network
            .tokens()
            .iter()
            .map(|token| token.symbol.to_string())
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// The token that an account pays fees in: the one it has most of, among those that fees can be paid
/// in.
pub(crate) async fn fee_token(
    network: &Network,
    node: &Node,
    account: Address,
) -> Result<Token, ChainError> {
    let paying = network.tokens().iter().filter(|token| token.pays_fees());
    let paying: Vec<_> = paying.collect();
    let addresses: Vec<_> = paying.iter().map(|token| token.address).collect();
    let amounts = read(network, tip20::balances(node, &addresses, account).await)?;
    // Of as much the first: the networks name their usual token first.
    let richest = paying
        .into_iter()
        .zip(amounts)
        .rev()
        .max_by_key(|(_, amount)| *amount);
    Ok(richest
        .map_or_else(|| network.token(), |(token, _)| token)
        .clone())
}

/// Where people look at a transaction.
pub(crate) fn explorer(network: &Network, hash: &TxHash) -> Option<String> {
    let host = match network.chain().get() {
        MAINNET => "explore.tempo.xyz",
        MODERATO => "explore.testnet.tempo.xyz",
        _ => return None,
    };
    Some(format!("https://{host}/tx/{hash}"))
}
