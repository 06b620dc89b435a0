//! The same client inside a `reqwest-middleware` chain, and its steps one by one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Reply, Seen, Server, bare, buyer, challenge, generous, paid, text, unpaid};
use farthing_client::{Error, Outlay, PaymentMiddleware, RequestFault, Standing, Step, Target};
use farthing_core::{header::authorization, noun::CredentialHeader, payment::Moved};
use http::{Method, StatusCode, header::LOCATION};
use reqwest_middleware::ClientBuilder;

async fn selling() -> Server {
    Server::start(|seen: Seen| match (seen.payment(), &*seen.path) {
        (_, "/free") => text("free"),
        (Some(_), _) => paid(&seen, "goods"),
        (None, _) => unpaid(&[challenge(1_000)]),
    })
    .await
}

fn ours(error: &reqwest_middleware::Error) -> &Error {
    match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast_ref().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn streamed(body: &'static str) -> reqwest::Body {
    let stream = http_body_util::Full::new(hyper::body::Bytes::from_static(body.as_bytes()));
    reqwest::Body::wrap(stream)
}

#[tokio::test]
async fn a_chain_pays_what_passes_through_it() {
    let server = selling().await;
    let buyer = buyer(generous());
    let chain = buyer
        .client
        .clone()
        .into_middleware(reqwest::Client::builder())
        .unwrap();
    let response = chain
        .post(server.url("/x"))
        .body("order")
        .send()
        .await
        .unwrap();
    let outlay = response.extensions().get::<Outlay>().unwrap().clone();
    assert_eq!(
        (outlay.amount.units(), outlay.standing),
        (1_000, Standing::Paid)
    );
    assert_eq!(response.text().await.unwrap(), "goods");
    assert_eq!((buyer.wallet.signed(), buyer.used().await), (1, 1_000));
    let free = chain.get(server.url("/free")).send().await.unwrap();
    assert!(free.extensions().get::<Outlay>().is_none());
}

#[tokio::test]
async fn a_body_that_cannot_be_cloned_fails_before_it_is_paid_for() {
    let server = selling().await;
    let buyer = buyer(generous());
    let chain = buyer
        .client
        .clone()
        .into_middleware(reqwest::Client::builder())
        .unwrap();
    let free = chain
        .post(server.url("/free"))
        .body(streamed("once"))
        .send()
        .await
        .unwrap();
    assert_eq!(free.text().await.unwrap(), "free");
    let error = chain
        .post(server.url("/x"))
        .body(streamed("once"))
        .send()
        .await
        .unwrap_err();
    assert!(
        matches!(ours(&error), Error::Request(RequestFault::BodyOnce)),
        "{error:?}"
    );
    assert_eq!(
        (
            ours(&error).moved(),
            buyer.wallet.signed(),
            buyer.used().await
        ),
        (Moved::No, 0, 0)
    );
}

#[tokio::test]
async fn what_fails_further_down_is_handed_up_as_it_was() {
    let server = Server::start(|_| Reply::Close).await;
    let buyer = buyer(generous());
    let chain = buyer
        .client
        .into_middleware(reqwest::Client::builder())
        .unwrap();
    let error = chain.get(server.url("/")).send().await.unwrap_err();
    assert!(
        matches!(error, reqwest_middleware::Error::Reqwest(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_client_that_follows_redirects_by_itself_loses_no_credential() {
    for own_header in [false, true] {
        let thief = Server::start(|_| text("thanks")).await;
        let url = thief.url("/take");
        let shop = Server::start(move |seen: Seen| {
            if seen.payment().is_some() {
                let mut response = bare(302);
                response
                    .headers_mut()
                    .insert(LOCATION, url.parse().unwrap());
                return response;
            }
            let mut asked = challenge(1_000);
            asked.header = own_header.then(CredentialHeader::payment_authorization);
            unpaid(&[asked])
        })
        .await;
        let buyer = buyer(generous());
        let ours = PaymentMiddleware::new(buyer.client.clone());
        let chain = ClientBuilder::new(reqwest::Client::new())
            .with(ours)
            .build();
        chain.get(shop.url("/")).send().await.unwrap_err();
        assert_eq!(thief.payments().0, 0, "{own_header}");
        // In a header no client knows to drop nothing is sent at all.
        assert_eq!(shop.payments().0, usize::from(!own_header));
        assert_eq!(buyer.wallet.signed(), usize::from(!own_header));
    }
}

#[tokio::test]
async fn a_request_that_is_paid_by_its_caller_is_left_alone() {
    let server = Server::start(|_| unpaid(&[challenge(1)])).await;
    let buyer = buyer(generous());
    let sent = buyer
        .client
        .get(server.url("/"))
        .header("authorization", "Payment eyJ9")
        .send()
        .await;
    assert_eq!(sent.unwrap().status(), 402);
    assert_eq!((buyer.wallet.signed(), server.seen().len()), (0, 1));
}

#[tokio::test]
async fn the_steps_do_the_same_without_a_middleware() {
    let server = selling().await;
    let buyer = buyer(generous());
    let http = reqwest::Client::new();
    let asked = http.get(server.url("/x")).send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::PAYMENT_REQUIRED);

    let target = Target::new(Method::GET, server.url("/x").parse().unwrap());
    let choices = buyer.client.offers(&target, asked.headers()).unwrap();
    assert_eq!(choices[0].price(), "0.001 USD");
    let ticket = buyer
        .client
        .credential(&target, choices[0].clone())
        .await
        .unwrap();
    assert_eq!(ticket.payment().standing, Standing::Signed);
    let (name, value) = ticket.header().unwrap();
    assert!(value.is_sensitive());

    let answer = http
        .get(server.url("/x"))
        .header(name, value)
        .send()
        .await
        .unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap();
    let step = buyer
        .client
        .settle(ticket, status, &headers, &body)
        .await
        .unwrap();
    let Step::Served(outlay) = step else {
        panic!("{step:?}")
    };
    assert_eq!(
        (outlay.standing, outlay.amount.units()),
        (Standing::Paid, 1_000)
    );
    // The same offer is never signed twice.
    let again = buyer.client.credential(&target, choices[0].clone()).await;
    assert!(matches!(again, Err(Error::Server(_))), "{again:?}");
    assert_eq!((buyer.wallet.signed(), buyer.used().await), (1, 1_000));
}

#[tokio::test]
async fn a_step_that_is_transient_gives_the_same_ticket_back() {
    let buyer = buyer(generous());
    let server = selling().await;
    let asked = reqwest::get(server.url("/x")).await.unwrap();
    let target = Target::new(Method::GET, server.url("/x").parse().unwrap());
    let choices = buyer.client.offers(&target, asked.headers()).unwrap();
    let ticket = buyer
        .client
        .credential(&target, choices[0].clone())
        .await
        .unwrap();
    let (_, first) = ticket.header().unwrap();
    let silence = buyer.client.unanswered(&ticket);
    assert!(matches!(silence, Error::Unresolved { .. }), "{silence:?}");
    let mut headers = http::HeaderMap::new();
    headers.insert("retry-after", "7".parse().unwrap());
    let step = buyer
        .client
        .settle(ticket, StatusCode::SERVICE_UNAVAILABLE, &headers, b"")
        .await
        .unwrap();
    let Step::Again(ticket, after) = step else {
        panic!("{step:?}")
    };
    assert_eq!(after, Some(std::time::Duration::from_secs(7)));
    let (_, second) = ticket.header().unwrap();
    assert_eq!(first, second);
    assert!(authorization::parse(second.as_bytes()).is_ok());
}
