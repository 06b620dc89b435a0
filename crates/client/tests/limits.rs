//! Caps for single hosts, a caller's ceiling, and what of a budget is spent or only reserved.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Seen, Server, bare, buyer, challenge, dollar, paid, price, unpaid};
use farthing_client::{Error, Limit, Policy, Refused};
use farthing_core::domain::budgets::Window;

/// Sells for so many base units of a dollar with six decimals.
async fn selling(units: u128) -> Server {
    Server::start(move |seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&[challenge(units)]),
    })
    .await
}

/// What a policy says to 2,000 base units asked by 127.0.0.1.
async fn check(policy: Policy, expect: Option<&str>) {
    let server = selling(2_000).await;
    let told = format!("{policy:?}");
    let buyer = buyer(policy);
    let got = match buyer.client.get(server.url("/")).send().await {
        Ok(_) => None,
        Err(Error::Refused(refused)) => Some(refused.to_string()),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(got.as_deref(), expect, "{told}");
    let signed = usize::from(expect.is_none());
    assert_eq!(buyer.wallet.signed(), signed, "{told}");
}

const HERE: &str = "127.0.0.1";
const ABOVE: &str = "0.002 USD is more than the $0.0019 one request may cost";

fn no_limit() -> String {
    Refused::NoCap {
        symbol: "USD".into(),
    }
    .to_string()
}

#[tokio::test]
async fn a_cap_for_a_host_holds_beside_the_one_for_all() {
    let host = |text: &str| Policy::new().max_per_request_on_host(HERE, price(text));
    check(host("$0.002"), None).await;
    check(host("$0.0019"), Some(ABOVE)).await;
    check(host("$1").max_per_request(price("$0.0019")), Some(ABOVE)).await;
    check(host("$0.0019").max_per_request(price("$1")), Some(ABOVE)).await;
    // The later one takes the place of the earlier, in one unit.
    check(
        host("$0.0019").max_per_request_on_host("127.0.0.1", price("$1")),
        None,
    )
    .await;
    check(
        host("$1").max_per_request_on_host(HERE, price("1 EUR")),
        None,
    )
    .await;
}

#[tokio::test]
async fn limits_for_other_hosts_alone_pay_nobody_else() {
    let other = Policy::new().max_per_request_on_host("example.com", price("$1"));
    check(other, Some(&no_limit())).await;
    let other = Policy::new().budget(Limit::per_day(price("$1")).on_host("example.com"));
    check(other.clone(), Some(&no_limit())).await;
    check(other.max_per_request(price("$1")), None).await;
}

#[tokio::test]
async fn a_ceiling_lowers_and_opens_nothing() {
    let owner = Policy::new().budget(Limit::per_day(price("$1")));
    check(owner.clone().ceiling(price("$0.002")), None).await;
    check(owner.clone().ceiling(price("$0.0019")), Some(ABOVE)).await;
    check(owner.ceiling(price("5 EUR")), Some(&no_limit())).await;
    let small = Policy::new().max_per_request(price("$0.0019"));
    check(small.ceiling(price("$5")), Some(ABOVE)).await;
    let elsewhere = Policy::new().max_per_request_on_host("example.com", price("$5"));
    check(elsewhere.ceiling(price("$5")), Some(&no_limit())).await;
    // The small defaults hold under it.
    let default = Policy::new().ceiling(price("$5"));
    check(default.clone(), None).await;
    let server = selling(100_001).await;
    let error = buyer(default).client.get(server.url("/")).send().await;
    assert!(matches!(error, Err(Error::Refused(Refused::Cap { .. }))));
}

/// What waits for its outcome is told apart from what is spent, in its own window.
#[tokio::test]
async fn what_is_reserved_is_not_spent_yet() {
    let policy = Policy::new()
        .budget(Limit::per_day(price("$0.01")))
        .budget(Limit::total(price("$0.05")).on_host(HERE));
    let buyer = buyer(policy);
    let server = selling(2_000).await;
    buyer.client.get(server.url("/")).send().await.unwrap();
    let silent = Server::start(move |seen: Seen| match seen.payment() {
        Some(_) => bare(503),
        None => unpaid(&[challenge(3_000)]),
    })
    .await;
    let lost = buyer.client.get(silent.url("/")).send().await;
    assert!(matches!(lost, Err(Error::Unresolved(_))), "{lost:?}");
    let uses = buyer.client.budgets(&dollar(), None).await.unwrap();
    let told: Vec<_> = uses
        .iter()
        .map(|one| {
            let amounts = [one.spent(), one.reserved, one.left()];
            let host = one.limit.only_host();
            (
                one.limit.window(),
                host,
                amounts.map(|amount| amount.units()),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Window::Day, None, [2_000, 3_000, 5_000]),
            (Window::Total, Some(HERE), [2_000, 3_000, 45_000]),
        ]
    );
    // A limit that was lowered below what is used leaves nothing, and no less than that.
    let lowered = Policy::new().budget(Limit::per_day(price("$0.001")));
    let lowered = buyer.restarted(lowered);
    let uses = lowered.budgets(&dollar(), None).await.unwrap();
    assert_eq!((uses[0].left().units(), uses[0].used.units()), (0, 5_000));
}

/// A day that is counted without a limit is known to the limit that comes later; a total is not.
#[tokio::test]
async fn a_limit_on_a_day_knows_what_the_day_has_cost() {
    let server = selling(2_000).await;
    let cap = || Policy::new().max_per_request(price("$1"));
    for (counts, left) in [(true, 1_000), (false, 3_000)] {
        let policy = if counts { cap().count_days() } else { cap() };
        let buyer = buyer(policy);
        buyer.client.get(server.url("/")).send().await.unwrap();
        let limited = cap()
            .count_days()
            .budget(Limit::per_day(price("$0.003")))
            .budget(Limit::total(price("$0.003")));
        let limited = buyer.restarted(limited);
        let uses = limited.budgets(&dollar(), None).await.unwrap();
        let told: Vec<_> = uses.iter().map(|one| one.left().units()).collect();
        assert_eq!(told, [left, 3_000]);
        let more = limited.get(server.url("/")).send().await;
        assert_eq!(more.is_ok(), !counts, "{more:?}");
    }
}
