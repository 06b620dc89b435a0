//! The verdicts as a person reads them, and as a program does.

use std::io::{self, IsTerminal, Write};

use farthing::client::Outlay;
use serde_json::{Value, json};

use super::{
    rules::{Entry, table},
    verdict::Verdict,
};
use crate::{
    error::Error,
    exit::Exit,
    screen::{self, Paint, clean},
};

/// What came out of a run.
pub(super) struct Outcome {
    pub(super) url: String,
    pub(super) requests: usize,
    pub(super) verdicts: Vec<(&'static Entry, Verdict)>,
    pub(super) outlay: Option<Outlay>,
    /// What became of a payment that was signed and not served.
    pub(super) trouble: Option<Error>,
}

impl Outcome {
    fn count(&self, name: &str) -> usize {
        let named = self.verdicts.iter().filter(|(_, it)| it.name() == name);
        named.count()
    }

    /// Where a payment is not resolved, that comes before what was found.
    pub(super) fn exit(&self) -> Exit {
        match (&self.trouble, self.count("fail")) {
            (Some(trouble), _) => trouble.exit(),
            (None, 0) => Exit::Done,
            (None, _) => Exit::Findings,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let checks: Vec<Value> = self
            .verdicts
            .iter()
            .map(|(entry, it)| row(entry, it))
            .collect();
        let mut told = json!({
            "url": self.url,
            "requests": self.requests,
            "checks": checks,
            "passed": self.count("pass"),
            "failed": self.count("fail"),
            "warned": self.count("warn"),
            "skipped": self.count("skipped"),
            "paid": self.outlay.as_ref().map(|outlay| json!({
                "amount": outlay.amount,
                "currency": outlay.currency.code,
                "price": outlay.price(),
                "payment": outlay.payment,
            })),
        });
        if let Some(trouble) = &self.trouble {
            told["payment"] = trouble.to_json();
        }
        if self.exit() != Exit::Done {
            told["error"] = json!(self.exit().name());
            told["exitCode"] = json!(self.exit().code());
        }
        told
    }

    pub(super) fn text(&self, paint: Paint) -> String {
        let lines = self
            .verdicts
            .iter()
            .map(|(entry, it)| line(entry, it, paint));
        let mut lines: Vec<String> = lines.collect();
        lines.push(String::new());
        lines.push(format!(
            "{} passed, {} failed, {} warned, {} skipped; {} requests",
            self.count("pass"),
            self.count("fail"),
            self.count("warn"),
            self.count("skipped"),
            self.requests
        ));
        let paid = self.outlay.as_ref().map_or_else(
            || "nothing was paid".to_owned(),
            |outlay| format!("paid {} by {}", outlay.price(), outlay.currency.rail),
        );
        if self.trouble.is_none() {
            lines.push(paid);
        }
        lines.join("\n")
    }
}

fn row(entry: &Entry, verdict: &Verdict) -> Value {
    json!({
        "id": entry.id,
        "verdict": verdict.name(),
        "message": Some(verdict.message()).filter(|text| !text.is_empty()),
        "what": entry.what,
        "how": entry.how,
        "rule": { "document": entry.rule.document(), "section": entry.rule.section() },
    })
}

fn line(entry: &Entry, verdict: &Verdict, paint: Paint) -> String {
    let name = format!(
        "{:<4}",
        if verdict.name() == "skipped" {
            "skip"
        } else {
            verdict.name()
        }
    );
    let (label, told) = match verdict {
        Verdict::Pass(_) => (paint.good(name), false),
        Verdict::Warn(_) => (paint.asks(name), true),
        Verdict::Fail(_) => (paint.bad(name), true),
        Verdict::Skipped(_) => (paint.dim(name), false),
    };
    let mut text = format!("{label}  {:<18}  {}", entry.id, entry.what);
    if !verdict.message().is_empty() {
        for line in screen::wrap(&clean(verdict.message()), 72) {
            text += &format!("\n        {line}");
        }
    }
    if told {
        text += &format!("\n        {}", paint.dim(entry.rule));
    }
    text
}

/// The table itself.
pub(super) fn rules(json: bool) -> String {
    if json {
        let rows: Vec<Value> = table()
            .map(|it| {
                json!({
                    "id": it.id,
                    "what": it.what,
                    "how": it.how,
                    "rule": { "document": it.rule.document(), "section": it.rule.section() },
                })
            })
            .collect();
        return json!({ "checks": rows }).to_string();
    }
    let paint = Paint::for_stdout();
    let lines = table().map(|it| {
        let rule = paint.dim(it.rule);
        format!(
            "{:<18}  {}\n{:20}{}\n{:20}{rule}",
            it.id, it.what, "", it.how, ""
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A line that counts, on a terminal only.
pub(super) struct Progress {
    shown: bool,
    all: usize,
}

impl Progress {
    pub(super) fn new(quiet: bool, all: usize) -> Self {
        Self {
            shown: !quiet && io::stderr().is_terminal(),
            all,
        }
    }

    pub(super) fn at(&self, sent: usize, what: &str) {
        if self.shown {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K{sent}/{} {what}", self.all);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}
