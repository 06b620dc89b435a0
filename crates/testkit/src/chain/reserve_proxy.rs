//! A way to a node for those who take its reserve for the precompile.
//!
//! An unmodified client sends a transaction that opens a channel, and nothing else. A contract in the
//! precompile's place cannot serve it: see [`channels`](super::channels). This proxy answers JSON-RPC over
//! HTTP on loopback and hands everything on to the node, but
//! - of each transaction of Tempo's kind that opens channels it tells the reserve the hash, and of each that
//!   locks tokens it lets the reserve take them. One such transaction is under way at a time: the hash has to
//!   be that of the one which is executed next;
//! - the same is there while a call is only tried (`eth_call`, `eth_estimateGas`), and nothing of it stays;
//! - where a node is asked how much gas a batch of calls takes, it says what the contract takes: anvil does
//!   not look at the calls, and a transaction's gas cannot be raised after it was signed.
//!
//! It speaks no WebSocket: whoever wants to know of new blocks asks the node itself.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes, hex};
use alloy_sol_types::SolCall;
use farthing_contracts::{
    CONTEXT_SLOT, RESERVE_ADDRESS,
    abi::ChannelReserve::{openCall, topUpCall},
};
use farthing_tempo::Received;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinHandle,
    time,
};

use super::{
    Chain,
    channels::{ask, forward, write_allowance, write_context},
    hostile,
};

/// More gas than the reserve uses for any call, with what a transaction uses beside it.
const GAS: u64 = 700_000;

/// How long a transaction may take until it is in a block. One that never is must not stop the others.
const EXECUTED: Duration = Duration::from_secs(10);

/// How often a receipt is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// The proxy; it ends when this is dropped.
#[derive(Debug)]
pub struct ReserveProxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl ReserveProxy {
    /// Starts one in front of a node whose chain has the
    /// [reserve](super::channels::install_reserve).
    ///
    /// # Panics
    /// When the system gives no port.
    pub async fn start(chain: &Chain) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("the system gives a port");
        let address = listener.local_addr().expect("a listener has an address");
        let way = Arc::new(Way {
            node: chain.address(),
            turn: Mutex::new(()),
        });
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let way = way.clone();
                // Whoever asked is gone, or the node is.
                tokio::spawn(async move { way.serve(stream).await });
            }
        });
        Self { address, task }
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for ReserveProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The way to the node.
struct Way {
    node: SocketAddr,
    /// Held while a transaction that touches the reserve is under way.
    turn: Mutex<()>,
}

/// What calls do at the reserve.
#[derive(Debug, Default, PartialEq, Eq)]
struct Touched {
    opens: bool,
    /// What is locked there.
    tokens: Vec<Address>,
    /// Whether anything is called there.
    any: bool,
}

impl Touched {
    fn by<'a>(calls: impl Iterator<Item = (Address, &'a [u8])>) -> Self {
        let mut touched = Self::default();
        for (to, data) in calls {
            if to != RESERVE_ADDRESS {
                continue;
            }
            touched.any = true;
            if let Ok(open) = openCall::abi_decode(data) {
                touched.opens = true;
                touched.tokens.push(open.token);
            } else if let Ok(top_up) = topUpCall::abi_decode(data) {
                touched.tokens.push(top_up.descriptor.token);
            }
        }
        touched
    }
}

