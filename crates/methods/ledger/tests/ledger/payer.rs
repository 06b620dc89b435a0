//! What the buyer's side signs, and what it refuses to.

use farthing_core::{
    intent::charge::ChargeRequest,
    port::{
        method::Fault,
        payer::{Offer, Payer as _, Resolved},
    },
    value::{Amount, CurrencyCode, IntentId, MethodId, Recipient, Timestamp},
};
use farthing_ledger::{Currencies, KeyType, Ledger, LedgerPayer};

use crate::fixture::{LATER, NOW, key, offer, sign};

fn payer() -> LedgerPayer {
    LedgerPayer::new(key(KeyType::Ed25519, 2))
}

fn good() -> Offer {
    offer(
        &Ledger::new(key(KeyType::Ed25519, 1).account().clone()),
        "$0.002",
    )
}

#[tokio::test]
async fn the_currency_is_the_payers_own() {
    let quote = payer().quote(&good()).unwrap();
    assert_eq!(quote.currency.display(Amount::new(2000)), "0.002 USD");
    assert_eq!(&quote.payer, payer().account().did());
}

#[tokio::test]
async fn a_proof_lasts_as_long_as_its_challenge() {
    let proof = sign(key(KeyType::Ed25519, 2), &good()).await;
    assert_eq!((proof.valid_until, proof.key), (LATER, None));
}

async fn check_refused(why: &str, change: impl FnOnce(&mut Offer)) {
    let mut offer = good();
    change(&mut offer);
    let refusal = payer().quote(&offer).expect_err(why);
    assert_eq!(refusal.fault, Fault::Unsupported, "{why}");
    assert!(payer().sign(&offer, NOW).await.is_err(), "{why}");
}

#[tokio::test]
async fn an_offer_it_does_not_understand_is_not_signed() {
    fn ask(offer: &mut Offer) -> &mut ChargeRequest {
        &mut offer.request
    }
    let method = MethodId::new("tempo").unwrap();
    let intent = IntentId::new("session").unwrap();
    let own = payer().account().recipient();
    let eur = CurrencyCode::new("eur6").unwrap();
    check_refused("another method", |offer| offer.challenge.method = method).await;
    check_refused("another intent", |offer| offer.challenge.intent = intent).await;
    check_refused("no expiry", |offer| offer.challenge.expires = None).await;
    check_refused("unknown currency", |offer| ask(offer).currency = eur).await;
    check_refused("nothing to pay", |offer| ask(offer).amount = Amount::ZERO).await;
    check_refused("no payee", |offer| ask(offer).recipient = None).await;
    check_refused("itself", |offer| ask(offer).recipient = Some(own)).await;
    check_refused("no account", |offer| {
        ask(offer).recipient = Recipient::new("alice").ok()
    })
    .await;
    check_refused("unknown details", |offer| {
        ask(offer).method_details.insert("fee".into(), "1".into());
    })
    .await;
}

#[tokio::test]
async fn an_expired_challenge_is_not_signed() {
    let refusal = payer().sign(&good(), LATER).await.unwrap_err();
    assert_eq!(refusal.fault, Fault::Expired);
}

#[tokio::test]
async fn age_is_no_evidence() {
    let proof = sign(key(KeyType::Ed25519, 2), &good()).await;
    for now in [NOW, LATER, Timestamp::FAR] {
        assert_eq!(payer().resolve(&proof, now).await, Resolved::Unknown);
    }
}

#[tokio::test]
async fn a_currency_can_be_added() {
    let currencies = Currencies::default().with("points", 0, "PTS").unwrap();
    let account = key(KeyType::Ed25519, 1).account().clone();
    let ledger = Ledger::with_currencies(account, currencies.clone());
    let offer = offer(&ledger, "3 PTS");
    assert!(payer().quote(&offer).is_err());
    let payer = LedgerPayer::with_currencies(key(KeyType::Ed25519, 2), currencies);
    assert_eq!(
        payer.quote(&offer).unwrap().currency.code.as_str(),
        "points"
    );
}

#[test]
fn a_payer_shows_no_secret() {
    let shown = format!("{:?}", payer());
    assert!(shown.contains("AccountKey(… of did:key:"), "{shown}");
    assert!(!shown.contains("2, 2, 2"), "{shown}");
}
