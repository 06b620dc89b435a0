//! A process dies at every named point of a request that a channel pays for; the next one charges
//! nothing twice, loses nothing that was accepted, and settles to the unit.

#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

mod shop;

use std::{net::SocketAddr, path::Path, time::Duration};

use farthing_core::{
    domain::channels::Channels,
    header::{authorization, payment_receipt, www_authenticate},
    intent::session::Balance,
    noun::{Challenge, Credential, session::SessionReceipt},
    value::{Amount, Timestamp},
};
use farthing_testkit::{
    clock::FakeClock,
    method::{FakeSessionPayload, account},
    process::{runs, runtime},
};
use serde_json::value::RawValue;
use tempfile::TempDir;

use shop::{DEPOSIT, PRICE};

#[test]
fn the_shop() {
    // Only the processes started below have something to do here.
    shop::serve_if_asked();
}

/// What a point leaves in the store: what is accepted, what is spent, and how often the handler ran.
struct Left {
    point: &'static str,
    path: &'static str,
    accepted: u128,
    spent: u128,
    runs: usize,
}

const LEFT: [Left; 4] = [
    Left {
        point: "voucher-checked",
        path: "/paid",
        accepted: 0,
        spent: 0,
        runs: 0,
    },
    Left {
        point: "charged",
        path: "/paid",
        accepted: PRICE,
        spent: PRICE,
        runs: 0,
    },
    Left {
        point: "seat-answered",
        path: "/paid",
        accepted: PRICE,
        spent: PRICE,
        runs: 1,
    },
    Left {
        point: "seat-taken-back",
        path: "/bad",
        accepted: PRICE,
        spent: 0,
        runs: 0,
    },
];

#[test]
fn no_point_is_left_out() {
    for point in farthing_server::SEAT_POINTS {
        assert!(LEFT.iter().any(|left| left.point == *point), "{point}");
    }
}

#[test]
fn without_a_key_the_one_request_in_flight_stays_charged() {
    for left in &LEFT {
        let dir = TempDir::new().unwrap();
        die_at(left, None, dir.path());
        let shop = shop::start(dir.path(), 200, None);
        runtime().block_on(async {
            let buyer = Buyer::at(shop.address()).await;
            let same = buyer.buy("/paid", PRICE, None).await;
            let is_free = left.spent == 0;
            assert_eq!(
                same.status,
                if is_free { 200 } else { 402 },
                "{}",
                left.point
            );
            let next = buyer.buy("/paid", 2 * PRICE, None).await;
            assert_eq!(
                next.receipt().spent,
                Amount::new(2 * PRICE),
                "{}",
                left.point
            );
            buyer.close(2 * PRICE).await;
        });
        drop(shop);
        settled(dir.path(), 2 * PRICE);
    }
}

#[test]
fn with_a_key_a_repeated_request_gets_what_was_charged() {
    for left in &LEFT {
        let dir = TempDir::new().unwrap();
        die_at(left, Some("a"), dir.path());
        let shop = shop::start(dir.path(), 200, None);
        runtime().block_on(async {
            let buyer = Buyer::at(shop.address()).await;
            for _ in 0..2 {
                let same = buyer.buy("/paid", PRICE, Some("a")).await;
                assert_eq!(same.status, 200, "{}", left.point);
                assert_eq!(same.receipt().spent, Amount::new(PRICE), "{}", left.point);
            }
            buyer.close(PRICE).await;
        });
        drop(shop);
        assert_eq!(runs(dir.path()), left.runs + 1, "{}", left.point);
        settled(dir.path(), PRICE);
    }
}

/// Killed at moments that nobody named, while many requests are under way.
#[test]
fn killed_at_any_moment() {
    let dir = TempDir::new().unwrap();
    let (mut said, mut served) = (0, 0);
    open(dir.path());
    for round in 0..6_u64 {
        let shop = shop::start(dir.path(), 200 * round, None);
        runtime().block_on(async {
            let buyer = Buyer::at(shop.address()).await;
            said += 20;
            let asked = (0..20).map(|_| buyer.try_buy("/paid", said * PRICE, None));
            let killing = async {
                tokio::time::sleep(Duration::from_millis(3 * round)).await;
                shop.kill();
            };
            let (answers, ()) = tokio::join!(futures_util::future::join_all(asked), killing);
            let good = answers
                .iter()
                .flatten()
                .filter(|answer| answer.status == 200);
            served += good.count();
        });
        drop(shop);
        let balance = runtime().block_on(balance(dir.path()));
        let runs = runs(dir.path()) as u128;
        assert!(balance.accepted >= balance.spent);
        assert!(
            runs * PRICE <= balance.spent.units(),
            "nothing is served unpaid"
        );
        assert!(served as u128 <= runs);
    }
    let spent = runtime().block_on(balance(dir.path())).spent.units();
    let shop = shop::start(dir.path(), 2_000, None);
    runtime().block_on(async {
        Buyer::at(shop.address()).await.close(DEPOSIT).await;
    });
    drop(shop);
    settled(dir.path(), spent);
}

