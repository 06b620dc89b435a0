//! What a node is asked.

use std::{fmt, marker::PhantomData};

use alloy_primitives::{Address, B256, Bytes, TxHash, U64, U256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Block, Log, Receipt};

/// A question with the type of its answer.
pub struct Request<T> {
    pub(super) method: &'static str,
    pub(super) params: Value,
    answer: PhantomData<fn() -> T>,
}

impl<T> Request<T> {
    /// A question of a method that is not below; `params` is an array.
    #[must_use]
    pub const fn new(method: &'static str, params: Value) -> Self {
        Self {
            method,
            params,
            answer: PhantomData,
        }
    }
}

impl<T> Clone for Request<T> {
    fn clone(&self) -> Self {
        Self::new(self.method, self.params.clone())
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.method)
    }
}

/// At which state of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// That of the last block.
    Latest,
    /// That of the last block and of what the node would put into the next.
    Pending,
    /// That of a block.
    Block(u64),
}

impl At {
    fn param(self) -> Value {
        match self {
            Self::Latest => "latest".into(),
            Self::Pending => "pending".into(),
            Self::Block(number) => format!("0x{number:x}").into(),
        }
    }
}

/// A call that is tried and not sent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CallRequest {
    /// Who would call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// What is called.
    pub to: Address,
    /// With what.
    pub data: Bytes,
    /// With how much of the chain's coin.
    #[serde(skip_serializing_if = "U256::is_zero")]
    pub value: U256,
}

/// Which logs are asked for.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// The first block.
    pub from: u64,
    /// The last block.
    pub to: u64,
    /// The contracts, any of them.
    pub contracts: Vec<Address>,
    /// What stands in the topics, from the first on; `None` for anything.
    pub topics: Vec<Option<B256>>,
}

/// A transaction as far as it says whether a node knows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// Its hash.
    pub hash: TxHash,
    /// The block it is in, if it is in one.
    pub block_number: Option<U64>,
}

/// Which chain it is.
#[must_use]
pub fn chain_id() -> Request<U64> {
    Request::new("eth_chainId", json!([]))
}

/// The head of a block; `None` where there is none of this number.
#[must_use]
pub fn block(at: At) -> Request<Option<Block>> {
    Request::new("eth_getBlockByNumber", json!([at.param(), false]))
}

/// The receipt of a transaction; `None` where it is in no block.
#[must_use]
pub fn receipt(hash: TxHash) -> Request<Option<Receipt>> {
    Request::new("eth_getTransactionReceipt", json!([hash]))
}

/// A transaction that the node knows, in a block or not yet.
#[must_use]
pub fn transaction(hash: TxHash) -> Request<Option<Known>> {
    Request::new("eth_getTransactionByHash", json!([hash]))
}

/// The logs of some blocks, in their order. Nodes refuse a range that is too long, or has too many.
#[must_use]
pub fn logs(filter: &LogFilter) -> Request<Vec<Log>> {
    let LogFilter {
        from,
        to,
        contracts,
        topics,
    } = filter;
    let (from, to) = (At::Block(*from).param(), At::Block(*to).param());
    let filter = json!({"fromBlock": from, "toBlock": to, "address": contracts, "topics": topics});
    Request::new("eth_getLogs", json!([filter]))
}

/// How many transactions an account has sent: its next nonce.
#[must_use]
pub fn transaction_count(account: Address, at: At) -> Request<U64> {
    Request::new("eth_getTransactionCount", json!([account, at.param()]))
}

/// How much of the chain's coin an account has, in wei.
#[must_use]
pub fn balance(account: Address, at: At) -> Request<U256> {
    Request::new("eth_getBalance", json!([account, at.param()]))
}

/// The code at an address.
#[must_use]
pub fn code(account: Address, at: At) -> Request<Bytes> {
    Request::new("eth_getCode", json!([account, at.param()]))
}

/// What a call would answer.
#[must_use]
pub fn call(call: &CallRequest, at: At) -> Request<Bytes> {
    Request::new("eth_call", json!([call, at.param()]))
}

/// How much gas a call would use.
#[must_use]
pub fn estimate_gas(call: &CallRequest) -> Request<U64> {
    Request::new("eth_estimateGas", json!([call]))
}

/// What the makers of blocks are paid for a unit of gas at present, in wei.
#[must_use]
pub fn max_priority_fee() -> Request<U256> {
    Request::new("eth_maxPriorityFeePerGas", json!([]))
}
