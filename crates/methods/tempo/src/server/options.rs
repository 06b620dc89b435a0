//! How a seller takes payments on Tempo.

use std::time::Duration;

use farthing_core::{domain::payments::REMEMBER, value::Amount};
use farthing_evm::{Address, SigningKey};

use crate::{
    charge::{Modes, ProofVersion},
    network::Network,
    token::Token,
};

/// How a seller takes payments on Tempo. [`new`](Self::new) has the defaults; the fields are there to be
/// changed.
#[derive(Debug)]
pub struct TempoOptions {
    /// The network. The node that is asked has to be of its chain.
    pub network: Network,
    /// Who is paid.
    pub recipient: Address,
    /// The tokens that are offered, the seller's favourite first: a price is asked in each that is of its
    /// unit.
    pub tokens: Vec<Token>,
    /// Who may send the transaction, where a route does not say.
    pub modes: Modes,
    /// Pays the fees of those who pay us. Then every charge is offered so, unless its route says
    /// `"feePayer": false`.
    pub sponsor: Option<Sponsor>,
    /// Which versions of the signature that answers a charge of nothing are taken: the third says who, for
    /// which challenge and where; the second leaves out who, and is there for peers that are older.
    pub proofs: Vec<ProofVersion>,
    /// What a transaction may be like.
    pub bounds: Bounds,
    /// What a transaction that the buyer sent may be like.
    pub push: PushOptions,
    /// Whether a transaction is sent that the node cannot try beforehand, because it does not know how. One
    /// that we sponsor never is.
    pub send_untried: bool,
    /// How long a settlement waits for its block before it answers that the payment is pending. Less than
    /// the gate's deadline for a rail, which otherwise ends the wait.
    pub patience: Duration,
}

/// What a transaction may be like that a buyer signed and we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most gas.
    pub gas: u64,
    /// The most that a unit of gas may cost, in attodollars (10⁻¹⁸ of a dollar).
    pub gas_price: u128,
    /// The longest time from now on in which it may be valid.
    pub validity: Duration,
    /// How long it has to be valid still when it comes: time for the handler of a route that settles
    /// afterwards, and for the block. The chain itself takes nothing that ends within three seconds.
    pub margin: Duration,
    /// How far the chain's clock and a buyer's may be from ours.
    pub skew: Duration,
}

/// What a transaction may be like that the buyer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushOptions {
    /// How long before its challenge's end it may have been made. Not less than the gate's challenges live
    /// (`Options::challenge_lifetime`, five minutes where nothing is said), or a buyer who is quick has paid and is refused.
    /// A method is not told how long that is, so nothing compares the two at the start: who changes one looks at
    /// the other.
    pub age: Duration,
    /// How long we look for it when it is presented before it is in a block.
    pub wait: Duration,
    /// How long after the challenge's end it may be presented, when it was made before.
    pub grace: Duration,
}

/// Pays the fees of those who pay us: a loan to each of them until the block, and a loss where a
/// transaction fails. So everything about it has an upper end.
#[derive(Debug)]
pub struct Sponsor {
    /// The account that pays the fees. Use it for nothing else: what it holds is what can be lost.
    pub key: SigningKey,
    /// The tokens in which fees may be paid, the favourite first. The first that the account has enough of
    /// is taken.
    pub fee_tokens: Vec<Token>,
    /// The most gas of a transaction.
    pub gas: u64,
    /// The most that a transaction's fee may come to, in base units of the fee token.
    pub fee: Amount,
    /// The most transactions that are in flight at the same time, over all servers on one store.
    pub in_flight: u32,
    /// The most that the fees of all that are in flight may come to. The account has to hold as much of a
    /// fee token, or nothing more is sponsored: it never runs dry with transactions under way.
    pub fees_in_flight: Amount,
    /// The most that may be lost of what is sponsored within an hour: the fees of those that failed, with the
    /// most that those in flight may come to. Beyond it nothing more is sponsored until the next full hour, so
    /// nobody who makes payments fail gets more than this. Not less than `fees_in_flight`, or it would bound
    /// that.
    pub fees_lost: Amount,
    /// The longest time in which a sponsored transaction may be valid.
    pub validity: Duration,
    /// Whether a transaction may authorize an access key as well. Its gas is ours to pay, within `gas`.
    pub authorizations: bool,
}

