//! What is wrong with what a buyer presented, and whose fault that is.

use farthing_core::{
    port::method::{Fault, Refusal},
    value::Amount,
};
use farthing_evm::{ChainId, Revert, RpcError, U256};

use crate::{
    charge::{DetailsError, LegsError, Mismatch, Mode, SourceError},
    key::AccountSignatureError,
    transaction::DecodeError,
};

/// Why a credential is refused. Nothing was sent because of it, and nothing was claimed. What it says is
/// what the buyer reads: all of it is of the buyer's own making or on the chain for everybody to see.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Flaw {
    // What cannot be read.
    #[error("the payload is none of a charge on Tempo")]
    Payload(#[source] serde_json::Error),
    #[error("a part of the payload is not 0x and hexadecimal digits, or too long")]
    Hexadecimal,
    #[error("a transaction's hash has 32 bytes")]
    Hash,
    #[error("the transaction cannot be read: {0}")]
    Transaction(#[source] DecodeError),
    #[error("the credential's source is missing or no account of this chain")]
    Source(#[source] SourceError),

    // What is asked for today is something else.
    #[error("what this challenge asks for is not understood any more")]
    Details(#[source] DetailsError),
    #[error("what this challenge asks for cannot be paid")]
    Legs(#[source] LegsError),
    #[error("{0} is not taken any more: pay a new challenge")]
    Withdrawn(&'static str),

    // The kind of payload.
    #[error("the challenge has expired: its transaction has to be presented before")]
    ChallengeOver,
    #[error("a charge of nothing is answered with a proof, and only that")]
    NothingToPay,
    #[error("a proof pays nothing, and this charge is not for nothing")]
    NotForNothing,
    #[error("this challenge is not paid in that way: {}", name(*.0))]
    Mode(Mode),

    // The transaction, before anybody is asked about it.
    #[error("the transaction is for chain {found}, and should be for chain {expected}")]
    OtherChain { expected: ChainId, found: ChainId },
    #[error("the transaction is signed by another account than the credential's source")]
    OtherPayer,
    #[error("the transaction's calls are not the payment that was asked for, and only that: {0}")]
    Calls(#[source] Mismatch),
    #[error("the transaction holds more than the payment: {0}")]
    Smuggled(&'static str),
    #[error("the transaction may use {found} gas, and {most} is the most that is taken")]
    Gas { found: u64, most: u64 },
    #[error("the transaction may use {found} gas, and it would need {needs}")]
    GasShort { found: u64, needs: u64 },
    #[error("the transaction offers {found} attodollars for a unit of gas, and {most} is the most")]
    GasPrice { found: u128, most: u128 },
    #[error("the transaction's priority fee is higher than its whole fee")]
    Tip,
    #[error("the transaction's fee may come to {found} base units, and {most} is the most we pay")]
    Fee { found: U256, most: Amount },
    #[error("the transaction has no end: a payment is signed with valid_before")]
    Endless,
    #[error("the transaction is valid for longer than is taken")]
    TooLong,
    #[error("the transaction is not valid any more, or not for long enough to be settled")]
    Over,
    #[error("the transaction is not valid yet")]
    TooEarly,
    #[error("the transaction's nonce is in a lane that payments cannot use")]
    Lane,
    #[error("the seller pays the fee of this charge: sign the half for a sponsor")]
    NotSponsored,
    #[error("the buyer pays the fee of this charge: sign the whole transaction")]
    Sponsored,
    #[error("the sponsor does not pay for itself")]
    OwnSponsor,

    // The transaction, as the chain sees it.
    #[error("the transaction offers less for a unit of gas than the chain asks for at present")]
    BelowBaseFee,
    #[error(
        "the transaction gives a block's maker {found} attodollars for a unit of gas, and {most} is the most we pay"
    )]
    SponsoredTip { found: u128, most: u128 },
    #[error("the payer has too little of the token: {has}, and {needs} is needed")]
    Balance { has: Amount, needs: Amount },
    #[error("the payer has too little of the fee token: {has}, and the fee may come to {needs}")]
    FeeBalance { has: Amount, needs: Amount },
    #[error("the chain would refuse the payment: {0}")]
    Refused(Revert),
    #[error("the access key is not one that may sign for this account now")]
    AccessKey,
    #[error("the access key may spend {has} more of the token, and {needs} is needed")]
    KeyLimit { has: U256, needs: Amount },
    #[error("the transaction was sent before it was presented")]
    SentBefore,

    // A transaction that the buyer sent.
    #[error("the transaction failed: it moved nothing")]
    Failed,
    #[error("the transaction did not make the payment that was asked for: {0}")]
    Logs(#[source] Mismatch),
    #[error("the transaction is older than this challenge")]
    TooOld,
    #[error("the transaction came after the end of this challenge")]
    TooLate,

    // A signature that answers a charge of nothing.
    #[error("the signature is not one of the account over this challenge")]
    Signature(#[source] Option<AccountSignatureError>),

    // Nobody's fault, or ours.
    #[error("the chain does not have the transaction yet: present the same credential again")]
    Unseen,
    #[error(
        "the transaction waits for another one of its lane: present the same credential again when that is in a block"
    )]
    Gap,
    #[error("the node cannot try the transaction, and what cannot be tried is not sent here")]
    Untried,
    #[error("the seller cannot pay fees at the moment: nothing was sent")]
    SponsorDry,
    #[error("the chain cannot be asked at the moment: nothing was sent")]
    Chain(#[source] RpcError),
    #[error("an error of this server")]
    Bug(#[source] farthing_core::port::backend::Source),
}

impl Flaw {
    /// Each is named: whoever adds one says whose fault it is.
    const fn fault(&self) -> Fault {
        match self {
            Self::Payload(_)
            | Self::Hexadecimal
            | Self::Hash
            | Self::Transaction(_)
            | Self::Source(_) => Fault::Malformed,
            Self::ChallengeOver | Self::Over => Fault::Expired,
            Self::Balance { .. } | Self::FeeBalance { .. } | Self::KeyLimit { .. } => {
                Fault::Insufficient
            }
            Self::Unseen | Self::Gap | Self::Untried | Self::SponsorDry | Self::Chain(_) => {
                Fault::Unavailable
            }
            Self::Bug(_) => Fault::Internal,
            Self::Details(_)
            | Self::Legs(_)
            | Self::Withdrawn(_)
            | Self::NothingToPay
            | Self::NotForNothing
            | Self::Mode(_)
            | Self::OtherChain { .. }
            | Self::OtherPayer
            | Self::Calls(_)
            | Self::Smuggled(_)
            | Self::Gas { .. }
            | Self::GasShort { .. }
            | Self::GasPrice { .. }
            | Self::Tip
            | Self::Fee { .. }
            | Self::Endless
            | Self::TooLong
            | Self::TooEarly
            | Self::Lane
            | Self::NotSponsored
            | Self::Sponsored
            | Self::OwnSponsor
            | Self::BelowBaseFee
            | Self::SponsoredTip { .. }
            | Self::Refused(_)
            | Self::AccessKey
            | Self::SentBefore
            | Self::Failed
            | Self::Logs(_)
            | Self::TooOld
            | Self::TooLate
            | Self::Signature(_) => Fault::Invalid,
        }
    }
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        if let Flaw::Chain(error) = &flaw {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, "the chain could not be asked about a payment");
        }
        let was_sent = matches!(flaw, Flaw::SentBefore);
        let refusal = Self::new(flaw.fault(), flaw.to_string()).caused_by(flaw);
        match was_sent {
            // The chain has it, so it moved what it says; whom it paid for is not for us to say.
            true => refusal.of_prepaid(),
            false => refusal,
        }
    }
}

/// What a node's answer means where a call was only tried: a contract's refusal is the payment's, and
/// everything else is the node's.
impl From<RpcError> for Flaw {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::Reverted(revert) => Self::Refused(revert),
            error => Self::Chain(error),
        }
    }
}

const fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Pull => "the seller does not send the buyer's transaction (pull)",
        Mode::Push => "the seller does not take a transaction that was sent (push)",
    }
}
