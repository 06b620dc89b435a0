//! The client dies before and after each of its three writes, and somebody goes on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    Buyer, Seen, Server, StillClock, buyer_on, challenge, dies_and_buys_again, generous, paid,
    selling, unpaid,
};
use farthing_client::{Error, Options, Standing};
use farthing_core::{memory::MemoryBackend, payment::Moved, port::backend::Backend};
use farthing_store::{SqliteBackend, SqliteOptions};
use farthing_testkit::faulty::{Failure, Faults, Faulty, When};

const RESERVE: u64 = 1;
const SIGN: u64 = 2;
const SETTLE: u64 = 3;

/// A buyer whose store fails when it is told to.
fn faulty() -> (Buyer, Faults) {
    let (backend, faults) = Faulty::new(MemoryBackend::new());
    // A lease so long that no renewal comes between the three writes.
    let options = Options {
        lease: Duration::from_millis(1_500),
        ..common::hasty()
    };
    let (backend, clock) = (Arc::new(backend), StillClock::new());
    let buyer = buyer_on(backend, clock, generous(), |builder| {
        builder.options(options)
    });
    (buyer, faults)
}

/// The client dies at a write; the same request is made by a new process, which then cleans up.
/// `expect` is how often was signed, how many payments arrived, and how many different ones.
async fn check(write: u64, when: When, expect: (usize, usize, usize)) {
    let server = selling().await;
    let (dying, faults) = faulty();
    let restarted = dies_and_buys_again(&dying, &faults, &server, write, when).await;

    let (signed, arrived, different) = expect;
    let what = format!("{when:?} write {write}");
    assert_eq!(
        (dying.wallet.signed(), server.payments()),
        (signed, (arrived, different)),
        "{what}"
    );
    assert_eq!(dying.used().await, 1_000 * different as u128, "{what}");
    assert!(
        restarted.pending(None, 10).await.unwrap().is_empty(),
        "{what}"
    );
    let receipts = restarted.receipts().list(None, 10).await.unwrap();
    assert_eq!(receipts.len(), different, "{what}");
}

#[tokio::test]
async fn dies_before_it_reserved() {
    check(RESERVE, When::Before, (1, 1, 1)).await;
}

#[tokio::test]
async fn dies_after_it_reserved() {
    check(RESERVE, When::After, (1, 1, 1)).await;
}

#[tokio::test]
async fn dies_after_it_signed_and_before_that_is_kept() {
    check(SIGN, When::Before, (2, 1, 1)).await;
}

#[tokio::test]
async fn dies_after_it_kept_what_it_signed() {
    check(SIGN, When::After, (1, 1, 1)).await;
}

#[tokio::test]
async fn dies_after_it_was_served_and_before_that_is_kept() {
    check(SETTLE, When::Before, (1, 2, 1)).await;
}

#[tokio::test]
async fn dies_after_everything_is_kept_and_the_next_request_is_another_purchase() {
    check(SETTLE, When::After, (2, 2, 2)).await;
}

#[tokio::test]
async fn a_store_that_fails_before_signing_costs_nothing() {
    for failure in [
        Failure::Full,
        Failure::Busy,
        Failure::Unavailable,
        Failure::InDoubt,
    ] {
        let server = selling().await;
        let (buyer, faults) = faulty();
        faults.fail_commit(RESERVE, failure);
        let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
        assert!(
            matches!(error, Error::Store { .. }),
            "{failure:?}: {error:?}"
        );
        assert_eq!(
            (error.moved(), buyer.wallet.signed(), server.payments().0),
            (Moved::No, 0, 0)
        );
    }
}

#[tokio::test]
async fn what_could_not_be_kept_is_not_sent() {
    let server = selling().await;
    let (buyer, faults) = faulty();
    faults.fail_commit(SIGN, Failure::Full);
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(matches!(error, Error::Store { .. }), "{error:?}");
    assert_eq!(
        (error.moved(), buyer.wallet.signed(), server.payments().0),
        (Moved::No, 1, 0)
    );
    assert_eq!(buyer.used().await, 0);
}

#[tokio::test]
async fn a_write_in_doubt_after_signing_is_told_as_unknown_and_sent_later() {
    let server = selling().await;
    let (buyer, faults) = faulty();
    faults.doubt_commit(SIGN);
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!((error.moved(), server.payments().0), (Moved::Unknown, 0));
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        (buyer.wallet.signed(), server.payments(), buyer.used().await),
        (1, (1, 1), 1_000)
    );
}

#[tokio::test]
async fn goods_that_were_paid_for_are_handed_out_though_the_store_fails() {
    let server = selling().await;
    let (buyer, faults) = faulty();
    faults.fail_commit(SETTLE, Failure::Unavailable);
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    let outlay = response.paid().unwrap().clone();
    assert_eq!((outlay.standing, outlay.recorded), (Standing::Paid, false));
    assert_eq!(response.text().await.unwrap(), "goods");
    assert_eq!(
        buyer.client.pending(None, 10).await.unwrap()[0].id,
        outlay.payment
    );
    // It is found out again, by the same bytes.
    let resumed = buyer.client.resume().await.unwrap();
    assert_eq!(resumed[0].payment.standing, Standing::Paid);
    assert_eq!(
        (buyer.wallet.signed(), server.payments(), buyer.used().await),
        (1, (2, 1), 1_000)
    );
}

#[tokio::test]
async fn a_file_that_is_opened_again_knows_what_is_spent_and_what_is_open() {
    let server = Server::start(|seen: Seen| match (seen.payment(), &*seen.path) {
        (None, _) => unpaid(&[challenge(1_000)]),
        (Some(_), "/broken") if seen.before < 6 => common::bare(503),
        (Some(_), _) => paid(&seen, "goods"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.db");
    let clock = StillClock::new();
    let open = || SqliteBackend::open(SqliteOptions::new(&path)).unwrap();

    let store = Arc::new(open());
    let backend: Arc<dyn Backend> = store.clone();
    let first = buyer_on(backend, Arc::clone(&clock), generous(), |builder| builder);
    first.client.get(server.url("/good")).send().await.unwrap();
    first
        .client
        .get(server.url("/broken"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(first.used().await, 2_000);
    store.close().await;
    drop(first);

    let again = buyer_on(Arc::new(open()), clock, generous(), |builder| builder);
    assert_eq!(again.used().await, 2_000);
    let pending = again.client.pending(None, 10).await.unwrap();
    assert_eq!((pending.len(), pending[0].standing), (1, Standing::Signed));
    let response = again
        .client
        .get(server.url("/broken"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.paid().unwrap().payment, pending[0].id);
    assert_eq!((again.wallet.signed(), again.used().await), (0, 2_000));
    assert_eq!(
        again.client.receipts().list(None, 10).await.unwrap().len(),
        2
    );
}
