//! What happens to the demo's payments, told as it happens.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use farthing::{
    core::{payment::State, value::Currency},
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
    pub(super) fn note(&self, event: &Event, currencies: &[Currency]) {
        if self.talking.load(Ordering::Relaxed)
            && let Some(line) = line(event, currencies, Paint::for_stderr())
        {
            let _ = self.lines.try_send(line);
        }
    }
}

fn line(event: &Event, currencies: &[Currency], paint: Paint) -> Option<String> {
    match event {
        Event::Offered { route, .. } => Some(row(
            &paint.asks("asked  "),
            route.as_str(),
            "402 Payment Required",
        )),
        Event::Refused { route, problem } => {
            let title = problem.spec().title;
            Some(row(&paint.bad("refused"), route.as_str(), title))
        }
        Event::Payment(progress) => payment(progress, currencies, paint),
        _ => None,
    }
}

fn payment(progress: &Progress, currencies: &[Currency], paint: Paint) -> Option<String> {
    let price = currencies
        .iter()
        .find(|known| known.code == progress.currency)
        .map(|currency| currency.display(progress.amount))?;
    let told = match progress.state {
        State::Delivered => paint.good("paid   "),
        State::Owed => paint.bad("owed   "),
        State::Credited => paint.good("credit "),
        State::Defaulted => paint.bad("default"),
        State::Voided | State::Failed => paint.bad("unpaid "),
        _ => return None,
    };
    let reference = progress.reference.as_ref();
    let under = reference.map_or_else(String::new, |it| clean(it.as_str()).into_owned());
    let more = format!("{price}  {under}");
    Some(row(&told, progress.route.as_str(), &more))
}

/// The words are of one width, so that the routes line up.
fn row(what: &str, route: &str, more: &str) -> String {
    format!("{what}  {:<12}  {more}", clean(route))
}
