//! Which offer is paid, who is asked, and what a dry run says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    START, Seen, Server, StillClock, Wallet, buyer, buyer_with, challenge, generous, paid, price,
    unpaid,
};
use farthing_client::{BuildError, Client, Error, Limit, Options, PayerFault, Policy, Refused};
use farthing_core::{
    intent::charge::ChargeRequest,
    memory::MemoryBackend,
    noun::{Challenge, Description, Request},
    payment::Moved,
    port::{
        BoxFuture,
        method::{Fault, Refusal},
        payer::{Offer, Payer, Proof, Quote, Resolved},
    },
    value::{Amount, CurrencyCode, MethodId, Recipient, Timestamp},
};

fn offer(method: &str, currency: &str, units: u128) -> Challenge {
    let mut challenge = challenge(0);
    challenge.method = MethodId::new(method).unwrap();
    let code = CurrencyCode::new(currency).unwrap();
    let to = Recipient::new("seller").unwrap();
    challenge.request =
        Request::new(&ChargeRequest::new(Amount::new(units), code, Some(to))).unwrap();
    challenge
}

async fn offering(offers: &[(&'static str, &'static str, u128)]) -> Server {
    let offers = offers.to_vec();
    Server::start(move |seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => {
            let offers: Vec<_> = offers.iter().map(|(m, c, u)| offer(m, c, *u)).collect();
            unpaid(&offers)
        }
    })
    .await
}

/// What is paid of these offers, as (method, currency, units).
async fn check(
    policy: Policy,
    offers: &[(&'static str, &'static str, u128)],
    expect: (&str, &str, u128),
) {
    let server = offering(offers).await;
    let buyer = buyer_with(policy, |builder| builder.payer(Wallet::by("other")));
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    let outlay = response.paid().unwrap();
    let (rail, code) = (outlay.currency.rail.as_str(), outlay.currency.code.as_str());
    assert_eq!((rail, code, outlay.amount.units()), expect, "of {offers:?}");
}

fn both() -> Policy {
    generous().max_per_request(price("5 COIN"))
}

#[tokio::test]
async fn the_preferred_method_then_the_cheapest_of_a_currency_then_the_servers_order() {
    let offers = [
        ("fake", "usd6", 9),
        ("fake", "coin", 2),
        ("other", "usd6", 8),
        ("fake", "usd6", 5),
        ("fake", "coin", 1),
    ];
    check(both(), &offers, ("fake", "usd6", 5)).await;
    check(both().prefer("other"), &offers, ("other", "usd6", 8)).await;
    let coin = CurrencyCode::new("coin").unwrap();
    check(
        both().prefer_currency(coin.clone()),
        &offers,
        ("fake", "coin", 1),
    )
    .await;
    check(
        both().prefer("other").prefer_currency(coin),
        &offers,
        ("other", "usd6", 8),
    )
    .await;
    // Of two currencies none is cheaper.
    check(
        both(),
        &[("fake", "coin", 1), ("fake", "usd6", 1)],
        ("fake", "coin", 1),
    )
    .await;
    check(
        both(),
        &[("fake", "usd6", 3), ("fake", "coin", 1)],
        ("fake", "usd6", 3),
    )
    .await;
}

#[tokio::test]
async fn an_offer_the_policy_forbids_gives_way_to_one_it_allows() {
    check(
        both(),
        &[("fake", "coin", 6), ("fake", "usd6", 4)],
        ("fake", "usd6", 4),
    )
    .await;
    check(
        both(),
        &[("gone", "usd6", 1), ("fake", "usd6", 4)],
        ("fake", "usd6", 4),
    )
    .await;
    // So does one whose budget has too little left.
    let tight = both().budget(Limit::per_day(price("2 COIN")));
    check(
        tight,
        &[("fake", "coin", 3), ("fake", "usd6", 4)],
        ("fake", "usd6", 4),
    )
    .await;
}

#[tokio::test]
async fn preferences_are_told_to_the_server() {
    let server = offering(&[]).await;
    let buyer = buyer_with(both().prefer("other"), |builder| {
        builder.payer(Wallet::by("other"))
    });
    let _ = buyer.client.get(server.url("/")).send().await;
    assert_eq!(
        server.seen()[0].headers["accept-payment"],
        "other/charge, fake/charge;q=0.9"
    );
}

