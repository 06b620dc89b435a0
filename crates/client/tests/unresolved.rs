//! What a client does when the outcome of a payment is not clear.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    Reply, Seen, Server, StillClock, buyer, buyer_on, buyer_with, challenge, generous, hasty, paid,
    problem, unpaid,
};
use farthing_client::{Client, Error, Options, Policy, Standing, WriteOffError};
use farthing_core::{
    memory::MemoryBackend,
    noun::problem::{Problem, ProblemKind},
    payment::Moved,
    port::payer::Resolved,
    value::Reference,
};

/// Sells for a thousandth of a dollar, and answers the nth payment by the script.
async fn answering(script: impl Fn(Seen, usize) -> Reply + Send + Sync + 'static) -> Server {
    let payments = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |seen: Seen| -> Reply {
        if seen.payment().is_none() {
            return unpaid(&[challenge(1_000)]).into();
        }
        let count = payments.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        script(seen, count)
    })
    .await
}

fn refusing(kind: ProblemKind, moved: Moved) -> Problem {
    Problem::new(kind).with_moved(moved)
}

fn unresolved(error: Error) -> farthing_client::Unresolved {
    match error {
        Error::Unresolved(unresolved) => *unresolved,
        other => panic!("{other:?}"),
    }
}

async fn pending(client: &Client) -> Vec<(Standing, Moved, u128)> {
    let listed = client.pending(None, 100).await.unwrap();
    listed
        .iter()
        .map(|one| (one.standing, one.moved(), one.amount.units()))
        .collect()
}

#[tokio::test]
async fn no_answer_is_asked_for_again_with_the_same_bytes() {
    let server = answering(|seen, count| match count {
        0 => Reply::Close,
        1 => problem(&Problem::new(ProblemKind::PaymentInFlight)).into(),
        _ => paid(&seen, "goods").into(),
    })
    .await;
    let buyer = buyer(generous());
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.paid().unwrap().standing, Standing::Paid);
    assert_eq!((buyer.wallet.signed(), server.payments()), (1, (3, 1)));
    assert_eq!(buyer.used().await, 1_000);
}

#[tokio::test]
async fn every_transient_answer_sends_the_same_payment_again() {
    for (status, kind) in [
        (409, Some(ProblemKind::PaymentInFlight)),
        (503, Some(ProblemKind::PaymentPending)),
        (503, Some(ProblemKind::PaymentUnresolved)),
        (503, Some(ProblemKind::StoreUnavailable)),
        (502, Some(ProblemKind::NotServed)),
        (429, None),
        (500, None),
        (504, None),
    ] {
        let server = answering(move |seen, count| match (count, kind) {
            (0, Some(kind)) => problem(&refusing(kind, Moved::Yes)).into(),
            (0, None) => common::bare(status).into(),
            _ => paid(&seen, "goods").into(),
        })
        .await;
        let buyer = buyer(generous());
        let response = buyer.client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{status} {kind:?}");
        assert_eq!(
            (buyer.wallet.signed(), server.payments()),
            (1, (2, 1)),
            "{status} {kind:?}"
        );
    }
}

