//! Budgets count in units: a dollar is a dollar on every rail and in every token.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    Buyer, Seen, Server, StillClock, Wallet, bare, buyer, buyer_as, cents, challenge, challenge_in,
    dollar, paid, price, unpaid,
};
use farthing_client::{Error, Limit, Policy, Refused};
use farthing_core::{
    domain::{
        budgets::{Budget, Window},
        claims::COUNTERS,
    },
    memory::MemoryBackend,
    noun::Challenge,
    port::{
        backend::{Batch, Key, Partition, Write},
        clock::Clock as _,
        payer::{Funds, Share},
    },
    value::{Amount, Currency, CurrencyCode, MethodId, Recipient, Worth},
};

/// Sells what a challenge asks for, by these in turn.
async fn selling(challenges: impl Fn(usize) -> Vec<Challenge> + Send + Sync + 'static) -> Server {
    let asked = AtomicUsize::new(0);
    Server::start(move |seen: Seen| match seen.payment() {
        Some(_) => paid(&seen, "goods"),
        None => unpaid(&challenges(asked.fetch_add(1, Ordering::SeqCst))),
    })
    .await
}

fn by(rail: &str, mut challenge: Challenge) -> Challenge {
    challenge.method = MethodId::new(rail).unwrap();
    challenge
}

/// A wallet on two rails, over one store.
fn rails(policy: Policy) -> Buyer {
    let backend = Arc::new(MemoryBackend::new());
    buyer_as(
        Wallet::new(),
        backend,
        StillClock::new(),
        policy,
        |builder| builder.payer(Wallet::by("other")),
    )
}

#[tokio::test]
async fn one_budget_is_spent_over_rails_and_tokens() {
    let policy = Policy::new().budget(Limit::per_day(price("$0.03")));
    let buyer = rails(policy);
    let server = selling(|count| {
        vec![match count % 3 {
            0 => challenge(5_000),
            1 => by("other", challenge(5_000)),
            _ => challenge_in("usd2", 1),
        }]
    })
    .await;
    for _ in 0..3 {
        buyer.client.get(server.url("/")).send().await.unwrap();
    }
    for currency in [dollar(), cents()] {
        let uses = buyer.client.budgets(&currency, None).await.unwrap();
        let one = currency.decimals;
        let told = (uses[0].used.to_decimal(one), uses[0].left().to_decimal(one));
        assert_eq!(told, ("0.02".to_owned(), "0.01".to_owned()));
    }
    for _ in 0..2 {
        buyer.client.get(server.url("/")).send().await.unwrap();
    }
    // A cent is more than the nothing that is left, and so is a millionth.
    for units in [challenge_in("usd2", 1), challenge(1)] {
        let server = selling(move |_| vec![units.clone()]).await;
        let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
        assert!(
            matches!(error, Error::Refused(Refused::Budget { .. })),
            "{error:?}"
        );
    }
    assert_eq!(buyer.used().await, 30_000);
}

/// Forty payments at once, by two processes, on two rails and in two tokens, of a cent each, and
/// room for seventeen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_paid_at_once_stays_within_the_one_budget() {
    let policy = || Policy::new().budget(Limit::total(price("$0.17")));
    let buyer = rails(policy());
    let server = Arc::new(
        selling(|count| {
            vec![match count % 4 {
                0 => challenge(10_000),
                1 => by("other", challenge(10_000)),
                2 => challenge_in("usd2", 1),
                _ => by("other", challenge_in("usd2", 1)),
            }]
        })
        .await,
    );
    let other = rails_again(&buyer, policy());
    let calls = (0..40).map(|count| {
        let client = if count % 2 == 0 {
            &buyer.client
        } else {
            &other
        };
        let call = client.get(server.url(&format!("/{count}"))).send();
        tokio::spawn(async move { call.await.is_ok() })
    });
    let mut served = 0;
    for call in calls.collect::<Vec<_>>() {
        served += usize::from(call.await.unwrap());
    }
    assert_eq!((served, server.payments().1), (17, 17));
    assert_eq!(buyer.used().await, 170_000);
}

fn rails_again(buyer: &Buyer, policy: Policy) -> farthing_client::Client {
    farthing_client::Client::builder()
        .payer(buyer.wallet.clone())
        .payer(Wallet::by("other"))
        .policy(policy)
        .backend(Arc::clone(&buyer.backend))
        .clock(buyer.clock.clone())
        .options(common::hasty())
        .build()
        .unwrap()
}

/// The dollar of the ledger, as older versions counted it.
fn usd6() -> Currency {
    Currency {
        code: CurrencyCode::new("usd6").unwrap(),
        decimals: 6,
        rail: MethodId::new("ledger").unwrap(),
        symbol: "USD".into(),
    }
}

async fn counted_before(buyer: &Buyer, window: Window, delta: i128) {
    let budget = Budget {
        scope: "".into(),
        window,
        unit: "USD".into(),
        limit: Worth::UNLIMITED,
    };
    let counter = budget.former_counter(&usd6(), buyer.clock.now());
    let mut batch = Batch::new(Partition::Store);
    batch.writes.push(Write::Add {
        table: COUNTERS,
        key: Key::from(&*counter),
        delta,
        min: i128::MIN,
        max: i128::MAX,
    });
    let _ = buyer.backend.commit(batch).await.unwrap();
}

