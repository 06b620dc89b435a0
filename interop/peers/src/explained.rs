//! The disagreements that `docs/interop.md` explains.
//!
//! Under a heading with the peer's name stand rows `| noun, where it came from | what | why |`. A `…` at an
//! end stands for anything there. What a row names is looked up in what a run found, and the other way
//! round: a disagreement without a row fails, and so does a row for which there is none any more, unless its
//! reason begins with `Rarely: `.

use std::fmt::Write as _;

use crate::differential::{Class, Report};

/// Checks what was found with a peer against the document.
///
/// With `complete`, a row for which nothing was found is an error too; runs with other seeds or fewer
/// cases do not meet everything.
///
/// # Errors
/// With what has to be mended, or explained.
pub fn check(name: &str, report: &Report, document: &str, complete: bool) -> Result<(), String> {
    let all = rows(name, document)?;
    let rows: Vec<&Class> = all.iter().map(|(row, _)| row).collect();
    let mut wrong = String::new();
    let unexplained = report
        .disagreements
        .keys()
        .filter(|class| !rows.iter().any(|row| explains(row, class)));
    let unexplained = report.tell(unexplained);
    if !unexplained.is_empty() {
        let _ = write!(
            wrong,
            "{name} and we disagree, and nothing explains it:\n{unexplained}"
        );
    }
    let met = |row: &Class| {
        report
            .disagreements
            .keys()
            .any(|class| explains(row, class))
    };
    let expected = all.iter().filter(|(_, rare)| complete && !rare);
    let idle = expected.map(|(row, _)| row).filter(|row| !met(row));
    for Class { of, what } in idle {
        let _ = writeln!(wrong, "{name} and we no longer disagree: {of}: `{what}`");
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn explains(row: &Class, class: &Class) -> bool {
    fits(&row.of, &class.of) && fits(&row.what, &class.what)
}

fn fits(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('…'), pattern.strip_suffix('…')) {
        (Some(end), _) => text.ends_with(end),
        (_, Some(start)) => text.starts_with(start),
        _ => pattern == text,
    }
}

/// The rows of a peer, and whether they are rare. Each has its reason.
fn rows(name: &str, document: &str) -> Result<Vec<(Class, bool)>, String> {
    let heading = format!("## {name}");
    let section = document.lines().skip_while(|line| *line != heading).skip(1);
    let section = section.take_while(|line| !line.starts_with("## "));
    let mut rows = Vec::new();
    for line in section.filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [of, what, why] = cells[..] else {
            return Err(format!("a row for {name} has not three cells: {line}"));
        };
        let Some(what) = what
            .strip_prefix('`')
            .and_then(|what| what.strip_suffix('`'))
        else {
            // The heading of the table.
            continue;
        };
        if why.is_empty() {
            return Err(format!("nothing says why: {line}"));
        }
        let row = Class {
            of: of.to_owned(),
            what: what.to_owned(),
        };
        rows.push((row, why.starts_with("Rarely: ")));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::Seen;

    const DOCUMENT: &str = "## other\n| a, b | `x` | y |\n## peer\n\n| of | what | why |\n|---|---|---|\n\
                            | challenge, tampered with | `we refuse: it` | section 5 |\n## next\n";

    fn report(what: &[&str]) -> Report {
        let class = |what: &&str| Class {
            of: "challenge, tampered with".to_owned(),
            what: (*what).to_owned(),
        };
        Report {
            disagreements: what
                .iter()
                .map(|what| (class(what), Seen::default()))
                .collect(),
            ..Report::default()
        }
    }

    #[test]
    fn what_is_explained_passes_and_nothing_else_does() {
        check("peer", &report(&["we refuse: it"]), DOCUMENT, true).unwrap();
        let new = check("peer", &report(&["we refuse: it", "new"]), DOCUMENT, true).unwrap_err();
        assert!(new.contains("`new`") && !new.contains("we refuse"), "{new}");
        let gone = check("peer", &report(&[]), DOCUMENT, true).unwrap_err();
        assert!(gone.contains("no longer"), "{gone}");
        check("peer", &report(&[]), DOCUMENT, false).unwrap();
        let rarely = DOCUMENT.replace("section 5", "Rarely: section 5");
        check("peer", &report(&[]), &rarely, true).unwrap();
    }

    #[test]
    fn an_open_end_stands_for_anything() {
        assert!(
            fits("we refuse: the …", "we refuse: the id") && fits("…, tampered", "a, tampered")
        );
        assert!(!fits("we refuse: the …", "they refuse: the id") && !fits("a", "a b"));
    }

    #[test]
    fn a_row_without_a_reason_is_none() {
        let document = "## peer\n| challenge, tampered with | `we refuse: it` |  |\n";
        assert!(check("peer", &report(&[]), document, false).is_err());
    }
}
