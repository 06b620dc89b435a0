//! A claim that is held: what its credential gets when it comes again, by the steps without any
//! middleware and on a rail that does what it is told.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    domain::claims::Held,
    header::{authorization, www_authenticate},
    memory::MemoryBackend,
    noun::{
        Credential, Source,
        problem::{Problem, ProblemKind},
    },
    payment::{Moved, Payment, SettlePolicy, State},
    port::{
        backend::Backend,
        clock::Clock as _,
        payer::{Offer, Payer},
    },
    value::{Amount, ClaimKey, CurrencyCode, Secret},
};
use farthing_ledger::{
    AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, LedgerPayer, TransferId,
};
use farthing_server::{Admission, Gate, Options, PreparedRoute, Route, body::GateBody};
use farthing_testkit::{
    clock::FakeClock,
    faulty::{Failure, Faults, Faulty},
    method::{Answer, FakeCharge, FakePayer, FakeProof, FakeRail, Judgement, Latch, account},
};
use http::{HeaderValue, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt as _, Full};

type Answered = Response<GateBody<Full<Bytes>>>;

/// A seller's desk with one route, and a buyer in front of it.
struct Desk {
    gate: Gate,
    route: Arc<PreparedRoute>,
    clock: FakeClock,
    rail: Arc<FakeRail>,
    charge: Arc<FakeCharge>,
    faults: Faults,
    payer: Box<dyn Payer>,
}

/// A signed payment, with what a thief might know of it.
struct Signed {
    key: ClaimKey,
    header: HeaderValue,
    /// The same challenge and source, and a proof made up.
    forged: HeaderValue,
}

async fn deposit(store: &Arc<dyn Backend>, buyer: &AccountKey, clock: &FakeClock) {
    let funding = Funding {
        id: TransferId::new("opening").unwrap(),
        account: buyer.account().clone(),
        currency: CurrencyCode::new("usd6").unwrap(),
        amount: Amount::new(1_000_000),
        at: clock.now(),
    };
    let accounts = Accounts::new(Arc::clone(store), Currencies::default());
    accounts.deposit(&funding).await.unwrap();
}

impl Desk {
    /// A desk with one place for a payment that is worked on.
    async fn open(route: Route, on_ledger: bool) -> Self {
        Self::with_places(1, route, on_ledger).await
    }

    async fn with_places(places: usize, route: Route, on_ledger: bool) -> Self {
        let clock = FakeClock::default();
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let keys = [1, 2].map(|s| AccountKey::from_seed(KeyType::Ed25519, [s; 32]).unwrap());
        let [buyer, seller] = keys;
        deposit(&memory, &buyer, &clock).await;
        let (store, faults) = Faulty::over(memory);
        let rail = Arc::new(FakeRail::new(Arc::new(clock.clone())));
        rail.deposit(&account("buyer"), 1_000_000);
        let charge = Arc::new(FakeCharge::new(Arc::clone(&rail), &account("seller")));
        let mut options = Options::default();
        options.payments_at_once = places;
        let gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new([7; 32]))
            .store(Arc::new(store))
            .clock(Arc::new(clock.clone()))
            .options(options);
        let gate = if on_ledger {
            gate.method(Arc::new(Ledger::new(seller.account().clone())))
        } else {
            gate.method(Arc::clone(&charge) as _)
        };
        let gate = gate.build().unwrap();
        let payer: Box<dyn Payer> = if on_ledger {
            Box::new(LedgerPayer::new(buyer))
        } else {
            Box::new(FakePayer::new(Arc::clone(&rail), account("buyer")))
        };
        Self {
            route: gate.route(route).unwrap(),
            gate,
            clock,
            rail,
            charge,
            faults,
            payer,
        }
    }

    fn request(credential: Option<&HeaderValue>, idempotency: Option<&str>) -> Parts {
        let mut request = Request::get("/paid");
        if let Some(credential) = credential {
            request = request.header("authorization", credential);
        }
        if let Some(key) = idempotency {
            request = request.header("idempotency-key", key);
        }
        request.body(()).unwrap().into_parts().0
    }

    async fn admit(&self, parts: &Parts) -> Admission<Full<Bytes>> {
        self.gate.admit(&self.route, parts, None, None).await
    }

    async fn sign(&self) -> Signed {
        self.sign_for(&Self::request(None, None)).await
    }

    async fn sign_for(&self, unpaid: &Parts) -> Signed {
        let Admission::Offer(response) = self.admit(unpaid).await else {
            unreachable!("an unpaid request is offered a price");
        };
        let lines = response.headers().get_all("www-authenticate").iter();
        let challenge = www_authenticate::parse(lines).remove(0).unwrap();
        let offer = Offer {
            request: challenge.request.decode().unwrap(),
            challenge: challenge.clone(),
        };
        let proof = self.payer.sign(&offer, self.clock.now()).await.unwrap();
        let source = proof.source.map(Source::from);
        let credential =
            Credential::new(challenge.clone(), source.clone(), &proof.payload).unwrap();
        let made_up = FakeProof {
            nonce: "made-up".to_owned(),
            signature: "0".to_owned(),
        };
        let key = ClaimKey::challenge(&challenge.id);
        let forged = Credential::new(challenge, source, &made_up).unwrap();
        Signed {
            key,
            header: authorization::to_header(&credential),
            forged: authorization::to_header(&forged),
        }
    }

    /// Presents a credential; the handler answers with a text where it runs.
    async fn present(&self, credential: &HeaderValue, answer: &'static str) -> Answered {
        self.present_under(credential, None, answer).await
    }

    async fn present_under(
        &self,
        credential: &HeaderValue,
        idempotency: Option<&str>,
        answer: &'static str,
    ) -> Answered {
        let parts = Self::request(Some(credential), idempotency);
        match self.admit(&parts).await {
            Admission::Offer(_) => unreachable!("a credential is not offered a price"),
            Admission::Respond(response) => response,
            Admission::Proceed(permit) => permit.finish(Response::new(Full::from(answer))).await,
        }
    }

    async fn held(&self, signed: &Signed) -> Held<Payment> {
        let found = self.gate.payments().claims().find(&signed.key).await;
        found.unwrap().unwrap()
    }

    /// Waits until the end of a delivery is written down.
    async fn until(&self, signed: &Signed, is: impl Fn(&Payment) -> bool) -> Payment {
        for _ in 0..1000 {
            let held = self.held(signed).await;
            if is(&held.record) {
                return held.record;
            }
            tokio::task::yield_now().await;
        }
        unreachable!("the payment stays {:?}", self.held(signed).await.record)
    }

    /// The connection goes before the last byte does.
    async fn lose(&self, signed: &Signed, answered: Answered) {
        assert_eq!(answered.status(), StatusCode::OK);
        drop(answered);
        self.until(signed, |payment| !payment.is_leased(self.clock.now()))
            .await;
    }
}

