//! How a payer pays.

use std::time::Duration;

use farthing_evm::Address;

use crate::{charge::Mode, key::KeyAuthorization, network::Network, token::Token};

/// How a payer pays. [`PayerOptions::default`] is right for most.
#[derive(Clone, Debug)]
pub struct PayerOptions {
    /// Who sends the transaction where the seller leaves it open. Where the seller allows only the
    /// other way, that is the one.
    pub mode: Mode,
    /// How transactions are kept from being executed twice.
    pub nonces: Nonces,
    /// What fees are paid in. Without one: the token that is paid, where the chain takes fees in it,
    /// and the network's first one that it does otherwise.
    pub fee_token: Option<Token>,
    /// The most that a unit of gas may cost, in attodollars (10⁻¹⁸ of a dollar). A node that asks
    /// for more is not believed.
    pub max_gas_price: u128,
    /// The most gas of a payment.
    pub max_gas: u64,
    /// A name for itself, whose hash the seller finds in the memo of its payments.
    pub client: Option<Box<str>>,
    /// What an access key may do, where that is known and does not go with the key. It is kept to
    /// before anything is signed; the chain keeps it to that in any case.
    pub grant: Option<KeyAuthorization>,
}

/// How a transaction is kept from being executed twice, while many wait at once and some are never
/// sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nonces {
    /// By its hash, for as long as it is valid: 25 seconds. It costs the least.
    #[default]
    Expiring,
    /// By a lane of nonces of its own, made from the challenge: it may be valid for longer, where a
    /// seller answers before it sends. The chain takes 250,000 gas for each new lane.
    Lanes {
        /// For how long it is valid at the most: 10 seconds to 15 minutes.
        validity: Duration,
    },
}

/// For how long a payment in a lane of its own can be valid.
const SHORTEST: Duration = Duration::from_secs(10);
pub(super) const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Why there is no payer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayerError {
    /// The node is of another chain than the network.
    #[error("the node is not one of {0}")]
    OtherChain(Box<str>),
    /// The network has no token that fees can be paid in, or another was named.
    #[error("fees cannot be paid in {0}")]
    FeeToken(Box<str>),
    /// A limit that forbids everything.
    #[error("a payment needs gas, at a price")]
    Gas,
    /// A payment that would be over before it is sent, or be good for so long that nobody knows what
    /// became of it.
    #[error("a payment in a lane of its own is valid for 10 seconds to 15 minutes")]
    Validity,
    /// A contract on another chain than the payer's.
    #[error("the contract {0} is not on the payer's chain")]
    Escrow(Address),
    /// A grant for another key, or for another chain.
    #[error("the access key is not the one the grant is for")]
    Grant,
}

impl Default for PayerOptions {
    /// The seller sends, nonces expire, and a unit of gas costs at the most 40 billion attodollars,
    /// three times what the chain's base fee is capped at.
    fn default() -> Self {
        Self {
            mode: Mode::Pull,
            nonces: Nonces::Expiring,
            fee_token: None,
            max_gas_price: 40_000_000_000,
            max_gas: 5_000_000,
            client: None,
            grant: None,
        }
    }
}

impl PayerOptions {
    pub(super) fn check(&self, network: &Network) -> Result<(), PayerError> {
        if self.max_gas == 0 || self.max_gas_price == 0 {
            return Err(PayerError::Gas);
        }
        if let Nonces::Lanes { validity } = self.nonces
            && !(SHORTEST..=LONGEST).contains(&validity)
        {
            return Err(PayerError::Validity);
        }
        if let Some(token) = &self.fee_token
            && !(token.pays_fees() && network.token_at(token.address) == Some(token))
        {
            return Err(PayerError::FeeToken(token.symbol.as_str().into()));
        }
        Ok(())
    }

    /// What the fee of a payment in a token is paid in.
    pub(crate) fn fee_token<'a>(
        &'a self,
        network: &'a Network,
        paid: &'a Token,
    ) -> Option<&'a Token> {
        let usual = || {
            let all = std::iter::once(paid).chain(network.tokens());
            all.into_iter().find(|token| token.pays_fees())
        };
        self.fee_token.as_ref().or_else(usual)
    }
}
