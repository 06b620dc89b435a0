//! `cargo xtask tidy`: the rules of the house that no compiler knows.
//!
//! A rule is a function from the checkout to what it found wrong. Each has a test that hands it a
//! small checkout that breaks it, so that a rule which finds nothing is known to be able to.

mod absence;
mod allow;
mod arrows;
mod documents;
mod examples;
mod invariants;
mod length;
mod links;
mod mutants;
mod places;
mod rust;
mod status;
mod tree;
mod weight;
mod words;

use std::fmt;

use crate::{Stop, unexpected};
use tree::Tree;

/// One rule: its name, what holds where it passes, and how that is checked.
struct Rule {
    name: &'static str,
    holds: &'static str,
    check: fn(&Tree) -> Vec<Finding>,
}

/// A new rule is one more row.
const RULES: &[Rule] = &[
    Rule {
        name: "arrows",
        holds: "crates depend inwards only",
        check: arrows::inwards,
    },
    Rule {
        name: "weight",
        holds: "the dependency trees stay small",
        check: weight::bounded,
    },
    Rule {
        name: "methods",
        holds: "core names no payment method",
        check: absence::methods,
    },
    Rule {
        name: "clock",
        holds: "one module reads the clock",
        check: absence::clock,
    },
    Rule {
        name: "leftovers",
        holds: "nothing is left for later",
        check: absence::leftovers,
    },
    Rule {
        name: "ignored",
        holds: "every example in the docs runs",
        check: absence::ignored,
    },
    Rule {
        name: "panics",
        holds: "no panic outside tests",
        check: absence::panics,
    },
    Rule {
        name: "errors",
        holds: "no error becomes a string",
        check: absence::stringly,
    },
    Rule {
        name: "status",
        holds: "one table knows status codes",
        check: status::one_table,
    },
    Rule {
        name: "files",
        holds: "files are short",
        check: length::files,
    },
    Rule {
        name: "functions",
        holds: "functions are short",
        check: length::functions,
    },
    Rule {
        name: "documents",
        holds: "the documents are there",
        check: documents::present,
    },
    Rule {
        name: "rooms",
        holds: "ARCHITECTURE.md has every room",
        check: documents::rooms,
    },
    Rule {
        name: "manifests",
        holds: "manifests follow the workspace",
        check: documents::manifests,
    },
    Rule {
        name: "ci",
        holds: "CI runs the test command",
        check: documents::ci,
    },
    Rule {
        name: "links",
        holds: "no link is dead",
        check: links::alive,
    },
    Rule {
        name: "places",
        holds: "no path or host of one machine",
        check: places::portable,
    },
    Rule {
        name: "examples",
        holds: "a test runs every example",
        check: examples::run,
    },
    Rule {
        name: "fuzz",
        holds: "every fuzz target is built",
        check: examples::fuzzed,
    },
    Rule {
        name: "invariants",
        holds: "every invariant names tests that are there",
        check: invariants::held,
    },
    Rule {
        name: "mutants",
        holds: "every mutant has the text it changes",
        check: mutants::applicable,
    },
    Rule {
        name: "glossary",
        holds: "the glossary has its words",
        check: words::defined,
    },
    Rule {
        name: "words",
        holds: "no synonym of a glossary word",
        check: words::spoken,
    },
];

/// What a rule has to say about one place.
#[derive(Debug, PartialEq)]
struct Finding {
    path: String,
    /// Counted from 1; 0 means the file as a whole.
    line: usize,
    what: String,
    /// A note is worth knowing and fails nothing.
    note: bool,
}

impl Finding {
    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
            note: false,
        }
    }

    fn of(path: &str, what: impl Into<String>) -> Self {
        Self::at(path, 0, what)
    }

    fn noted(self) -> Self {
        Self { note: true, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.note { "note" } else { "error" };
        match self.line {
            0 => write!(f, "{kind}: {}: {}", self.path, self.what),
            line => write!(f, "{kind}: {}:{line}: {}", self.path, self.what),
        }
    }
}

/// Which findings are printed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Show {
    /// Only what fails; notes are counted.
    Failures,
    /// The notes as well.
    Notes,
}

/// Runs what the command line asks for.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let show = match args {
        [] => Show::Failures,
        [flag] if flag == "--notes" => Show::Notes,
        [other, ..] => return Err(unexpected(other)),
    };
    check(show).map_err(Stop::Failed)
}

/// Checks every rule and prints what was found.
pub(crate) fn check(show: Show) -> Result<(), String> {
    let tree = Tree::read()?;
    let (mut errors, mut notes) = (0, 0);
    for rule in RULES {
        let findings = allow::without_exceptions(rule.name, (rule.check)(&tree));
        let failing = findings.iter().filter(|finding| !finding.note).count();
        errors += failing;
        notes += findings.len() - failing;
        if failing > 0 {
            eprintln!("{} ({}):", rule.name, rule.holds);
        }
        for finding in findings
            .iter()
            .filter(|finding| !finding.note || show == Show::Notes)
        {
            eprintln!("  {finding}");
        }
    }
    for weight in &tree.weights {
        eprintln!(
            "the tree of {} has {} packages",
            weight.package, weight.count
        );
    }
    let files = tree.files.len();
    eprintln!(
        "{} rules over {files} files: {errors} errors, {notes} notes",
        RULES.len()
    );
    match errors {
        0 => Ok(()),
        1 => Err("a rule is broken in one place".to_owned()),
        more => Err(format!("rules are broken in {more} places")),
    }
}
