//! How a gateway is paid on Tempo.

use std::{fmt, num::NonZeroU32};

use farthing::{
    core::value::{Amount, Price},
    evm::{Address, B256},
    tempo::{Modes, Network, Token},
};
use url::Url;

use super::{Secret, TempoSessionPay};

/// Paid in stablecoins on Tempo.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TempoPay {
    /// The chain, and who is asked about it.
    pub network: Network,
    /// Who tells of new blocks, over WebSocket. Without one it is asked for them.
    pub sockets: Vec<Url>,
    /// Who is paid.
    pub recipient: Address,
    /// The tokens that are taken, the preferred one first. Each is an offer of its own.
    pub tokens: Vec<Token>,
    /// Who sends the transaction.
    pub modes: Modes,
    /// Whether version 2 of the proof for a price of nothing is taken beside version 3.
    pub proof_v2: bool,
    /// Who pays the chain's fees, where that is not the buyer.
    pub sponsor: Option<Sponsor>,
    /// Channels on the chain, where some are taken.
    pub session: Option<TempoSessionPay>,
}

/// The chain's fees are paid for buyers: a loan that what they buy pays back, and so bounded.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sponsor {
    /// The secret key of the account that pays.
    pub key: Secret,
    /// The tokens that fees are paid in, the preferred one first.
    pub fee_tokens: Vec<Token>,
    /// The highest fee of one transaction, in base units of a fee token.
    pub max_fee: Amount,
    /// Transactions that may be under way at the same time.
    pub in_flight: NonZeroU32,
    /// What the fees of those under way may come to. Where the account has less, nothing is sponsored.
    pub in_total: Amount,
}

/// Served before the chain confirmed the payment, so far and no farther.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreditTerms {
    /// For one payer.
    pub per_payer: Price,
    /// For all of them together.
    pub in_total: Price,
}

/// What somebody else gets of each payment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Share {
    /// Who.
    pub recipient: Address,
    /// How much.
    pub amount: Price,
    /// What stands beside the transfer.
    pub memo: Option<B256>,
}

impl TempoPay {
    /// Where the chain is asked, as it can be shown: a URL may hold a key, so without its path.
    pub fn hosts(&self) -> impl Iterator<Item = String> {
        let endpoints = self.network.node().endpoints.into_iter();
        endpoints.map(|url| url.origin().ascii_serialization())
    }
}

impl fmt::Debug for TempoPay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempoPay")
            .field("network", &self.network.name())
            .field("hosts", &self.hosts().collect::<Vec<_>>())
            .field("recipient", &self.recipient)
            .field("tokens", &self.tokens)
            .field("modes", &self.modes)
            .field("sponsor", &self.sponsor)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Sponsor {
    fn eq(&self, other: &Self) -> bool {
        let terms = |it: &Self| (it.max_fee, it.in_flight, it.in_total);
        self.key.expose() == other.key.expose()
            && self.fee_tokens == other.fee_tokens
            && terms(self) == terms(other)
    }
}

impl Eq for Sponsor {}

impl fmt::Debug for Sponsor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sponsor")
            .field("fee_tokens", &self.fee_tokens)
            .field("max_fee", &self.max_fee)
            .field("in_flight", &self.in_flight)
            .field("in_total", &self.in_total)
            .finish_non_exhaustive()
    }
}