#[tokio::test]
async fn budgets_of_a_host_a_day_and_in_total_hold_to_the_unit() {
    let server = offering(&[("fake", "usd6", 400)]).await;
    let policy = || {
        Policy::new()
            .max_per_request(price("$1"))
            .budget(Limit::per_day(price("$0.002")))
            .budget(Limit::total(price("$0.0016")))
            .budget(Limit::per_day(price("$0.0008")).on_each_host())
    };
    let buyer = buyer(policy());
    let get = async || buyer.client.get(server.url("/")).send().await;
    let full = async || match get().await {
        Err(Error::Refused(Refused::Budget { asked, budget })) => {
            (asked.to_string(), budget.to_string())
        }
        other => panic!("{other:?}"),
    };
    get().await.unwrap();
    get().await.unwrap();
    // 800 of 800 on the host, of 2,000 in the day, of 1,600 in total.
    assert_eq!(
        full().await,
        (
            "0.0004 USD".to_owned(),
            "$0.0008 per day on each host".to_owned()
        )
    );
    buyer.clock.advance(Duration::from_secs(86_400));
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => {
            let mut asked = offer("fake", "usd6", 400);
            let tomorrow = farthing_core::value::Timestamp::from_secs(START + 86_400 + 300);
            asked.expires = Some(farthing_core::noun::Expires::new(tomorrow));
            unpaid(&[asked])
        }
    })
    .await;
    let get = async || buyer.client.get(server.url("/")).send().await;
    get().await.unwrap();
    get().await.unwrap();
    let Err(Error::Refused(Refused::Budget { .. })) = get().await else {
        panic!("over budget")
    };
    let uses = buyer
        .client
        .budgets(&common::dollar(), Some("127.0.0.1"))
        .await
        .unwrap();
    let used: Vec<_> = uses
        .iter()
        .map(|one| (one.used.units(), one.most.units()))
        .collect();
    assert_eq!(used, [(800, 2_000), (1_600, 1_600), (800, 800)]);
}

#[tokio::test]
async fn a_hosts_own_budget_takes_the_place_of_each_hosts() {
    let server = offering(&[("fake", "usd6", 400)]).await;
    let policy = Policy::new()
        .budget(Limit::total(price("$0.0001")).on_each_host())
        .budget(Limit::total(price("$0.0004")).on_host("127.0.0.1"));
    let buyer = buyer(policy);
    buyer.client.get(server.url("/")).send().await.unwrap();
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Refused(Refused::Budget { .. })),
        "{error:?}"
    );
    assert_eq!(buyer.used().await, 400);
}