async fn read(answered: Answered) -> (StatusCode, Bytes) {
    let status = answered.status();
    let collected: Result<_, Infallible> = answered.into_body().collect().await;
    (status, collected.unwrap().to_bytes())
}

async fn problem(answered: Answered) -> Problem {
    let (status, body) = read(answered).await;
    Problem::parse(&body, status.as_u16()).unwrap()
}

fn priced(policy: SettlePolicy) -> Route {
    Route::priced("$0.002").unwrap().settle(policy)
}

#[tokio::test]
async fn whoever_knows_a_challenge_and_not_its_proof_gets_nothing() {
    for on_ledger in [true, false] {
        let desk = Desk::open(priced(SettlePolicy::After), on_ledger).await;
        let signed = desk.sign().await;
        let first = desk.present(&signed.header, "sunny").await;
        desk.lose(&signed, first).await;
        let stolen = desk.present(&signed.forged, "another run").await;
        assert!(!stolen.headers().contains_key("payment-receipt"));
        let (status, body) = read(stolen).await;
        assert!(!status.is_success() && !body.starts_with(b"sunny"));
        let again = desk.present(&signed.header, "another run").await;
        assert_eq!(read(again).await, (StatusCode::OK, "sunny".into()));
    }
}

#[tokio::test]
async fn an_answer_too_large_to_store_is_settled_and_served() {
    for on_ledger in [true, false] {
        for policy in [SettlePolicy::First, SettlePolicy::After] {
            let route = priced(policy).store_up_to(4).hold_up_to(64);
            let desk = Desk::open(route, on_ledger).await;
            let signed = desk.sign().await;
            let first = desk.present(&signed.header, "first run").await;
            desk.lose(&signed, first).await;
            // There is one place for a payment that is worked on, and this one finds it free.
            let again = desk.present(&signed.header, "second run").await;
            assert_eq!(read(again).await, (StatusCode::OK, "second run".into()));
            desk.until(&signed, |payment| payment.state == State::Delivered)
                .await;
        }
    }
}

#[tokio::test]
async fn a_lost_answer_that_was_too_large_runs_again_when_the_rail_confirms() {
    let route = priced(SettlePolicy::After).store_up_to(4).hold_up_to(64);
    let desk = Desk::open(route, false).await;
    let signed = desk.sign().await;
    desk.rail.script([Answer::MovedButLost]);
    let told = problem(desk.present(&signed.header, "first run").await).await;
    assert_eq!(told.moved, Some(Moved::Unknown));
    desk.clock.advance(Duration::from_secs(60));
    let again = desk.present(&signed.header, "second run").await;
    assert_eq!(read(again).await, (StatusCode::OK, "second run".into()));
}