#[tokio::test]
async fn what_an_older_store_counted_goes_on_counting() {
    let policy = Policy::new()
        .budget(Limit::per_day(price("$0.01")))
        .budget(Limit::total(price("$0.05")));
    let buyer = buyer(policy);
    counted_before(&buyer, Window::Day, 7_000).await;
    counted_before(&buyer, Window::Total, 30_000).await;
    let server = selling(|_| vec![challenge(2_000)]).await;
    buyer.client.get(server.url("/")).send().await.unwrap();
    let left = |uses: Vec<farthing_client::BudgetUse>| -> Vec<_> {
        uses.iter().map(|one| one.left().units()).collect()
    };
    let uses = buyer.client.budgets(&dollar(), None).await.unwrap();
    assert_eq!(left(uses), [1_000, 18_000]);
    let error = buyer.client.get(server.url("/")).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Refused(Refused::Budget { .. })),
        "{error:?}"
    );
    // A payment from before turns out to have moved nothing: its reservation comes back.
    counted_before(&buyer, Window::Day, -3_000).await;
    let uses = buyer.client.budgets(&dollar(), None).await.unwrap();
    assert_eq!(left(uses), [4_000, 18_000]);
    buyer.client.get(server.url("/")).send().await.unwrap();
}

/// Everybody takes over at once what was counted before; it is counted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_before_is_taken_over_once() {
    let buyer = buyer(Policy::new().budget(Limit::total(price("$1"))));
    counted_before(&buyer, Window::Total, 123_456).await;
    let reading = (0..16).map(|_| {
        let client = buyer.client.clone();
        tokio::spawn(async move { client.budgets(&dollar(), None).await.unwrap()[0].used })
    });
    for read in reading.collect::<Vec<_>>() {
        assert!(read.await.unwrap() <= Amount::new(123_456));
    }
    assert_eq!(buyer.used().await, 123_456);
}

/// The second currency of an offer is taken where there is no room or no money for the first.
#[tokio::test]
async fn what_the_payer_has_is_paid_with() {
    for (short, expect) in [("usd6", "usd2"), ("usd2", "usd6"), ("neither", "usd6")] {
        let wallet = Wallet {
            funds: [(CurrencyCode::new(short).unwrap(), Funds::Short)].into(),
            ..Wallet::new()
        };
        let backend = Arc::new(MemoryBackend::new());
        let buyer = buyer_as(
            wallet,
            backend,
            StillClock::new(),
            common::generous(),
            |b| b,
        );
        let server = selling(|_| vec![challenge(10_000), challenge_in("usd2", 1)]).await;
        let response = buyer.client.get(server.url("/")).send().await.unwrap();
        let code = &response.paid().unwrap().currency.code;
        assert_eq!(code.as_str(), expect, "short of {short}");
    }
    // What is known to be there goes before what is not known.
    let wallet = Wallet {
        funds: [(CurrencyCode::new("usd2").unwrap(), Funds::Enough)].into(),
        ..Wallet::new()
    };
    let backend = Arc::new(MemoryBackend::new());
    let buyer = buyer_as(
        wallet,
        backend,
        StillClock::new(),
        common::generous(),
        |b| b,
    );
    let server = selling(|_| vec![challenge(10_000), challenge_in("usd2", 1)]).await;
    let response = buyer.client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.paid().unwrap().currency.code.as_str(), "usd2");
}

#[tokio::test]
async fn every_recipient_and_the_network_have_to_be_allowed() {
    let recipient = |text: &str| Recipient::new(text).unwrap();
    let share = |to: &str| Share {
        recipient: recipient(to),
        amount: Amount::new(500),
    };
    let wallet = || Wallet {
        shares: vec![share("seller"), share("0xABcd")],
        network: Some("eip155:4217"),
        ..Wallet::new()
    };
    let seller = || common::generous().allow_recipient(recipient("seller"));
    let both = || seller().allow_recipient(recipient("0xabCD"));
    for (policy, expect) in [
        (common::generous(), None),
        (seller(), Some("payments to 0xABcd are not allowed")),
        (both(), None),
        (both().allow_network("eip155:4217"), None),
        (
            both().allow_network("eip155:1"),
            Some("payments on eip155:4217 are not allowed"),
        ),
    ] {
        let backend = Arc::new(MemoryBackend::new());
        let buyer = buyer_as(wallet(), backend, StillClock::new(), policy, |b| b);
        let server = selling(|_| vec![challenge(1_000)]).await;
        let answer = buyer.client.get(server.url("/")).send().await;
        let said = answer.err().map(|error| error.to_string());
        assert_eq!(said.as_deref(), expect);
        assert_eq!(buyer.wallet.signed(), usize::from(expect.is_none()));
    }
}

#[tokio::test]
async fn what_waits_is_told_in_the_unit_too() {
    let buyer = rails(Policy::new().budget(Limit::total(price("$1"))));
    let silent = Server::start(|seen: Seen| match seen.payment() {
        Some(_) => bare(503),
        None => unpaid(&[by("other", challenge_in("usd2", 3))]),
    })
    .await;
    let lost = buyer.client.get(silent.url("/")).send().await;
    assert!(matches!(lost, Err(Error::Unresolved(_))), "{lost:?}");
    let uses = buyer.client.budgets(&dollar(), None).await.unwrap();
    assert_eq!(
        (uses[0].used.units(), uses[0].reserved.units()),
        (30_000, 30_000)
    );
    buyer.clock.advance(Duration::from_secs(1));
}