/// A limit need not be a whole number of the currency's base units: it is compared as it is.
#[tokio::test]
async fn a_limit_between_two_base_units_holds() {
    for (coins, ok) in [(1, true), (2, false)] {
        let server = offering(&[("fake", "coin", coins)]).await;
        let buyer = buyer(Policy::new().max_per_request(price("1.5 COIN")));
        let answer = buyer.client.get(server.url("/")).send().await;
        assert_eq!(answer.is_ok(), ok, "{answer:?}");
        if !ok {
            assert!(matches!(answer, Err(Error::Refused(Refused::Cap { .. }))));
        }
    }
    let server = offering(&[("fake", "coin", 1)]).await;
    let fine = price("1.0000000000000000001 COIN");
    let buyer = buyer(Policy::new().max_per_request(fine));
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Refused(Refused::Limit(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_pay_and_signs_nothing() {
    let server = offering(&[("fake", "usd6", 1_500)]).await;
    let buyer = buyer(generous().dry_run(true));
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 402);
    assert_eq!(response.would_pay().unwrap().price(), "0.0015 USD");
    assert!(response.paid().is_none());
    assert_eq!(
        (
            buyer.wallet.signed(),
            buyer.used().await,
            server.payments().0
        ),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn whoever_is_asked_decides_and_a_no_costs_nothing() {
    for yes in [true, false] {
        let server = Server::start(|seen: Seen| match seen.payment() {
            Some(_) => paid(&seen, "goods"),
            None => {
                let mut asked = offer("fake", "usd6", 2_000);
                asked.description = Some("weather".parse::<Description>().unwrap());
                unpaid(&[asked])
            }
        })
        .await;
        let asks = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asks);
        let buyer = buyer_with(generous(), |builder| {
            builder.approve(move |ask| {
                log.lock().unwrap().push(ask);
                async move { yes }
            })
        });
        let sent = buyer.client.get(server.url("/x")).send().await;
        let asks = asks.lock().unwrap().clone();
        assert_eq!(asks.len(), 1);
        assert_eq!(
            (asks[0].amount.units(), asks[0].url.as_str()),
            (2_000, &*server.url("/x"))
        );
        assert_eq!(asks[0].description.as_deref(), Some("weather"));
        match sent {
            Ok(response) => assert_eq!((yes, response.status().as_u16()), (true, 200)),
            Err(error) => {
                assert!(
                    !yes && matches!(error, Error::Refused(Refused::Approval)),
                    "{error:?}"
                );
                assert_eq!((buyer.wallet.signed(), buyer.used().await), (0, 0));
            }
        }
    }
}

#[tokio::test]
async fn what_was_declined_may_be_approved_later() {
    let server = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => {
            let mut asked = offer("fake", "usd6", 2_000);
            asked.id = farthing_core::value::ChallengeId::new("static").unwrap();
            unpaid(&[asked])
        }
    })
    .await;
    let answers = Mutex::new(vec![true, false]);
    let buyer = buyer_with(generous(), |builder| {
        builder.approve(move |_| std::future::ready(answers.lock().unwrap().pop().unwrap()))
    });
    let declined = buyer.client.get(server.url("/")).send().await;
    assert!(
        matches!(declined, Err(Error::Refused(Refused::Approval))),
        "{declined:?}"
    );
    assert_eq!(
        buyer
            .client
            .get(server.url("/"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!((buyer.wallet.signed(), buyer.used().await), (1, 2_000));
}

#[tokio::test]
async fn a_challenge_that_expires_while_somebody_is_asked_is_not_signed() {
    let server = offering(&[("fake", "usd6", 1)]).await;
    let clock = StillClock::new();
    let later = Arc::clone(&clock);
    let buyer = common::buyer_on(
        Arc::new(MemoryBackend::new()),
        clock,
        generous(),
        |builder| {
            builder.approve(move |_| {
                later.advance(Duration::from_secs(301));
                async { true }
            })
        },
    );
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Server(farthing_client::ServerFault::Expired)),
        "{error:?}"
    );
    assert_eq!((buyer.wallet.signed(), buyer.used().await), (0, 0));
}

#[tokio::test]
async fn a_payer_that_fails_costs_nothing_and_says_whose_fault_it_is() {
    for (fault, is_rail) in [
        (Fault::Unavailable, true),
        (Fault::Insufficient, false),
        (Fault::Internal, false),
    ] {
        let server = offering(&[("fake", "usd6", 1)]).await;
        let buyer = buyer(generous());
        buyer.wallet.fail_as(fault);
        let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
        match &error {
            Error::Rail(_) => assert!(is_rail, "{fault:?}"),
            Error::Payer(PayerFault::Payer(_)) => assert!(!is_rail, "{fault:?}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            (error.moved(), buyer.used().await, server.payments().0),
            (Moved::No, 0, 0)
        );
        assert!(buyer.client.pending(None, 9).await.unwrap().is_empty());
    }
}

#[test]
fn a_client_with_a_missing_part_is_not_built() {
    let all = || {
        let backend = Arc::new(MemoryBackend::new());
        Client::builder()
            .payer(Wallet::new())
            .backend(backend)
            .clock(StillClock::new())
    };
    assert!(all().build().is_ok());
    let no_payer = Client::builder()
        .backend(Arc::new(MemoryBackend::new()))
        .clock(StillClock::new());
    assert!(matches!(no_payer.build(), Err(BuildError::NoPayer)));
    let no_store = Client::builder()
        .payer(Wallet::new())
        .clock(StillClock::new());
    assert!(matches!(no_store.build(), Err(BuildError::NoBackend)));
    let no_clock = Client::builder()
        .payer(Wallet::new())
        .backend(Arc::new(MemoryBackend::new()));
    assert!(matches!(no_clock.build(), Err(BuildError::NoClock)));
    // One payment reserves on all of these, and on one of those.
    let budgets = (0..17).fold(Policy::new(), |policy, at| {
        policy.budget(Limit::total(price(&format!("1 COIN{at}"))))
    });
    let hosts = (0..17).fold(Policy::new(), |policy, at| {
        policy.budget(Limit::total(price("$1")).on_host(&format!("h{at}")))
    });
    all().policy(hosts).build().unwrap();
    assert!(matches!(
        all().policy(budgets).build(),
        Err(BuildError::Budgets)
    ));
    let wrong: [fn(&mut Options); 4] = [
        |options| options.sends = 0,
        |options| options.answer_within = Duration::ZERO,
        |options| options.rail_within = Duration::ZERO,
        |options| options.lease = Duration::ZERO,
    ];
    for change in wrong {
        let mut options = Options::default();
        change(&mut options);
        assert!(matches!(
            all().options(options).build(),
            Err(BuildError::Options(_))
        ));
    }
}

#[tokio::test]
async fn the_rails_word_settles_what_a_server_refused() {
    let server = Server::start(|_| unpaid(&[challenge(10)])).await;
    let buyer = buyer(generous());
    let reference = farthing_core::value::Reference::new("tx-7").unwrap();
    buyer.wallet.resolve_as(Resolved::Moved {
        reference: reference.clone(),
    });
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert_eq!(error.moved(), Moved::Yes);
    let resumed = buyer.client.resume().await.unwrap();
    assert_eq!(resumed[0].payment.standing, farthing_client::Standing::Paid);
    assert_eq!(resumed[0].payment.reference, Some(reference));
    assert_eq!(buyer.used().await, 10);
    // No receipt is made up for it; so what is known of it is kept.
    let receipts = buyer.client.receipts().list(None, 1).await.unwrap();
    assert!(receipts.is_empty());
    buyer.clock.advance(Duration::from_secs(86_400 * 2));
    buyer.client.resume().await.unwrap();
    let left = buyer.client.unreceipted(None, 10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, resumed[0].payment.id);
    let none = buyer.client.unreceipted(left.last(), 10).await.unwrap();
    assert!(none.is_empty());
}

/// A payer on a chain that pays nothing, and says why.
struct OnChain {
    method: MethodId,
    is_asked_for: bool,
    says: &'static str,
}

impl Payer for OnChain {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn quote(&self, _: &Offer) -> Result<Quote, Refusal> {
        Err(Refusal::new(Fault::Unsupported, self.says))
    }

    fn is_on_network(&self, _: &Offer) -> bool {
        self.is_asked_for
    }

    fn sign<'a>(&'a self, _: &'a Offer, _: Timestamp) -> BoxFuture<'a, Result<Proof, Refusal>> {
        panic!("it cannot pay")
    }
}

#[tokio::test]
async fn of_several_networks_the_one_that_is_asked_for_says_why_it_cannot_pay() {
    let server = offering(&[("chain", "usd6", 1)]).await;
    for (networks, expect) in [
        (
            [
                (false, "not one"),
                (true, "no such token"),
                (false, "not three"),
            ],
            "no such token",
        ),
        (
            [(false, "not one"), (false, "not two"), (false, "not one")],
            "not one; not two",
        ),
    ] {
        let buyer = buyer_with(generous(), |builder| {
            networks
                .into_iter()
                .fold(builder, |builder, (is_asked_for, says)| {
                    let method = MethodId::new("chain").unwrap();
                    builder.payer(OnChain {
                        method,
                        is_asked_for,
                        says,
                    })
                })
        });
        match buyer.client.get(server.url("/")).send().await.unwrap_err() {
            Error::Payer(PayerFault::Payer(why)) => assert_eq!(why.to_string(), expect),
            other => panic!("{other:?}"),
        }
    }
}
