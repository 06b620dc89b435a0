//! The demo's API: one free route, two that cost, and what is told of them.

use std::sync::Arc;

use axum::{Json, Router};
use bytes::Bytes;
use farthing::{
    clock::SystemClock,
    core::{payment::SettlePolicy, port::backend::Backend},
    secret,
    server::{
        Gate, Paid, Route,
        discovery::{Discovery, PricedRouter, Service},
    },
    store::SqliteBackend,
};
use serde_json::{Value, json};

use super::{folder::Folder, log::Log, rail::Rail};
use crate::error::Error;

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
        let gate = Gate::builder()
            .realm(realm)
            .secret(secret::load_or_create(folder.path("challenge-secret"))?)
            .store(Arc::clone(&store) as Arc<dyn Backend>)
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
        let router = PricedRouter::new(&self.gate)
            .free("GET /free", free)?
            .priced("GET /paid", fact, paid)?
            .priced("POST /render", render, rendered)?
            .discovered(Discovery::new(service))?;
        Ok(router)
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
