//! Mistakes of a file, told.

use farthing_gateway::config::Finding;
use serde_json::{Value, json};

/// Each with its line and a caret.
pub(crate) fn told(findings: &[Finding]) -> String {
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    told.join("\n\n")
}

/// For a program.
pub(crate) fn as_json(findings: &[Finding]) -> Value {
    let told = findings.iter().map(|finding| {
        let place = finding.place.as_ref();
        json!({
            "file": finding.file.display().to_string(),
            "line": place.map(|place| place.line),
            "column": place.map(|place| place.column),
            "what": finding.what,
            "instead": finding.instead,
        })
    });
    told.collect()
}

/// How many there are, in a sentence.
pub(crate) fn counted(findings: &[Finding]) -> String {
    let file = findings
        .first()
        .map(|finding| finding.file.display().to_string())
        .unwrap_or_default();
    match findings.len() {
        1 => format!("{file} has a mistake"),
        many => format!("{file} has {many} mistakes"),
    }
}