#[tokio::test]
async fn a_stored_answer_waits_for_a_slow_rail() {
    let desk = Desk::open(priced(SettlePolicy::After), false).await;
    let signed = desk.sign().await;
    desk.rail.script([Answer::Lost, Answer::Lost, Answer::Lost]);
    let told = problem(desk.present(&signed.header, "sunny").await).await;
    assert_eq!(told.moved, Some(Moved::Unknown));
    for _ in 0..3 {
        desk.clock.advance(Duration::from_secs(3000));
        desk.gate.reconcile().await.unwrap();
    }
    assert_eq!(desk.held(&signed).await.record.state, State::Settled);
    let again = desk.present(&signed.header, "another run").await;
    assert_eq!(read(again).await, (StatusCode::OK, "sunny".into()));
}

/// The time for a delivery counts from when we learnt that value moved, and so does that of the
/// answer.
#[tokio::test]
async fn an_answer_is_kept_for_as_long_as_it_may_be_fetched_however_late_the_rail_spoke() {
    let desk = Desk::open(priced(SettlePolicy::First), false).await;
    let parts = |request: http::request::Builder| request.body(()).unwrap().into_parts().0;
    let signed = desk.sign_for(&parts(Request::post("/paid"))).await;
    let post = async |answer: &'static str| {
        let request = Request::post("/paid").header("authorization", &signed.header);
        let parts = parts(request);
        match desk.admit(&parts).await {
            Admission::Proceed(permit) => permit.finish(Response::new(Full::from(answer))).await,
            Admission::Respond(response) => response,
            Admission::Offer(_) => unreachable!("a credential is not offered a price"),
        }
    };
    desk.rail.script([Answer::MovedButLost]);
    let told = problem(post("sunny").await).await;
    assert_eq!(told.moved, Some(Moved::Unknown));
    // It moved at the start, and the rail takes an hour to say so.
    desk.clock.advance(Duration::from_secs(3600));
    let first = post("sunny").await;
    desk.lose(&signed, first).await;
    desk.gate.reconcile().await.unwrap();
    let again = post("rain").await;
    assert_eq!(read(again).await, (StatusCode::OK, "sunny".into()));
}

#[tokio::test]
async fn a_rail_that_hangs_holds_up_no_other_payment() {
    let desk = Desk::open(priced(SettlePolicy::First), false).await;
    let (stuck, other) = (desk.sign().await, desk.sign().await);
    for signed in [&stuck, &other] {
        desk.rail.script([Answer::Lost]);
        let told = problem(desk.present(&signed.header, "sunny").await).await;
        assert_eq!(told.moved, Some(Moved::Unknown));
        desk.clock.advance(Duration::from_secs(1));
    }
    desk.clock.advance(Duration::from_secs(60));
    let latch = Latch::default();
    desk.rail.script([Answer::Hang(latch.clone())]);
    let gate = desk.gate.clone();
    let round = tokio::spawn(async move { gate.reconcile().await });
    desk.until(&other, |payment| payment.state == State::Settled)
        .await;
    assert_eq!(desk.held(&stuck).await.record.state, State::Unknown);
    latch.open();
    round.await.unwrap().unwrap();
    assert_eq!(desk.held(&stuck).await.record.state, State::Settled);
}

#[tokio::test]
async fn a_redelivered_answer_is_remembered_for_its_idempotency_key() {
    let desk = Desk::open(priced(SettlePolicy::After), true).await;
    let signed = desk.sign().await;
    let first = desk.present_under(&signed.header, Some("k"), "sunny").await;
    desk.lose(&signed, first).await;
    let again = desk.present_under(&signed.header, Some("k"), "rain").await;
    assert_eq!(read(again).await, (StatusCode::OK, "sunny".into()));
    desk.until(&signed, |payment| payment.state == State::Delivered)
        .await;
    let other = desk.sign().await;
    let replayed = desk.present_under(&other.header, Some("k"), "rain").await;
    assert_eq!(read(replayed).await, (StatusCode::OK, "sunny".into()));
    let claims = desk.gate.payments().claims();
    assert!(claims.find(&other.key).await.unwrap().is_none());
}

