//! The exit codes, in one table.

use std::process::ExitCode;

use serde_json::{Value, json};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Other,
    Usage,
    Refused,
    Unpaid,
    Owed,
    Unresolved,
    Status,
    Storage,
    Network,
    Findings,
    Interrupted,
}

/// A row: the end, its code, its name in JSON, and what it means.
type Row = (Exit, u8, &'static str, &'static str);

const TABLE: [Row; 12] = [
    (Exit::Done, 0, "done", "done"),
    (
        Exit::Other,
        1,
        "other",
        "something else failed; nothing was paid",
    ),
    (
        Exit::Usage,
        2,
        "usage",
        "the command line is wrong; nothing was sent",
    ),
    (
        Exit::Refused,
        3,
        "refused",
        "your limits or your answer forbid the payment; nothing was paid",
    ),
    (
        Exit::Unpaid,
        4,
        "unpaid",
        "the payment could not be made; no money moved",
    ),
    (
        Exit::Owed,
        5,
        "owed",
        "it was paid, and what it paid for did not all arrive",
    ),
    (
        Exit::Unresolved,
        6,
        "unresolved",
        "a payment was signed and its outcome is not known",
    ),
    (
        Exit::Status,
        7,
        "status",
        "the server answered with an error; nothing was paid",
    ),
    (
        Exit::Storage,
        8,
        "storage",
        "the keystore or a store failed; nothing was paid",
    ),
    (
        Exit::Network,
        9,
        "network",
        "the server could not be reached; nothing was paid",
    ),
    (
        Exit::Findings,
        10,
        "findings",
        "what was looked at breaks the specification",
    ),
    (Exit::Interrupted, 130, "interrupted", "it was interrupted"),
];

impl Exit {
    fn row(self) -> Row {
        let row = TABLE.into_iter().find(|(exit, ..)| *exit == self);
        row.expect("every end has a row")
    }

    pub(crate) fn code(self) -> u8 {
        self.row().1
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().2
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table as the help shows it.
pub(crate) fn help() -> String {
    let rows = TABLE.map(|(_, code, _, means)| format!("  {code:>3}  {means}"));
    format!("Exit codes:\n{}", rows.join("\n"))
}

/// The table for programs.
pub(crate) fn table() -> Value {
    let rows = TABLE
        .map(|(_, code, name, means)| json!({ "code": code, "error": name, "meaning": means }));
    json!(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_code_of_its_own() {
        let mut codes: Vec<_> = TABLE.iter().map(|(_, code, ..)| code).collect();
        codes.dedup();
        assert_eq!(codes.len(), TABLE.len());
        assert_eq!(Exit::Interrupted.code(), 130);
    }

    #[test]
    fn the_manual_has_the_same_table() {
        let manual = include_str!("../../../docs/cli.md");
        for (_, code, name, means) in TABLE {
            let row = format!("| {code} | `{name}` | {means} |");
            assert!(manual.contains(&row), "docs/cli.md lacks: {row}");
        }
    }
}
