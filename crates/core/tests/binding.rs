//! The traps of the challenge binding: each was somebody's hole.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use farthing_core::{
    binding::{Binder, BindingError, Issue, Opaque, Secrets, SlotTexts, Slots, Template, raw},
    header::{authorization, digest, www_authenticate},
    noun::{Challenge, Credential, CredentialHeader, Request},
    value::{Entropy, Secret, Timestamp},
};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn secrets(byte: u8) -> Secrets {
    Secrets::new(&Secret::new([byte; 32])).unwrap()
}

fn template(binder: &Binder) -> Template {
    let request = Request::new(&json!({ "amount": "2000", "currency": "usd6" })).unwrap();
    let realm = "api.example.com".parse().unwrap();
    binder.template(
        realm,
        "ledger".parse().unwrap(),
        "charge".parse().unwrap(),
        &request,
    )
}

fn issue(template: &Template, entropy: u8) -> Challenge {
    let mut header = String::new();
    let opaque = Opaque::new([9; 16], Entropy([entropy; 16]));
    let id = template.issue(&Issue::new(NOW, &opaque), &mut header);
    let challenge = www_authenticate::parse([header]).remove(0).unwrap();
    assert_eq!(challenge.id.as_str(), id.as_str());
    challenge
}

fn authentic(binder: &Binder, challenge: &Challenge, now: Timestamp) -> bool {
    let slots = challenge.slots().unwrap();
    let plainly = binder.authenticate(&slots, challenge.id.as_str(), now);
    let primed = template(binder).authenticate(&slots, challenge.id.as_str(), now);
    assert_eq!(plainly, primed, "the template and the binder disagree");
    plainly.is_ok()
}

#[test]
fn challenge_ids_are_unique() {
    let template = template(&Binder::new(secrets(1)));
    let (one, two) = (issue(&template, 1), issue(&template, 2));
    assert_eq!(one.expires, two.expires);
    assert_ne!(one.id, two.id);
    assert_eq!(one.id, issue(&template, 1).id);
}

#[test]
fn a_header_and_a_value_are_the_same_challenge() {
    let binder = Binder::new(secrets(1));
    let template = template(&binder)
        .with_description("a \"quoted\" word".parse().unwrap())
        .with_header(CredentialHeader::payment_authorization());
    let body = digest::sha256(b"body");
    let issue = Issue {
        digest: Some(&body),
        ..Issue::new(NOW, &Opaque::new([0; 16], Entropy([7; 16])))
    };
    let (mut header, challenge) = (String::new(), template.challenge(&issue));
    template.issue(&issue, &mut header);
    assert_eq!(header, www_authenticate::format(&challenge));
    assert_eq!(
        www_authenticate::parse([header]).remove(0).unwrap(),
        challenge
    );
    assert_eq!(
        binder.id(&challenge.slots().unwrap()).as_str(),
        challenge.id.as_str()
    );
}

#[test]
fn whatever_is_changed_is_no_longer_ours() {
    let binder = Binder::new(secrets(1));
    let ours = issue(&template(&binder), 1);
    assert!(authentic(&binder, &ours, NOW));
    let changes: [fn(&mut Challenge); 9] = [
        |c| c.realm = "api.example.org".parse().unwrap(),
        |c| c.method = "tempo".parse().unwrap(),
        |c| c.intent = "session".parse().unwrap(),
        |c| c.request = Request::new(&json!({ "amount": "1", "currency": "usd6" })).unwrap(),
        |c| c.expires = Some("2030-01-01T00:00:00Z".parse().unwrap()),
        |c| c.expires = None,
        |c| c.digest = Some("sha-256=:YQ==:".parse().unwrap()),
        |c| c.header = Some(CredentialHeader::payment_authorization()),
        |c| c.opaque = Some("trace-123".parse().unwrap()),
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let mut challenge = ours.clone();
        change(&mut challenge);
        assert!(!authentic(&binder, &challenge, NOW), "change {place}");
    }
    for id in ["", "x", &ours.id.as_str()[1..], &format!("{}A", ours.id)] {
        let slots = ours.slots().unwrap();
        assert_eq!(
            binder.authenticate(&slots, id, NOW),
            Err(BindingError::NotOurs),
            "{id:?}"
        );
    }
}

#[test]
fn a_description_is_not_bound() {
    let binder = Binder::new(secrets(1));
    let mut challenge = issue(&template(&binder), 1);
    challenge.description = Some("another".parse().unwrap());
    assert!(authentic(&binder, &challenge, NOW));
}

#[test]
fn an_explicit_authorization_header_is_the_default() {
    let binder = Binder::new(secrets(1));
    let mut challenge = issue(&template(&binder), 1);
    for name in ["Authorization", "authorization"] {
        challenge.header = Some(name.parse().unwrap());
        assert!(authentic(&binder, &challenge, NOW), "{name}");
    }
    let named = template(&binder).with_header("authorization".parse().unwrap());
    assert_eq!(issue(&named, 1).header, None);
}

