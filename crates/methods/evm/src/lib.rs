//! What every rail on an EVM chain stands on: nodes, signatures, nonces, receipts.
//!
//! - [`Node`] is a chain behind one or several JSON-RPC endpoints, pinned to a chain id. A [`Batch`] of
//!   questions is one round trip. Its [errors](RpcError) say whose fault it is, its [`Heads`] when to look again.
//! - [`Signature`], [`SigningKey`] and [`Typed`] are ECDSA over libsecp256k1 and EIP-712, and
//!   [`contract_accepts`] is ERC-1271.
//! - [`Outbox`] gives nonces out and keeps what is signed with them, so that a transaction's hash is known
//!   and durable before anybody sees it. [`Sender`] sends from it and finds out what became of it.
//! - [`look`] and [`wait`] say what became of any transaction: its [`Fate`].
//!
//! ```
//! use farthing_evm::{ChainId, PkhDid, Signature, SigningKey, keccak256};
//!
//! let key = SigningKey::from_bytes([7; 32])?;
//! let digest = keccak256("what is signed");
//! let signature = key.sign(digest);
//! assert_eq!(signature.recover(digest)?, key.address());
//! // Wallets write the last byte in two ways, and both are read.
//! assert_eq!(Signature::parse(&signature.to_bytes())?, signature);
//!
//! let payer = PkhDid { chain: ChainId::new(42_431)?, address: key.address() };
//! assert_eq!(payer.to_string().parse(), Ok(payer));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod chain_id;
mod contract_signature;
mod did;
mod fate;
mod key;
mod outbox;
mod receipt;
mod rpc;
mod sender;
mod signature;
mod transaction;
mod typed_data;

pub use alloy_primitives::{Address, B256, Bytes, TxHash, TxKind, U256, keccak256};
pub use chain_id::{ChainId, ChainIdError};
pub use contract_signature::contract_accepts;
pub use did::{PkhDid, PkhDidError};
pub use fate::{Death, Fate, Mortality, NonceRead, Watched, look, wait};
pub use key::{KeyError, KnownKey, SigningKey};
pub use outbox::{Entry, JobId, Lane, LaneId, Outbox, OutboxError};
pub use receipt::{Block, Log, Receipt};
pub use rpc::{
    Answered, Asked, At, Batch, CallRequest, Heads, Node, NodeOptions, Refused, Request, Revert,
    RpcError, SendError, request,
};
pub use sender::{Sender, SenderError, Sent};
pub use signature::{Signature, SignatureError};
pub use transaction::{Eip1559, RawTransaction, TransactionError};
pub use typed_data::Typed;