impl Way {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let body = hostile::read(&mut stream).await?;
        let asked: Value = serde_json::from_slice(&body)?;
        let answer = match asked.as_array() {
            Some(all) if all.iter().any(is_of_interest) => {
                let mut answers = Vec::with_capacity(all.len());
                for one in all {
                    answers.push(self.answer(one).await?);
                }
                Value::Array(answers)
            }
            Some(_) => forward(self.node, &asked).await?,
            None => self.answer(&asked).await?,
        };
        let body = answer.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.shutdown().await
    }

    async fn answer(&self, asked: &Value) -> io::Result<Value> {
        match asked["method"].as_str() {
            Some("eth_sendRawTransaction" | "eth_sendRawTransactionSync") => self.send(asked).await,
            Some("eth_call" | "eth_estimateGas" | "eth_fillTransaction") => {
                self.attempt(asked).await
            }
            _ => forward(self.node, asked).await,
        }
    }

    async fn send(&self, asked: &Value) -> io::Result<Value> {
        let bytes = asked["params"][0]
            .as_str()
            .and_then(|raw| hex::decode(raw).ok());
        let sent = bytes.and_then(|bytes| Received::decode(&bytes).ok()?.whole());
        let Some(sent) = sent else {
            return forward(self.node, asked).await;
        };
        let authored = sent.authored();
        let calls = authored.transaction().calls.iter();
        let touched = Touched::by(calls.filter_map(|call| Some((call.to?, &call.input[..]))));
        if !touched.any {
            return forward(self.node, asked).await;
        }
        let _turn = self.turn.lock().await;
        if self.is_executed(sent.hash()).await? {
            return forward(self.node, asked).await;
        }
        for token in touched.tokens {
            write_allowance(self.node, token, authored.sender()).await?;
        }
        if touched.opens {
            write_context(self.node, authored.identity()).await?;
        }
        let answer = forward(self.node, asked).await?;
        if answer.get("error").is_none() {
            let executed = async {
                while !self.is_executed(sent.hash()).await? {
                    time::sleep(LOOK).await;
                }
                io::Result::Ok(())
            };
            // One that never is in a block opens nothing.
            time::timeout(EXECUTED, executed).await.unwrap_or(Ok(()))?;
        }
        if touched.opens {
            // What it did not take out is of no other transaction.
            write_context(self.node, B256::ZERO).await?;
        }
        Ok(answer)
    }

    async fn is_executed(&self, hash: B256) -> io::Result<bool> {
        let asked = json!([hex::encode_prefixed(hash)]);
        let answer = ask(self.node, "eth_getTransactionReceipt", asked).await?;
        Ok(!answer["result"].is_null())
    }

    async fn attempt(&self, asked: &Value) -> io::Result<Value> {
        let request = &asked["params"][0];
        let batch = request["calls"].as_array();
        let calls: Vec<_> = batch.map_or_else(|| vec![request], |calls| calls.iter().collect());
        let calls: Vec<_> = calls.into_iter().filter_map(called).collect();
        let touched = Touched::by(calls.iter().map(|(to, data)| (*to, &data[..])));
        if !touched.any {
            return forward(self.node, asked).await;
        }
        if let Some(sender) = address(&request["from"]) {
            for token in &touched.tokens {
                write_allowance(self.node, *token, sender).await?;
            }
        }
        let mut asked = asked.clone();
        if touched.opens && asked["method"] != "eth_fillTransaction" && batch.is_none() {
            override_context(&mut asked["params"]);
        }
        let mut answer = forward(self.node, &asked).await?;
        let gas = Value::from(format!("{GAS:#x}"));
        match asked["method"].as_str() {
            // Whatever the node says, it is about the making of a contract.
            Some("eth_estimateGas") if batch.is_some() => {
                answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": gas });
            }
            Some("eth_fillTransaction") if answer["result"]["tx"].is_object() => {
                answer["result"]["tx"]["gas"] = gas;
            }
            _ => {}
        }
        Ok(answer)
    }
}

fn is_of_interest(asked: &Value) -> bool {
    let methods = [
        "eth_sendRawTransaction",
        "eth_sendRawTransactionSync",
        "eth_call",
        "eth_estimateGas",
        "eth_fillTransaction",
    ];
    methods.iter().any(|method| asked["method"] == *method)
}

/// Whom a call of a request is to, and with what.
fn called(call: &Value) -> Option<(Address, Bytes)> {
    let data = call["data"].as_str().or_else(|| call["input"].as_str());
    Some((address(&call["to"])?, data?.parse().ok()?))
}

fn address(text: &Value) -> Option<Address> {
    text.as_str()?.parse().ok()
}

