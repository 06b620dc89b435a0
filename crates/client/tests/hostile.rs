//! Servers that try to get more than their due, and servers that are merely broken.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::{
    Reply, START, Seen, Server, bare, buyer, challenge, generous, paid, price, text, unpaid,
};
use farthing_client::{Error, PayerFault, Policy, Refused, ServerFault, Standing};
use farthing_core::{
    header::{PAYMENT_RECEIPT, digest, payment_receipt},
    intent::charge::ChargeRequest,
    noun::{Challenge, Expires, Receipt, Request},
    payment::Moved,
    value::{
        Amount, ChallengeId, CurrencyCode, IntentId, MethodId, Realm, Recipient, Reference,
        Timestamp,
    },
};

/// Sends a GET to a server that asks for these challenges. Nothing may be signed or spent.
async fn refused(policy: Policy, challenges: Vec<Challenge>) -> Error {
    let server = Server::start(move |seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&challenges),
    })
    .await;
    let buyer = buyer(policy);
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!(error.moved(), Moved::No, "{error:?}");
    assert!(!error.hint().is_empty());
    assert_eq!(
        (
            buyer.wallet.signed(),
            buyer.used().await,
            server.payments().0
        ),
        (0, 0, 0),
        "{error:?}"
    );
    assert!(buyer.client.pending(None, 10).await.unwrap().is_empty());
    error
}

fn with(change: impl FnOnce(&mut Challenge)) -> Vec<Challenge> {
    let mut challenge = challenge(2_000);
    change(&mut challenge);
    vec![challenge]
}

fn asking(amount: u128, currency: &str) -> Request {
    let code = CurrencyCode::new(currency).unwrap();
    let to = Recipient::new("seller").unwrap();
    Request::new(&ChargeRequest::new(Amount::new(amount), code, Some(to))).unwrap()
}

