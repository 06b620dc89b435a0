//! Keys, offers and proofs.

use farthing_core::{
    intent::charge::{self, ChargeRequest},
    noun::{Challenge, Expires, Request},
    port::{
        method::{Charge as _, Presented, Refusal, Step, Verified, Wanted},
        payer::{Offer, Payer as _, Proof},
    },
    value::{ChallengeId, CurrencyCode, Realm, Timestamp},
};
use farthing_ledger::{AccountKey, KeyType, Ledger, LedgerPayer, method};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(crate) const LATER: Timestamp = Timestamp::from_secs(1_800_000_300);

pub(crate) fn key(key_type: KeyType, seed: u8) -> AccountKey {
    AccountKey::from_seed(key_type, [seed; 32]).unwrap()
}

pub(crate) fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").unwrap()
}

pub(crate) fn offer(ledger: &Ledger, price: &str) -> Offer {
    let requests = ledger.prepare(&Wanted::price(&price.parse().unwrap()));
    offer_of(requests.unwrap().remove(0))
}

pub(crate) fn offer_of(request: ChargeRequest) -> Offer {
    let mut challenge = Challenge::new(
        ChallengeId::new("kM9xPqWvT2nJrHsY4aDfEb").unwrap(),
        Realm::new("api.example.com").unwrap(),
        method(),
        charge::id(),
        Request::new(&request).unwrap(),
    );
    challenge.expires = Some(Expires::new(LATER));
    Offer { challenge, request }
}

pub(crate) async fn sign(key: AccountKey, offer: &Offer) -> Proof {
    LedgerPayer::new(key).sign(offer, NOW).await.unwrap()
}

/// Presents a proof for an offer, with nothing changed on the way.
pub(crate) fn present<'a>(offer: &'a Offer, proof: &'a Proof) -> Presented<'a> {
    Presented {
        challenge: &offer.challenge.id,
        realm: &offer.challenge.realm,
        request: &offer.request,
        expires: LATER,
        source: proof.source.as_ref().map(|did| did.as_str()),
        payload: &proof.payload,
        now: NOW,
    }
}

pub(crate) fn verify(ledger: &Ledger, presented: Presented<'_>) -> Result<Verified, Refusal> {
    match ledger.verify(presented) {
        Step::Now(result) => result,
        Step::Later(_) => panic!("the ledger waits for nobody"),
    }
}