#[tokio::test]
async fn an_idempotency_key_is_not_free_while_its_answer_is_kept() {
    let route = priced(SettlePolicy::After).remember_answers_for(Duration::from_secs(20_000));
    let desk = Desk::open(route, true).await;
    let signed = desk.sign().await;
    let first = desk.present_under(&signed.header, Some("k"), "sunny").await;
    assert_eq!(read(first).await, (StatusCode::OK, "sunny".into()));
    desk.until(&signed, |payment| payment.state == State::Delivered)
        .await;
    // The proof ran out long ago, and the answer is still kept.
    for (secs, answer) in [(15_000, "sunny"), (6_000, "rain")] {
        desk.clock.advance(Duration::from_secs(secs));
        desk.gate.reconcile().await.unwrap();
        let other = desk.sign().await;
        let again = desk.present_under(&other.header, Some("k"), "rain").await;
        assert_eq!(read(again).await, (StatusCode::OK, answer.into()));
    }
}

#[tokio::test]
async fn one_attempt_is_in_flight() {
    for on_ledger in [true, false] {
        for policy in [SettlePolicy::First, SettlePolicy::After] {
            let desk = Desk::with_places(2, priced(policy), on_ledger).await;
            let signed = desk.sign().await;
            let parts = Desk::request(Some(&signed.header), None);
            let Admission::Proceed(permit) = desk.admit(&parts).await else {
                unreachable!("the payment is good");
            };
            // The handler is at work; whoever comes meanwhile neither runs it again nor ends it.
            let other = desk.present(&signed.header, "another run").await;
            let told = problem(other).await;
            assert_eq!(told.kind(), Some(ProblemKind::PaymentInFlight));
            let served = permit.finish(Response::new(Full::from("sunny"))).await;
            assert_eq!(read(served).await, (StatusCode::OK, "sunny".into()));
        }
    }
}

#[tokio::test]
async fn a_lease_begins_when_the_proof_is_checked() {
    let desk = Desk::open(priced(SettlePolicy::After), false).await;
    let signed = desk.sign().await;
    let latch = Latch::default();
    desk.charge.script([Judgement::Later(latch.clone())]);
    let parts = Desk::request(Some(&signed.header), None);
    let (admission, ()) = tokio::join!(desk.admit(&parts), async {
        desk.clock.advance(Duration::from_secs(45));
        latch.open();
    });
    assert!(matches!(admission, Admission::Proceed(_)));
    let payment = desk.held(&signed).await.record;
    assert!(payment.is_leased(desk.clock.now()), "{payment:?}");
}

#[tokio::test]
async fn a_failed_capture_tells_of_nothing_that_moved() {
    let desk = Desk::open(priced(SettlePolicy::After), true).await;
    for (failure, moved) in [
        (Failure::Full, Moved::No),
        (Failure::InDoubt, Moved::Unknown),
    ] {
        let signed = desk.sign().await;
        desk.faults.fail_commit(2, failure);
        let told = problem(desk.present(&signed.header, "sunny").await).await;
        assert_eq!((told.moved, told.reference), (Some(moved), None));
    }
}

#[tokio::test]
async fn a_store_that_fails_denies_no_payment() {
    let desk = Desk::open(priced(SettlePolicy::After), true).await;
    let signed = desk.sign().await;
    let first = desk.present(&signed.header, "sunny").await;
    desk.lose(&signed, first).await;
    desk.faults.fail_commits(Some(Failure::Full));
    let told = problem(desk.present(&signed.header, "rain").await).await;
    assert_eq!(told.moved, Some(Moved::Yes));
    assert!(told.reference.is_some());
    desk.faults.fail_reads(Some(Failure::Unavailable));
    let told = problem(desk.present(&signed.header, "rain").await).await;
    assert_eq!(told.moved, Some(Moved::Unknown));
    desk.faults.fail_reads(None);
    desk.faults.fail_commits(None);
    let again = desk.present(&signed.header, "rain").await;
    assert_eq!(read(again).await, (StatusCode::OK, "sunny".into()));
}

#[tokio::test]
async fn what_is_not_remembered_is_not_denied() {
    let desk = Desk::open(priced(SettlePolicy::First), false).await;
    let (paid, unpaid) = (desk.sign().await, desk.sign().await);
    let served = desk.present(&paid.header, "sunny").await;
    assert_eq!(read(served).await, (StatusCode::OK, "sunny".into()));
    desk.until(&paid, |payment| payment.state == State::Delivered)
        .await;
    desk.clock.advance(Duration::from_secs(600));
    let told = problem(desk.present(&unpaid.header, "rain").await).await;
    assert_eq!(told.moved, Some(Moved::No));
    desk.clock.advance(Duration::from_secs(5000));
    desk.gate.reconcile().await.unwrap();
    let told = problem(desk.present(&paid.header, "rain").await).await;
    assert_eq!(told.moved, Some(Moved::Unknown));
}
