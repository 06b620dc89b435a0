//! A request and its legs, for the tests beside.

use alloy_primitives::address;
use farthing_core::{
    intent::charge::ChargeRequest,
    value::{Amount, ChallengeId, Realm, Recipient},
};
use farthing_evm::{Address, ChainId};

use crate::{
    charge::{Details, Legs, Memo, Split, Splits},
    token::known,
};

pub(super) const RECIPIENT: Address = address!("742d35cc6634c0532925a3b844bc9e7595f8fe00");
pub(super) const PAYER: Address = address!("f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
pub(super) const OTHER: Address = address!("70997970c51812dc3a010c7d01b50e0d17dc79c8");

pub(super) fn challenge(id: &str) -> ChallengeId {
    ChallengeId::new(id).unwrap()
}

pub(super) fn realm() -> Realm {
    Realm::new("api.example.com").unwrap()
}

pub(super) fn other_realm() -> Realm {
    Realm::new("api.example.org").unwrap()
}

/// A million to the recipient, less what so many splits take: 1000, 1001, …
pub(super) fn legs(splits: usize) -> Legs {
    let all: Vec<_> = (0..splits)
        .map(|at| {
            let to = Address::with_last_byte(u8::try_from(at + 1).unwrap());
            (to, 1000 + u128::try_from(at).unwrap(), None)
        })
        .collect();
    build(1_000_000, None, &all)
}

/// Ten to the recipient, and the splits beside.
pub(super) fn legs_with(memo: Option<Memo>, splits: &[(Address, u128, Option<Memo>)]) -> Legs {
    let total: u128 = splits.iter().map(|(_, amount, _)| amount).sum();
    build(10 + total, memo, splits)
}

fn build(amount: u128, memo: Option<Memo>, splits: &[(Address, u128, Option<Memo>)]) -> Legs {
    let recipient = Recipient::new(RECIPIENT.to_string()).unwrap();
    let currency = known::ALPHA_USD.currency().code;
    let request = ChargeRequest::new(Amount::new(amount), currency, Some(recipient));
    let mut details = Details::new(ChainId::new(42_431).unwrap());
    details.memo = memo;
    if !splits.is_empty() {
        let split = |(recipient, amount, memo): &(Address, u128, Option<Memo>)| Split {
            recipient: *recipient,
            amount: Amount::new(*amount),
            memo: *memo,
        };
        details.splits = Splits::new(splits.iter().map(split).collect()).unwrap();
    }
    Legs::new(&request, &details, &challenge("challenge"), &realm()).unwrap()
}
