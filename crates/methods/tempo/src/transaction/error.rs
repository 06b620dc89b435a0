//! Why a transaction is none.

use alloy_primitives::Address;
use farthing_evm::SignatureError;

use super::MAX_BYTES;
use crate::key::AccountSignatureError;

/// What makes a transaction one that no chain takes. Nothing was sent, and nothing moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTransaction {
    /// It does nothing.
    #[error("the transaction has no calls")]
    NoCalls,
    /// It makes a contract elsewhere than in its first call, or together with a delegation.
    #[error("only the first call can make a contract, and only without delegations")]
    Create,
    /// It ends before it begins, or one of both is zero.
    #[error("the transaction's window of validity is empty")]
    Window,
    /// A sender's half says which token the fee is paid in. Only who pays it says so.
    #[error("a transaction for a sponsor must not include fee_token: the sponsor chooses it")]
    FeeToken,
    /// It is longer than what is sent here.
    #[error("the transaction has too many {0}: the most is {1}")]
    TooMuch(&'static str, usize),
}

/// Why bytes are no transaction that is taken here. The one who made them is to blame; nothing was sent, and
/// nothing moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// They are too few or too many.
    #[error("a transaction has between 1 and {MAX_BYTES} bytes, not {0}")]
    Size(usize),
    /// They begin with the type of another transaction.
    #[error("a Tempo transaction begins with 0x76, or 0x78 for a sponsor, not {0:#04x}")]
    Kind(u8),
    /// They are not the fields of a transaction.
    #[error("the transaction's fields cannot be read")]
    Malformed(#[from] alloy_rlp::Error),
    /// They are the fields of a transaction, in another form than the one it has.
    #[error("the transaction is not written in its one form")]
    NotCanonical,
    /// It is one that no chain takes.
    #[error(transparent)]
    Invalid(#[from] InvalidTransaction),
    /// The sender's signature is wrong.
    #[error("the sender's signature is not one over this transaction")]
    Sender(#[source] AccountSignatureError),
    /// Another sender is named than signed.
    #[error("the transaction names {named} as its sender and is signed by {signed}")]
    OtherSender {
        /// Who is named.
        named: Address,
        /// Who signed.
        signed: Address,
    },
    /// The sponsor's signature is wrong.
    #[error("the sponsor's signature is not one over this transaction")]
    Sponsor(#[source] SignatureError),
    /// The signature of the key authorization in it is wrong.
    #[error("the signature of the key authorization is wrong")]
    Authorization(#[source] AccountSignatureError),
}
