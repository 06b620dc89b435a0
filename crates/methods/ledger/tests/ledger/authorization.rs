//! What the seller's side takes, and what it refuses.

use farthing_core::{
    noun::problem::ProblemKind,
    payment::SettlePolicy,
    port::method::{Charge as _, Fault, Presented, Rail},
    port::payer::{Offer, Proof},
    value::{Amount, ChallengeId, CurrencyCode, Realm},
};
use farthing_ledger::{Authorization, Currencies, KeyType, Ledger};
use serde_json::value::RawValue;

use crate::fixture::{LATER, key, offer, present, sign, verify};

const BOTH: [KeyType; 2] = [KeyType::Ed25519, KeyType::Secp256k1];

fn ledger() -> Ledger {
    Ledger::new(key(KeyType::Ed25519, 1).account().clone())
}

async fn paid(key_type: KeyType) -> (Offer, Proof) {
    let offer = offer(&ledger(), "$0.002");
    let proof = sign(key(key_type, 2), &offer).await;
    (offer, proof)
}

#[tokio::test]
async fn a_good_proof_of_either_kind_of_key_is_taken() {
    for key_type in BOTH {
        let (offer, proof) = paid(key_type).await;
        let verified = verify(&ledger(), present(&offer, &proof)).unwrap();
        assert_eq!(
            verified.payer.as_ref(),
            Some(key(key_type, 2).account().did())
        );
        assert_eq!(verified.payer, proof.source);
        assert_eq!(verified.proof_until, LATER);
        assert!(verified.keys.is_empty() && verified.debits.is_empty());
        assert!(verified.effect.is_none());
    }
}

#[test]
fn what_is_signed_is_lines_of_text() {
    let offer = offer(&ledger(), "$0.002");
    let (challenge, realm) = (&offer.challenge.id, &offer.challenge.realm);
    let text = Authorization::new(challenge, &offer.request, realm)
        .unwrap()
        .text();
    let payee = key(KeyType::Ed25519, 1).account().to_string();
    let lines = [
        "farthing-ledger-charge-v1",
        "kM9xPqWvT2nJrHsY4aDfEb",
        "2000",
        "usd6",
        &payee,
        "api.example.com",
    ];
    assert_eq!(text, lines.join("\n"));
}

async fn check_refused(change: impl for<'a> Fn(&mut Presented<'a>, &'a Changes), fault: Fault) {
    for key_type in BOTH {
        let (offer, proof) = paid(key_type).await;
        let changes = Changes::of(&offer);
        let mut presented = present(&offer, &proof);
        change(&mut presented, &changes);
        let refusal = verify(&changes.ledger, presented).unwrap_err();
        assert_eq!(refusal.fault, fault, "{refusal}");
    }
}

/// One other value for each thing that is signed.
struct Changes {
    ledger: Ledger,
    challenge: ChallengeId,
    realm: Realm,
    amount: Offer,
    currency: Offer,
    payer: String,
}

impl Changes {
    fn of(offer: &Offer) -> Self {
        let (mut amount, mut currency) = (offer.clone(), offer.clone());
        amount.request.amount = Amount::new(1999);
        currency.request.currency = CurrencyCode::new("points").unwrap();
        let currencies = Currencies::default().with("points", 0, "PTS").unwrap();
        Self {
            ledger: Ledger::with_currencies(key(KeyType::Ed25519, 1).account().clone(), currencies),
            challenge: ChallengeId::new("another").unwrap(),
            realm: Realm::new("evil.example.com").unwrap(),
            amount,
            currency,
            payer: key(KeyType::Ed25519, 3).account().to_string(),
        }
    }
}

#[tokio::test]
async fn every_field_of_the_authorization_is_signed() {
    check_refused(
        |presented, to| presented.challenge = &to.challenge,
        Fault::Invalid,
    )
    .await;
    check_refused(|presented, to| presented.realm = &to.realm, Fault::Invalid).await;
    check_refused(
        |presented, to| presented.request = &to.amount.request,
        Fault::Invalid,
    )
    .await;
    check_refused(
        |presented, to| presented.request = &to.currency.request,
        Fault::Invalid,
    )
    .await;
    check_refused(
        |presented, to| presented.source = Some(&to.payer),
        Fault::Invalid,
    )
    .await;
}

