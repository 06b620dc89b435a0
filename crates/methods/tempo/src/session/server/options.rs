//! How a seller takes sessions on Tempo.

use std::time::Duration;

use farthing_core::{intent::session::Protocol, value::Amount};
use farthing_evm::{Address, RpcError};

use crate::{
    key::AccountKey,
    network::Network,
    server::{Bounds, Sponsor, TempoError, are_different},
    session::{Escrow, GRACE},
    token::Token,
};

/// How a seller takes sessions on Tempo. [`new`](Self::new) has the defaults; the fields are there to be
/// changed.
#[derive(Debug)]
pub struct TempoSessionOptions {
    /// The network. The node that is asked has to be of its chain.
    pub network: Network,
    /// Who is paid.
    pub recipient: Address,
    /// Who settles and closes, and pays the fees of that: the recipient itself or, by the second protocol, an
    /// operator, whose key can move nothing but what is the recipient's to the recipient.
    pub key: AccountKey,
    /// The contracts that channels may be in, the seller's favourite first, at most one of each protocol. A
    /// price is offered in each.
    pub escrows: Vec<Escrow>,
    /// The tokens that are offered, the favourite first: a price is asked in each that is of its unit.
    pub tokens: Vec<Token>,
    /// Pays the fees of openings and top-ups. Made of the same key, it has one bound with that of charges:
    /// both count in the same counters.
    pub sponsor: Option<Sponsor>,
    /// What an opening or a top-up may be like.
    pub bounds: Bounds,
    /// Whether an opening or a top-up is sent that the node cannot try beforehand, because it does not know
    /// how. One that we sponsor never is.
    pub send_untried: bool,
    /// How settlements are made.
    pub settling: Settling,
    /// How many blocks are looked through for news at once, at the most. A node that refuses so many is asked
    /// about fewer.
    pub blocks: u64,
    /// How long a funding or a settlement waits for its block before it answers that it is pending.
    pub patience: Duration,
    /// How long the contracts leave a payee to settle, once the payer asks for a channel's end. That they do
    /// is [checked](super::TempoSession::check_contracts).
    pub grace: Duration,
}

/// How settlements are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settling {
    /// The token that their fees are paid in.
    pub fee_token: Token,
    /// The most channels in one transaction.
    pub channels: usize,
    /// The most gas of one transaction.
    pub gas: u64,
    /// The most that a transaction's fee may come to, in base units of the fee token. A node that names a
    /// price beyond it is broken or lies.
    pub max_fee: Amount,
    /// For how long a transaction is valid, by the chain's time. The chain takes none for 30 s and more.
    pub valid_for: Duration,
}

/// Why a seller's options cannot be, or do not fit the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TempoSessionError {
    /// What is wrong with them as with those of charges.
    #[error(transparent)]
    Options(#[from] TempoError),
    /// There is no contract, two of one protocol, or one of another chain.
    #[error("channels are kept in one contract of each protocol, on the network's chain")]
    Escrows,
    /// The first protocol knows no operator.
    #[error(
        "by the first protocol only the recipient settles: its key is needed, not an operator's"
    )]
    Operator,
    /// A settlement could not be made.
    #[error("no settlement fits the bounds: {0}")]
    Settling(&'static str),
    /// The chain did not tell.
    #[error("the escrow cannot be asked")]
    Rpc(#[from] RpcError),
    /// There is no such contract, or none that gives a time of grace.
    #[error("there is no escrow at {0:#x}")]
    NoEscrow(Address),
    /// The contract gives less time than is reckoned with: what is served might never be settled.
    #[error(
        "the escrow at {contract:#x} leaves {found} s to settle, and {expected} s are reckoned with"
    )]
    Grace {
        /// The contract.
        contract: Address,
        /// What it leaves.
        found: u64,
        /// What is reckoned with.
        expected: u64,
    },
}

/// The most calls of a transaction whose bytes fit, with those of the longest kind.
const MOST: usize = 100;

impl TempoSessionOptions {
    /// The defaults: channels in the chain's own reserve, in the network's own token, and fees paid by whoever
    /// sends.
    #[must_use]
    pub fn new(network: Network, recipient: Address, key: AccountKey) -> Self {
        Self {
            escrows: vec![Escrow::reserve(network.chain())],
            tokens: vec![network.token().clone()],
            settling: Settling::new(network.token().clone()),
            recipient,
            key,
            sponsor: None,
            bounds: Bounds::default(),
            send_untried: false,
            blocks: 10_000,
            patience: Duration::from_secs(10),
            grace: GRACE,
            network,
        }
    }

    /// The operator that new channels name; zero where the recipient settles itself.
    pub(super) fn operator(&self) -> Address {
        match self.key.account() {
            account if account == self.recipient => Address::ZERO,
            account => account,
        }
    }

