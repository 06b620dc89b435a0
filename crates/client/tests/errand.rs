//! Payments whose payer hands them to the rail itself: moved once, however often the client dies.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{
    Buyer, Reply, Seen, Server, StillClock, Wallet, bare, buyer_as, challenge, challenge_in, coin,
    dies_and_buys_again, dollar, generous, hasty, paid, price, problem, selling, unpaid,
};
use farthing_client::{
    Client, Error, Limit, Options, PayerFault, Policy, Refused, Standing, WriteOffError,
};
use farthing_core::{
    memory::MemoryBackend,
    noun::{
        Expires,
        problem::{Problem, ProblemKind},
    },
    payment::Moved,
    port::{
        backend::Backend,
        method::{Fault, Refusal},
        payer::{Errand, Resolved},
    },
    value::{Reference, Timestamp},
};
use farthing_testkit::faulty::{Failure, Faults, Faulty, When};

const RESERVE: u64 = 1;
const SIGN: u64 = 2;
const RAN: u64 = 3;
const SETTLE: u64 = 4;

fn pushing(policy: Policy) -> Buyer {
    let backend = Arc::new(MemoryBackend::new());
    buyer_as(
        Wallet::pushing(),
        backend,
        StillClock::new(),
        policy,
        |builder| builder,
    )
}

/// A buyer whose store fails when it is told to.
fn faulty() -> (Buyer, Faults) {
    let (backend, faults) = Faulty::new(MemoryBackend::new());
    let options = Options {
        lease: Duration::from_millis(1_500),
        ..hasty()
    };
    let (backend, clock): (Arc<dyn Backend>, _) = (Arc::new(backend), StillClock::new());
    let buyer = buyer_as(Wallet::pushing(), backend, clock, generous(), |builder| {
        builder.options(options)
    });
    (buyer, faults)
}

fn errand_comes_to(buyer: &Buyer, fails: Option<fn() -> Errand>) {
    buyer.wallet.errands.as_ref().unwrap().lock().unwrap().fails = fails;
}

/// The client dies at a write, the same request is made by a new process. `expect` is how often was
/// signed, how often something was handed to the rail and how much of it was different, how many
/// payments arrived at the server and how many different ones.
async fn check(write: u64, when: When, expect: (usize, (usize, usize), (usize, usize))) {
    let server = selling().await;
    let (dying, faults) = faulty();
    let restarted = dies_and_buys_again(&dying, &faults, &server, write, when).await;

    let what = format!("{when:?} write {write}");
    let (wallet, moved) = (&dying.wallet, dying.wallet.handed().1);
    let came = (wallet.signed(), wallet.handed(), server.payments());
    assert_eq!(came, expect, "{what}");
    assert_eq!(dying.used().await, 1_000 * moved as u128, "{what}");
    assert!(
        restarted.pending(None, 10).await.unwrap().is_empty(),
        "{what}"
    );
}

#[tokio::test]
async fn dies_before_it_reserved() {
    check(RESERVE, When::Before, (1, (1, 1), (1, 1))).await;
}

#[tokio::test]
async fn dies_before_what_it_signed_is_kept() {
    check(SIGN, When::Before, (2, (1, 1), (1, 1))).await;
}

#[tokio::test]
async fn dies_before_it_hands_anything_over() {
    check(SIGN, When::After, (1, (1, 1), (1, 1))).await;
}

#[tokio::test]
async fn dies_after_it_handed_it_over_and_before_that_is_kept() {
    check(RAN, When::Before, (1, (2, 1), (1, 1))).await;
}

#[tokio::test]
async fn dies_after_it_kept_that_it_is_handed_over() {
    check(RAN, When::After, (1, (1, 1), (1, 1))).await;
}

#[tokio::test]
async fn dies_after_it_was_served_and_before_that_is_kept() {
    check(SETTLE, When::Before, (1, (1, 1), (2, 1))).await;
}

#[tokio::test]
async fn dies_after_everything_and_the_next_request_is_another_purchase() {
    check(SETTLE, When::After, (2, (2, 2), (2, 2))).await;
}

#[tokio::test]
async fn what_could_not_be_kept_is_not_handed_over() {
    let server = selling().await;
    let (buyer, faults) = faulty();
    faults.fail_commit(SIGN, Failure::Full);
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(matches!(error, Error::Store { .. }), "{error:?}");
    assert_eq!((error.moved(), buyer.used().await), (Moved::No, 0));
    assert_eq!((buyer.wallet.handed(), server.payments().0), ((0, 0), 0));
}

