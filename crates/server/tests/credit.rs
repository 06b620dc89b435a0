//! Credit: what is served before value is known to have moved, and what becomes of it. The rail is
//! the testkit's fake, whose truth is asserted on both sides.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

mod common;

use std::{sync::Arc, time::Duration};

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use common::{PRICE, fake::FakeShop, key, receipt};
use farthing_core::{
    domain::credit,
    memory::MemoryBackend,
    payment::{Moved, Payment, SettlePolicy, State},
    value::{Reference, Secret, Timestamp},
};
use farthing_ledger::Ledger;
use farthing_server::{
    Admission, Gate, RefundError, Route, RouteError, SetupError, WriteOffError, record_refund,
};
use farthing_testkit::{
    clock::FakeClock,
    method::{Answer, FakeCharge, FakePayer, FakeRail, account},
};
use http_body_util::Full;

/// A price at the decimals that credit is counted with.
const COUNTED: u128 = PRICE * 10u128.pow(12);

fn lending(per_payer: &str, in_total: &str) -> Route {
    let route = Route::priced("$0.002").unwrap();
    route
        .settle(SettlePolicy::First)
        .credit(per_payer, in_total)
        .unwrap()
}

/// Called the same behind the layer and without it.
fn named() -> Route {
    lending("$1", "$20").named("paid").unwrap()
}

async fn shop(route: Route) -> FakeShop {
    FakeShop::selling(Arc::new(MemoryBackend::new()), |it| it, route, |_| None).await
}

impl FakeShop {
    /// How much is on credit, of the buyer and of all.
    async fn on_credit(&self) -> (u128, u128) {
        let backend = &self.shop.backend;
        let own = credit::outstanding(backend, "USD", Some(&account("buyer"))).await;
        let all = credit::outstanding(backend, "USD", None).await;
        (own.unwrap().units(), all.unwrap().units())
    }

    /// Presents a credential while the rail has not made its next block.
    async fn lent(&self, credential: &str) -> Response<Bytes> {
        self.rail.script([Answer::Block]);
        let response = self.present(credential).await;
        assert_eq!(response.status(), 200);
        let (status, headers) = (response.status(), response.headers().clone());
        let mut whole = Response::new(response.bytes().await.unwrap());
        (*whole.status_mut(), *whole.headers_mut()) = (status, headers);
        whole
    }

    async fn all(&self) -> Vec<Payment> {
        let payments = self.shop.gate.payments();
        let due = payments.due(Timestamp::FAR, 100).await.unwrap();
        due.into_iter().map(|held| held.record).collect()
    }