    pub(super) fn check(&self) -> Result<(), TempoSessionError> {
        if self.recipient.is_zero() || crate::token::is_tip20(self.recipient) {
            return Err(TempoError::Recipient.into());
        }
        if !are_different(&self.tokens, crate::server::TOKENS) {
            return Err(TempoError::Tokens.into());
        }
        let of_each = [Protocol::V1, Protocol::V2].into_iter().all(|protocol| {
            let same = self.escrows.iter().filter(|it| it.protocol == protocol);
            same.count() <= 1
        });
        let chain = self.network.chain();
        let elsewhere = self.escrows.iter().any(|escrow| escrow.chain != chain);
        if self.escrows.is_empty() || !of_each || elsewhere {
            return Err(TempoSessionError::Escrows);
        }
        let has_first = self.escrows.iter().any(|it| it.protocol == Protocol::V1);
        if has_first && !self.operator().is_zero() {
            return Err(TempoSessionError::Operator);
        }
        self.bounds.check()?;
        if let Some(sponsor) = &self.sponsor {
            let modes = crate::charge::Modes::Both;
            sponsor.check(self.recipient, modes, self.bounds.margin)?;
        }
        self.settling.check()
    }
}

impl Settling {
    /// The defaults, with fees in this token: fifty channels and thirty million of gas in a transaction, at
    /// most five dollars of fee, valid for 25 s.
    #[must_use]
    pub fn new(fee_token: Token) -> Self {
        Self {
            fee_token,
            channels: 50,
            gas: 30_000_000,
            max_fee: Amount::new(5_000_000),
            valid_for: Duration::from_secs(25),
        }
    }

    fn check(&self) -> Result<(), TempoSessionError> {
        let wrong = if !self.fee_token.pays_fees() {
            return Err(TempoError::FeeTokens.into());
        } else if !(1..=MOST).contains(&self.channels) {
            "one to a hundred channels are settled in one transaction"
        } else if self.gas == 0 || self.max_fee.is_zero() {
            "a settlement needs gas"
        } else if !(5..30).contains(&self.valid_for.as_secs()) {
            "a settlement is valid for five seconds at the least, and less than thirty"
        } else {
            return Ok(());
        };
        Err(TempoSessionError::Settling(wrong))
    }
}

#[cfg(test)]
mod tests {
    use farthing_evm::{ChainId, SigningKey};

    use super::*;
    use crate::token::known;

    fn options() -> TempoSessionOptions {
        let url = "http://127.0.0.1:8545".parse().unwrap();
        let network = Network::dev(ChainId::new(1337).unwrap(), url);
        let key = SigningKey::from_bytes([1; 32]).unwrap();
        TempoSessionOptions::new(network, key.address(), key.into())
    }

    fn check(change: impl FnOnce(&mut TempoSessionOptions)) -> Result<(), TempoSessionError> {
        let mut options = options();
        change(&mut options);
        options.check()
    }

    #[test]
    fn the_defaults_can_be_also_with_an_operator() {
        check(|_| {}).unwrap();
        check(|o| o.recipient = Address::repeat_byte(9)).unwrap();
        assert_eq!(options().operator(), Address::ZERO);
    }

    #[test]
    fn what_could_not_work_stops_the_start() {
        use TempoSessionError as E;
        let chain = options().network.chain();
        let first = Escrow {
            protocol: Protocol::V1,
            ..Escrow::reserve(chain)
        };
        let elsewhere = Escrow::reserve(ChainId::new(1).unwrap());
        let bad = |result| assert!(matches!(result, Err(E::Escrows)), "{result:?}");
        bad(check(|o| o.escrows.clear()));
        bad(check(|o| o.escrows.push(Escrow::reserve(chain))));
        bad(check(|o| o.escrows = vec![elsewhere]));
        let operator = check(|o| {
            o.escrows.push(first);
            o.recipient = Address::repeat_byte(9);
        });
        assert!(matches!(operator, Err(E::Operator)));
        let charge = |result| assert!(matches!(result, Err(E::Options(_))), "{result:?}");
        charge(check(|o| o.recipient = Address::ZERO));
        charge(check(|o| o.tokens.clear()));
        charge(check(|o| o.bounds.gas = 0));
        charge(check(|o| o.settling.fee_token = known::EURC_E));
        let settling = |result| assert!(matches!(result, Err(E::Settling(_))), "{result:?}");
        settling(check(|o| o.settling.channels = 0));
        settling(check(|o| o.settling.channels = 101));
        settling(check(|o| o.settling.max_fee = Amount::ZERO));
        settling(check(|o| o.settling.valid_for = Duration::from_secs(30)));
    }
}