/// A seller's options that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TempoError {
    /// The node is of another chain than the network.
    #[error("the node is of another chain than the network")]
    OtherChain,
    /// What is sent there is lost, or refused by the chain.
    #[error("the recipient is the zero address or a token")]
    Recipient,
    /// There is nothing to be paid in, or one thing twice.
    #[error("one to sixteen different tokens are offered")]
    Tokens,
    /// A fee token that the protocol takes no fees in.
    #[error("fees are paid in one to eight different tokens whose unit is USD")]
    FeeTokens,
    /// The buyers are asked to send transactions whose fees only we could pay.
    #[error("who sponsors fees sends the transactions: the modes have to allow it")]
    SponsoredPush,
    /// The sponsor is the recipient: what it holds is at risk, and what is earned should not be.
    #[error("the sponsor is the recipient: use an account that holds nothing but fees")]
    SponsorIsRecipient,
    /// A bound within which no payment could be.
    #[error("no payment fits the bounds: {0}")]
    Bounds(&'static str),
    /// No version of the proof is taken.
    #[error("a charge of nothing is answered with a proof: one version at least has to be taken")]
    Proofs,
}

/// The most tokens that are offered, and so the most challenges of this method in a 402.
pub(crate) const TOKENS: usize = 16;

/// The most fee tokens: each is one more question for every sponsored payment.
const FEE_TOKENS: usize = 8;

impl TempoOptions {
    /// The defaults: the network's own token, sent by either side, fees paid by the buyer.
    #[must_use]
    pub fn new(network: Network, recipient: Address) -> Self {
        Self {
            tokens: vec![network.token().clone()],
            network,
            recipient,
            modes: Modes::Both,
            sponsor: None,
            proofs: vec![ProofVersion::V3],
            bounds: Bounds::default(),
            push: PushOptions::default(),
            send_untried: false,
            patience: Duration::from_secs(10),
        }
    }

    pub(super) fn check(&self) -> Result<(), TempoError> {
        if self.recipient.is_zero() || crate::token::is_tip20(self.recipient) {
            return Err(TempoError::Recipient);
        }
        if !are_different(&self.tokens, TOKENS) {
            return Err(TempoError::Tokens);
        }
        if self.proofs.is_empty() {
            return Err(TempoError::Proofs);
        }
        self.bounds.check()?;
        let wrong = if self.push.age.is_zero() {
            "a transaction that was sent is older than no time"
        } else if self.push.age.saturating_add(self.push.grace) > REMEMBER {
            // A hash that was used has to be known for as long as it could be presented.
            "a transaction that was sent may be older than payments are remembered"
        } else {
            let margin = self.bounds.margin;
            return self.sponsor.as_ref().map_or(Ok(()), |sponsor| {
                sponsor.check(self.recipient, self.modes, margin)
            });
        };
        Err(TempoError::Bounds(wrong))
    }
}

impl Bounds {
    pub(crate) fn check(&self) -> Result<(), TempoError> {
        let wrong = if self.gas == 0 || self.gas_price == 0 {
            "a transaction needs gas"
        } else if self.validity <= self.margin {
            "a transaction would end before it may"
        } else {
            return Ok(());
        };
        Err(TempoError::Bounds(wrong))
    }
}

impl Default for Bounds {
    /// Five million units of gas, enough for eleven transfers to accounts that are new, at five times the
    /// price that the chain's base fee is capped at; valid for a quarter of an hour at the most and five
    /// seconds at the least; clocks half a minute apart.
    fn default() -> Self {
        Self {
            gas: 5_000_000,
            gas_price: 100_000_000_000,
            validity: Duration::from_secs(15 * 60),
            margin: Duration::from_secs(5),
            skew: Duration::from_secs(30),
        }
    }
}

impl Default for PushOptions {
    /// A quarter of an hour back, four seconds of waiting, a minute of grace.
    fn default() -> Self {
        Self {
            age: Duration::from_secs(15 * 60),
            wait: Duration::from_secs(4),
            grace: Duration::from_secs(60),
        }
    }
}

impl Sponsor {
    /// The defaults: fees in one token, of at most five cents each; a hundred transactions in flight, for
    /// half a dollar in all, and as much lost in an hour; valid for a minute, which is more than a nonce that expires can be.
    #[must_use]
    pub fn new(key: SigningKey, fee_token: Token) -> Self {
        Self {
            key,
            fee_tokens: vec![fee_token],
            gas: 2_000_000,
            fee: Amount::new(50_000),
            in_flight: 100,
            fees_in_flight: Amount::new(500_000),
            fees_lost: Amount::new(500_000),
            validity: Duration::from_secs(60),
            authorizations: false,
        }
    }

