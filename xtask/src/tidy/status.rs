//! One table knows status codes.

use super::rust::identifiers;
use super::{Finding, tree::Tree};

/// Where the table is.
const TABLE: &str = "crates/core/src/noun/problem";

/// Where nothing else may decide one.
const ROOMS: &[&str] = &["crates/core/src/", "crates/server/src/", "crates/methods/"];

/// The names of `http::StatusCode` from 400 on.
const NAMES: &[&str] = &[
    "BAD_REQUEST",
    "UNAUTHORIZED",
    "PAYMENT_REQUIRED",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "NOT_ACCEPTABLE",
    "REQUEST_TIMEOUT",
    "CONFLICT",
    "GONE",
    "LENGTH_REQUIRED",
    "PRECONDITION_FAILED",
    "PAYLOAD_TOO_LARGE",
    "URI_TOO_LONG",
    "UNSUPPORTED_MEDIA_TYPE",
    "EXPECTATION_FAILED",
    "MISDIRECTED_REQUEST",
    "UNPROCESSABLE_ENTITY",
    "LOCKED",
    "TOO_EARLY",
    "PRECONDITION_REQUIRED",
    "TOO_MANY_REQUESTS",
    "REQUEST_HEADER_FIELDS_TOO_LARGE",
    "INTERNAL_SERVER_ERROR",
    "NOT_IMPLEMENTED",
    "BAD_GATEWAY",
    "SERVICE_UNAVAILABLE",
    "GATEWAY_TIMEOUT",
    "INSUFFICIENT_STORAGE",
];

/// No code of an error stands outside the table, by name or by number.
pub(super) fn one_table(tree: &Tree) -> Vec<Finding> {
    let bound =
        |path: &str| ROOMS.iter().any(|room| path.starts_with(room)) && !path.starts_with(TABLE);
    let mut found = Vec::new();
    for (file, rust) in tree.shipped().filter(|(file, _)| bound(&file.path)) {
        for (line, text) in rust.code_lines() {
            if let Some(code) = code_in(text) {
                let what = format!("the status code {code} stands outside the table of problems");
                found.push(Finding::at(&file.path, line, what));
            }
        }
    }
    found
}

/// A code by its name, or by its number on a line that speaks of a status.
fn code_in(line: &str) -> Option<&str> {
    let words: Vec<&str> = identifiers(line).map(|(_, word)| word).collect();
    if words.contains(&"StatusCode")
        && let Some(name) = words.iter().find(|word| NAMES.contains(*word))
    {
        return Some(name);
    }
    let speaks = words
        .iter()
        .any(|word| word.to_ascii_lowercase().contains("status"));
    let number = |word: &&&str| {
        word.parse::<u16>()
            .is_ok_and(|code| (400..600).contains(&code))
    };
    words.iter().find(number).filter(|_| speaks).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, lines: &[usize]) {
        let found = one_table(&Tree::of(&[(path, text)]));
        let at: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(at, lines, "{path}: {text}");
    }

    #[test]
    fn a_code_outside_the_table_is_found() {
        let gate = "crates/server/src/gate/mod.rs";
        check(gate, "\nreply(StatusCode::PAYMENT_REQUIRED)", &[2]);
        check(gate, "*response.status_mut() = from(503);", &[1]);
        check(
            gate,
            "let status = StatusCode::OK;\nlet limit = 402;\nstatus.is(200)",
            &[],
        );
        check(gate, "// StatusCode::NOT_FOUND", &[]);
        check(
            "crates/core/src/noun/problem.rs",
            "StatusCode::NOT_FOUND",
            &[],
        );
        check(
            "crates/core/src/noun/problem/table.rs",
            "StatusCode::NOT_FOUND",
            &[],
        );
        check(
            "crates/client/src/lib.rs",
            "StatusCode::PAYMENT_REQUIRED",
            &[],
        );
        check(
            "crates/server/tests/a.rs",
            "StatusCode::PAYMENT_REQUIRED",
            &[],
        );
    }
}
