//! Transactions: bytes with a hash, and the plain kind of them.

use std::fmt;

use alloy_primitives::{B256, Bytes, TxHash, TxKind, U256, keccak256};
use alloy_rlp::{BufMut, Encodable, Header};

use crate::{ChainId, SigningKey};

/// The most bytes a transaction has here; nodes refuse larger ones.
const MAX: usize = 128 * 1024;

/// A signed transaction of any type, with its hash: known before anybody is sent it.
#[derive(Clone, PartialEq, Eq)]
pub struct RawTransaction {
    bytes: Bytes,
    hash: TxHash,
}

/// Why bytes are no transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// They are too few or too many.
    #[error("a transaction has between 1 and {MAX} bytes")]
    Size,
}

impl RawTransaction {
    /// Takes signed bytes as they are. What is in them is not looked at.
    ///
    /// # Errors
    /// When they are too few or too many.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, TransactionError> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > MAX {
            return Err(TransactionError::Size);
        }
        let hash = keccak256(&bytes);
        Ok(Self { bytes, hash })
    }

    /// The bytes, as a node takes them.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> TxHash {
        self.hash
    }
}

/// A signed transaction can be sent by whoever has it, so only its hash is shown.
impl fmt::Debug for RawTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawTransaction({})", self.hash)
    }
}

/// A transaction of type 2 (EIP-1559), without an access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eip1559 {
    /// The chain.
    pub chain: ChainId,
    /// The account's nonce.
    pub nonce: u64,
    /// What the block's maker gets a unit of gas, in wei.
    pub max_priority_fee_per_gas: u128,
    /// What a unit of gas costs at the most, in wei.
    pub max_fee_per_gas: u128,
    /// The most gas it may use.
    pub gas_limit: u64,
    /// The account or contract it goes to, or a contract to be made.
    pub to: TxKind,
    /// How much of the chain's coin goes with it.
    pub value: U256,
    /// What the contract is called with.
    pub input: Bytes,
}

/// The first byte of a transaction of type 2.
const EIP_1559: u8 = 0x02;

impl Eip1559 {
    /// Signs it.
    ///
    /// # Errors
    /// When it is too large.
    pub fn sign(&self, key: &SigningKey) -> Result<RawTransaction, TransactionError> {
        let signature = key.sign(self.signing_digest());
        let number = |half: B256| U256::from_be_bytes(half.0);
        let (r, s) = (number(signature.r()), number(signature.s()));
        let mut tail = Vec::with_capacity(70);
        signature.y_is_odd().encode(&mut tail);
        r.encode(&mut tail);
        s.encode(&mut tail);
        RawTransaction::new(self.encoded(&tail))
    }

    /// What is signed.
    #[must_use]
    pub fn signing_digest(&self) -> B256 {
        keccak256(self.encoded(&[]))
    }

    /// The type byte and the list of the fields with what follows them.
    fn encoded(&self, tail: &[u8]) -> Vec<u8> {
        let mut fields = Vec::with_capacity(160 + self.input.len());
        self.chain.get().encode(&mut fields);
        self.nonce.encode(&mut fields);
        self.max_priority_fee_per_gas.encode(&mut fields);
        self.max_fee_per_gas.encode(&mut fields);
        self.gas_limit.encode(&mut fields);
        self.to.encode(&mut fields);
        self.value.encode(&mut fields);
        self.input.encode(&mut fields);
        // An empty access list.
        fields.put_u8(alloy_rlp::EMPTY_LIST_CODE);
        fields.put_slice(tail);
        let mut bytes = vec![EIP_1559];
        let list = Header {
            list: true,
            payload_length: fields.len(),
        };
        list.encode(&mut bytes);
        bytes.extend_from_slice(&fields);
        bytes
    }
}
