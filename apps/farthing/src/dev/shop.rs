//! The demo's API: one free route, two that cost, one that is paid for by the word, and what is told of them.

use std::{convert::Infallible, iter, sync::Arc, time::Duration};

use axum::{Json, Router, extract::Query, response::Response};
use bytes::Bytes;
use farthing::{
    clock::SystemClock,
    core::{encoding::sse::Event, payment::SettlePolicy, port::backend::Backend},
    secret,
    server::{
        Gate, Paid, Route,
        discovery::{Discovery, PricedRouter, Service},
        session::{
            Meter, Metering, Piece, StreamBody,
            socket::{Heard, PaidSocket},
        },
    },
    store::SqliteBackend,
};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{folder::Folder, log::Log, rail::Rail};
use crate::error::Error;

/// What a word of the rhyme costs.
pub(super) const WORD: &str = "$0.001";

/// What is streamed.
const RHYME: &str = "You owe me five farthings, say the bells of St Martin's.";

/// How long a word takes.
const PACE: Duration = Duration::from_millis(60);

/// How often it can be had in one stream.
const TIMES: usize = 100;

/// Bytes of the largest text that is framed.
const TEXT: usize = 4096;

pub(super) struct Shop {
    pub(super) gate: Gate,
    pub(super) store: Arc<SqliteBackend>,
    pub(super) rail: Rail,
}

impl Shop {
    pub(super) fn open(
        folder: &Folder,
        store: Arc<SqliteBackend>,
        realm: &str,
        rail: Rail,
        log: &Log,
    ) -> Result<Self, Error> {
        let (log, currencies) = (log.clone(), rail.currencies());
        let backend = Arc::clone(&store) as Arc<dyn Backend>;
        let gate = Gate::builder()
            .session(rail.sessions(Arc::clone(&backend)))
            .realm(realm)
            .secret(secret::load_or_create(folder.path("challenge-secret"))?)
            .store(backend)
            .clock(Arc::new(SystemClock))
            .method(rail.method()?)
            .observer(move |event| log.note(event, &currencies))
            .build()?;
        Ok(Self { gate, store, rail })
    }

    pub(super) fn router(&self) -> Result<Router, Error> {
        let fact = Route::priced("$0.002")?
            .named("GET /paid")?
            .described("a fact about the farthing");
        let render = Route::priced("$0.05")?
            .named("POST /render")?
            .described("a frame around a text")
            // The work is begun only for money that is there, and done for this body only.
            .settle(SettlePolicy::First)
            .bind_body(TEXT);
        let service = Service::new("Farthing's demo", env!("CARGO_PKG_VERSION"))?
            .described("An API that costs a little, to try paying on.")?;
        let words = Metering::by_use(WORD, "word")?.suggested_deposit("$0.05")?;
        let stream = Route::metered(words)
            .named("GET /rhyme")?
            .described("a rhyme, word by word");
        let router = PricedRouter::new(&self.gate)
            .free("GET /free", free)?
            .priced("GET /paid", fact, paid)?
            .priced("POST /render", render, rendered)?
            .priced("GET /rhyme", stream, rhyme)?;
        let words = Metering::by_use(WORD, "word")?.suggested_deposit("$0.05")?;
        let socket = Route::metered(words).described("the same rhyme on a WebSocket");
        let bells = PaidSocket::new(&self.gate, socket, |_: Heard| said(1, str::to_owned))?;
        let router = router.discovered(Discovery::new(service))?;
        Ok(router.route_service("/bells", bells))
    }
}

async fn free() -> Json<Value> {
    Json(json!({ "message": "this one is free" }))
}

async fn paid(paid: Paid) -> Json<Value> {
    Json(json!({
        "fact": "four farthings made a penny, and 960 a pound",
        "paid": { "amount": paid.amount, "currency": paid.currency },
    }))
}

/// How the rhyme is asked for.
#[derive(Deserialize)]
struct Rhyme {
    /// How often.
    times: Option<usize>,
}

/// Each word is charged before it goes out.
async fn rhyme(meter: Meter, Query(asked): Query<Rhyme>) -> Response<StreamBody> {
    let times = asked.times.unwrap_or(1).min(TIMES);
    meter.stream().sse(said(times, Event::data))
}

/// The rhyme, as it is said.
fn said<T: Send + 'static>(
    times: usize,
    form: fn(&'static str) -> T,
) -> impl Stream<Item = Result<Piece<T>, Infallible>> + Send {
    let words = iter::repeat_n(RHYME, times).flat_map(str::split_whitespace);
    stream::iter(words).then(move |word| async move {
        tokio::time::sleep(PACE).await;
        Ok(Piece::new(1, form(word)))
    })
}

async fn rendered(_: Paid, text: Bytes) -> String {
    frame(&String::from_utf8_lossy(&text))
}

/// Draws a frame around a text.
fn frame(text: &str) -> String {
    let width = text
        .lines()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0);
    let edge = format!("+{}+\n", "-".repeat(width + 2));
    let lines = text.lines().map(|line| format!("| {line:<width$} |\n"));
    let lines: String = lines.collect();
    format!("{edge}{lines}{edge}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_frame_goes_around_every_line() {
        assert_eq!(
            super::frame("a\nbcd"),
            "+-----+\n| a   |\n| bcd |\n+-----+\n"
        );
    }
}
