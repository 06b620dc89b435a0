//! What happens to the demo's payments, told as it happens.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use farthing::{
    core::payment::State,
    ledger::Currencies,
    server::{Event, Progress},
};
use tokio::sync::mpsc::{self, Sender};

use crate::screen::{self, Paint, clean};

/// Lines that may wait to be written. Beyond them nothing is told: a gate does not wait for a
/// terminal.
const WAITING: usize = 256;

#[derive(Clone)]
pub(super) struct Log {
    lines: Sender<String>,
    talking: Arc<AtomicBool>,
}

impl Log {
    pub(super) fn start() -> Self {
        let (lines, mut waiting) = mpsc::channel::<String>(WAITING);
        tokio::spawn(async move {
            while let Some(line) = waiting.recv().await {
                screen::tell(line);
            }
        });
        Self {
            lines,
            talking: Arc::default(),
        }
    }

    /// Whether anything is told from now on.
    pub(super) fn talk(&self, talking: bool) {
        self.talking.store(talking, Ordering::Relaxed);
    }

    /// Takes note of what happens.
    pub(super) fn note(&self, event: &Event) {
        if self.talking.load(Ordering::Relaxed)
            && let Some(line) = line(event, Paint::for_stderr())
        {
            let _ = self.lines.try_send(line);
        }
    }
}

fn line(event: &Event, paint: Paint) -> Option<String> {
    match event {
        Event::Offered { route, .. } => Some(row(paint.asks("asked"), route.as_str(), "402")),
        Event::Refused { route, problem } => Some(row(
            paint.bad("refused"),
            route.as_str(),
            problem.spec().title,
        )),
        Event::Known { state, .. } => Some(row(
            paint.dim("again"),
            "",
            &format!("a payment that is {state:?} already"),
        )),
        Event::Payment(progress) => payment(progress, paint),
        _ => None,
    }
}

fn payment(progress: &Progress, paint: Paint) -> Option<String> {
    let currencies = Currencies::default();
    let price = currencies
        .find(&progress.currency)
        .map(|currency| currency.display(progress.amount))?;
    let told = match progress.state {
        State::Settled => paint.good("paid"),
        State::Delivered => paint.good("served"),
        State::Owed => paint.bad("owed"),
        State::Voided | State::Failed => paint.bad("unpaid"),
        _ => return None,
    };
    // Settling and beginning a delivery are two steps in the same state.
    let reference = progress.reference.as_ref();
    let under = reference.map_or_else(String::new, |it| clean(it.as_str()).into_owned());
    Some(row(
        told,
        progress.route.as_str(),
        &format!("{price}  {under}"),
    ))
}

fn row(what: String, route: &str, more: &str) -> String {
    format!("{what}  {}  {more}", clean(route))
}
