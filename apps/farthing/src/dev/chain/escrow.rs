//! The contract that keeps the channels of the demo's chain: this chain has no reserve of its own.

use farthing::evm::Address;
use farthing_contracts::TEMPO_STREAM_CHANNEL;
use reqwest::Url;
use serde_json::{Value, json};

use crate::{buyer, error::Error};

/// An account that a development chain starts with and signs for.
const DEPLOYER: &str = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65";

/// What it pays with, in the chain's own coin, and more gas than the contract takes.
const COINS: &str = "0x100000000000000000000000000";
const GAS: &str = "0x1312d00";

/// How often a receipt is asked for.
const ASKS: u32 = 100;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Deploys it.
pub(super) async fn deploy(url: &Url) -> Result<Address, Error> {
    ask(url, "anvil_setBalance", json!([DEPLOYER, COINS])).await?;
    let code = TEMPO_STREAM_CHANNEL.creation;
    let sent = json!([{ "from": DEPLOYER, "data": code, "gas": GAS }]);
    let hash = ask(url, "eth_sendTransaction", sent).await?;
    for _ in 0..ASKS {
        let receipt = ask(url, "eth_getTransactionReceipt", json!([hash])).await?;
        if receipt["status"] == "0x1" {
            let address = receipt["contractAddress"].as_str();
            return address
                .and_then(|address| address.parse().ok())
                .ok_or(Error::Demo("its contract has no address"));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::Demo(
        "its chain does not take the contract for channels",
    ))
}

async fn ask(url: &Url, method: &str, params: Value) -> Result<Value, Error> {
    let failed = |error: reqwest::Error| Error::Setup(error.without_url().into());
    let http = buyer::http().no_proxy().build().map_err(failed)?;
    let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = http
        .post(url.clone())
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(asked.to_string())
        .send();
    let text = answer
        .await
        .map_err(failed)?
        .bytes()
        .await
        .map_err(failed)?;
    let mut answer: Value = serde_json::from_slice(&text)
        .map_err(|_| Error::Demo("its chain does not answer in JSON"))?;
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(Error::Demo("its chain refused the contract for channels")),
    }
}
