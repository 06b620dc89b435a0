//! The Tempo rail: its transactions, its keys, its tokens, and one-time charges settled on it.
//!
//! - [`Transaction`] is a batch of calls to be signed, and [`SignedTransaction`] one that was: read strictly,
//!   with its sender's signature checked. [`HalfTransaction`] is one whose fee somebody else is to pay.
//! - [`AccountKey`] is what an account signs with: a key of its own on either curve, or an
//!   [access key](AccessKey) within the limits of a [`KeyAuthorization`].
//! - [`Network`] and [`Token`] say what is known of a chain before it is asked, and [`tip20`] is for those who only want
//!   the token: its metadata, balances, fees, and transfers that are each made once.
//! - [`Legs`] are the transfers that pay a charge; [`match_calls`] and [`match_logs`] say whether a transaction makes
//!   them. [`Proofs`] answer a charge of nothing.
//! - [`Tempo`] is the seller's side of a charge, and [`TempoPayer`] the buyer's.
//!
//! ```
//! use farthing_evm::{Address, Bytes, ChainId, SigningKey, U256};
//! use farthing_tempo::{AccountKey, Call, Received, Transaction};
//!
//! let key = AccountKey::from(SigningKey::from_bytes([7; 32])?);
//! let call = Call { to: Some(Address::repeat_byte(1)), value: U256::ZERO, input: Bytes::new() };
//! let mut transaction = Transaction::new(ChainId::new(42_431)?, vec![call]);
//! transaction.gas_limit = 100_000;
//!
//! let signed = transaction.sign(&key)?;
//! let read = Received::decode(&signed.encode())?;
//! assert_eq!(read, signed);
//! assert_eq!(read.authored().sender(), key.account());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod charge;
mod key;
mod network;
mod nonce;
mod payer;
mod rlp;
mod server;
pub mod session;
mod skew;
pub mod tip20;
pub mod token;
mod transaction;

pub use charge::{
    Attested, Binding, Details, DetailsError, Leg, Legs, LegsError, METHOD, Memo, MemoError,
    MemoRule, Mismatch, Mode, Modes, ProofVersion, Proofs, Signer, SourceError, Split, SplitError,
    Splits, attribution, match_calls, match_logs, method, source,
};
pub use key::{
    AccessKey, AccessSignature, AccountKey, AccountSignature, AccountSignatureError, CallScope,
    Key, KeyAuthorization, KeyKind, KeySignature, KeychainVersion, P256Key, P256Signature,
    SelectorRule, SignedKeyAuthorization, TokenLimit, WebAuthnError, WebAuthnSignature, keychain,
};
pub use network::{MAINNET, MODERATO, Network, NetworkError, NetworkOptions};
pub use payer::{Nonces, PayerError, PayerOptions, TempoPayer};
pub use server::{Bounds, Health, PushOptions, Sponsor, Tempo, TempoError, TempoOptions};
pub use skew::is_far_ahead;
pub use token::{Label, Token, TokenError};
pub use transaction::{
    AccessListEntry, Authored, Call, DecodeError, Delegation, EXPIRING_NONCE_KEY, HalfTransaction,
    InvalidTransaction, Received, SignedTransaction, Transaction,
};
