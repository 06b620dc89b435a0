//! A payment method whose rail is a table in this process, or in a file, and does what a test
//! tells it to.
//!
//! | type | what it is |
//! |---|---|
//! | [`FakeRail`] | the rail: accounts, what moved, and the answers a test asks for |
//! | [`FakeCharge`] | the seller's side |
//! | [`FakePayer`] | the buyer's side |
//!
//! Sessions have a rail of their own, [`FakeReserve`], with [`FakeSession`] and [`FakeSessionPayer`].
//!
//! The rail's truth is outside the seller's store, as that of a chain or a bank is: what it says
//! moved did, whatever was answered to the call that moved it.
//!
//! What it does not do: its signatures are hashes that anybody can make who reads this file.

mod charge;
mod payer;
mod rail;
mod session;
mod truth;

pub use charge::{FakeCharge, Judgement};
pub use payer::{FakePayer, FakeProof};
pub use rail::{Answer, FakeRail, Latch};
pub use session::{
    FakeChannel, FakeDescriptor, FakeItem, FakeLock, FakeReserve, FakeSent, FakeSession,
    FakeSessionPayer, FakeSessionPayload, FakeStanding, FakeWork, ReserveTruth,
};
pub use truth::{Transfer, Truth};

use std::hash::{DefaultHasher, Hash, Hasher as _};

use farthing_core::{
    intent::charge::ChargeRequest,
    value::{ChallengeId, Currency, CurrencyCode, Did, MethodId, Realm},
};

/// The method's identifier.
#[must_use]
pub fn method() -> MethodId {
    MethodId::new("fake").expect("the identifier of the fake method is well formed")
}

/// The dollar of the fake rail, with six decimals.
#[must_use]
pub fn currency() -> Currency {
    Currency {
        code: CurrencyCode::new("fake6").expect("the code of the fake dollar is well formed"),
        decimals: 6,
        rail: method(),
        symbol: "USD".into(),
    }
}

/// The account of somebody, as a DID.
#[must_use]
pub fn account(name: &str) -> Did {
    Did::new(format!("did:fake:{name}")).expect("a test names its accounts well")
}

/// What stands for a signature of a payer over a charge.
fn signature(
    payer: &Did,
    nonce: &str,
    challenge: &ChallengeId,
    realm: &Realm,
    request: &ChargeRequest,
) -> String {
    let mut hash = DefaultHasher::new();
    let recipient = request.recipient.as_ref().map(|to| to.as_str());
    (payer.as_str(), nonce, challenge.as_str(), realm.as_str()).hash(&mut hash);
    (request.amount.units(), request.currency.as_str(), recipient).hash(&mut hash);
    format!("{:016x}", hash.finish())
}
