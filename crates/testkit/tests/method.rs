//! The fake method by itself: a rail that lies would make everything proven with it worthless.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

use std::{sync::Arc, time::Duration};

use farthing_core::{
    binding::{Binder, Issue, Opaque, Secrets},
    intent::charge::ChargeRequest,
    noun::Request,
    payment::{Answer as Answered, Payment, SettlePolicy, State},
    port::{
        clock::Clock as _,
        method::{Charge, Order, Outcome, Outside, Presented, Step, Until, Verified, Wanted},
        payer::{Offer, Payer, Proof, Resolved},
    },
    value::{Entropy, Fingerprint, PaymentId, Price, Realm, RouteId, Secret},
};
use farthing_testkit::{
    clock::FakeClock,
    method::{Answer, FakeCharge, FakePayer, FakeRail, account},
};
use tempfile::TempDir;

struct Fixture {
    clock: FakeClock,
    rail: Arc<FakeRail>,
    charge: FakeCharge,
    payer: FakePayer,
}

fn fixture(rail: FakeRail, clock: FakeClock) -> Fixture {
    let rail = Arc::new(rail);
    rail.deposit(&account("buyer"), 5_000);
    Fixture {
        charge: FakeCharge::new(Arc::clone(&rail), &account("seller")),
        payer: FakePayer::new(Arc::clone(&rail), account("buyer")),
        clock,
        rail,
    }
}

fn in_memory() -> Fixture {
    let clock = FakeClock::default();
    fixture(FakeRail::new(Arc::new(clock.clone())), clock)
}

impl Fixture {
    fn offer(&self) -> Offer {
        let price: Price = "$0.002".parse().unwrap();
        let requests: Vec<ChargeRequest> = self.charge.prepare(&Wanted::price(&price)).unwrap();
        let request = requests[0].clone();
        let binder = Binder::new(Secrets::new(&Secret::new([7; 32])).unwrap());
        let realm = Realm::new("api.example.com").unwrap();
        let template = binder.template(
            realm,
            self.charge.method().clone(),
            farthing_core::intent::charge::id(),
            &Request::new(&request).unwrap(),
        );
        let expires = self.clock.now().saturating_add(Duration::from_secs(300));
        let opaque = Opaque {
            binding: [1; 16],
            entropy: Entropy([2; 16]),
        };
        let challenge = template.challenge(&Issue::new(expires, &opaque));
        Offer { challenge, request }
    }

    async fn sign(&self, offer: &Offer) -> Proof {
        self.payer.sign(offer, self.clock.now()).await.unwrap()
    }

    fn verify(&self, offer: &Offer, proof: &Proof) -> Option<Verified> {
        let presented = Presented {
            challenge: &offer.challenge.id,
            realm: &offer.challenge.realm,
            request: &offer.request,
            expires: proof.valid_until,
            source: proof.source.as_ref().map(|did| did.as_str()),
            payload: &proof.payload,
            now: self.clock.now(),
        };
        match self.charge.verify(presented) {
            Step::Now(verified) => verified.ok(),
            Step::Later(_) => None,
        }
    }

    fn balances(&self) -> (u128, u128) {
        let truth = self.rail.truth();
        let of = |name| truth.balance(account(name).as_str());
        (of("buyer"), of("seller"))
    }
}

/// A payment as the gate would have it, for the order it sends.
fn payment(offer: &Offer) -> Payment {
    Payment {
        id: PaymentId::new(Entropy([3; 16])),
        method: offer.challenge.method.clone(),
        intent: offer.challenge.intent.clone(),
        challenge: offer.challenge.id.clone(),
        realm: offer.challenge.realm.clone(),
        route: RouteId::new("GET /weather").unwrap(),
        fingerprint: Fingerprint([1; 32]),
        proof: Fingerprint([2; 32]),
        amount: offer.request.amount,
        currency: offer.request.currency.clone(),
        payee: offer.request.recipient.clone(),
        payer: None,
        policy: SettlePolicy::First,
        rerunnable: true,
        proof_until: offer.challenge.expires.as_ref().unwrap().at(),
        redeliver: Duration::from_secs(900),
        claimed_at: FakeClock::default().now(),
        state: State::Sent,
        answer: Answered::None,
        attempts: 0,
        lease_until: FakeClock::default().now(),
        asked: 0,
        awaits: None,
        send_before: None,
        returned: None,
        reference: None,
        settled_at: None,
        confirmed_at: None,
        details: serde_json::Map::new(),
        idempotency: None,
        remember_until: None,
    }
}

