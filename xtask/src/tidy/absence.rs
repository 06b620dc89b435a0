//! What is nowhere in the code.

use super::rust::{closing, identifiers, line_of, parts, words};
use super::tree::{File, Tree};
use super::{Finding, rust::Rust};

/// Rails that core must not know, beside those that have a folder of their own.
const RAILS: &[&str] = &[
    "card",
    "evm",
    "hedera",
    "ledger",
    "lightning",
    "solana",
    "stellar",
    "stripe",
    "tempo",
];

/// Ways to read a clock.
const CLOCKS: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
];

/// The module that may.
const CLOCK: &str = "crates/farthing/src/clock.rs";

/// Core names no payment method, in no identifier and in no string.
pub(super) fn methods(tree: &Tree) -> Vec<Finding> {
    let folder = |file: &File| {
        let rest = file.path.strip_prefix("crates/methods/")?;
        rest.split_once('/').map(|(name, _)| name.to_owned())
    };
    let mut rails: Vec<String> = tree.files.iter().filter_map(folder).collect();
    rails.extend(RAILS.iter().map(|rail| (*rail).to_owned()));
    let core = tree
        .shipped()
        .filter(|(file, _)| file.path.starts_with("crates/core/src/"));
    let mut found = Vec::new();
    for (file, rust) in core {
        for (line, text) in rust.uncommented_lines() {
            let mut named = identifiers(text).flat_map(|(_, word)| parts(word));
            if let Some(rail) = named.find(|part| rails.contains(part)) {
                found.push(Finding::at(
                    &file.path,
                    line,
                    format!("core names the rail `{rail}`"),
                ));
            }
        }
    }
    found
}

/// The clock is read in one module; everything else is handed the time.
pub(super) fn clock(tree: &Tree) -> Vec<Finding> {
    let elsewhere = tree.shipped().filter(|(file, _)| file.path != CLOCK);
    elsewhere
        .flat_map(|(file, rust)| containing(file, rust, CLOCKS))
        .collect()
}

/// Nothing is left for later: no marker, no placeholder, no test that does not run.
pub(super) fn leftovers(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| !file.is_a_rule() && !file.is_a_lock())
    {
        for marker in ["TODO", "FIXME"] {
            for position in words(&file.text, marker) {
                let line = line_of(&file.text, position);
                found.push(Finding::at(&file.path, line, format!("`{marker}` is left")));
            }
        }
    }
    for (file, rust) in tree.rust() {
        for left in ["todo!", "unimplemented!", "dbg!", "#[ignore"] {
            for (position, _) in rust.code.match_indices(left) {
                let line = line_of(&rust.code, position);
                found.push(Finding::at(&file.path, line, format!("`{left}` is left")));
            }
        }
    }
    found
}

/// Every example in the documentation is compiled and run.
pub(super) fn ignored(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &tree.files {
        let rust = file.rust.is_some();
        if !rust && !file.path.ends_with(".md") {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            let line = line.trim_start();
            let documentation = line
                .strip_prefix("///")
                .or_else(|| line.strip_prefix("//!"))
                .filter(|_| rust);
            let text = if rust { documentation } else { Some(line) };
            let fence = text.and_then(|text| text.trim_start().strip_prefix("```"));
            if fence.is_some_and(|info| words(info, "ignore").next().is_some()) {
                found.push(Finding::at(
                    &file.path,
                    index + 1,
                    "this example is never run",
                ));
            }
        }
    }
    found
}

/// Outside tests nothing panics on purpose; an invariant is stated with `expect`.
pub(super) fn panics(tree: &Tree) -> Vec<Finding> {
    let ways = [".unwrap()", ".unwrap_err()", "panic!", ".expect(\"\")"];
    tree.shipped()
        .flat_map(|(file, rust)| containing(file, rust, &ways))
        .collect()
}

/// No error is turned into a string where the cause should be kept.
pub(super) fn stringly(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.shipped() {
        for start in words(&rust.code, "map_err") {
            let Some(end) = closing(&rust.code, start + "map_err".len()) else {
                continue;
            };
            let line = line_of(&rust.code, start);
            if rust.code[start..end].contains("to_string") && !rust.is_test_line(line) {
                found.push(Finding::at(
                    &file.path,
                    line,
                    "an error becomes a string; keep it",
                ));
            }
        }
    }
    found
}

fn containing(file: &File, rust: &Rust, needles: &[&str]) -> Vec<Finding> {
    let lines = rust.code_lines();
    let found = lines.filter_map(|(line, text)| {
        let needle = needles.iter().find(|needle| text.contains(**needle))?;
        Some(Finding::at(&file.path, line, format!("`{needle}`")))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&Tree) -> Vec<Finding>, path: &str, text: &str, lines: &[usize]) {
        let found = rule(&Tree::of(&[(path, text)]));
        let at: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(at, lines, "{path}: {text}");
    }

    const LIB: &str = "crates/core/src/lib.rs";

    #[test]
    fn a_rail_in_core_is_found() {
        check(
            methods,
            LIB,
            "struct LedgerId;\nlet x = \"tempo\";",
            &[1, 2],
        );
        check(methods, LIB, "// as tempo has it\nlet temporary = 1;", &[]);
        check(
            methods,
            LIB,
            "#[cfg(test)]\nmod tests { fn tempo() {} }",
            &[],
        );
        check(methods, "crates/server/src/lib.rs", "struct LedgerId;", &[]);
        let tree = Tree::of(&[
            ("crates/methods/shells/src/lib.rs", ""),
            (LIB, "fn shells() {}"),
        ]);
        assert_eq!(methods(&tree).len(), 1);
    }

    #[test]
    fn a_clock_read_elsewhere_is_found() {
        check(clock, LIB, "\nlet now = std::time::Instant::now();", &[2]);
        check(clock, CLOCK, "\nlet now = Instant::now();", &[]);
        check(clock, "crates/server/tests/a.rs", "Instant::now()", &[]);
        check(clock, "crates/testkit/src/lib.rs", "Instant::now()", &[]);
    }

    #[test]
    fn what_is_left_for_later_is_found() {
        check(leftovers, "README.md", "a\nTODO: b", &[2]);
        check(leftovers, LIB, "// FIXME", &[1]);
        check(
            leftovers,
            LIB,
            "fn a() { todo!() }\n#[ignore = \"slow\"]",
            &[1, 2],
        );
        check(leftovers, LIB, "let mastodon = \"todo!\";", &[]);
    }

    #[test]
    fn an_example_that_never_runs_is_found() {
        check(ignored, LIB, "/// ```ignore\n/// a\n/// ```", &[1]);
        check(ignored, LIB, "//! ```rust,ignore", &[1]);
        check(ignored, "README.md", "```rust,ignore\n```", &[1]);
        check(ignored, LIB, "/// ```\n/// let ignore = 1;\n/// ```", &[]);
    }

    #[test]
    fn a_panic_outside_tests_is_found() {
        check(
            panics,
            LIB,
            "a.unwrap();\npanic!();\nb.expect(\"it is there\");",
            &[1, 2],
        );
        check(
            panics,
            LIB,
            "/// a.unwrap()\nfn a() {}\n#[test]\nfn b() { c.unwrap() }",
            &[],
        );
        check(panics, "crates/core/tests/a.rs", "a.unwrap()", &[]);
    }

    #[test]
    fn an_error_that_becomes_a_string_is_found() {
        check(
            stringly,
            LIB,
            "a\n    .map_err(|error| {\n        error.to_string()\n    })",
            &[2],
        );
        check(
            stringly,
            LIB,
            "a.map_err(Error::Store).map(|b| b.to_string())",
            &[],
        );
    }
}
