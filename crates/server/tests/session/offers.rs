//! What a route with sessions asks for.

use std::sync::Arc;

use farthing_core::{
    header::{authorization, www_authenticate},
    intent::{charge::CHARGE, session::SESSION},
    noun::{Challenge, Credential, Source},
    port::payer::{Offer, Payer as _},
    value::Secret,
};
use farthing_ledger::{AccountKey, KeyType, Ledger};
use farthing_server::{
    Gate, Route, SetupError,
    session::{Metering, SessionOptions},
};
use farthing_testkit::{
    clock::FakeClock,
    method::{FakeCharge, FakePayer, FakeRail, FakeReserve, FakeSession, account},
};

use crate::world::{Answer, PRICE, Parts, START, Shop, payee, route};

fn ledger() -> Arc<Ledger> {
    let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32]).unwrap();
    Arc::new(Ledger::new(seller.account().clone()))
}

fn all(answer: &Answer) -> Vec<Challenge> {
    let lines = answer.headers.get_all("www-authenticate").iter();
    let parsed = www_authenticate::parse(lines.map(|line| line.as_bytes()));
    parsed.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_session_is_asked_for_by_the_unit_and_its_challenge_lives_an_hour() {
    let shop = Shop::selling(Route::metered(
        Metering::by_use("$0.000025", "word")
            .unwrap()
            .suggested_deposit("$1")
            .unwrap()
            .min_delta("$0.001")
            .unwrap(),
    ))
    .await;
    let answer = shop.ask(shop.http.get(shop.url("/paid"))).await;
    assert_eq!(answer.status, 402);
    let challenges = all(&answer);
    assert_eq!(challenges.len(), 1);
    let challenge = &challenges[0];
    let ends = challenge.expires.as_ref().unwrap().at();
    assert_eq!(
        ends,
        START.saturating_add(std::time::Duration::from_secs(3600))
    );
    let request: serde_json::Value = challenge.request.decode().unwrap();
    assert_eq!(request["amount"], "25");
    assert_eq!(request["unitType"], "word");
    assert_eq!(request["suggestedDeposit"], "1000000");
    assert_eq!(request["methodDetails"]["minVoucherDelta"], "1000");
    let told = &answer.problem().offers[0];
    assert_eq!(told.intent.as_str(), SESSION);
    assert_eq!(told.extra["unitType"], "word");
    assert_eq!(told.extra["suggestedDeposit"], "1000000");
}

#[tokio::test]
async fn a_route_offers_charges_and_sessions_together_and_each_pays() {
    let parts = Parts {
        configure: Box::new(|gate| gate.method(ledger())),
        ..Parts::default()
    };
    let both = Route::priced("$0.01")
        .unwrap()
        .with_session(Metering::per_request("$0.0001").unwrap());
    let shop = Shop::with(parts, both).await;
    let answer = shop.ask(shop.http.get(shop.url("/paid"))).await;
    let intents: Vec<_> = all(&answer)
        .iter()
        .map(|challenge| (challenge.method.to_string(), challenge.intent.to_string()))
        .collect();
    let pair = |method: &str, intent: &str| (method.to_owned(), intent.to_owned());
    assert_eq!(intents, [pair("ledger", CHARGE), pair("fake", SESSION)]);
    let wanted = shop.http.get(shop.url("/paid"));
    let ranked = shop
        .ask(wanted.header("accept-payment", "fake/session"))
        .await;
    assert_eq!(all(&ranked)[0].intent.as_str(), SESSION);
    let buyer = shop.buyer("alice").await;
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);
    // One that is refused is asked for both again.
    let refused = shop.buy(&buyer, PRICE).await;
    assert_eq!(all(&refused).len(), 2);
}

#[test]
fn what_a_session_costs_is_told_beforehand() {
    let gate = gate(|gate| gate.method(ledger())).unwrap();
    let both = Route::priced("$0.01")
        .unwrap()
        .with_session(Metering::by_use("$0.000025", "word").unwrap());
    let prepared = gate.route(both).unwrap();
    assert_eq!(prepared.price_text(), "$0.01 or $0.000025 for each word");
    let told = prepared.payment_info();
    let session = &told.offers()[1];
    assert_eq!(session.intent.as_str(), SESSION);
    assert_eq!(session.amount.unwrap().units(), 25);
    assert_eq!(
        session.description.as_deref(),
        Some("Paid out of a channel. The amount is for each word.")
    );
}

#[tokio::test]
async fn a_challenge_is_bound_to_no_request() {
    let shop = Shop::open().await;
    let buyer = shop.buyer("alice").await;
    let credential = buyer.credential(&buyer.voucher(PRICE));
    let other = shop.http.put(shop.url("/paid?city=rome"));
    let answer = shop.ask(other.header("authorization", credential)).await;
    assert_eq!(answer.status, 200);
}

fn gate(
    configure: impl FnOnce(farthing_server::GateBuilder) -> farthing_server::GateBuilder,
) -> Result<Gate, SetupError> {
    let clock = Arc::new(FakeClock::at(START));
    let reserve = Arc::new(FakeReserve::new(clock.clone()));
    let session = FakeSession::new(
        reserve,
        &payee(),
        farthing_core::intent::session::Protocol::V2,
    );
    let builder = Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new(vec![7; 32]))
        .store(Arc::new(farthing_core::memory::MemoryBackend::new()))
        .clock(clock)
        .session(Arc::new(session));
    configure(builder).build()
}