#[tokio::test]
async fn an_expired_challenge_is_not_paid() {
    for secs in [START - 1, START] {
        let expired = with(|c| c.expires = Some(Expires::new(Timestamp::from_secs(secs))));
        let error = refused(generous(), expired).await;
        assert!(
            matches!(error, Error::Server(ServerFault::Expired)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_challenge_that_ends_absurdly_late_is_not_paid() {
    let far = with(|c| c.expires = Some(Expires::new(Timestamp::FAR)));
    let error = refused(generous(), far).await;
    assert!(
        matches!(error, Error::Server(ServerFault::Window)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_foreign_realm_is_refused_unless_it_is_pinned() {
    for realm in [
        "shop.example.com",
        "127.0.0.1:1",
        "127.0.0.1.example.com",
        "127.0.0.10",
    ] {
        let foreign = with(|c| c.realm = Realm::new(realm).unwrap());
        let error = refused(generous(), foreign).await;
        assert!(
            matches!(error, Error::Refused(Refused::Realm { .. })),
            "{realm}: {error:?}"
        );
    }
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&with(|c| c.realm = Realm::new("A Shop").unwrap())),
    })
    .await;
    let pinned = buyer(generous().pin_realm("127.0.0.1", Realm::new("A Shop").unwrap()));
    assert_eq!(
        pinned
            .client
            .get(server.url("/"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn the_dialled_host_with_its_port_is_its_own_realm() {
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => {
            let host = seen.headers["host"].to_str().unwrap().to_owned();
            unpaid(&with(|c| c.realm = Realm::new(host).unwrap()))
        }
    })
    .await;
    assert_eq!(
        buyer(generous())
            .client
            .get(server.url("/"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn a_challenge_for_another_body_is_refused() {
    let others = with(|c| c.digest = Some(digest::sha256(b"another body")));
    let error = refused(generous(), others).await;
    assert!(
        matches!(error, Error::Server(ServerFault::Digest)),
        "{error:?}"
    );
    // Ours is paid, also in the bare form that peers send.
    for bare_form in [false, true] {
        let server = Server::start(move |seen: Seen| match seen.payment() {
            Some(_) => paid(&seen, "goods"),
            None => {
                let text = digest::sha256(&seen.body).as_str().to_owned();
                let text = if bare_form {
                    text.replace(':', "")
                } else {
                    text
                };
                unpaid(&with(|c| c.digest = Some(text.parse().unwrap())))
            }
        })
        .await;
        let sent = buyer(generous())
            .client
            .post(server.url("/"))
            .body("mine")
            .send()
            .await;
        assert_eq!(sent.unwrap().status(), 200, "{bare_form}");
    }
}

#[tokio::test]
async fn the_servers_word_on_decimals_is_not_taken() {
    // Two dollars, said to be two millionths of one.
    let lying = with(|c| {
        c.request = Request::new(&serde_json::json!({
            "amount": "2000000", "currency": "usd6", "recipient": "seller",
            "methodDetails": { "decimals": 12 }, "description": "only $0.000002",
        }))
        .unwrap();
    });
    match refused(generous(), lying).await {
        Error::Refused(Refused::Cap { asked, cap }) => {
            assert_eq!((&*asked, &*cap), ("2 USD", "$1"))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_cap_holds_to_the_unit() {
    let policy = || Policy::new().max_per_request(price("$0.002"));
    let error = refused(policy(), vec![challenge(2_001)]).await;
    assert!(
        matches!(error, Error::Refused(Refused::Cap { .. })),
        "{error:?}"
    );
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&[challenge(2_000)]),
    })
    .await;
    let sent = buyer(policy()).client.get(server.url("/")).send().await;
    assert_eq!(sent.unwrap().paid().unwrap().amount.units(), 2_000);
}

#[tokio::test]
async fn without_a_policy_a_small_default_holds() {
    let error = refused(Policy::new(), vec![challenge(100_001)]).await;
    assert!(
        matches!(error, Error::Refused(Refused::Cap { .. })),
        "{error:?}"
    );
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&[challenge(100_000)]),
    })
    .await;
    let buyer = buyer(Policy::new());
    for _ in 0..10 {
        buyer.client.get(server.url("/")).send().await.unwrap();
    }
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Refused(Refused::Budget { .. })),
        "{error:?}"
    );
    assert_eq!((buyer.used().await, buyer.wallet.signed()), (1_000_000, 10));
}

#[tokio::test]
async fn an_amount_beyond_every_counter_is_refused() {
    let most = with(|c| c.request = asking(u128::MAX, "usd6"));
    let error = refused(generous(), most).await;
    assert!(
        matches!(error, Error::Refused(Refused::Limit(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_currency_without_a_limit_is_refused() {
    let coins = with(|c| c.request = asking(1, "coin"));
    let error = refused(generous(), coins).await;
    assert!(
        matches!(error, Error::Refused(Refused::NoCap { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn only_listed_currencies_and_recipients_are_paid() {
    let method = MethodId::new("fake").unwrap();
    let coin = generous().allow_currency(method, CurrencyCode::new("coin").unwrap());
    let error = refused(coin, vec![challenge(1)]).await;
    assert!(
        matches!(error, Error::Refused(Refused::Currency(_))),
        "{error:?}"
    );
    let friend = generous().allow_recipient(Recipient::new("friend").unwrap());
    let error = refused(friend, vec![challenge(1)]).await;
    assert!(
        matches!(error, Error::Refused(Refused::Recipient(_))),
        "{error:?}"
    );
    let nobody = with(|c| {
        c.request = Request::new(&serde_json::json!({"amount": "1", "currency": "usd6"})).unwrap()
    });
    let friend = generous().allow_recipient(Recipient::new("friend").unwrap());
    let error = refused(friend, nobody).await;
    assert!(
        matches!(error, Error::Refused(Refused::Recipient(None))),
        "{error:?}"
    );
}

#[tokio::test]
async fn offers_nobody_can_pay_are_told_apart() {
    let method = with(|c| c.method = MethodId::new("other").unwrap());
    let error = refused(generous(), method).await;
    assert!(
        matches!(error, Error::Payer(PayerFault::Method(_))),
        "{error:?}"
    );
    let intent = with(|c| c.intent = IntentId::new("authorize").unwrap());
    let error = refused(generous(), intent).await;
    assert!(
        matches!(error, Error::Payer(PayerFault::Intent(_))),
        "{error:?}"
    );
    let currency = with(|c| c.request = asking(1, "gold"));
    let error = refused(generous(), currency).await;
    assert!(
        matches!(error, Error::Payer(PayerFault::Payer(_))),
        "{error:?}"
    );
    let garbage = with(|c| c.request = Request::new(&serde_json::json!({"amount": "-1"})).unwrap());
    let error = refused(generous(), garbage).await;
    assert!(
        matches!(error, Error::Server(ServerFault::Charge(_))),
        "{error:?}"
    );
    let header = with(|c| c.header = Some("Cookie".parse().unwrap()));
    let error = refused(generous(), header).await;
    assert!(
        matches!(error, Error::Server(ServerFault::Header)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_broken_challenge_does_not_hide_a_good_one() {
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => {
            let mut response = unpaid(&[challenge(5)]);
            for line in [
                "Payment id=\"\", realm=\"x\"",
                "Bearer realm=\"y\"",
                "Payment id=\"unclosed",
            ] {
                response
                    .headers_mut()
                    .append("www-authenticate", line.parse().unwrap());
            }
            response
        }
    })
    .await;
    let response = buyer(generous())
        .client
        .get(server.url("/"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.paid().unwrap().amount.units(), 5);
}

#[tokio::test]
async fn a_402_without_a_payment_challenge_is_handed_out() {
    let server = Server::start(|_| bare(402)).await;
    let response = buyer(generous())
        .client
        .get(server.url("/"))
        .send()
        .await
        .unwrap();
    assert_eq!((response.status().as_u16(), response.paid()), (402, None));
}

#[tokio::test]
async fn a_challenge_that_was_answered_is_never_answered_again() {
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&with(|c| c.id = ChallengeId::new("static").unwrap())),
    })
    .await;
    let buyer = buyer(generous());
    buyer.client.get(server.url("/a")).send().await.unwrap();
    let error = buyer.client.get(server.url("/b")).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Server(ServerFault::Reused(_))),
        "{error:?}"
    );
    assert_eq!((buyer.wallet.signed(), buyer.used().await), (1, 2_000));
}

#[tokio::test]
async fn a_challenge_without_an_end_is_not_answered_again_after_years() {
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&with(|c| {
            c.id = ChallengeId::new("endless").unwrap();
            c.expires = None;
        })),
    })
    .await;
    let buyer = buyer(generous());
    buyer.client.get(server.url("/a")).send().await.unwrap();
    buyer.clock.advance(Duration::from_secs(10 * 365 * 86_400));
    buyer.client.resume().await.unwrap();
    let error = buyer.client.get(server.url("/a")).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Server(ServerFault::Reused(_))),
        "{error:?}"
    );
    assert_eq!(buyer.wallet.signed(), 1);
}

#[tokio::test]
async fn a_server_that_asks_again_and_again_is_paid_once() {
    let server = Server::start(|_| unpaid(&[challenge(10)])).await;
    let buyer = buyer(generous());
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!(error.moved(), Moved::Unknown);
    assert_eq!(
        (buyer.wallet.signed(), server.payments(), buyer.used().await),
        (1, (1, 1), 10)
    );
}

#[tokio::test]
async fn a_receipt_by_another_method_or_for_another_challenge_is_none() {
    for (method, challenge_id) in [("other", None), ("fake", Some("another"))] {
        let server = Server::start(move |seen: Seen| {
            if seen.payment().is_none() {
                return unpaid(&[challenge(3)]);
            }
            let reference = Reference::new("forged").unwrap();
            let method = MethodId::new(method).unwrap();
            let receipt = Receipt::new(method, Timestamp::from_secs(START), reference)
                .with_extra(challenge_id.map(|id: &str| ("challengeId".to_owned(), id.into())));
            let mut response = text("goods");
            response
                .headers_mut()
                .insert(PAYMENT_RECEIPT, payment_receipt::to_header(&receipt));
            response
        })
        .await;
        let buyer = buyer(generous());
        let response = buyer.client.get(server.url("/")).send().await.unwrap();
        let outlay = response.paid().unwrap();
        assert_eq!(
            (outlay.standing, &outlay.reference),
            (Standing::Unconfirmed, &None)
        );
        assert!(
            buyer
                .client
                .receipts()
                .list(None, 1)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_receipt_on_a_refusal_settles_nothing() {
    let server = Server::start(|seen: Seen| {
        if seen.payment().is_none() {
            return unpaid(&[challenge(3)]);
        }
        let mut response = unpaid(&[challenge(3)]);
        let receipt = paid(&seen, "").headers()[PAYMENT_RECEIPT].clone();
        response.headers_mut().insert(PAYMENT_RECEIPT, receipt);
        response
    })
    .await;
    let buyer = buyer(generous());
    buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(
        buyer
            .client
            .receipts()
            .list(None, 1)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        buyer.client.pending(None, 9).await.unwrap()[0].standing,
        Standing::Doubtful
    );
}

#[tokio::test]
async fn nothing_named_in_a_challenge_is_dialled() {
    let bait = Server::start(|_| text("you called")).await;
    let url = bait.url("/rpc");
    let server = Server::start(move |seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&with(|c| {
            c.request = Request::new(&serde_json::json!({
                "amount": "1", "currency": "usd6", "recipient": "seller",
                "methodDetails": { "rpcUrl": url, "facilitator": url },
            }))
            .unwrap();
        })),
    })
    .await;
    buyer(generous())
        .client
        .get(server.url("/"))
        .send()
        .await
        .unwrap();
    assert!(bait.seen().is_empty());
}

#[tokio::test]
async fn a_problem_without_end_is_not_read_to_its_end() {
    let server = Server::start(|seen: Seen| -> Reply {
        if seen.payment().is_none() {
            return unpaid(&[challenge(1)]).into();
        }
        let mut response = bare(402);
        response
            .headers_mut()
            .insert("content-type", "application/problem+json".parse().unwrap());
        *response.body_mut() = vec![b' '; 1 << 20].into();
        Reply::Late(Duration::from_millis(1), response)
    })
    .await;
    let error = buyer(generous())
        .client
        .get(server.url("/"))
        .send()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unresolved(_)), "{error:?}");
}

#[tokio::test]
async fn no_error_and_no_record_shows_a_credential() {
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => bare(402),
        None => unpaid(&[challenge(1)]),
    })
    .await;
    let buyer = buyer(generous());
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    let sent = server.seen().iter().find_map(Seen::payment_bytes).unwrap();
    let secret = String::from_utf8(sent).unwrap();
    let listed = buyer.client.pending(None, 10).await.unwrap();
    let shown = format!("{error:?} {error} {listed:?} {:?}", buyer.client);
    assert!(!shown.contains("s3cret-proof"), "{shown}");
    assert!(!shown.contains(&secret[20..]), "{shown}");
}
