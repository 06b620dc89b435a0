//! Where channels are kept, on a chain of one's own.
//!
//! [`deploy_escrow`] is for those of the first protocol version. [`install_reserve`] puts a contract where
//! the precompile of the second would be. It cannot do two things that the precompile can: it needs an
//! allowance, and it has to be told the hash of each transaction that opens channels. Where code that knows
//! of neither runs against it, a [`ReserveProxy`](super::reserve_proxy::ReserveProxy) stands in front of the
//! node and does both.

use std::{io, net::SocketAddr};

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use farthing_contracts::{CHANNEL_RESERVE, CONTEXT_SLOT, RESERVE_ADDRESS, TEMPO_STREAM_CHANNEL};
use serde_json::{Value, json};

use super::{ACCOUNTS, Chain, hostile};

/// Who deploys, and pays for it with the chain's own coin.
const DEPLOYER: &str = ACCOUNTS[4].address;

/// More gas than any of the contracts takes.
const DEPLOYING: u64 = 20_000_000;

/// Where a TIP-20 token keeps its allowances: by owner, then by spender.
const ALLOWANCES: U256 = U256::from_limbs([10, 0, 0, 0]);

/// Deploys the escrow of the first protocol version.
///
/// # Panics
/// When the chain does not take it.
pub async fn deploy_escrow(chain: &Chain) -> Address {
    chain.set_balance(DEPLOYER, 1 << 100).await;
    let code = TEMPO_STREAM_CHANNEL.creation;
    let sent = json!([{ "from": DEPLOYER, "data": code, "gas": format!("{DEPLOYING:#x}") }]);
    let hash = chain.rpc("eth_sendTransaction", &sent.to_string()).await;
    let hash = hash.as_str().expect("a hash is a text");
    let receipt = chain.receipt(hash).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let address = receipt["contractAddress"].as_str();
    let address = address.and_then(|address| address.parse().ok());
    address.expect("what was deployed has an address")
}

/// Puts the reserve of the second protocol version where the precompile would be.
pub async fn install_reserve(chain: &Chain) {
    let address = format!("{RESERVE_ADDRESS:#x}");
    chain.set_code(&address, CHANNEL_RESERVE.runtime).await;
}

/// Lets the reserve take any amount of a token from an account, as the precompile may: in the token's
/// storage, because an approval that is sent costs its sender a fee and a nonce.
///
/// # Panics
/// When the chain does not do it.
pub async fn allow(chain: &Chain, token: Address, owner: Address) {
    let done = write_allowance(chain.address(), token, owner).await;
    done.expect("the node answers");
}

/// Tells the reserve the hash of the transaction that opens channels next: that of the payload which its
/// sender signs, followed by the sender.
///
/// # Panics
/// When the chain does not do it.
pub async fn tell(chain: &Chain, context: B256) {
    let done = write_context(chain.address(), context).await;
    done.expect("the node answers");
}

pub(super) async fn write_allowance(
    node: SocketAddr,
    token: Address,
    owner: Address,
) -> io::Result<()> {
    let of_owner = keccak256([owner.into_word(), ALLOWANCES.into()].concat());
    let slot = keccak256([RESERVE_ADDRESS.into_word(), of_owner].concat());
    write(node, token, slot, U256::MAX.into()).await
}

pub(super) async fn write_context(node: SocketAddr, context: B256) -> io::Result<()> {
    write(node, RESERVE_ADDRESS, CONTEXT_SLOT, context).await
}

async fn write(node: SocketAddr, at: Address, slot: B256, value: B256) -> io::Result<()> {
    let place = [hex::encode_prefixed(at), hex::encode_prefixed(slot)];
    let params = json!([place[0], place[1], hex::encode_prefixed(value)]);
    let answer = ask(node, "anvil_setStorageAt", params).await?;
    if answer.get("error").is_some() {
        return Err(io::Error::other(answer.to_string()));
    }
    Ok(())
}

/// Asks a node, and gives the answer with its `result` or its `error`.
pub(super) async fn ask(node: SocketAddr, method: &str, params: Value) -> io::Result<Value> {
    let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    forward(node, &asked).await
}

/// Hands a question on.
pub(super) async fn forward(node: SocketAddr, asked: &Value) -> io::Result<Value> {
    let answer = hostile::forward(node, asked.to_string().as_bytes()).await?;
    Ok(serde_json::from_str(&answer)?)
}
