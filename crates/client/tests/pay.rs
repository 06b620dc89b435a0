//! A request that costs something, over real HTTP, to the unit.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Reply, Seen, Server, buyer, challenge, generous, paid, price, text, unpaid};
use farthing_client::{Error, Limit, Policy, Refused, Standing};
use farthing_core::{header::ACCEPT_PAYMENT, payment::Moved};

/// A server that asks for an amount and serves whoever pays.
async fn selling(units: u128) -> Server {
    Server::start(move |seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&[challenge(units)]),
    })
    .await
}

#[tokio::test]
async fn a_free_route_costs_nothing() {
    let server = Server::start(|_| text("free")).await;
    let buyer = buyer(generous());
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert!(response.paid().is_none());
    assert_eq!(response.text().await.unwrap(), "free");
    assert_eq!((buyer.wallet.signed(), buyer.used().await), (0, 0));
    assert_eq!(server.seen()[0].headers[ACCEPT_PAYMENT], "fake/charge");
}

#[tokio::test]
async fn a_priced_route_is_paid_once_and_its_receipt_kept() {
    let server = selling(2_000).await;
    let buyer = buyer(generous());
    let response = buyer.client.get(server.url("/x?q=1")).send().await.unwrap();
    let outlay = response.paid().unwrap().clone();
    assert_eq!(
        (outlay.amount.units(), outlay.standing),
        (2_000, Standing::Paid)
    );
    assert_eq!(outlay.price(), "0.002 USD");
    assert_eq!(
        response.receipt().unwrap().reference(),
        outlay.reference.as_ref().unwrap()
    );
    assert_eq!(response.text().await.unwrap(), "goods");
    assert_eq!((buyer.wallet.signed(), buyer.used().await), (1, 2_000));
    let kept = buyer.client.receipts().list(None, 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].payment, kept[0].amount.units()),
        (outlay.payment, 2_000)
    );
    assert_eq!(&*kept[0].bought, format!("GET {}", server.url("/x?q=1")));
    assert!(buyer.client.pending(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_request_goes_out_again_with_its_body_and_headers() {
    let server = selling(2_000).await;
    let buyer = buyer(generous());
    let sent = buyer
        .client
        .post(server.url("/x"))
        .header("x-own", "1")
        .body("the body")
        .send()
        .await;
    assert_eq!(sent.unwrap().status(), 200);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for request in &seen {
        assert_eq!((request.method.as_str(), &*request.path), ("POST", "/x"));
        assert_eq!(request.body, "the body");
        assert_eq!(request.headers["x-own"], "1");
    }
    assert!(seen[0].payment().is_none() && seen[1].payment().is_some());
}

#[tokio::test]
async fn a_bearer_token_beside_a_payment_is_left_alone() {
    let server = selling(2_000).await;
    let buyer = buyer(generous());
    let sent = buyer
        .client
        .get(server.url("/"))
        .header("authorization", "Bearer mine")
        .send()
        .await;
    assert_eq!(sent.unwrap().status(), 200);
    let seen = server.seen();
    let lines: Vec<_> = seen[1].headers.get_all("authorization").iter().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], "Bearer mine");
    assert!(lines[1].to_str().unwrap().starts_with("Payment "));
}

#[tokio::test]
async fn the_challenge_says_which_header_the_credential_goes_in() {
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => {
            let mut asked = challenge(1);
            asked.header = Some(farthing_core::noun::CredentialHeader::payment_authorization());
            unpaid(&[asked])
        }
    })
    .await;
    let buyer = buyer(generous());
    let sent = buyer
        .client
        .get(server.url("/"))
        .header("authorization", "Bearer mine")
        .send()
        .await;
    assert_eq!(sent.unwrap().status(), 200);
    let seen = server.seen();
    assert_eq!(seen[1].headers.get_all("authorization").iter().count(), 1);
    assert!(seen[1].headers.contains_key("payment-authorization"));
}

#[tokio::test]
async fn a_service_without_a_receipt_counts_as_paid_and_is_reported() {
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => text("goods"),
        None => unpaid(&[challenge(7)]),
    })
    .await;
    let buyer = buyer(generous());
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    let outlay = response.paid().unwrap();
    assert_eq!(
        (outlay.standing, outlay.moved()),
        (Standing::Unconfirmed, Moved::Unknown)
    );
    assert_eq!(buyer.used().await, 7);
    let listed = buyer.client.unconfirmed(None, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].amount.units()), (1, 7));
    assert!(
        buyer
            .client
            .receipts()
            .list(None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn fifty_tasks_never_exceed_one_budget() {
    let server = selling(300).await;
    let policy = Policy::new()
        .max_per_request(price("$1"))
        .budget(Limit::total(price("$0.01")));
    let buyer = buyer(policy);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (client, url) = (buyer.client.clone(), server.url("/"));
            tokio::spawn(async move { client.get(url).send().await })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(response) if response.paid().is_some() => served += 1,
            Err(error @ Error::Refused(Refused::Budget { .. })) => {
                assert_eq!(error.moved(), Moved::No);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // 33 × 300 = 9,900 of 10,000.
    assert_eq!((served, refused), (33, 17));
    assert_eq!(buyer.used().await, 9_900);
    assert_eq!((buyer.wallet.signed(), server.payments()), (33, (33, 33)));
}

#[tokio::test]
async fn two_processes_on_one_store_share_its_budgets() {
    let server = selling(300).await;
    let policy = || {
        Policy::new()
            .max_per_request(price("$1"))
            .budget(Limit::total(price("$0.01")))
    };
    let one = buyer(policy());
    let other = one.restarted(policy());
    let tasks: Vec<_> = (0..50)
        .map(|at| {
            let client = if at % 2 == 0 { &one.client } else { &other };
            // Each its own URL, so that no call waits for a payment of the other process.
            tokio::spawn(client.get(server.url(&format!("/{at}"))).send())
        })
        .collect();
    let mut served = 0;
    for task in tasks {
        served += u128::from(task.await.unwrap().is_ok());
    }
    assert_eq!((served, one.used().await), (33, 9_900));
    assert_eq!(server.payments(), (33, 33));
}

#[tokio::test]
async fn counters_survive_a_restart() {
    let server = selling(600).await;
    let policy = || Policy::new().budget(Limit::total(price("$0.001")));
    let buyer = buyer(policy());
    buyer.client.get(server.url("/")).send().await.unwrap();
    let restarted = buyer.restarted(policy());
    let refused = restarted.get(server.url("/")).send().await;
    assert!(
        matches!(refused, Err(Error::Refused(Refused::Budget { .. }))),
        "{refused:?}"
    );
    assert_eq!(buyer.used().await, 600);
}

#[tokio::test]
async fn a_lost_connection_before_paying_costs_nothing() {
    let server = Server::start(|_| Reply::Close).await;
    let buyer = buyer(generous());
    let failed = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(matches!(failed, Error::Transport(_)), "{failed:?}");
    assert_eq!((failed.moved(), buyer.used().await), (Moved::No, 0));
}