    pub(crate) fn check(
        &self,
        recipient: Address,
        modes: Modes,
        margin: Duration,
    ) -> Result<(), TempoError> {
        if !are_different(&self.fee_tokens, FEE_TOKENS)
            || !self.fee_tokens.iter().all(Token::pays_fees)
        {
            return Err(TempoError::FeeTokens);
        }
        if modes == Modes::Only(crate::charge::Mode::Push) {
            return Err(TempoError::SponsoredPush);
        }
        if self.key.address() == recipient {
            return Err(TempoError::SponsorIsRecipient);
        }
        if self.gas == 0 || self.fee.is_zero() || self.in_flight == 0 {
            return Err(TempoError::Bounds("the sponsor pays for nothing"));
        }
        if self.fee > self.fees_in_flight {
            return Err(TempoError::Bounds(
                "one sponsored fee may be more than all in flight",
            ));
        }
        if self.fees_in_flight > self.fees_lost {
            return Err(TempoError::Bounds(
                "the sponsored fees in flight may be more than all that may be lost",
            ));
        }
        if self.validity <= margin {
            return Err(TempoError::Bounds(
                "a sponsored transaction would end before it may",
            ));
        }
        Ok(())
    }
}

pub(crate) fn are_different(tokens: &[Token], most: usize) -> bool {
    let seen_before = |(at, token): (usize, &Token)| {
        tokens[..at]
            .iter()
            .any(|other| other.address == token.address)
    };
    (1..=most).contains(&tokens.len()) && !tokens.iter().enumerate().any(seen_before)
}

#[cfg(test)]
mod tests {
    use farthing_evm::ChainId;

    use super::*;
    use crate::{charge::Mode, token::known};

    fn options() -> TempoOptions {
        let url = "http://127.0.0.1:8545".parse().unwrap();
        let network = Network::dev(ChainId::new(1337).unwrap(), url);
        let sponsor = SigningKey::from_bytes([1; 32]).unwrap();
        TempoOptions {
            sponsor: Some(Sponsor::new(sponsor, known::PATH_USD)),
            ..TempoOptions::new(network, Address::repeat_byte(0x42))
        }
    }

    fn check(change: impl FnOnce(&mut TempoOptions)) -> Result<(), TempoError> {
        let mut options = options();
        change(&mut options);
        options.check()
    }

    fn sponsored(change: impl FnOnce(&mut Sponsor)) -> Result<(), TempoError> {
        check(|options| change(options.sponsor.as_mut().unwrap()))
    }

    #[test]
    fn the_defaults_can_be() {
        assert_eq!(check(|_| {}), Ok(()));
    }

    #[test]
    fn what_could_not_work_stops_the_start() {
        use TempoError as E;
        assert_eq!(check(|o| o.recipient = Address::ZERO), Err(E::Recipient));
        let token = known::PATH_USD.address;
        assert_eq!(check(|o| o.recipient = token), Err(E::Recipient));
        assert_eq!(check(|o| o.tokens.clear()), Err(E::Tokens));
        let twice = vec![known::PATH_USD, known::PATH_USD];
        assert_eq!(check(|o| o.tokens = twice.clone()), Err(E::Tokens));
        assert_eq!(check(|o| o.proofs.clear()), Err(E::Proofs));
        let bounds = |result| assert!(matches!(result, Err(E::Bounds(_))), "{result:?}");
        bounds(check(|o| o.bounds.gas = 0));
        bounds(check(|o| o.bounds.validity = o.bounds.margin));
        bounds(check(|o| o.push.age = Duration::ZERO));
        bounds(sponsored(|s| s.in_flight = 0));
        bounds(sponsored(|s| s.fee = Amount::new(500_001)));
        bounds(sponsored(|s| s.fees_lost = Amount::new(499_999)));
        bounds(sponsored(|s| s.validity = Duration::from_secs(1)));
        let euro = vec![known::EURC_E];
        assert_eq!(sponsored(|s| s.fee_tokens = euro), Err(E::FeeTokens));
        assert_eq!(sponsored(|s| s.fee_tokens = twice), Err(E::FeeTokens));
        let push = check(|o| o.modes = Modes::Only(Mode::Push));
        assert_eq!(push, Err(E::SponsoredPush));
        let own = check(|o| o.recipient = o.sponsor.as_ref().unwrap().key.address());
        assert_eq!(own, Err(E::SponsorIsRecipient));
    }

    #[test]
    fn a_key_is_not_shown() {
        assert!(!format!("{:?}", options()).contains("0101010101010101"));
    }
}