/// Any hash will do for a call that leaves nothing behind.
fn override_context(params: &mut Value) {
    let Some(params) = params.as_array_mut() else {
        return;
    };
    if params.len() == 1 {
        params.push("latest".into());
    }
    let reserve = hex::encode_prefixed(RESERVE_ADDRESS);
    let slot = hex::encode_prefixed(CONTEXT_SLOT);
    let context = hex::encode_prefixed(B256::repeat_byte(1));
    params.truncate(2);
    params.push(json!({ reserve: { "stateDiff": { slot: context } } }));
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, address, aliases::U96};
    use farthing_contracts::abi::ChannelReserve;
    use farthing_tempo::{AccountKey, Call, EXPIRING_NONCE_KEY, Transaction};

    use super::*;
    use crate::{
        chain::{ACCOUNTS, ChainOptions, channels},
        peer,
    };

    const PATH_USD: &str = "0x20c0000000000000000000000000000000000000";
    const PAYEE: Address = address!("0x1111111111111111111111111111111111111111");

    fn open(deposit: u64, salt: u8) -> Vec<u8> {
        let call = openCall {
            payee: PAYEE,
            operator: Address::ZERO,
            token: PATH_USD.parse().unwrap(),
            deposit: U96::from(deposit),
            salt: B256::repeat_byte(salt),
            authorizedSigner: Address::ZERO,
        };
        call.abi_encode()
    }

    async fn signed(chain: &Chain, calls: Vec<Vec<u8>>) -> Received {
        let key = farthing_evm::SigningKey::from_bytes(ACCOUNTS[1].secret()).unwrap();
        let calls = calls.into_iter().map(|input| Call {
            to: Some(RESERVE_ADDRESS),
            value: U256::ZERO,
            input: input.into(),
        });
        let id = farthing_evm::ChainId::new(chain.chain_id()).unwrap();
        let mut transaction = Transaction::new(id, calls.collect());
        transaction.gas_limit = GAS;
        transaction.max_fee_per_gas = 40_000_000_000;
        transaction.nonce_key = EXPIRING_NONCE_KEY;
        transaction.valid_before = Some(chain.time().await + 25);
        transaction.fee_token = Some(PATH_USD.parse().unwrap());
        transaction.sign(&AccountKey::from(key)).unwrap()
    }

    async fn through(proxy: &ReserveProxy, method: &str, params: Value) -> Value {
        ask(proxy.address, method, params).await.unwrap()
    }

    async fn deposit(chain: &Chain, id: B256) -> U96 {
        let data = ChannelReserve::getChannelStateCall { channelId: id }.abi_encode();
        let asked = json!([{ "to": hex::encode_prefixed(RESERVE_ADDRESS), "data": hex::encode_prefixed(data) }, "latest"]);
        let state = chain.rpc("eth_call", &asked.to_string()).await;
        let state: Bytes = state.as_str().unwrap().parse().unwrap();
        ChannelReserve::getChannelStateCall::abi_decode_returns(&state)
            .unwrap()
            .deposit
    }

    fn id(chain: &Chain, salt: u8, context: B256) -> B256 {
        use alloy_sol_types::SolValue;
        let payer: Address = ACCOUNTS[1].address.parse().unwrap();
        let token: Address = PATH_USD.parse().unwrap();
        let parts = (
            payer,
            PAYEE,
            Address::ZERO,
            token,
            B256::repeat_byte(salt),
            Address::ZERO,
            context,
        );
        let place = (RESERVE_ADDRESS, U256::from(chain.chain_id()));
        alloy_primitives::keccak256([parts.abi_encode(), place.abi_encode()].concat())
    }

    #[tokio::test]
    async fn channels_are_opened_by_those_who_take_it_for_the_precompile() {
        let shared = Chain::shared(&ChainOptions::tempo(1337)).await;
        let Some(chain) = peer::or_skip("chain: the proxy", shared) else {
            return;
        };
        channels::install_reserve(&chain).await;
        let proxy = ReserveProxy::start(&chain).await;
        let payer = ACCOUNTS[1].address;
        let before = chain.token_balance(PATH_USD, payer).await;
        let mut fees = 0;
        for (salt, deposits) in [(1, vec![700]), (2, vec![30, 4])] {
            let calls = (0..)
                .zip(&deposits)
                .map(|(at, deposit)| open(*deposit, salt + 10 * at));
            let sent = signed(&chain, calls.collect()).await;
            let raw = json!([hex::encode_prefixed(sent.encode())]);
            let hash = hex::encode_prefixed(sent.clone().whole().unwrap().hash());
            // Sent again it is the same transaction, and says so.
            for _ in 0..2 {
                let answer = through(&proxy, "eth_sendRawTransaction", raw.clone()).await;
                assert_eq!(answer["result"], hash, "{answer}");
            }
            let receipt = chain.receipt(&hash).await;
            assert_eq!(receipt["status"], "0x1", "{receipt}");
            let number = |name: &str| {
                u128::from_str_radix(&receipt[name].as_str().unwrap()[2..], 16).unwrap()
            };
            fees += (number("gasUsed") * number("effectiveGasPrice")).div_ceil(1_000_000_000_000);
            for (at, locked) in (0..).zip(&deposits) {
                let id = id(&chain, salt + 10 * at, sent.authored().identity());
                assert_eq!(deposit(&chain, id).await, U96::from(*locked));
            }
        }
        assert_eq!(
            before - chain.token_balance(PATH_USD, payer).await,
            734 + fees
        );
    }

    #[tokio::test]
    async fn what_is_only_tried_leaves_nothing() {
        let shared = Chain::shared(&ChainOptions::tempo(1337)).await;
        let Some(chain) = peer::or_skip("chain: tried through the proxy", shared) else {
            return;
        };
        channels::install_reserve(&chain).await;
        let proxy = ReserveProxy::start(&chain).await;
        let from = ACCOUNTS[1].address;
        let (to, data) = (
            hex::encode_prefixed(RESERVE_ADDRESS),
            hex::encode_prefixed(open(7, 1)),
        );
        let call = json!([{ "from": from, "to": to, "data": data }, "latest"]);
        let refused = chain.ask("eth_call", &call.to_string()).await;
        assert!(refused["error"].is_object(), "{refused}");
        let tried = through(&proxy, "eth_call", call).await;
        assert_eq!(tried["result"].as_str().map(str::len), Some(66), "{tried}");
        let slot = json!([to, hex::encode_prefixed(CONTEXT_SLOT), "latest"]).to_string();
        let context = chain.rpc("eth_getStorageAt", &slot).await;
        assert_eq!(context, hex::encode_prefixed(B256::ZERO));
        // Of a batch the node does not look at the calls.
        let batch = json!([{ "from": from, "calls": [{ "to": to, "data": data }] }]);
        let gas = through(&proxy, "eth_estimateGas", batch).await;
        assert_eq!(gas["result"], "0xaae60", "{gas}");
    }
}
