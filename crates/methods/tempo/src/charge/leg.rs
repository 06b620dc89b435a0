//! Legs: the transfers that pay a request.

use std::ops::Deref;

use farthing_core::{
    intent::charge::ChargeRequest,
    value::{Amount, ChallengeId, Realm},
};
use farthing_evm::{Address, U256};

use super::{Binding, Details, MemoRule, splits::can_receive};
use crate::{
    tip20::calls,
    token::{self, TokenError, is_tip20},
    transaction::Call,
};

/// One transfer that is part of paying a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Who gets it.
    pub recipient: Address,
    /// How much, and not zero.
    pub amount: Amount,
    /// Which memo it carries.
    pub memo: MemoRule,
}

/// The transfers that pay a request, all of one token: the recipient's first, then the splits in their
/// order. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legs {
    token: Address,
    all: Vec<Leg>,
}

/// Why a request cannot be paid with transfers. Whoever made it made a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegsError {
    /// Its currency is no token.
    #[error("the request's currency is no TIP-20 token")]
    Currency(#[source] TokenError),
    /// It names nobody.
    #[error("the request names no recipient")]
    NoRecipient,
    /// Whom it names cannot receive a token.
    #[error("the request's recipient is no address that a token can go to")]
    Recipient,
    /// It asks for nothing: that is answered with a signature.
    #[error("the request asks for nothing, which no transfer pays")]
    Nothing,
    /// The splits leave nothing for the recipient (Tempo draft, "Constraints").
    #[error("the splits take the whole amount")]
    Drained,
}

impl Legs {
    /// The transfers that pay a request. Without a memo of the seller's, the first one carries a memo made
    /// of the challenge, so that nobody else can present it.
    ///
    /// # Errors
    /// When the request cannot be paid with transfers.
    pub fn new(
        request: &ChargeRequest,
        details: &Details,
        challenge: &ChallengeId,
        realm: &Realm,
    ) -> Result<Self, LegsError> {
        let token = token::address(request.currency.as_str()).map_err(LegsError::Currency)?;
        if !is_tip20(token) {
            return Err(LegsError::Currency(TokenError::Kind));
        }
        let recipient = request.recipient.as_ref().ok_or(LegsError::NoRecipient)?;
        let recipient = token::address(recipient.as_str()).map_err(|_| LegsError::Recipient)?;
        if !can_receive(recipient) {
            return Err(LegsError::Recipient);
        }
        if request.amount.is_zero() {
            return Err(LegsError::Nothing);
        }
        let rest = request.amount.checked_sub(details.splits.total());
        let amount = rest
            .filter(|rest| !rest.is_zero())
            .ok_or(LegsError::Drained)?;
        let memo = match details.memo {
            Some(memo) => MemoRule::Exactly(memo),
            None => MemoRule::Bound(Binding::new(challenge, realm)),
        };
        let mut all = Vec::with_capacity(1 + details.splits.len());
        all.push(Leg {
            recipient,
            amount,
            memo,
        });
        all.extend(details.splits.iter().map(|split| Leg {
            recipient: split.recipient,
            amount: split.amount,
            memo: split.memo.map_or(MemoRule::Any, MemoRule::Exactly),
        }));
        Ok(Self { token, all })
    }

    /// The token that all of them are of.
    #[must_use]
    pub const fn token(&self) -> Address {
        self.token
    }

    /// The calls that make these transfers, in order, with the payer's name for itself where it goes into a
    /// memo.
    #[must_use]
    pub fn calls(&self, client: Option<&str>) -> Vec<Call> {
        let call = |leg: &Leg| {
            let memo = match leg.memo {
                MemoRule::Exactly(memo) => Some(memo),
                MemoRule::Bound(binding) => Some(binding.memo(client)),
                MemoRule::Any => None,
            };
            Call {
                to: Some(self.token),
                value: U256::ZERO,
                input: calls::transfer(leg.recipient, leg.amount, memo),
            }
        };
        self.all.iter().map(call).collect()
    }
}

impl Deref for Legs {
    type Target = [Leg];

    fn deref(&self) -> &[Leg] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use farthing_core::value::{CurrencyCode, Recipient};

    use super::*;
    use crate::{
        charge::{Memo, Split, Splits, match_calls},
        token::known,
    };

    fn request(amount: u128) -> ChargeRequest {
        let recipient = Recipient::new(Address::with_last_byte(9).to_string()).unwrap();
        let currency = known::ALPHA_USD.currency().code;
        ChargeRequest::new(Amount::new(amount), currency, Some(recipient))
    }

    fn legs(request: &ChargeRequest, splits: &[u128]) -> Result<Legs, LegsError> {
        let mut details = Details::new(farthing_evm::ChainId::new(1).unwrap());
        let split = |amount: &u128| Split {
            recipient: Address::with_last_byte(1),
            amount: Amount::new(*amount),
            memo: None,
        };
        if !splits.is_empty() {
            details.splits = Splits::new(splits.iter().map(split).collect()).unwrap();
        }
        let id = ChallengeId::new("id").unwrap();
        Legs::new(request, &details, &id, &Realm::new("realm").unwrap())
    }

    #[test]
    fn the_recipient_gets_what_the_splits_leave() {
        let amounts = |legs: Legs| -> Vec<u128> { legs.iter().map(|l| l.amount.units()).collect() };
        assert_eq!(amounts(legs(&request(100), &[]).unwrap()), [100]);
        assert_eq!(amounts(legs(&request(100), &[5, 94]).unwrap()), [1, 5, 94]);
        for splits in [&[100][..], &[50, 50], &[101]] {
            let drained = legs(&request(100), splits);
            assert_eq!(drained, Err(LegsError::Drained), "{splits:?}");
        }
        assert_eq!(legs(&request(0), &[]), Err(LegsError::Nothing));
    }

    #[test]
    fn a_request_that_nobody_can_pay_is_refused() {
        let with = |change: fn(&mut ChargeRequest)| {
            let mut request = request(1);
            change(&mut request);
            legs(&request, &[]).unwrap_err()
        };
        let usd = |r: &mut ChargeRequest| r.currency = CurrencyCode::new("usd").unwrap();
        assert_eq!(with(usd), LegsError::Currency(TokenError::Address));
        let other = |r: &mut ChargeRequest| {
            r.currency = CurrencyCode::new(Address::with_last_byte(1).to_string()).unwrap();
        };
        assert_eq!(with(other), LegsError::Currency(TokenError::Kind));
        assert_eq!(with(|r| r.recipient = None), LegsError::NoRecipient);
        let to = |text: String| Some(Recipient::new(text).unwrap());
        for nobody in [
            "alice".to_owned(),
            Address::ZERO.to_string(),
            known::PATH_USD.address.to_string(),
        ] {
            let mut request = request(1);
            request.recipient = to(nobody);
            assert_eq!(legs(&request, &[]), Err(LegsError::Recipient));
        }
    }

    #[test]
    fn the_calls_of_legs_are_the_calls_they_want() {
        let memo = Memo([7; 32].into());
        let mut legs = legs(&request(100), &[5, 6]).unwrap();
        legs.all[2].memo = MemoRule::Exactly(memo);
        let calls = legs.calls(Some("me"));
        assert_eq!(calls.len(), 3);
        assert_eq!(calls[0].input.len(), 100);
        assert_eq!(calls[1].input.len(), 68);
        assert_eq!(calls[2].input[68..], memo.0[..]);
        match_calls(&calls, &legs).unwrap();
    }
}
