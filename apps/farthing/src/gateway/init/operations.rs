//! Rules made of the operations of a document.

use farthing::{
    core::{
        noun::discovery::{Document, Operation},
        value::Price,
    },
    ledger::{self, Currencies},
};
use farthing_gateway::{config::RuleKey, routes::Table};

/// How paths end that somebody asks to see whether a service is alive.
const ALIVE: [&str; 8] = [
    "/health",
    "/healthz",
    "/healthcheck",
    "/live",
    "/livez",
    "/ready",
    "/readyz",
    "/ping",
];

/// The gateway's own documents.
const OURS: [&str; 2] = ["/openapi.json", "/llms.txt"];

/// A line of the file.
pub(super) enum Line {
    /// A rule, and what it is for.
    Rule {
        key: RuleKey,
        price: String,
        about: Option<String>,
    },
    /// An operation that becomes no rule, and why.
    Left { operation: String, why: String },
}

/// A line for each operation, and whether the document serves itself.
pub(super) fn lines(document: &Document, price: &Price) -> Vec<Line> {
    let mut keys: Vec<RuleKey> = Vec::new();
    let lines = document.operations.iter().map(|operation| {
        let line = line(operation, price);
        let Line::Rule { key, .. } = &line else {
            return line;
        };
        let taken = keys.iter().chain([key]).map(|key| (key.clone(), ()));
        match Table::new(taken) {
            Ok(_) => {
                keys.push(key.clone());
                line
            }
            Err(shadowed) => Line::Left {
                operation: told(operation),
                why: shadowed
                    .first()
                    .map_or_else(String::new, |it| format!("`{}` takes its requests", it.by)),
            },
        }
    });
    lines.collect()
}

/// Whether the service behind has a document of its own at the usual place.
pub(super) fn describes_itself(document: &Document) -> bool {
    let mut operations = document.operations.iter();
    operations.any(|operation| &*operation.path == "/openapi.json")
}

fn line(operation: &Operation, price: &Price) -> Line {
    let left = |why: String| Line::Left {
        operation: told(operation),
        why,
    };
    if OURS.contains(&&*operation.path) {
        return left("the gateway has this document itself".into());
    }
    let written = format!("{} {}", operation.method, pattern(&operation.path));
    let key = written
        .parse::<RuleKey>()
        .or_else(|error| match error.instead() {
            Some(instead) => instead.parse(),
            None => Err(error),
        });
    let key = match key {
        Ok(key) => key,
        Err(error) => return left(error.to_string()),
    };
    let (price, note) = match asked(operation) {
        Some(asked) => asked,
        None if ALIVE.iter().any(|end| operation.path.ends_with(end)) => ("free".to_owned(), None),
        None => (price.to_string(), None),
    };
    let summary = operation.summary.as_deref().map(plain);
    let about = match (summary, note) {
        (Some(summary), Some(note)) => Some(format!("{summary} ({note})")),
        (summary, note) => summary.or(note),
    };
    Line::Rule { key, price, about }
}

/// What the document itself asks for an operation, where the ledger can say it; else a note.
fn asked(operation: &Operation) -> Option<(String, Option<String>)> {
    let info = operation.payment.as_ref()?.as_ref().ok()?;
    let currencies = Currencies::default();
    let said = info.offers().iter().find_map(|offer| {
        let currency = currencies.find(offer.currency.as_ref()?)?;
        let amount = offer.amount.filter(|amount| !amount.is_zero())?;
        if offer.method != ledger::method() {
            return None;
        }
        let price: Price = currency.display(amount).parse().ok()?;
        Some(price.to_string())
    });
    said.map(|price| (price, Some("the price is the document's".into())))
}

/// A path as a rule has it: a segment is wild as a whole, and names are letters, digits and `_`.
fn pattern(path: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    let parts = path.split('/').skip(1).map(|part| {
        let Some((_, rest)) = part.split_once('{') else {
            return part.to_owned();
        };
        let name = rest.split('}').next().unwrap_or_default();
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .take(40)
            .collect();
        let name = if name.is_empty() {
            "part".to_owned()
        } else {
            name
        };
        let mut unique = name.clone();
        let mut number = 2;
        while names.contains(&unique) {
            unique = format!("{name}{number}");
            number += 1;
        }
        names.push(unique.clone());
        format!("{{{unique}}}")
    });
    parts.fold(String::new(), |path, part| format!("{path}/{part}"))
}

fn told(operation: &Operation) -> String {
    plain(&format!("{} {}", operation.method, operation.path))
}

/// A text within a comment: one line, short.
pub(super) fn plain(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let line: String = words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    match line.char_indices().nth(72) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_pattern() {
        for (path, expect) in [
            ("/", "/"),
            ("/v1/{city-name}/today", "/v1/{city_name}/today"),
            ("/files/{name}.json", "/files/{name}"),
            ("/a/{x}/{x}", "/a/{x}/{x2}"),
            ("/a/{}/", "/a/{part}/"),
            ("/v{version}/a", "/{version}/a"),
        ] {
            assert_eq!(pattern(path), expect, "{path}");
        }
    }

    #[test]
    fn a_comment_is_one_short_line() {
        assert_eq!(plain("a\nb\tc\u{7}"), "a b c");
        assert_eq!(plain(&"x".repeat(100)).chars().count(), 73);
    }
}
