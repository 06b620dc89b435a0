//! The exceptions, each with its reason.

use super::Finding;

/// A place where a rule does not apply.
struct Exception {
    rule: &'static str,
    path: &'static str,
    /// A part of what the rule says there.
    says: &'static str,
    /// Why the rule would make this place worse.
    #[expect(dead_code, reason = "it is written for the reader of the table")]
    reason: &'static str,
}

/// The table. An exception that matches nothing is itself an error, so it cannot outlive its use.
const EXCEPTIONS: &[Exception] = &[];

/// What remains of a rule's findings once its exceptions are taken out.
pub(super) fn without_exceptions(rule: &str, findings: Vec<Finding>) -> Vec<Finding> {
    apply(EXCEPTIONS, rule, findings)
}

fn apply(table: &[Exception], rule: &str, mut findings: Vec<Finding>) -> Vec<Finding> {
    for exception in table.iter().filter(|exception| exception.rule == rule) {
        let before = findings.len();
        findings.retain(|finding| {
            finding.path != exception.path || !finding.what.contains(exception.says)
        });
        if findings.len() == before {
            let what = format!("the exception from `{rule}` for this file is no longer needed");
            findings.push(Finding::of(exception.path, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_takes_out_its_finding_and_nothing_else() {
        let table = [Exception {
            rule: "clock",
            path: "a.rs",
            says: "Instant",
            reason: "a test of this",
        }];
        let here = || Finding::at("a.rs", 3, "`Instant::now` is read");
        let there = || Finding::at("b.rs", 3, "`Instant::now` is read");
        assert_eq!(apply(&table, "clock", vec![here(), there()]), [there()]);
        assert_eq!(apply(&table, "panics", vec![here()]), [here()]);
        let unused = apply(&table, "clock", Vec::new());
        assert!(unused[0].what.contains("no longer needed"));
    }
}
