//! What a charge on Tempo costs the processor before any node is asked, beside the signature it needs.
//!
//! All that is left out is what waits for the chain: one batch of questions, and the transaction's own way.

use std::hint::black_box;

use farthing::{
    core::{
        intent::charge::ChargeRequest,
        port::method::{Charge as _, Presented, Refusal, Step, Verified, Wanted},
        value::{Amount, ChallengeId, Price, Realm, Timestamp},
    },
    evm::{Address, B256, ChainId, Node, NodeOptions, Signature, SigningKey, U256},
    tempo::{
        AccountKey, Call, EXPIRING_NONCE_KEY, HalfTransaction, Network, ProofVersion, Proofs,
        Received, Sponsor, Tempo, TempoOptions, Transaction, attribution, tip20, token::known,
    },
};
use serde_json::{json, value::RawValue};

use super::call::over_and_over;
use crate::rows::Pair;

/// When everything happens.
const NOW: u64 = 1_800_000_000;

/// A transaction whose fee the buyer pays: read, recovered, checked.
pub(crate) fn pulled() -> Pair {
    let market = Market::open(false, "$0.01");
    let transaction = market.transaction().sign(&buyer());
    let transaction = transaction.expect("a chain would take it");
    let payload = market.signed("transaction", &transaction.encode().to_string());
    let (signature, digest) = signature();
    Pair {
        ours: over_and_over(move || market.is_good_so_far(&payload)),
        floor: over_and_over(move || recover(&signature, digest)),
    }
}

/// The same, and signed again by the sponsor.
pub(crate) fn sponsored() -> Pair {
    let market = Market::open(true, "$0.01");
    let half = market.transaction().sign(&buyer());
    let half: HalfTransaction = half.ok().and_then(Received::half).expect("it is sponsored");
    let payload = market.signed("transaction", &half.encode().to_string());
    let (signature, digest) = signature();
    let (sponsor, floor_sponsor) = (key(3), key(3));
    Pair {
        ours: over_and_over(move || {
            market.is_good_so_far(&payload);
            black_box(half.clone().cosign(known::PATH_USD.address, &sponsor));
        }),
        floor: over_and_over(move || {
            recover(&signature, digest);
            black_box(floor_sponsor.sign(black_box(digest)));
        }),
    }
}

/// A proof of who asks, where nothing is to be paid.
pub(crate) fn proven() -> Pair {
    let market = Market::open(false, "$0");
    let proofs = Proofs::new(chain());
    let buyer = key(1);
    let digest = proofs.digest(
        ProofVersion::V3,
        buyer.address(),
        &market.challenge,
        &market.realm,
    );
    let payload = market.signed("proof", &hex(&buyer.sign(digest).to_bytes()));
    let (signature, digest) = signature();
    Pair {
        ours: over_and_over(move || {
            let step = market.presented(&payload);
            assert!(matches!(step, Step::Now(Ok(_))), "the proof is good");
        }),
        floor: over_and_over(move || recover(&signature, digest)),
    }
}

/// A seller, and a buyer of its one thing.
struct Market {
    tempo: Tempo,
    request: ChargeRequest,
    challenge: ChallengeId,
    realm: Realm,
    source: String,
}

impl Market {
    fn open(sponsored: bool, price: &str) -> Self {
        let url = "http://127.0.0.1:1".parse().expect("a URL");
        let network = Network::dev(chain(), url);
        let sponsor = || Sponsor::new(key(3), known::PATH_USD);
        let options = TempoOptions {
            sponsor: sponsored.then(sponsor),
            ..TempoOptions::new(network, Address::repeat_byte(0x42))
        };
        // Nobody is asked.
        let node = Node::new(NodeOptions::new(
            chain(),
            vec!["http://127.0.0.1:1".parse().expect("a URL")],
        ));
        let tempo = Tempo::new(node.expect("one endpoint"), options).expect("options that fit");
        let price: Price = price.parse().expect("a price");
        let mut requests = tempo.prepare(&Wanted::price(&price)).expect("in dollars");
        Self {
            request: requests.remove(0),
            tempo,
            challenge: "kM9xPqWvT2nJrHsY4aDfEbUq0LzCi7oG1tNwXe5RAcA"
                .parse()
                .expect("an id"),
            realm: "api.example.com".parse().expect("a realm"),
            source: format!("did:pkh:eip155:{}:{}", chain(), key(1).address()),
        }
    }

    /// The transaction that pays.
    fn transaction(&self) -> Transaction {
        let memo = attribution(&self.challenge, &self.realm, None);
        let input =
            tip20::calls::transfer(Address::repeat_byte(0x42), Amount::new(10_000), Some(memo));
        let call = Call {
            to: Some(known::PATH_USD.address),
            value: U256::ZERO,
            input,
        };
        let sponsored = self.request.method_details.get("feePayer") == Some(&json!(true));
        Transaction {
            max_priority_fee_per_gas: 1_000_000_000,
            max_fee_per_gas: 40_000_000_000,
            gas_limit: 800_000,
            nonce_key: EXPIRING_NONCE_KEY,
            valid_before: Some(NOW + 25),
            fee_token: (!sponsored).then_some(known::PATH_USD.address),
            sponsored,
            ..Transaction::new(chain(), vec![call])
        }
    }

    fn signed(&self, kind: &str, bytes: &str) -> Box<RawValue> {
        let payload = json!({ "type": kind, "signature": bytes });
        RawValue::from_string(payload.to_string()).expect("it is JSON")
    }

    fn presented<'a>(&'a self, payload: &'a RawValue) -> Step<'a, Result<Verified, Refusal>> {
        self.tempo.verify(black_box(Presented {
            challenge: &self.challenge,
            realm: &self.realm,
            request: &self.request,
            expires: Timestamp::from_secs(NOW + 300),
            source: Some(&self.source),
            payload,
            now: Timestamp::from_secs(NOW),
        }))
    }

    /// What is left to do is the chain's.
    fn is_good_so_far(&self, payload: &RawValue) {
        match self.presented(payload) {
            Step::Later(_) => {}
            Step::Now(said) => unreachable!("the chain is asked next: {said:?}"),
        }
    }
}

fn recover(signature: &Signature, digest: B256) {
    let account = black_box(signature).recover(black_box(digest));
    black_box(account).expect("it was signed");
}

/// Any signature, to be recovered.
fn signature() -> (Signature, B256) {
    let digest = B256::repeat_byte(9);
    (key(1).sign(digest), digest)
}

fn buyer() -> AccountKey {
    AccountKey::from(key(1))
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes([seed; 32]).expect("a number below the curve's order")
}

fn chain() -> ChainId {
    ChainId::new(1337).expect("a chain id")
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}