    /// Waits until the gate wrote down that its answers went out.
    async fn all_went_out(&self) {
        use farthing_core::payment::Answer::Delivered;
        for _ in 0..500 {
            let all = self.all().await;
            let waits =
                |payment: &Payment| payment.state == State::Credited && payment.answer != Delivered;
            if !all.iter().any(waits) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("an answer never went out: {:?}", self.all().await);
    }

    async fn next_block(&self) {
        self.all_went_out().await;
        self.shop.clock.advance(Duration::from_secs(2));
        self.shop.gate.reconcile().await.unwrap();
    }
}

/// Whether an answer was given on credit. One that was not has a receipt.
fn is_on_credit(answer: &Response<Bytes>) -> bool {
    let headers = answer.headers();
    assert_eq!(headers["cache-control"], "private");
    let on_credit = !headers.contains_key("payment-receipt");
    assert_eq!(headers.contains_key("money-moved"), on_credit);
    if on_credit {
        assert_eq!(headers["money-moved"], "unknown");
    }
    on_credit
}

#[tokio::test]
async fn an_answer_on_credit_has_no_receipt_and_is_paid_for_with_the_next_block() {
    let fake = shop(lending("$1", "$20")).await;
    let credential = fake.credential().await;
    let answer = fake.lent(&credential).await;
    assert!(is_on_credit(&answer));
    assert_eq!(answer.body(), "sunny");
    fake.assert_moved(0);
    assert_eq!(fake.on_credit().await, (COUNTED, COUNTED));
    fake.all_went_out().await;
    // It was served: it buys nothing more, and whether it is paid for is not known.
    let again = fake.present(&credential).await;
    assert_eq!(again.status(), 402);
    let problem = common::problem(again).await;
    assert_eq!(common::kind(&problem), "invalid-challenge");
    assert_eq!(problem["moneyMoved"], serde_json::Value::Null);
    assert_eq!(problem["awaits"], "fake-buyer-0");
    assert_eq!(problem.get("reference"), None);

    fake.next_block().await;
    fake.assert_moved(1);
    let states = fake.shop.states();
    let expect = [State::Sent, State::Credited, State::Credited];
    assert_eq!(states[..3], expect);
    assert_eq!(states.last(), Some(&State::Delivered));
    assert_eq!(fake.on_credit().await, (0, 0));
    let kept = fake.shop.gate.receipts().list(None, 10).await.unwrap();
    assert_eq!(kept[0].receipt.reference().as_str(), "fake-buyer-0");
    fake.refused(&credential, 402, "invalid-challenge", Some(true))
        .await;
    assert_eq!(fake.shop.runs(), 1);
}

#[tokio::test]
async fn a_rail_that_is_done_at_once_gives_a_receipt_and_no_credit() {
    let fake = shop(lending("$1", "$20")).await;
    let credential = fake.credential().await;
    fake.served(&credential).await;
    assert_eq!(fake.on_credit().await, (0, 0));
    fake.shop.reached(State::Delivered).await;
}

#[tokio::test]
async fn whoever_has_more_under_way_waits_for_the_block() {
    // Two of a payer's, three of all.
    let fake = shop(lending("$0.004", "$0.006")).await;
    for (served, expect) in [true, true, false].into_iter().enumerate() {
        let answer = fake.lent(&fake.credential().await).await;
        assert_eq!(is_on_credit(&answer), expect, "payment {served}");
    }
    assert_eq!(fake.on_credit().await, (2 * COUNTED, 2 * COUNTED));
    fake.rail.deposit(&account("other"), PRICE * 9);
    let mut fake = fake;
    fake.payer = FakePayer::new(Arc::clone(&fake.rail), account("other"));
    for expect in [true, false] {
        let answer = fake.lent(&fake.credential().await).await;
        assert_eq!(is_on_credit(&answer), expect);
    }
    assert_eq!(fake.on_credit().await, (2 * COUNTED, 3 * COUNTED));
    fake.next_block().await;
    assert_eq!(fake.on_credit().await, (0, 0));
    assert_eq!(fake.rail.truth().balance("did:fake:seller"), 5 * PRICE);
}

#[tokio::test]
async fn many_at_once_get_no_more_credit_than_one_after_the_other() {
    let fake = Arc::new(shop(lending("$0.01", "$0.01")).await);
    let mut credentials = Vec::new();
    for _ in 0..20 {
        credentials.push(fake.credential().await);
    }
    let mut under_way = tokio::task::JoinSet::new();
    for credential in credentials {
        let fake = Arc::clone(&fake);
        under_way.spawn(async move { is_on_credit(&fake.lent(&credential).await) });
    }
    let lent = under_way.join_all().await;
    assert_eq!(lent.iter().filter(|lent| **lent).count(), 5);
    assert_eq!(fake.on_credit().await, (5 * COUNTED, 5 * COUNTED));
    fake.next_block().await;
    fake.assert_moved(20);
}

#[tokio::test]
async fn who_never_paid_gets_no_more_until_it_is_written_off() {
    let fake = shop(lending("$0.002", "$0.006")).await;
    let credential = fake.credential().await;
    assert!(is_on_credit(&fake.lent(&credential).await));
    fake.rail.script([Answer::Refuse]);
    fake.next_block().await;
    fake.assert_moved(0);
    let payments = fake.shop.gate.payments();
    let lost = payments.defaulted(None, 10).await.unwrap().remove(0);
    assert_eq!(lost.record.state, State::Defaulted);
    assert_eq!(lost.record.state.moved(), Moved::No);
    assert_eq!(lost.debits().len(), 2);
    assert!(payments.journaled(&lost.record).await.unwrap().is_none());
    assert!(fake.shop.states().contains(&State::Defaulted));
    fake.refused(&credential, 402, "invalid-challenge", Some(false))
        .await;
    // Long after, it still counts.
    fake.shop.clock.advance(Duration::from_secs(30 * 24 * 3600));
    fake.shop.gate.reconcile().await.unwrap();
    assert_eq!(fake.on_credit().await, (COUNTED, COUNTED));
    assert!(!is_on_credit(&fake.lent(&fake.credential().await).await));

    let id = lost.record.id;
    fake.shop.gate.write_off(id).await.unwrap();
    assert_eq!(fake.on_credit().await, (0, 0));
    assert!(payments.defaulted(None, 10).await.unwrap().is_empty());
    let twice = fake.shop.gate.write_off(id).await;
    assert!(matches!(
        twice,
        Err(WriteOffError::State(State::WrittenOff))
    ));
    assert_eq!(fake.on_credit().await, (0, 0));
    fake.refused(&credential, 402, "invalid-challenge", Some(false))
        .await;
    assert!(is_on_credit(&fake.lent(&fake.credential().await).await));
}

#[tokio::test]
async fn only_what_defaulted_is_written_off() {
    let fake = shop(lending("$1", "$20")).await;
    fake.served(&fake.credential().await).await;
    fake.shop.reached(State::Delivered).await;
    let id = fake.all().await[0].id;
    let refused = fake.shop.gate.write_off(id).await;
    assert!(matches!(
        refused,
        Err(WriteOffError::State(State::Delivered))
    ));
    let nobody = farthing_core::value::PaymentId::new(farthing_core::value::Entropy([9; 16]));
    let unknown = fake.shop.gate.write_off(nobody).await;
    assert!(matches!(unknown, Err(WriteOffError::Unknown(_))));
}

/// The answer to a credential, and what becomes of it when its body goes nowhere.
async fn lose_the_answer(fake: &FakeShop, credential: &str, method: http::Method, route: Route) {
    let route = fake.shop.gate.route(route).unwrap();
    let request = http::Request::builder()
        .method(method)
        .uri("/paid")
        .header("authorization", credential)
        .body(())
        .unwrap();
    let (parts, ()) = request.into_parts();
    fake.rail.script([Answer::Block]);
    let admission = fake
        .shop
        .gate
        .admit::<Full<Bytes>>(&route, &parts, None, None);
    let Admission::Proceed(permit) = admission.await else {
        panic!("it may be served on credit");
    };
    assert!(permit.paid().on_credit);
    assert_eq!(permit.paid().reference, None);
    let answer = Response::new(Full::new(Bytes::from("sunny")));
    drop(permit.finish(answer).await);
    for _ in 0..500 {
        let all = fake.all().await;
        if all[0].answer != farthing_core::payment::Answer::Started
            && all[0].lease_until == Timestamp::EPOCH
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the answer was not kept: {:?}", fake.all().await);
}

#[tokio::test]
async fn what_did_not_arrive_on_credit_is_given_again_when_it_is_paid_for() {
    for method in [http::Method::GET, http::Method::POST] {
        let fake = shop(named()).await;
        let credential = named_credential(&fake, &method).await;
        lose_the_answer(&fake, &credential, method.clone(), named()).await;
        let present = || async {
            let request = fake
                .shop
                .http
                .request(method.clone(), fake.shop.url("/paid"));
            request
                .header("authorization", &credential)
                .send()
                .await
                .unwrap()
        };
        // Credit is given once: now it waits for the rail, and gets nothing before that is done.
        fake.rail.script([Answer::Pending(Duration::from_secs(1))]);
        let waits = present().await;
        assert_eq!(waits.status(), 503);
        assert!(waits.headers().contains_key("retry-after"));
        let problem = common::problem(waits).await;
        assert_eq!(common::kind(&problem), "payment-pending");
        assert_eq!(problem["awaits"], "fake-buyer-0");
        assert_eq!(problem["moneyMoved"], serde_json::Value::Null);
        fake.shop.clock.advance(Duration::from_secs(2));
        let answer = present().await;
        assert_eq!(answer.status(), 200);
        assert!(receipt(&answer).is_some());
        assert_eq!(answer.text().await.unwrap(), "sunny");
        fake.assert_moved(1);
        assert_eq!(fake.shop.runs(), 0, "the kept answer is given");
        assert_eq!(fake.on_credit().await, (0, 0));
    }
}

async fn named_credential(fake: &FakeShop, method: &http::Method) -> String {
    let request = fake
        .shop
        .http
        .request(method.clone(), fake.shop.url("/paid"));
    let response = request.header("accept-payment", "fake/charge").send().await;
    let challenge = common::challenges(&response.unwrap()).remove(0);
    common::sign_with(&fake.payer, &challenge, fake.shop.clock_now()).await
}

#[tokio::test]
async fn what_was_lost_on_its_way_and_never_paid_counts_as_lost() {
    let fake = shop(named()).await;
    let credential = named_credential(&fake, &http::Method::GET).await;
    lose_the_answer(&fake, &credential, http::Method::GET, named()).await;
    fake.rail.script([Answer::Refuse]);
    fake.refused(&credential, 402, "verification-failed", Some(false))
        .await;
    // All but the last byte may have arrived: whoever does this twice has no more credit.
    assert_eq!(fake.on_credit().await, (COUNTED, COUNTED));
    let lost = fake.shop.gate.payments().defaulted(None, 10).await.unwrap();
    assert_eq!(lost.len(), 1);
    fake.assert_moved(0);
}

#[tokio::test]
async fn what_is_not_served_on_credit_waits_for_the_rail() {
    for (answer, state, moved) in [
        (Answer::Settle, State::Settled, 1),
        (Answer::Refuse, State::Failed, 0),
    ] {
        let first = std::sync::atomic::AtomicBool::new(true);
        let first = Arc::new(first);
        let fails_once = move |_: &axum::extract::Request| {
            let fails = first.swap(false, std::sync::atomic::Ordering::SeqCst);
            fails.then(|| http::StatusCode::INTERNAL_SERVER_ERROR.into_response())
        };
        let backend = Arc::new(MemoryBackend::new());
        let fake = FakeShop::selling(backend, |it| it, lending("$1", "$20"), fails_once).await;
        let credential = fake.credential().await;
        fake.rail.script([Answer::Block]);
        let failed = fake.present(&credential).await;
        assert_eq!(failed.status(), 502);
        assert_eq!(common::problem(failed).await["awaits"], "fake-buyer-0");
        fake.rail.script([answer]);
        fake.shop.clock.advance(Duration::from_secs(60));
        fake.shop.gate.reconcile().await.unwrap();
        assert_eq!(fake.shop.states().last(), Some(&state));
        fake.assert_moved(moved);
        assert_eq!(fake.on_credit().await, (0, 0));
        if moved == 1 {
            let answer = fake.present(&credential).await;
            assert!(receipt(&answer).is_some());
            assert_eq!(fake.shop.runs(), 2);
        }
    }
}

/// Neither may run again, and neither is kept: nobody can have it once it is lost.
#[tokio::test]
async fn what_was_too_large_to_keep_is_owed_once_it_is_paid_for() {
    let route = || lending("$1", "$20").named("paid").unwrap().store_up_to(4);
    let fake = shop(route()).await;
    let credential = named_credential(&fake, &http::Method::POST).await;
    lose_the_answer(&fake, &credential, http::Method::POST, route()).await;
    fake.shop.gate.reconcile().await.unwrap();
    assert_eq!(fake.shop.states().last(), Some(&State::Owed));
    fake.assert_moved(1);
    assert_eq!(fake.on_credit().await, (0, 0));
}

#[tokio::test]
async fn a_silent_rail_gives_no_credit() {
    let fake = shop(lending("$1", "$20")).await;
    let credential = fake.credential().await;
    fake.rail.script([Answer::Lost]);
    fake.refused(&credential, 503, "payment-unresolved", None)
        .await;
    assert_eq!(fake.shop.runs(), 0);
    // It is reserved all the same: what may be under way may still be taken.
    assert_eq!(fake.on_credit().await, (COUNTED, COUNTED));
    fake.shop.clock.advance(Duration::from_secs(60));
    fake.served(&credential).await;
    assert_eq!(fake.on_credit().await, (0, 0));
}

#[tokio::test]
async fn whoever_is_not_proven_has_no_credit() {
    let backend = Arc::new(MemoryBackend::new());
    let route = lending("$1", "$20");
    let fake = FakeShop::selling(backend, FakeCharge::anonymous, route, |_| None).await;
    assert!(!is_on_credit(&fake.lent(&fake.credential().await).await));
    assert_eq!(fake.on_credit().await, (0, 0));
}

#[tokio::test]
async fn an_idempotency_key_fetches_what_was_given_on_credit() {
    let fake = shop(lending("$1", "$20")).await;
    let credential = fake.credential().await;
    let ask = || async {
        let request = fake.shop.get("/paid").header("idempotency-key", "one");
        request
            .header("authorization", &credential)
            .send()
            .await
            .unwrap()
    };
    fake.rail.script([Answer::Block]);
    for _ in 0..2 {
        let answer = ask().await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["money-moved"], "unknown");
        assert_eq!(answer.text().await.unwrap(), "sunny");
        fake.all_went_out().await;
    }
    fake.next_block().await;
    let answer = ask().await;
    assert!(receipt(&answer).is_some());
    assert_eq!(fake.shop.runs(), 1);
    fake.assert_moved(1);
}

#[tokio::test]
async fn credit_that_could_never_be_given_stops_the_start() {
    let clock = FakeClock::at(common::start_time());
    let rail = Arc::new(FakeRail::new(Arc::new(clock.clone())));
    let gate = |outside: bool| {
        let mut gate = Gate::builder()
            .realm("127.0.0.1")
            .secret(Secret::new(vec![7; 32]))
            .store(Arc::new(MemoryBackend::new()))
            .clock(Arc::new(clock.clone()))
            .method(Arc::new(Ledger::new(key(2).account().clone())));
        if outside {
            let charge = FakeCharge::new(Arc::clone(&rail), &account("seller"));
            gate = gate.method(Arc::new(charge));
        }
        gate.build().unwrap()
    };
    let stops = |gate: &Gate, route: Route| {
        let stopped = gate.route(route);
        assert!(matches!(stopped, Err(SetupError::Credit(_))), "{stopped:?}");
    };
    let route = Route::priced("$0.002").unwrap();
    assert!(gate(true).route(lending("$1", "$20")).is_ok());
    assert!(gate(true).route(lending("$0.002", "$0.002")).is_ok());
    stops(&gate(false), lending("$1", "$20"));
    stops(&gate(true), lending("$0.001", "$20"));
    let after = route.clone().settle(SettlePolicy::After);
    stops(&gate(true), after.credit("$1", "$20").unwrap());
    let euros = route.clone().credit("1 EUR", "20 EUR").unwrap();
    stops(&gate(true), euros);
    for (per_payer, in_total) in [("$1", "20 EUR"), ("$0", "$1"), ("$2", "$1"), ("$1", "lots")] {
        let refused = route.clone().credit(per_payer, in_total);
        assert!(
            matches!(refused, Err(RouteError::Credit(_) | RouteError::Price(_))),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn what_a_rail_cannot_send_back_is_recorded_once_with_its_reference() {
    let fake = shop(lending("$1", "$20")).await;
    fake.served(&fake.credential().await).await;
    fake.shop.reached(State::Delivered).await;
    let (id, now) = (fake.all().await[0].id, fake.shop.clock_now());
    let refused = fake.shop.gate.refund(id).await;
    assert!(matches!(refused, Err(RefundError::Unsupported(_))));
    let payments = fake.shop.gate.payments();
    let reference = Reference::new("fake-back").unwrap();
    let record = || record_refund(payments, &[], id, reference.clone(), now);
    let refunded = record().await.unwrap();
    assert_eq!(refunded.state, State::Refunded);
    assert_eq!(refunded.returned, Some(reference.clone()));
    let twice = record().await;
    assert!(matches!(twice, Err(RefundError::State(State::Refunded))));
}