#[tokio::test]
async fn what_arrives_again_moves_once_and_what_was_lost_did_move() {
    let this = in_memory();
    let offer = this.offer();
    let proof = this.sign(&offer).await;
    let effect = this.verify(&offer, &proof).unwrap().effect.unwrap();
    let payment = payment(&offer);
    let order = || Order {
        payment: &payment,
        effect: &effect,
        until: Until::Final,
    };
    this.rail.script([
        Answer::Lost,
        Answer::Pending(Duration::from_secs(1)),
        Answer::MovedButLost,
        Answer::Refuse,
    ]);
    assert!(matches!(
        this.rail.settle(order()).await,
        Outcome::Unknown { .. }
    ));
    let pending = this.rail.resolve(order()).await;
    assert!(matches!(pending, Outcome::Pending { .. }), "{pending:?}");
    assert_eq!(this.balances(), (5_000, 0));
    assert_eq!(
        this.payer.resolve(&proof, this.clock.now()).await,
        Resolved::Unknown
    );
    assert!(matches!(
        this.rail.resolve(order()).await,
        Outcome::Unknown { .. }
    ));
    assert_eq!(this.balances(), (3_000, 2_000));
    // A rail that moved the value does not refuse it afterwards, and does not move it again.
    for _ in 0..2 {
        let settled = this.rail.resolve(order()).await;
        let Outcome::Settled { reference, .. } = settled else {
            unreachable!("it moved: {settled:?}");
        };
        let resolved = this.payer.resolve(&proof, this.clock.now()).await;
        assert_eq!(resolved, Resolved::Moved { reference });
    }
    assert_eq!(this.balances(), (3_000, 2_000));
    let truth = this.rail.truth();
    assert_eq!((truth.settles, truth.resolves), (0, 4));
}

#[tokio::test]
async fn what_was_refused_never_moves() {
    let this = in_memory();
    for funds in [5_000, 3_000, 1_000] {
        let offer = this.offer();
        let proof = this.sign(&offer).await;
        let effect = this.verify(&offer, &proof).unwrap().effect.unwrap();
        let payment = payment(&offer);
        if funds == 5_000 {
            this.rail.script([Answer::Refuse]);
        }
        let order = || Order {
            payment: &payment,
            effect: &effect,
            until: Until::Final,
        };
        let (first, second) = (
            this.rail.settle(order()).await,
            this.rail.resolve(order()).await,
        );
        let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
        // The second has money enough, the third has not.
        let expect = funds != 3_000;
        assert_eq!((refused(&first), refused(&second)), (expect, expect));
        if funds == 5_000 {
            // Take the account down to where one more payment is one too many.
            this.rail.deposit(&account("other"), 1);
            assert_eq!(this.balances().0, 5_000);
            spend(&this).await;
        }
    }
    assert_eq!(this.rail.truth().total(), 5_001);
}

/// Another payment that settles.
async fn spend(this: &Fixture) {
    let offer = this.offer();
    let proof = this.sign(&offer).await;
    let effect = this.verify(&offer, &proof).unwrap().effect.unwrap();
    let payment = payment(&offer);
    let order = Order {
        payment: &payment,
        effect: &effect,
        until: Until::Final,
    };
    assert!(matches!(
        this.rail.settle(order).await,
        Outcome::Settled { .. }
    ));
}

#[tokio::test]
async fn a_proof_is_good_for_what_it_was_signed_for() {
    let this = in_memory();
    let offer = this.offer();
    let proof = this.sign(&offer).await;
    assert!(this.verify(&offer, &proof).is_some());
    let mut cheaper = offer.clone();
    cheaper.request.amount = farthing_core::value::Amount::new(1);
    assert!(this.verify(&cheaper, &proof).is_none());
    let mut elsewhere = offer.clone();
    elsewhere.challenge.realm = Realm::new("evil.example.com").unwrap();
    assert!(this.verify(&elsewhere, &proof).is_none());
    let mut other = proof.clone();
    other.source = Some(account("somebody"));
    assert!(this.verify(&offer, &other).is_none());
}

#[tokio::test]
async fn a_rail_in_a_file_outlives_its_process() {
    let dir = TempDir::new().unwrap();
    let open = || {
        let clock = FakeClock::default();
        FakeRail::in_file(dir.path().join("rail"), Arc::new(clock))
    };
    let this = fixture(open(), FakeClock::default());
    spend(&this).await;
    let before = this.rail.truth();
    drop(this);
    assert_eq!(open().truth(), before);
    assert_eq!(before.moved.len(), 1);
}