#[tokio::test]
async fn the_payee_is_signed() {
    // Signed for one payee, presented to the ledger of another, whose own request it is.
    let (_, proof) = paid(KeyType::Ed25519).await;
    let other = Ledger::new(key(KeyType::Ed25519, 4).account().clone());
    let theirs = offer(&other, "$0.002");
    let refusal = verify(&other, present(&theirs, &proof)).unwrap_err();
    assert_eq!(refusal.fault, Fault::Invalid);
    assert_eq!(refusal.kind(), ProblemKind::VerificationFailed);
}

#[tokio::test]
async fn a_request_that_is_not_ours_is_refused_before_its_signature() {
    let (offer, proof) = paid(KeyType::Ed25519).await;
    let moved = Ledger::new(key(KeyType::Ed25519, 4).account().clone());
    let refusal = verify(&moved, present(&offer, &proof)).unwrap_err();
    assert_eq!((refusal.fault, &*refusal.public).0, Fault::Invalid);
    assert!(refusal.public.contains("account"), "{refusal}");

    let mut other = offer.clone();
    other.request.currency = CurrencyCode::new("points").unwrap();
    let refusal = verify(&ledger(), present(&other, &proof)).unwrap_err();
    assert!(refusal.public.contains("currency"), "{refusal}");

    let mut nobody = offer.clone();
    nobody.request.recipient = None;
    assert!(verify(&ledger(), present(&nobody, &proof)).is_err());
}

#[tokio::test]
async fn an_account_does_not_pay_itself() {
    let alice = || key(KeyType::Ed25519, 2);
    let offer = offer(&Ledger::new(alice().account().clone()), "$0.002");
    let text = Authorization::new(&offer.challenge.id, &offer.request, &offer.challenge.realm);
    let signature = alice().sign(text.unwrap().text().as_bytes());
    let payload = payload(&farthing_core::encoding::base64url::encode(signature));
    let (_, proof) = paid(KeyType::Ed25519).await;
    let proof = Proof { payload, ..proof };
    let refusal = verify(
        &Ledger::new(alice().account().clone()),
        present(&offer, &proof),
    );
    assert!(refusal.unwrap_err().public.contains("itself"));
}

fn payload(signature: &str) -> Box<RawValue> {
    raw(&format!(r#"{{"signature":"{signature}"}}"#))
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

#[tokio::test]
async fn a_payload_is_a_signature_and_nothing_else() {
    let (offer, proof) = paid(KeyType::Ed25519).await;
    let good = proof.payload.get().trim_end_matches('}').to_owned();
    let malformed = [
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        r#""signature""#.to_owned(),
        r#"{"signature":7}"#.to_owned(),
        r#"{"signature":"%%"}"#.to_owned(),
        format!(r#"{good},"amount":"1"}}"#),
        format!("{good},{}", &good[1..]) + "}",
        good.trim_end_matches('"').to_owned() + "==\"}",
    ];
    for json in malformed {
        let bad = Proof {
            payload: raw(&json),
            ..proof.clone()
        };
        let refusal = verify(&ledger(), present(&offer, &bad)).unwrap_err();
        assert_eq!(refusal.fault, Fault::Malformed, "{json}");
        assert_eq!(refusal.kind(), ProblemKind::MalformedCredential);
    }
    for signature in ["", "AAAA"] {
        let bad = Proof {
            payload: payload(signature),
            ..proof.clone()
        };
        let refusal = verify(&ledger(), present(&offer, &bad)).unwrap_err();
        assert_eq!(refusal.fault, Fault::Invalid, "{signature:?}");
    }
}

#[tokio::test]
async fn a_credential_names_the_account_that_pays() {
    let (offer, proof) = paid(KeyType::Ed25519).await;
    for source in [
        None,
        Some("did:pkh:eip155:1:0xabc"),
        Some("alice"),
        Some(""),
    ] {
        let presented = Presented {
            source,
            ..present(&offer, &proof)
        };
        assert_eq!(
            verify(&ledger(), presented).unwrap_err().fault,
            Fault::Malformed
        );
    }
}

#[test]
fn it_keeps_books_and_settles_after_the_handler() {
    assert!(matches!(ledger().rail(), Rail::Books(_)));
    assert_eq!(ledger().settle_policy(), SettlePolicy::After);
    assert_eq!(ledger().method().as_str(), "ledger");
}