#[tokio::test]
async fn a_store_that_fails_after_the_errand_says_that_money_moved() {
    let server = selling().await;
    let (buyer, faults) = faulty();
    faults.fail_commit(RAN, Failure::Full);
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!(error.moved(), Moved::Yes, "{error:?}");
    assert_eq!((buyer.wallet.handed(), server.payments().0), ((1, 1), 0));
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((buyer.wallet.signed(), buyer.wallet.handed()), (1, (2, 1)));
    assert_eq!(buyer.used().await, 1_000);
}

#[tokio::test]
async fn an_errand_that_failed_for_good_costs_nothing_and_the_server_sees_no_payment() {
    for (fault, down) in [(Fault::Insufficient, false), (Fault::Unavailable, true)] {
        let server = selling().await;
        let buyer = pushing(generous());
        let failing: fn() -> Errand = match fault {
            Fault::Insufficient => {
                || Errand::Failed(Refusal::new(Fault::Insufficient, "too little"))
            }
            _ => || Errand::Failed(Refusal::new(Fault::Unavailable, "the rail is down")),
        };
        errand_comes_to(&buyer, Some(failing));
        let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
        assert_eq!(matches!(error, Error::Rail(_)), down, "{error:?}");
        assert_eq!(matches!(error, Error::Payer(PayerFault::Payer(_))), !down);
        assert_eq!((error.moved(), buyer.used().await), (Moved::No, 0));
        assert_eq!(server.payments().0, 0);
        assert!(buyer.client.pending(None, 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_errand_nobody_knows_of_is_done_again_with_the_same_bytes() {
    let server = selling().await;
    let buyer = pushing(generous());
    errand_comes_to(&buyer, Some(|| Errand::Unknown));
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(matches!(error, Error::Unresolved(_)), "{error:?}");
    assert_eq!((error.moved(), server.payments().0), (Moved::Unknown, 0));
    assert_eq!(buyer.used().await, 1_000);
    errand_comes_to(&buyer, None);
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let handed = buyer.wallet.errands.as_ref().unwrap().lock().unwrap();
    assert_eq!(handed.handed[0], handed.handed[1]);
    assert_eq!((handed.handed.len(), buyer.wallet.signed()), (2, 1));
}

/// Whoever died before the errand: a plain GET is finished by `resume`, a POST is not paid for when
/// nobody asks for it any more.
#[tokio::test]
async fn resume_moves_money_only_for_what_it_sends_again() {
    for (method, handed) in [(http::Method::GET, (1, 1)), (http::Method::POST, (0, 0))] {
        let server = selling().await;
        let (dying, faults) = faulty();
        let held = faults.hold_commit(SIGN, When::After);
        let request = dying.client.request(method.clone(), server.url("/"));
        let call = tokio::spawn(request.send());
        held.reached().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        dying.clock.advance(Duration::from_secs(10));
        let restarted = dying.restarted(generous());
        let resumed = restarted.resume().await.unwrap();
        assert_eq!(dying.wallet.handed(), handed, "{method}");
        assert_eq!(resumed[0].response.is_some(), method == http::Method::GET);
        if method == http::Method::POST {
            // It ran out, and the rail says so.
            dying.wallet.resolve_as(Resolved::Dead);
            dying.clock.advance(Duration::from_secs(120));
            let resumed = restarted.resume().await.unwrap();
            assert_eq!(resumed[0].payment.standing, Standing::Void);
            assert_eq!((dying.wallet.handed().0, dying.used().await), (0, 0));
        }
    }
}

#[tokio::test]
async fn another_402_after_paying_is_not_paid_again() {
    let server = Server::start(|_| unpaid(&[challenge(1_000)])).await;
    let buyer = pushing(generous());
    let reference = Reference::new("raw-bytes-1").unwrap();
    buyer.wallet.resolve_as(Resolved::Moved {
        reference: reference.clone(),
    });
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!(error.moved(), Moved::Yes, "{error:?}");
    assert_eq!((buyer.wallet.signed(), buyer.wallet.handed()), (1, (1, 1)));
    assert_eq!(buyer.used().await, 1_000);
    // The rail's word settles it, and it is listed as paid without a receipt.
    let resumed = buyer.client.resume().await.unwrap();
    assert_eq!(resumed[0].payment.standing, Standing::Paid);
    assert_eq!(resumed[0].payment.reference, Some(reference));
    assert_eq!(buyer.client.unreceipted(None, 10).await.unwrap().len(), 1);
    assert_eq!((buyer.used().await, buyer.wallet.handed().0), (1_000, 1));
}

/// Answers nothing to a payment, ever.
async fn silent() -> Server {
    Server::start(|seen: Seen| -> Reply {
        match seen.payment() {
            Some(_) => bare(503).into(),
            None => unpaid(&[challenge(1_000)]).into(),
        }
    })
    .await
}

async fn left_open(server: &Server) -> (Buyer, Client) {
    let buyer = common::buyer(generous());
    let lost = buyer.client.get(server.url("/")).send().await;
    assert!(matches!(lost, Err(Error::Unresolved(_))), "{lost:?}");
    let client = buyer.restarted(generous());
    (buyer, client)
}

#[tokio::test]
async fn what_ran_out_and_is_dead_is_paid_anew_and_what_may_live_is_sent_again() {
    for (resolved, signed) in [(Resolved::Dead, 2), (Resolved::Unknown, 1)] {
        let answers = Arc::new(AtomicBool::new(false));
        let serves = Arc::clone(&answers);
        let server = Server::start(move |seen: Seen| match seen.payment() {
            Some(_) if serves.load(Ordering::SeqCst) => paid(&seen, "goods"),
            Some(_) => bare(503),
            None => {
                let mut challenge = challenge(1_000);
                let later = if serves.load(Ordering::SeqCst) {
                    900
                } else {
                    300
                };
                let end = Timestamp::from_secs(common::START + later);
                challenge.expires = Some(Expires::new(end));
                unpaid(&[challenge])
            }
        })
        .await;
        let (buyer, client) = left_open(&server).await;
        // As long as it is good, it is sent whatever the rail says.
        buyer.clock.advance(Duration::from_secs(299));
        assert!(client.get(server.url("/")).send().await.is_err());
        assert_eq!(buyer.wallet.signed(), 1, "{resolved:?}");
        answers.store(true, Ordering::SeqCst);
        buyer.wallet.resolve_as(resolved.clone());
        buyer.clock.advance(Duration::from_secs(1));
        let response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "goods");
        assert_eq!(buyer.wallet.signed(), signed, "{resolved:?}");
        assert_eq!(buyer.used().await, 1_000, "{resolved:?}");
        assert!(client.pending(None, 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn writing_off_asks_the_rail_first() {
    let server = silent().await;
    let (buyer, client) = left_open(&server).await;
    let id = client.pending(None, 10).await.unwrap()[0].id;
    let error = client.write_off(id).await.unwrap_err();
    assert!(matches!(error, WriteOffError::StillGood(_)), "{error:?}");
    let reference = Reference::new("tx").unwrap();
    buyer.wallet.resolve_as(Resolved::Moved {
        reference: reference.clone(),
    });
    let error = client.write_off(id).await.unwrap_err();
    assert!(
        matches!(error, WriteOffError::Decided(Standing::Paid)),
        "{error:?}"
    );
    assert_eq!(
        client.payment(id).await.unwrap().unwrap().reference,
        Some(reference)
    );
    assert_eq!(buyer.used().await, 1_000);

    let (buyer, client) = left_open(&server).await;
    let id = client.pending(None, 10).await.unwrap()[0].id;
    buyer.wallet.resolve_as(Resolved::Dead);
    assert_eq!(client.write_off(id).await.unwrap().standing, Standing::Void);
    assert_eq!(buyer.used().await, 0);
}

#[tokio::test]
async fn a_refusal_with_a_dead_proof_gives_the_budget_back_at_once() {
    let refusing = |_| problem(&Problem::new(ProblemKind::VerificationFailed));
    let server = Server::start(move |seen: Seen| match seen.payment() {
        Some(_) => refusing(()),
        None => unpaid(&[challenge(1_000)]),
    })
    .await;
    let buyer = common::buyer(generous());
    buyer.wallet.resolve_as(Resolved::Dead);
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(matches!(error, Error::Rejected(_)), "{error:?}");
    assert_eq!(buyer.used().await, 0);
}

/// Of two wallets of one method, only the one that signed says what became of it.
#[tokio::test]
async fn another_wallets_ignorance_is_no_answer() {
    let server = silent().await;
    let other = Wallet {
        did: "did:test:other",
        ..Wallet::new()
    };
    let (backend, clock) = (Arc::new(MemoryBackend::new()), StillClock::new());
    let buyer = buyer_as(Wallet::new(), backend, clock, generous(), |builder| {
        builder.payer(other)
    });
    buyer.wallet.resolve_as(Resolved::Dead);
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(matches!(error, Error::Rejected(_)), "{error:?}");
    assert_eq!(buyer.used().await, 0);
}

fn charging(fee: u128, policy: Policy) -> Buyer {
    let backend = Arc::new(MemoryBackend::new());
    let wallet = Wallet::new().with_fee(fee);
    buyer_as(wallet, backend, StillClock::new(), policy, |builder| {
        builder
    })
}

#[tokio::test]
async fn a_fee_counts_as_spent() {
    let server = selling().await;
    let buyer = charging(300, generous());
    buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(buyer.used().await, 1_300);
    let id = buyer.client.receipts().list(None, 1).await.unwrap()[0].payment;
    let payment = buyer.client.payment(id).await.unwrap().unwrap();
    assert_eq!(payment.fee.unwrap().to_string(), "0.0003 USD");
}

/// What the rail took although it refused stays counted, and nothing else does.
#[tokio::test]
async fn a_fee_that_was_taken_for_nothing_counts() {
    let refusing = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => problem(&Problem::new(ProblemKind::VerificationFailed)),
        None => unpaid(&[challenge(1_000)]),
    })
    .await;
    for (resolved, used) in [(Resolved::Dead, 0), (Resolved::Failed, 300)] {
        let buyer = charging(300, generous());
        buyer.wallet.resolve_as(resolved);
        let error = buyer.client.get(refusing.url("/")).send().await;
        assert!(matches!(error, Err(Error::Rejected(_))), "{error:?}");
        assert_eq!(buyer.used().await, used);
    }
    let (server, mut wallet) = (selling().await, Wallet::pushing().with_fee(300));
    wallet.errands = Some(Arc::default());
    let backend = Arc::new(MemoryBackend::new());
    let buyer = buyer_as(wallet, backend, StillClock::new(), generous(), |b| b);
    errand_comes_to(
        &buyer,
        Some(|| Errand::Charged(Refusal::new(Fault::Insufficient, "it failed on the rail"))),
    );
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(matches!(error, Error::Payer(_)), "{error:?}");
    assert_eq!((buyer.used().await, server.payments().0), (300, 0));
}

/// A fee of another unit than the price counts on the budget of its own.
#[tokio::test]
async fn a_fee_in_another_unit_counts_there() {
    let used = async |buyer: &Buyer, currency| {
        let uses = buyer.client.budgets(&currency, None).await.unwrap();
        uses[0].used.units()
    };
    for (resolved, coins, dollars) in [
        (Resolved::Unknown, 3, 300),
        (Resolved::Dead, 0, 0),
        (Resolved::Failed, 0, 300),
    ] {
        let server = Server::start(|seen: Seen| match seen.payment() {
            Some(_) => problem(&Problem::new(ProblemKind::VerificationFailed)),
            None => unpaid(&[challenge_in("coin", 3)]),
        })
        .await;
        let policy = generous().budget(Limit::total(price("10 COIN")));
        let buyer = charging(300, policy);
        buyer.wallet.resolve_as(resolved.clone());
        buyer.client.get(server.url("/")).send().await.unwrap_err();
        let told = (used(&buyer, coin()).await, used(&buyer, dollar()).await);
        assert_eq!(told, (coins, dollars), "{resolved:?}");
    }
}

#[tokio::test]
async fn a_fee_that_has_no_room_stops_the_payment_before_it_is_sent() {
    let server = selling().await;
    // Room for the price and not for the fee.
    let tight = || Policy::new().budget(Limit::total(price("$0.001299")));
    let buyer = charging(300, tight());
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    let Error::Refused(Refused::Budget { asked, .. }) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(&**asked, "a fee of 0.0003 USD");
    assert_eq!((server.payments().0, buyer.used().await), (0, 0));
    let exact = charging(300, Policy::new().budget(Limit::total(price("$0.0013"))));
    exact.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(exact.used().await, 1_300);
}

#[tokio::test]
async fn a_fee_has_a_cap_of_its_own() {
    let server = selling().await;
    for (fee, policy, ok) in [
        (100_000, generous(), true),
        (100_001, generous(), false),
        (100_001, generous().max_fee(price("$0.2")), true),
        (101, generous().max_fee(price("$0.0001")), false),
        (100, generous().max_fee(price("1 EUR")), false),
    ] {
        let buyer = charging(fee, policy);
        let answer = buyer.client.get(server.url("/")).send().await;
        assert_eq!(answer.is_ok(), ok, "{fee}: {answer:?}");
        if !ok {
            assert!(matches!(answer, Err(Error::Refused(Refused::Fee { .. }))));
            assert_eq!(buyer.used().await, 0);
        }
    }
}
