//! What the hot paths of the wire cost, beside the floor that none can go below: one HMAC of 200
//! bytes.

use divan::{Bencher, black_box};
use farthing_core::{
    binding::{Binder, Issue, Opaque, Secrets, Template},
    header::{authorization, www_authenticate},
    noun::{Credential, Request, Source},
    value::{Entropy, Secret, Timestamp},
};
use ring::hmac;
use serde_json::json;

fn main() {
    divan::main();
}

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn template() -> Template {
    let secrets = Secrets::new(&Secret::new([1; 32])).expect("32 bytes are a secret");
    let request = json!({
        "amount": "2000",
        "currency": "usd6",
        "recipient": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    });
    Binder::new(secrets).template(
        "api.example.com".parse().expect("a realm"),
        "ledger".parse().expect("a method"),
        "charge".parse().expect("an intent"),
        &Request::new(&request).expect("a request"),
    )
}

fn issue(template: &Template, entropy: u8, out: &mut String) {
    let opaque = Opaque::new([9; 16], Entropy([entropy; 16]));
    template.issue(&Issue::new(NOW, &opaque), out);
}

/// A credential of the size the ledger's have.
fn credential(template: &Template) -> String {
    let mut header = String::new();
    issue(template, 7, &mut header);
    let challenge = www_authenticate::parse([header])
        .remove(0)
        .expect("a challenge");
    let source: Source = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
        .parse()
        .expect("a source");
    let payload = json!({ "signature": "A".repeat(86), "nonce": "B".repeat(22) });
    authorization::format(&Credential::new(challenge, Some(source), &payload).expect("an object"))
}

#[divan::bench(sample_count = 1000, sample_size = 64)]
fn floor_hmac_of_200_bytes(bencher: Bencher<'_, '_>) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
    let message = [7; 200];
    bencher.bench_local(|| hmac::sign(black_box(&key), black_box(&message)));
}

#[divan::bench(sample_count = 1000, sample_size = 64)]
fn challenge_made_and_formatted(bencher: Bencher<'_, '_>) {
    let template = template();
    bencher.bench_local(|| {
        let mut out = String::new();
        issue(black_box(&template), 7, &mut out);
        out
    });
}

#[divan::bench(sample_count = 1000, sample_size = 64)]
fn credential_parsed_and_authenticated(bencher: Bencher<'_, '_>) {
    let template = template();
    let text = credential(&template);
    let mut buffer = Vec::new();
    bencher.bench_local(|| {
        let read = authorization::decode(black_box(&text), &mut buffer).expect("a credential");
        let slots = read.slots().expect("slots");
        template.authenticate(&slots, read.id(), NOW).expect("ours");
    });
}

#[divan::bench(sample_count = 1000, sample_size = 64)]
fn credential_parsed(bencher: Bencher<'_, '_>) {
    let text = credential(&template());
    let mut buffer = Vec::new();
    bencher.bench_local(|| {
        let read = authorization::decode(black_box(&text), &mut buffer).expect("a credential");
        read.id().len()
    });
}

#[divan::bench(sample_count = 1000, sample_size = 64)]
fn challenge_parsed(bencher: Bencher<'_, '_>) {
    let mut header = String::new();
    issue(&template(), 7, &mut header);
    bencher.bench_local(|| www_authenticate::parse([black_box(&header)]).len());
}
