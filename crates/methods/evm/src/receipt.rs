//! What a chain says of blocks and transactions.

use alloy_primitives::{Address, B256, Bytes, TxHash, U64, U256};
use farthing_core::value::Timestamp;
use serde::{Deserialize, Deserializer};

/// The head of a block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// Its hash.
    pub hash: B256,
    /// The hash of the one before.
    pub parent_hash: B256,
    number: U64,
    timestamp: U64,
    /// What a unit of gas costs in it, in wei, beside what its maker is paid.
    #[serde(default)]
    pub base_fee_per_gas: Option<U256>,
}

impl Block {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number.to()
    }

    /// The chain's time: that of its blocks, which is not ours.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        Timestamp::from_secs(self.timestamp.to())
    }
}

/// What became of a transaction that is in a block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The transaction.
    pub transaction_hash: TxHash,
    /// The block.
    pub block_hash: B256,
    block_number: U64,
    status: U64,
    /// Who sent it.
    pub from: Address,
    /// Where it went; `None` where it made a contract.
    pub to: Option<Address>,
    gas_used: U64,
    /// What a unit of gas cost.
    #[serde(default)]
    pub effective_gas_price: U256,
    /// What contracts said while it ran.
    pub logs: Vec<Log>,
}

impl Receipt {
    /// The block's number.
    #[must_use]
    pub fn block_number(&self) -> u64 {
        self.block_number.to()
    }

    /// Whether it did what it was for. Otherwise it cost its fee and did nothing else.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status == U64::from(1)
    }

    /// How much gas it used.
    #[must_use]
    pub fn gas_used(&self) -> u64 {
        self.gas_used.to()
    }

    /// The time of its block, where the node writes it with the logs. Where it does not, the block has to be
    /// asked for.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        let time = self.logs.iter().find_map(|log| log.block_timestamp)?;
        Some(Timestamp::from_secs(time.to()))
    }

    /// Whether it is what it should be: of this transaction, with no log of another.
    #[must_use]
    pub fn is_of(&self, hash: TxHash) -> bool {
        self.transaction_hash == hash
            && self.status <= U64::from(1)
            && self.logs.iter().all(|log| {
                !log.removed
                    && log.transaction_hash.is_none_or(|of| of == hash)
                    && log.block_hash.is_none_or(|of| of == self.block_hash)
            })
    }
}

/// What a contract said while a transaction ran.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// The kind of event, and its indexed values.
    pub topics: Vec<B256>,
    /// Its other values.
    pub data: Bytes,
    log_index: U64,
    #[serde(default)]
    transaction_hash: Option<TxHash>,
    #[serde(default)]
    block_hash: Option<B256>,
    /// Not every node writes it, and not all in one form: what cannot be read is not there.
    #[serde(default, deserialize_with = "lenient")]
    block_timestamp: Option<U64>,
    #[serde(default)]
    removed: bool,
}

impl Log {
    /// Whether it stands: the block it was in was not replaced.
    #[must_use]
    pub const fn stands(&self) -> bool {
        !self.removed
    }

    /// Its number in the block: no two logs have the same.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.log_index.to()
    }
}

fn lenient<'de, D: Deserializer<'de>>(from: D) -> Result<Option<U64>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn receipt(timestamp: Value) -> Receipt {
        let hash = B256::repeat_byte(1);
        serde_json::from_value(json!({
            "transactionHash": hash,
            "blockHash": hash,
            "blockNumber": "0x1",
            "status": "0x1",
            "from": Address::ZERO,
            "to": null,
            "gasUsed": "0x1",
            "logs": [{
                "address": Address::ZERO,
                "topics": [],
                "data": "0x",
                "logIndex": "0x0",
                "blockTimestamp": timestamp,
            }],
        }))
        .unwrap()
    }

    #[test]
    fn the_time_of_a_block_is_read_where_it_can_be() {
        let time = Some(Timestamp::from_secs(7));
        assert_eq!(receipt(json!("0x7")).time(), time);
        for odd in [json!(null), json!("noon"), json!({}), json!(-1)] {
            assert_eq!(receipt(odd).time(), None);
        }
    }
}
