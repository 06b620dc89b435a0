//! A payment method of one's own: coupons, each good for one request.
//!
//! A method says what it asks for, checks a proof, and says where its value is. Everything else
//! (the challenge, the claim, that a coupon is taken once under any concurrency, redelivery, the
//! receipt) is the gate's. `docs/writing-a-method.md` goes further.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{collections::HashSet, error::Error, sync::Arc};

use axum::{Router, routing::get};
use farthing::{
    clock::SystemClock,
    core::{
        header::{authorization, www_authenticate},
        intent::charge::ChargeRequest,
        memory::MemoryBackend,
        noun::Credential,
        payment::{Payment, SettlePolicy},
        port::{
            backend::Write,
            method::{
                Booking, Books, Charge, Fault, PrepareError, Presented, Rail, Refusal, Step,
                Verified, Wanted,
            },
        },
        value::{Amount, ClaimKey, CurrencyCode, MethodId, Reference, Secret},
    },
    server::{Gate, Route, layer::PaymentLayer},
};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

/// Coupons that were handed out. A coupon is a secret, so it is told apart by its hash only.
struct Coupons {
    method: MethodId,
    unit: CurrencyCode,
    issued: HashSet<String>,
}

/// What a credential carries.
#[derive(Deserialize, Serialize)]
struct Payload {
    coupon: String,
}

impl Charge for Coupons {
    fn method(&self) -> &MethodId {
        &self.method
    }

    /// Whatever the price: one coupon.
    fn prepare(&self, wanted: &Wanted<'_>) -> Result<Vec<ChargeRequest>, PrepareError> {
        wanted.plain()?;
        let coupon = ChargeRequest::new(Amount::new(1), self.unit.clone(), None);
        Ok(vec![coupon])
    }

    fn verify<'a>(&'a self, presented: Presented<'a>) -> Step<'a, Result<Verified, Refusal>> {
        Step::Now(self.check(&presented))
    }

    /// Coupons are paid for when they are handed out, so no row moves when one is used.
    fn rail(&self) -> Rail<'_> {
        Rail::Books(self)
    }

    fn settle_policy(&self) -> SettlePolicy {
        SettlePolicy::After
    }
}

impl Coupons {
    fn check(&self, presented: &Presented<'_>) -> Result<Verified, Refusal> {
        let Payload { coupon } =
            serde_json::from_str(presented.payload.get()).map_err(|error| {
                Refusal::new(Fault::Malformed, "the payload is no coupon").caused_by(error)
            })?;
        if !self.issued.contains(&coupon) {
            return Err(Refusal::new(Fault::Invalid, "there is no such coupon"));
        }
        let key = ClaimKey::proof(&self.method, &coupon).map_err(|error| {
            Refusal::new(Fault::Malformed, "the coupon is too long").caused_by(error)
        })?;
        Ok(Verified {
            // The coupon itself is what is used up, whichever challenge it comes with.
            keys: vec![key],
            // A coupon is good for ever, and so is the memory that it was used.
            ..Verified::new(farthing::core::value::Timestamp::FAR)
        })
    }
}

impl Books for Coupons {
    fn writes(&self, _: Booking, _: &Payment) -> Vec<Write> {
        Vec::new()
    }

    fn reference(&self, payment: &Payment) -> Reference {
        Reference::new(payment.id.to_string()).expect("a payment id is a reference")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coupons = Coupons {
        method: MethodId::new("coupon")?,
        unit: CurrencyCode::new("coupons")?,
        issued: ["MERRY", "HAPPY"].map(String::from).into(),
    };
    let gate = Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new(vec![7; 32]))
        .store(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(SystemClock))
        .method(Arc::new(coupons))
        .build()?;
    let layer = PaymentLayer::new(&gate, Route::priced("1 coupon")?)?;
    let app = Router::new().route(
        "/cake",
        get(|| async { "a piece of cake" }).route_layer(layer),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/cake", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    for coupon in ["MERRY", "MERRY", "HAPPY", "GREEDY"] {
        println!("{coupon}: {}", buy(&url, coupon).await?);
    }
    gate.drain().await;
    server.abort();
    Ok(())
}

async fn buy(url: &str, coupon: &str) -> Result<String, Box<dyn Error>> {
    farthing::client::provide_crypto();
    let http = reqwest::Client::new();
    let offered = http.get(url).send().await?;
    let lines = offered.headers().get_all("www-authenticate").iter();
    let challenge = www_authenticate::parse(lines.map(|line| line.as_bytes())).remove(0)?;
    let payload = to_raw_value(&Payload {
        coupon: coupon.to_owned(),
    })?;
    let credential = authorization::format(&Credential {
        challenge,
        source: None,
        payload,
    });
    let answer = http
        .get(url)
        .header("authorization", credential)
        .send()
        .await?;
    Ok(format!(
        "{} {}",
        answer.status().as_u16(),
        first_line(&answer.text().await?)
    ))
}

fn first_line(body: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(body) {
        Ok(problem) => problem["detail"].as_str().unwrap_or_default().to_owned(),
        Err(_) => body.to_owned(),
    }
}