/// The header's slot stands before opaque: an opaque that held a `|` would forge it, and any slot
/// with one could pose as two.
#[test]
fn slots_cannot_be_shifted() {
    let honest = SlotTexts {
        realm: "api",
        method: "ledger",
        intent: "charge",
        request: "e30",
        header: Some("Payment-Authorization"),
        opaque: Some("trace"),
        ..SlotTexts::default()
    };
    let secret = [1; 32];
    let id = raw::challenge_id(&secret, &Slots::check(honest).unwrap());
    let shifted = SlotTexts {
        header: None,
        opaque: Some("Payment-Authorization|trace"),
        ..honest
    };
    assert_eq!(Slots::check(shifted).unwrap_err().slot(), "opaque");

    type Put = fn(&mut SlotTexts<'static>, &'static str);
    let put: [(&str, Put); 8] = [
        ("realm", |slots, text| slots.realm = text),
        ("method", |slots, text| slots.method = text),
        ("intent", |slots, text| slots.intent = text),
        ("request", |slots, text| slots.request = text),
        ("expires", |slots, text| slots.expires = Some(text)),
        ("digest", |slots, text| slots.digest = Some(text)),
        ("header", |slots, text| slots.header = Some(text)),
        ("opaque", |slots, text| slots.opaque = Some(text)),
    ];
    for (name, put) in put {
        for bad in ["a|b", "|", "a\"", "a\n", "a\u{0}", "é", ""] {
            let mut slots = honest;
            put(&mut slots, bad);
            let refused = Slots::check(slots).map_err(|error| error.slot());
            assert_eq!(refused.unwrap_err(), name, "{bad:?}");
        }
    }
    assert!(raw::verify(&secret, &Slots::check(honest).unwrap(), id.as_str()).is_ok());
}

#[test]
fn an_echoed_slot_is_checked_before_the_hmac() {
    let binder = Binder::new(secrets(1));
    let credential = Credential::new(issue(&template(&binder), 1), None, &json!({})).unwrap();
    let json = serde_json::to_string(&credential).unwrap();
    let forged = json.replace("api.example.com", "api.example.com|x");
    let mut buffer = Vec::new();
    let text = format!(
        "Payment {}",
        farthing_core::encoding::base64url::encode(forged)
    );
    let read = authorization::decode(text, &mut buffer).unwrap();
    assert_eq!(read.slots().unwrap_err().slot(), "realm");
}

#[test]
fn a_retired_secret_verifies_until_its_time_and_never_binds() {
    let old = Binder::new(secrets(1));
    let challenge = issue(&template(&old), 1);
    let until = NOW.saturating_add(std::time::Duration::from_secs(60));
    let rotated = secrets(2)
        .with_retired(&Secret::new([1; 32]), until)
        .unwrap();
    let new = Binder::new(rotated);
    assert!(authentic(&new, &challenge, NOW));
    assert!(!authentic(&new, &challenge, until));
    assert!(!authentic(&Binder::new(secrets(2)), &challenge, NOW));
    assert_ne!(issue(&template(&new), 1).id, challenge.id);
    assert!(!authentic(&old, &issue(&template(&new), 1), NOW));
}

#[test]
fn a_weak_secret_is_refused_where_challenges_are_issued() {
    assert!(Secrets::new(&Secret::new("ten bytes!")).is_err());
    // Only who is handed a secret to check with may use one: nothing configured leads there.
    let slots = Slots::check(SlotTexts {
        realm: "api",
        method: "ledger",
        intent: "charge",
        request: "e30",
        ..SlotTexts::default()
    });
    let slots = slots.unwrap();
    let id = raw::challenge_id(b"ten bytes!", &slots);
    assert!(raw::verify(b"ten bytes!", &slots, id.as_str()).is_ok());
    assert!(raw::verify(b"ten bytes?", &slots, id.as_str()).is_err());
}

#[test]
fn a_client_echoes_every_text_unchanged() {
    let binder = Binder::new(secrets(1));
    let mut challenge = issue(&template(&binder), 1);
    // Not our own writing, and so what must be bound is the text.
    challenge.expires = Some("2027-01-15T09:00:00.000+01:00".parse().unwrap());
    challenge.digest = Some(
        "sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE"
            .parse()
            .unwrap(),
    );
    challenge.id = binder.id(&challenge.slots().unwrap()).to_challenge_id();
    let sent = www_authenticate::format(&challenge);
    let received = www_authenticate::parse([sent]).remove(0).unwrap();
    let credential = Credential::new(received, None, &json!({ "proof": 1 })).unwrap();
    let mut buffer = Vec::new();
    let text = authorization::format(&credential);
    let read = authorization::decode(text, &mut buffer).unwrap();
    assert!(
        binder
            .authenticate(&read.slots().unwrap(), read.id(), NOW)
            .is_ok()
    );
}
