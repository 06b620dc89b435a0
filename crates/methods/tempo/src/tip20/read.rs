//! What a chain says of a token.

use alloy_sol_types::SolCall;
use farthing_core::value::Amount;
use farthing_evm::{
    Address, At, Bytes, CallRequest, Node, Request, RpcError, TxHash, U256, request,
};
use serde_json::json;

use super::calls;
use crate::{
    network::Network,
    token::{Label, Token, TokenError, is_tip20},
};

/// The longest name of a token that is kept, in characters.
const NAME: usize = 128;

/// What a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The token.
    pub token: Token,
    /// Its full name, shortened, and without what would not show.
    pub name: String,
    /// Whether its issuer has stopped every transfer for now.
    pub paused: bool,
}

/// Why nothing is known of a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The chain does not answer. Ask again later.
    #[error("the chain does not tell of the token")]
    Rpc(#[from] RpcError),
    /// There is no token at the address.
    #[error("there is no token at {0}")]
    NoToken(Address),
    /// What it says of itself cannot be used.
    #[error("the token at {token} cannot be used")]
    Unusable {
        /// The address.
        token: Address,
        /// What is wrong with it.
        #[source]
        source: TokenError,
    },
    /// It answers with something that is no answer. The node is broken or lies.
    #[error("the token at {token} answers with nonsense: {what}")]
    Nonsense {
        /// The address.
        token: Address,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The network gives no test money.
    #[error("{0} has no faucet")]
    NoFaucet(String),
}

/// What a token says of itself, in one round trip.
///
/// # Errors
/// When the chain does not answer, or there is no such token.
pub async fn metadata(node: &Node, token: Address) -> Result<Metadata, ReadError> {
    if !is_tip20(token) {
        return Err(ReadError::NoToken(token));
    }
    let asked = [
        calls::symbolCall {}.abi_encode(),
        calls::decimalsCall {}.abi_encode(),
        calls::currencyCall {}.abi_encode(),
        calls::nameCall {}.abi_encode(),
        calls::pausedCall {}.abi_encode(),
    ]
    .map(|data| call(token, data.into()));
    let mut answers = Vec::with_capacity(asked.len());
    for answer in node.ask_all(&asked).await? {
        answers.push(match answer {
            // A precompile that has no token at an address refuses every call there.
            Err(RpcError::Reverted(_)) => return Err(ReadError::NoToken(token)),
            answer => answer?,
        });
    }
    let nonsense = |what| ReadError::Nonsense { token, what };
    let [symbol, decimals, currency, name, paused] = answers.as_slice() else {
        return Err(nonsense("an answer is missing"));
    };
    if symbol.is_empty() {
        return Err(ReadError::NoToken(token));
    }
    let label = |answer: Option<String>, what| -> Result<Label, ReadError> {
        Label::new(answer.ok_or(nonsense(what))?)
            .map_err(|source| ReadError::Unusable { token, source })
    };
    let symbol = calls::symbolCall::abi_decode_returns_validate(symbol).ok();
    let unit = calls::currencyCall::abi_decode_returns_validate(currency).ok();
    let decimals = calls::decimalsCall::abi_decode_returns_validate(decimals)
        .map_err(|_| nonsense("its decimals are no number"))?;
    let name = calls::nameCall::abi_decode_returns_validate(name)
        .map_err(|_| nonsense("its name is no text"))?;
    let symbol = label(symbol, "its symbol is no text")?;
    let unit = label(unit, "its currency is no text")?;
    let read = Token::new(token, symbol, decimals, unit);
    Ok(Metadata {
        token: read.map_err(|source| ReadError::Unusable { token, source })?,
        name: name
            .chars()
            .filter(|c| !c.is_control())
            .take(NAME)
            .collect(),
        paused: calls::pausedCall::abi_decode_returns_validate(paused)
            .map_err(|_| nonsense("whether it is paused is neither yes nor no"))?,
    })
}

/// How much of a token an account has.
///
/// # Errors
/// When the chain does not answer.
pub async fn balance(node: &Node, token: Address, account: Address) -> Result<Amount, ReadError> {
    let answer = node.ask(balance_request(token, account)).await?;
    read_balance(token, &answer)
}

/// How much of each token an account has, in one round trip and in the order of the tokens.
///
/// # Errors
/// When the chain does not answer for one of them.
pub async fn balances(
    node: &Node,
    tokens: &[Address],
    account: Address,
) -> Result<Vec<Amount>, ReadError> {
    let asked: Vec<_> = tokens
        .iter()
        .map(|token| balance_request(*token, account))
        .collect();
    let answers = node.ask_all(&asked).await?;
    tokens
        .iter()
        .zip(answers)
        .map(|(token, answer)| read_balance(*token, &answer?))
        .collect()
}

/// The question how much of a token an account has, to be asked with others.
#[must_use]
pub fn balance_request(token: Address, account: Address) -> Request<Bytes> {
    call(token, calls::balance_of(account))
}

/// The answer to [`balance_request`].
///
/// # Errors
/// When it is no balance.
pub fn read_balance(token: Address, answer: &[u8]) -> Result<Amount, ReadError> {
    if answer.is_empty() {
        return Err(ReadError::NoToken(token));
    }
    // TIP-20 keeps the supply of a token below 2¹²⁸.
    let units = <[u8; 32]>::try_from(answer)
        .ok()
        .and_then(|word| u128::try_from(U256::from_be_bytes(word)).ok());
    units.map(Amount::new).ok_or(ReadError::Nonsense {
        token,
        what: "its balance is no amount",
    })
}

/// Asks a test network for test money, and answers with the transactions that bring it: one for each of
/// the network's tokens.
///
/// # Errors
/// When the network gives none, or its node does not know how.
pub async fn fund(
    network: &Network,
    node: &Node,
    account: Address,
) -> Result<Vec<TxHash>, ReadError> {
    if !network.has_faucet() {
        return Err(ReadError::NoFaucet(network.name().to_owned()));
    }
    let asked = Request::new("tempo_fundAddress", json!([account]));
    Ok(node.ask(asked).await?)
}

fn call(token: Address, data: Bytes) -> Request<Bytes> {
    let call = CallRequest {
        to: token,
        data,
        ..CallRequest::default()
    };
    request::call(&call, At::Latest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::known;

    #[test]
    fn a_balance_is_one_number_below_2_to_the_128() {
        let token = known::PATH_USD.address;
        let read = |number: U256| read_balance(token, &number.to_be_bytes::<32>());
        assert_eq!(read(U256::from(7)).unwrap(), Amount::new(7));
        let most = U256::from(u128::MAX);
        assert_eq!(read(most).unwrap(), Amount::new(u128::MAX));
        assert!(matches!(
            read(most + U256::from(1)),
            Err(ReadError::Nonsense { .. })
        ));
        assert!(matches!(
            read_balance(token, &[]),
            Err(ReadError::NoToken(_))
        ));
        assert!(matches!(
            read_balance(token, &[0; 31]),
            Err(ReadError::Nonsense { .. })
        ));
        assert!(matches!(
            read_balance(token, &[0; 64]),
            Err(ReadError::Nonsense { .. })
        ));
    }
}
