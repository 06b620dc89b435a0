//! Accounts' keys and what they sign.

mod account;
mod authorization;
pub mod keychain;
mod p256;
mod signature;
mod webauthn;

pub use account::{AccessKey, AccountKey, Key};
pub use authorization::{
    CallScope, KeyAuthorization, SelectorRule, SignedKeyAuthorization, TokenLimit,
};
pub use p256::{P256Key, P256Signature};
pub use signature::{
    AccessSignature, AccountSignature, AccountSignatureError, KeyKind, KeySignature,
    KeychainVersion,
};
pub use webauthn::{WebAuthnError, WebAuthnSignature};
