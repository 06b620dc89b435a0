//! A credential never leaves the origin it was made for.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;

use common::{Reply, Seen, Server, bare, buyer, challenge, generous, paid, text, unpaid};
use farthing_client::{Error, ServerFault, Standing};
use farthing_core::payment::Moved;
use http::{Response, header::LOCATION};
use http_body_util::Full;
use hyper::body::Bytes;

fn to(status: u16, location: &str) -> Response<Full<Bytes>> {
    let mut response = bare(status);
    response
        .headers_mut()
        .insert(LOCATION, location.parse().unwrap());
    response
}

async fn selling() -> Server {
    Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&[challenge(1_000)]),
    })
    .await
}

#[tokio::test]
async fn an_unpaid_request_follows_and_pays_where_it_ends() {
    let shop = selling().await;
    let url = shop.url("/real");
    let front = Server::start(move |_| to(302, &url)).await;
    let buyer = buyer(generous());
    let response = buyer
        .client
        .get(front.url("/"))
        .header("authorization", "Bearer mine")
        .header("cookie", "mine=1")
        .send()
        .await
        .unwrap();
    assert_eq!(response.url().as_str(), shop.url("/real"));
    assert_eq!(response.paid().unwrap().amount.units(), 1_000);
    assert_eq!((front.payments().0, shop.payments()), (0, (1, 1)));
    assert_eq!(front.seen()[0].headers["cookie"], "mine=1");
    for seen in shop.seen() {
        assert!(!seen.headers.contains_key("cookie"));
        assert!(
            !seen
                .headers
                .get_all("authorization")
                .iter()
                .any(|line| line == "Bearer mine")
        );
    }
}

#[tokio::test]
async fn a_credential_does_not_follow_to_another_origin() {
    for (status, header) in [
        (301, false),
        (302, true),
        (303, false),
        (307, true),
        (308, false),
    ] {
        let thief = Server::start(|_| text("thanks")).await;
        let url = thief.url("/take");
        let shop = Server::start(move |seen: Seen| {
            if seen.payment().is_some() {
                return to(status, &url);
            }
            let mut asked = challenge(1_000);
            asked.header =
                header.then(farthing_core::noun::CredentialHeader::payment_authorization);
            unpaid(&[asked])
        })
        .await;
        let buyer = buyer(generous());
        let error = buyer.client.get(shop.url("/")).send().await.unwrap_err();
        assert!(matches!(error, Error::Unresolved(_)), "{status}: {error:?}");
        assert_eq!(error.moved(), Moved::Unknown);
        assert!(thief.seen().is_empty(), "{status}");
        let pending = buyer.client.pending(None, 10).await.unwrap();
        assert_eq!(
            (pending[0].standing, buyer.used().await),
            (Standing::Signed, 1_000)
        );
    }
}

#[tokio::test]
async fn a_credential_follows_within_its_origin() {
    let shop = Server::start(|seen: Seen| match (seen.payment(), &*seen.path) {
        (Some(_), "/bought") => paid(&seen, "goods"),
        (Some(_), _) => to(303, "/bought"),
        (None, _) => unpaid(&[challenge(1_000)]),
    })
    .await;
    let buyer = buyer(generous());
    let response = buyer
        .client
        .post(shop.url("/buy"))
        .body("order")
        .send()
        .await
        .unwrap();
    assert_eq!(response.paid().unwrap().standing, Standing::Paid);
    assert_eq!((shop.payments(), buyer.wallet.signed()), ((2, 1), 1));
    let last = shop.seen().pop().unwrap();
    assert_eq!(
        (last.method.as_str(), &*last.path, last.body.len()),
        ("GET", "/bought", 0)
    );
}

#[tokio::test]
async fn redirects_end() {
    let circle = Server::start(|_| to(302, "/again")).await;
    let buyer = buyer(generous());
    let error = buyer.client.get(circle.url("/")).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Server(ServerFault::Redirects)),
        "{error:?}"
    );
    assert_eq!(circle.seen().len(), 9);
}

#[tokio::test]
async fn a_paid_circle_ends_and_the_payment_is_kept() {
    let circle = Server::start(|seen: Seen| -> Reply {
        match seen.payment() {
            Some(_) => to(302, "/again").into(),
            None => unpaid(&[challenge(1)]).into(),
        }
    })
    .await;
    let buyer = buyer(generous());
    let error = buyer.client.get(circle.url("/")).send().await.unwrap_err();
    assert!(matches!(error, Error::Unresolved(_)), "{error:?}");
    assert_eq!(circle.payments(), (9, 1));
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_the_servers_fault() {
    for location in [
        "http://",
        "ftp://127.0.0.1/",
        "javascript:alert(1)",
        "http://[::1",
    ] {
        let location: Arc<str> = location.into();
        let server = Server::start(move |_| to(302, &location)).await;
        let error = buyer(generous())
            .client
            .get(server.url("/"))
            .send()
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Server(ServerFault::Redirect)),
            "{error:?}"
        );
    }
}