/// Opens the channel, and dies at a point of the first request.
fn die_at(left: &Left, key: Option<&str>, dir: &Path) {
    open(dir);
    let mut shop = shop::start(dir, 0, Some(left.point));
    runtime().block_on(async {
        let buyer = Buyer::at(shop.address()).await;
        let answer = buyer.try_buy(left.path, PRICE, key).await;
        assert!(answer.is_none(), "{}: it was answered", left.point);
    });
    shop.died();
    let balance = runtime().block_on(balance(dir));
    assert_eq!(
        balance.accepted,
        Amount::new(left.accepted),
        "{}",
        left.point
    );
    assert_eq!(balance.spent, Amount::new(left.spent), "{}", left.point);
    assert_eq!(balance.unsure, balance.spent, "{}", left.point);
    assert_eq!(runs(dir), left.runs, "{}", left.point);
}

fn open(dir: &Path) {
    let shop = shop::start(dir, 0, None);
    runtime().block_on(async {
        let buyer = Buyer::at(shop.address()).await;
        let channel = shop::channel();
        let lock = channel.opening(Amount::new(DEPOSIT), Timestamp::FAR);
        let payload = FakeSessionPayload::open(&channel, &lock, Amount::ZERO);
        let opened = buyer.post(&payload.raw()).await;
        assert_eq!(opened.status, 204);
    });
    shop.kill();
}

async fn balance(dir: &Path) -> Balance {
    let channels = Channels::new(shop::store(dir));
    let held = channels.load(&shop::channel().id()).await.unwrap().unwrap();
    held.channel().balance()
}

/// The rail and the books agree.
fn settled(dir: &Path, spent: u128) {
    let truth = shop::reserve(dir, &FakeClock::at(shop::START)).truth();
    let id = shop::channel().id();
    assert_eq!(truth.channel(&id).unwrap().settled, spent);
    assert_eq!(truth.balance(account("buyer").as_str()), DEPOSIT - spent);
    assert_eq!(truth.total(), DEPOSIT);
}

struct Buyer {
    address: SocketAddr,
    http: reqwest::Client,
    challenge: Challenge,
}

struct Answer {
    status: u16,
    receipt: Option<SessionReceipt>,
}

impl Answer {
    fn receipt(&self) -> &SessionReceipt {
        self.receipt.as_ref().expect("a receipt")
    }
}

impl Buyer {
    async fn at(address: SocketAddr) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = http
            .get(format!("http://{address}/paid"))
            .send()
            .await
            .unwrap();
        let lines = asked.headers().get_all("www-authenticate").iter();
        let mut challenges = www_authenticate::parse(lines.map(|line| line.as_bytes()));
        let challenge = challenges.remove(0).unwrap();
        Self {
            address,
            http,
            challenge,
        }
    }

    fn credential(&self, payload: &RawValue) -> String {
        authorization::format(&Credential {
            challenge: self.challenge.clone(),
            payload: payload.to_owned(),
            source: None,
        })
    }

    async fn buy(&self, path: &str, cumulative: u128, key: Option<&str>) -> Answer {
        self.try_buy(path, cumulative, key).await.unwrap()
    }

    async fn try_buy(&self, path: &str, cumulative: u128, key: Option<&str>) -> Option<Answer> {
        let voucher = FakeSessionPayload::voucher(&shop::channel(), Amount::new(cumulative));
        let request = self.http.get(format!("http://{}{path}", self.address));
        let request = request.header("authorization", self.credential(&voucher.raw()));
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        read(request).await
    }

    async fn post(&self, payload: &RawValue) -> Answer {
        let request = self.http.post(format!("http://{}/paid", self.address));
        let request = request.header("authorization", self.credential(payload));
        read(request).await.unwrap()
    }

    async fn close(&self, cumulative: u128) {
        let close = FakeSessionPayload::close(&shop::channel(), Amount::new(cumulative));
        assert_eq!(self.post(&close.raw()).await.status, 204);
    }
}

async fn read(request: reqwest::RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let receipt = response.headers().get("payment-receipt").map(|value| {
        SessionReceipt::read(&payment_receipt::parse(value.as_bytes()).unwrap()).unwrap()
    });
    let status = response.status().as_u16();
    response.bytes().await.ok()?;
    Some(Answer { status, receipt })
}