#[test]
fn what_nobody_could_use_stops_the_start() {
    let usual = gate(|gate| gate).unwrap();
    let refused = |gate: &Gate, route: Route| gate.route(route).unwrap_err().to_string();
    for (route, why) in [
        (Route::session("0.01 EUR").unwrap(), "EUR"),
        (Route::session("$0.0000001").unwrap(), "exactly"),
        (Route::session("$11").unwrap(), "more than one payer"),
        (
            Route::priced("$1")
                .unwrap()
                .with_session(Metering::per_request("$0.1").unwrap()),
            "offer",
        ),
        (
            Route::metered(
                Metering::per_request("$0.1")
                    .unwrap()
                    .terms("tempo", serde_json::Map::new())
                    .unwrap(),
            ),
            "tempo",
        ),
    ] {
        let found = match usual.route(route) {
            // A gate without charges offers the session alone.
            Ok(_) => "offer".to_owned(),
            Err(error) => full(&error),
        };
        assert!(found.contains(why), "{found}");
    }
    let mut options = SessionOptions::default();
    options.min_deposit = Some("$2".parse().unwrap());
    let careful = gate(|gate| gate.sessions(options)).unwrap();
    let advises_less = Route::metered(
        Metering::per_request("$0.1")
            .unwrap()
            .suggested_deposit("$1")
            .unwrap(),
    );
    assert!(refused(&careful, advises_less).contains("less than the gate takes"));

    let mut options = SessionOptions::default();
    options.exposure_per_payer = "$0".parse().unwrap();
    assert!(matches!(
        gate(|gate| gate.sessions(options)),
        Err(SetupError::SessionOptions(_))
    ));
    let mut options = SessionOptions::default();
    options.exposure_in_total = "100 EUR".parse().unwrap();
    assert!(matches!(
        gate(|gate| gate.sessions(options)),
        Err(SetupError::SessionOptions(_))
    ));
    let clock = Arc::new(FakeClock::at(START));
    let second = FakeSession::new(
        Arc::new(FakeReserve::new(clock)),
        &payee(),
        farthing_core::intent::session::Protocol::V2,
    );
    assert!(gate(|gate| gate.session(Arc::new(second))).is_err());

    let charges_only = Gate::builder()
        .realm("127.0.0.1")
        .secret(Secret::new(vec![7; 32]))
        .store(Arc::new(farthing_core::memory::MemoryBackend::new()))
        .clock(Arc::new(FakeClock::at(START)))
        .method(ledger())
        .build()
        .unwrap();
    assert!(refused(&charges_only, route()).contains("keeps channels"));
    let dynamic = Route::dynamic(farthing_server::Dynamic::new(|_| async {
        Ok("$1".parse()?)
    }))
    .with_session(Metering::per_request("$0.1").unwrap());
    let both = gate(|gate| gate.method(ledger())).unwrap();
    assert!(refused(&both, dynamic).contains("depends on the request"));
}

fn full(error: &SetupError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

/// Who proves an account with a charge of nothing is told which channel it has.
#[tokio::test]
async fn a_payer_that_proves_its_account_is_told_of_its_channel() {
    let rail = Arc::new(FakeRail::new(Arc::new(FakeClock::at(START))));
    let charge = FakeCharge::new(Arc::clone(&rail), &payee());
    let parts = Parts {
        configure: Box::new(move |gate| gate.method(Arc::new(charge))),
        ..Parts::default()
    };
    let shop = Shop::with(parts, route()).await;
    let buyer = shop.buyer("alice").await;
    assert_eq!(shop.buy(&buyer, PRICE).await.status, 200);
    let asked = shop.ask(shop.http.head(shop.url("/paid"))).await;
    assert_eq!(asked.status, 402);
    let nothing = all(&asked)
        .into_iter()
        .find(|challenge| challenge.intent.as_str() == CHARGE)
        .expect("an account can be proven");
    let request: serde_json::Value = nothing.request.decode().unwrap();
    assert_eq!(request["amount"], "0");

    let payer = FakePayer::new(Arc::clone(&rail), account("alice"));
    let credential = prove(&payer, nothing).await;
    let request = shop.http.head(shop.url("/paid"));
    let told = shop.ask(request.header("authorization", &credential)).await;
    assert_eq!(told.status, 204);
    assert_eq!(told.header("payment-session"), Some(buyer.id().as_str()));
    let snapshot = told.header("payment-session-snapshot").unwrap();
    let snapshot = farthing_core::noun::session::Snapshot::from_header_text(snapshot).unwrap();
    assert_eq!(snapshot.spent.units(), PRICE);
    assert_eq!(snapshot.required, snapshot.accepted);
    assert_eq!(told.header("cache-control"), Some("private"));

    // It buys nothing, and a GET is not asked for it.
    let get = shop.http.get(shop.url("/paid"));
    let refused = shop.ask(get.header("authorization", &credential)).await;
    assert_eq!(refused.status, 402);
    let get = shop.ask(shop.http.get(shop.url("/paid"))).await;
    assert!(all(&get).iter().all(|it| it.intent.as_str() == SESSION));
    assert_eq!(shop.runs(), 1);

    // Somebody else has none.
    let asked = shop.ask(shop.http.head(shop.url("/paid"))).await;
    let nothing = all(&asked)
        .into_iter()
        .find(|challenge| challenge.intent.as_str() == CHARGE)
        .unwrap();
    let payer = FakePayer::new(rail, account("bob"));
    let credential = prove(&payer, nothing).await;
    let request = shop.http.head(shop.url("/paid"));
    let told = shop.ask(request.header("authorization", &credential)).await;
    assert_eq!(told.status, 204);
    assert_eq!(told.header("payment-session"), None);
}

async fn prove(payer: &FakePayer, challenge: Challenge) -> String {
    let request = challenge.request.decode().unwrap();
    let offer = Offer { challenge, request };
    let proof = payer.sign(&offer, START).await.unwrap();
    authorization::format(&Credential {
        challenge: offer.challenge,
        payload: proof.payload,
        source: Some(Source::new(payer.account().as_str()).unwrap()),
    })
}