#[tokio::test]
async fn a_payment_that_was_given_up_still_says_why() {
    let server = answering(|_, count| match count {
        0 => common::bare(500).into(),
        _ => problem(&refusing(ProblemKind::InvalidChallenge, Moved::No)).into(),
    })
    .await;
    let buyer = buyer(generous());
    let failed = unresolved(buyer.client.get(server.url("/")).send().await.unwrap_err());
    assert!(!failed.is_undecided());
    let before = failed.before.as_ref().and_then(|said| said.status);
    assert_eq!(before, Some(http::StatusCode::INTERNAL_SERVER_ERROR));
    let told = failed.to_string();
    assert!(
        told.contains("500 Internal Server Error, then Invalid Challenge"),
        "{told}"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_leaves_a_payment_that_the_next_call_sends_again() {
    let server = answering(|seen, count| {
        if count < 3 {
            Reply::Close
        } else {
            paid(&seen, "goods").into()
        }
    })
    .await;
    let buyer = buyer(generous());
    let failed = unresolved(buyer.client.get(server.url("/")).send().await.unwrap_err());
    assert_eq!((failed.moved, failed.said.status), (Moved::Unknown, None));
    assert!(failed.is_undecided());
    assert_eq!(
        pending(&buyer.client).await,
        [(Standing::Signed, Moved::Unknown, 1_000)]
    );

    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.paid().unwrap().payment, failed.payment);
    assert_eq!((buyer.wallet.signed(), server.payments()), (1, (4, 1)));
    assert_eq!(buyer.used().await, 1_000);
    assert!(pending(&buyer.client).await.is_empty());
}

#[tokio::test]
async fn another_request_does_not_send_a_payment_that_is_pending() {
    let server = answering(|seen, count| {
        if count < 3 {
            Reply::Close
        } else {
            paid(&seen, "goods").into()
        }
    })
    .await;
    let buyer = buyer(generous());
    buyer.client.get(server.url("/a")).send().await.unwrap_err();
    let response = buyer.client.get(server.url("/b")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((buyer.wallet.signed(), server.payments()), (2, (4, 2)));
    assert_eq!(buyer.used().await, 2_000);
}

#[tokio::test]
async fn money_that_moved_without_service_is_said_to_have_moved() {
    let reference = Reference::new("tx-1").unwrap();
    let said = refusing(ProblemKind::NotServed, Moved::Yes).with_reference(reference.clone());
    let server = answering(move |_, _| problem(&said).into()).await;
    let buyer = buyer(generous());
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!(error.moved(), Moved::Yes);
    assert!(error.hint().contains("receipts list --pending"));
    assert_eq!(unresolved(error).reference, Some(reference));
    assert_eq!(
        pending(&buyer.client).await,
        [(Standing::Signed, Moved::Yes, 1_000)]
    );
}

#[tokio::test]
async fn a_servers_word_that_nothing_moved_releases_nothing() {
    let server =
        answering(|_, _| problem(&refusing(ProblemKind::VerificationFailed, Moved::No)).into())
            .await;
    let buyer = buyer(generous());
    let failed = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!(failed.moved(), Moved::Unknown);
    assert_eq!(
        pending(&buyer.client).await,
        [(Standing::Doubtful, Moved::Unknown, 1_000)]
    );
    assert_eq!(buyer.used().await, 1_000);
    // The rail's word does.
    buyer.wallet.resolve_as(Resolved::Dead);
    let resumed = buyer.client.resume().await.unwrap();
    assert_eq!(resumed[0].payment.standing, Standing::Void);
    assert_eq!(
        (buyer.used().await, pending(&buyer.client).await.len()),
        (0, 0)
    );
}

#[tokio::test]
async fn a_dead_proof_is_released_and_never_replaced_unless_the_policy_says_so() {
    let server = answering(|seen, count| {
        if count > 0 {
            return paid(&seen, "goods").into();
        }
        let mut response = problem(&refusing(ProblemKind::InvalidChallenge, Moved::No));
        response
            .headers_mut()
            .extend(unpaid(&[challenge(1_000)]).headers().clone());
        response.into()
    })
    .await;
    let strict = buyer(generous());
    strict.wallet.resolve_as(Resolved::Dead);
    let rejected = strict.client.get(server.url("/")).send().await.unwrap_err();
    assert!(matches!(rejected, Error::Rejected(_)), "{rejected:?}");
    assert_eq!(
        (
            rejected.moved(),
            strict.used().await,
            strict.wallet.signed()
        ),
        (Moved::No, 0, 1)
    );
}

#[tokio::test]
async fn with_retry_fresh_one_new_challenge_is_paid_and_no_third() {
    let server = answering(|_, _| {
        let mut response = problem(&refusing(ProblemKind::InvalidChallenge, Moved::No));
        response
            .headers_mut()
            .extend(unpaid(&[challenge(1_000)]).headers().clone());
        response.into()
    })
    .await;
    let dead = buyer(generous().retry_fresh(true));
    dead.wallet.resolve_as(Resolved::Dead);
    let rejected = dead.client.get(server.url("/")).send().await.unwrap_err();
    assert!(matches!(rejected, Error::Rejected(_)), "{rejected:?}");
    assert_eq!(
        (dead.wallet.signed(), server.payments(), dead.used().await),
        (2, (2, 2), 0)
    );
    // What is not proven dead is not replaced.
    let unknown = buyer(generous().retry_fresh(true));
    unresolved(
        unknown
            .client
            .get(server.url("/"))
            .send()
            .await
            .unwrap_err(),
    );
    assert_eq!((unknown.wallet.signed(), unknown.used().await), (1, 1_000));
}

#[tokio::test]
async fn a_server_that_once_said_yes_keeps_the_reservation_against_a_dead_proof() {
    let server =
        answering(|_, _| problem(&refusing(ProblemKind::PaymentOwed, Moved::Yes)).into()).await;
    let buyer = buyer(generous());
    buyer.wallet.resolve_as(Resolved::Dead);
    let failed = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!((failed.moved(), buyer.used().await), (Moved::Yes, 1_000));
    assert_eq!(
        pending(&buyer.client).await,
        [(Standing::Doubtful, Moved::Yes, 1_000)]
    );
}

#[tokio::test]
async fn an_answer_about_something_else_is_handed_out_and_the_payment_stays_doubtful() {
    let server = answering(|_, _| common::bare(404).into()).await;
    let buyer = buyer(generous());
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(response.paid().unwrap().standing, Standing::Doubtful);
    assert_eq!(buyer.used().await, 1_000);
}

#[tokio::test]
async fn a_server_that_wants_to_be_asked_too_late_is_not_waited_for() {
    let server = answering(|_, _| {
        let said =
            Problem::new(ProblemKind::PaymentPending).with_retry_after(Duration::from_secs(86_400));
        let mut response = problem(&said);
        response
            .headers_mut()
            .insert("retry-after", "86400".parse().unwrap());
        response.into()
    })
    .await;
    let buyer = buyer(generous());
    unresolved(buyer.client.get(server.url("/")).send().await.unwrap_err());
    assert_eq!(server.payments(), (1, 1));
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_the_payment_kept() {
    let server = answering(|_, _| Reply::Hang).await;
    let options = Options {
        answer_within: Duration::from_millis(700),
        ..hasty()
    };
    let buyer = buyer_with(generous(), |builder| builder.options(options));
    unresolved(buyer.client.get(server.url("/")).send().await.unwrap_err());
    assert_eq!(server.payments(), (3, 1));
    assert_eq!(
        pending(&buyer.client).await,
        [(Standing::Signed, Moved::Unknown, 1_000)]
    );
}

#[tokio::test]
async fn a_dropped_call_leaves_a_payment_that_the_next_call_sends_again() {
    let server = answering(|seen, count| {
        if count == 0 {
            Reply::Hang
        } else {
            paid(&seen, "goods").into()
        }
    })
    .await;
    let buyer = buyer(generous());
    let call = tokio::spawn(buyer.client.get(server.url("/")).send());
    while server.payments().0 == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((buyer.wallet.signed(), server.payments()), (1, (2, 1)));
}

#[tokio::test]
async fn what_another_living_process_sends_is_not_sent_by_this_one() {
    let late = Duration::from_millis(400);
    let server = answering(move |seen, count| match count {
        0 => Reply::Late(late, paid(&seen, "slow goods")),
        _ => paid(&seen, "goods").into(),
    })
    .await;
    let first = buyer(generous());
    let call = tokio::spawn(first.client.get(server.url("/")).send());
    while server.payments().0 == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let other = first.restarted(generous());
    assert!(other.resume().await.unwrap().is_empty());
    let response = other.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "goods");
    assert_eq!(
        call.await.unwrap().unwrap().text().await.unwrap(),
        "slow goods"
    );
    assert_eq!((first.wallet.signed(), server.payments()), (2, (2, 2)));
    assert_eq!(first.used().await, 2_000);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_fetched_again_by_the_same_payment() {
    use http_body_util::Full;
    let server = answering(|seen, count| {
        let mut response = paid(&seen, "the whole goods");
        if count == 0 {
            // More is announced than is sent.
            response
                .headers_mut()
                .insert("content-length", "4000".parse().unwrap());
            *response.body_mut() = Full::from("the wh");
        }
        response.into()
    })
    .await;
    let buyer = buyer(generous());
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "the whole goods");
    assert_eq!(
        (buyer.wallet.signed(), server.payments(), buyer.used().await),
        (1, (2, 1), 1_000)
    );
}

#[tokio::test]
async fn resume_sends_a_plain_get_again_and_hands_its_answer_out() {
    let server = answering(|seen, count| {
        if count < 3 {
            Reply::Close
        } else {
            paid(&seen, "goods").into()
        }
    })
    .await;
    let first = buyer(generous());
    first.client.get(server.url("/")).send().await.unwrap_err();
    let restarted = first.restarted(generous());
    let mut resumed = restarted.resume().await.unwrap();
    assert_eq!(resumed.len(), 1);
    let one = resumed.remove(0);
    assert_eq!(one.payment.standing, Standing::Paid);
    assert_eq!(one.response.unwrap().text().await.unwrap(), "goods");
    assert_eq!((first.wallet.signed(), server.payments()), (1, (4, 1)));
    assert_eq!(restarted.receipts().list(None, 10).await.unwrap().len(), 1);
    assert!(restarted.resume().await.unwrap().is_empty());
}

#[tokio::test]
async fn resume_leaves_a_post_to_its_caller() {
    let server = answering(|seen, count| {
        if count < 3 {
            Reply::Close
        } else {
            paid(&seen, "goods").into()
        }
    })
    .await;
    let first = buyer(generous());
    first
        .client
        .post(server.url("/"))
        .body("once")
        .send()
        .await
        .unwrap_err();
    let restarted = first.restarted(generous());
    let resumed = restarted.resume().await.unwrap();
    assert_eq!(resumed[0].payment.standing, Standing::Signed);
    assert_eq!(server.payments(), (3, 1));
    // Another body is another purchase; the same one is the same.
    let response = restarted
        .post(server.url("/"))
        .body("once")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((first.wallet.signed(), server.payments()), (1, (4, 1)));
}

#[tokio::test]
async fn resume_asks_less_and_less_often() {
    let server =
        answering(|_, _| problem(&refusing(ProblemKind::VerificationFailed, Moved::No)).into())
            .await;
    let buyer = buyer(generous());
    buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!(buyer.client.resume().await.unwrap().len(), 1);
    assert_eq!(buyer.client.resume().await.unwrap().len(), 0);
    buyer.clock.advance(Duration::from_secs(61));
    assert_eq!(buyer.client.resume().await.unwrap().len(), 1);
    buyer.clock.advance(Duration::from_secs(61));
    assert_eq!(buyer.client.resume().await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_was_reserved_and_never_signed_is_released_at_a_restart() {
    let server = answering(|seen, _| paid(&seen, "goods").into()).await;
    let (backend, clock) = (Arc::new(MemoryBackend::new()), StillClock::new());
    let dying = buyer_on(backend, Arc::clone(&clock), generous(), |builder| {
        builder.approve(|_| std::future::pending())
    });
    let call = tokio::spawn(dying.client.get(server.url("/")).send());
    while dying.client.pending(None, 1).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    call.abort();
    let _ = call.await;
    let restarted = dying.restarted(generous());
    // Its worker may be alive: it is left alone until its lease is over.
    assert!(restarted.resume().await.unwrap().is_empty());
    clock.advance(Duration::from_secs(1));
    let resumed = restarted.resume().await.unwrap();
    assert_eq!(resumed[0].payment.standing, Standing::Void);
    assert_eq!((dying.used().await, dying.wallet.signed()), (0, 0));
}

#[tokio::test]
async fn final_records_are_forgotten_after_their_proofs_and_receipts_are_not() {
    let server = answering(|seen, _| paid(&seen, "goods").into()).await;
    let buyer = buyer(Policy::new());
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    let id = response.paid().unwrap().payment;
    buyer.client.resume().await.unwrap();
    assert!(buyer.client.payment(id).await.unwrap().is_some());
    buyer.clock.advance(Duration::from_secs(86_400 * 2));
    buyer.client.resume().await.unwrap();
    assert!(buyer.client.payment(id).await.unwrap().is_none());
    assert!(buyer.client.receipts().get(id).await.unwrap().is_some());
    assert_eq!(buyer.used().await, 1_000);
}

/// A seller that gives credit serves before it is paid, and leaves no receipt.
async fn served_on_credit(server: &Server) -> (common::Buyer, farthing_client::Outgoing) {
    let buyer = buyer(generous());
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "goods");
    let served = buyer.client.unconfirmed(None, 10).await.unwrap().remove(0);
    assert_eq!(buyer.used().await, 1_000);
    (buyer, served)
}

#[tokio::test]
async fn what_was_served_on_credit_ends_by_the_word_of_the_rail() {
    let server = answering(|_, _| common::text("goods").into()).await;
    let reference = Reference::new("0xabc").unwrap();
    let moved = Resolved::Moved {
        reference: reference.clone(),
    };
    for (word, standing, named, used) in [
        (Resolved::Unknown, Standing::Unconfirmed, None, 1_000),
        (moved, Standing::Paid, Some(reference), 1_000),
        (Resolved::Dead, Standing::Void, None, 0),
    ] {
        for resumes in [true, false] {
            let (buyer, served) = served_on_credit(&server).await;
            buyer.wallet.resolve_as(word.clone());
            let client = buyer.restarted(generous());
            if resumes {
                let resumed = client.resume().await.unwrap();
                let told: Vec<_> = resumed.iter().map(|it| it.payment.standing).collect();
                assert_eq!(told, [standing]);
                // What the rail did not know, it is not asked again at once.
                assert!(client.resume().await.unwrap().is_empty());
            } else {
                match (client.write_off(served.id).await, standing) {
                    (Ok(ended), Standing::Void) => assert_eq!(ended.standing, standing),
                    (Err(WriteOffError::Decided(Standing::Paid)), Standing::Paid)
                    | (Err(WriteOffError::Served), Standing::Unconfirmed) => {}
                    other => panic!("{other:?}"),
                }
            }
            let ended = client.payment(served.id).await.unwrap().unwrap();
            assert_eq!((ended.standing, ended.reference), (standing, named.clone()));
            assert_eq!(buyer.used().await, used, "{word:?}");
        }
    }
}

#[tokio::test]
async fn what_was_served_on_credit_is_never_sent_again() {
    let server = answering(|_, _| common::text("goods").into()).await;
    let (buyer, _) = served_on_credit(&server).await;
    // The same request again is a new purchase.
    let again = buyer.restarted(generous());
    again.get(server.url("/")).send().await.unwrap();
    assert_eq!((buyer.wallet.signed(), server.payments()), (2, (2, 2)));
    assert_eq!(buyer.used().await, 2_000);
}
