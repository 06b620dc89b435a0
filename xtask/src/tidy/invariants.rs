//! What must hold is held by tests that are there.

use super::{Finding, rust::line_of, tree::Tree};

const TABLE: &str = "docs/invariants.md";

/// Each `path.rs::function` of the table of invariants is a function of one file.
pub(super) fn held(tree: &Tree) -> Vec<Finding> {
    let Some(table) = tree.file(TABLE) else {
        return vec![Finding::of(TABLE, "this document is missing")];
    };
    let named = names(&table.text);
    if named.is_empty() {
        return vec![Finding::of(TABLE, "it names no test")];
    }
    let lost = named.into_iter().filter(|(_, path, function)| {
        let ending = format!("/{path}");
        let mut files = tree
            .rust()
            .filter(|(file, _)| file.path == *path || file.path.ends_with(&ending));
        let first = files.next();
        let is_there = first.is_some_and(|(_, rust)| rust.has_function(function));
        !is_there || files.next().is_some()
    });
    lost.map(|(at, path, function)| {
        let what = format!("no one file `{path}` has a function `{function}`");
        Finding::at(TABLE, line_of(&table.text, at), what)
    })
    .collect()
}

/// The code spans that name a function of a file, with where they stand.
fn names(text: &str) -> Vec<(usize, &str, &str)> {
    let spans = text.match_indices(".rs::").filter_map(|(at, _)| {
        let start = text[..at].rfind('`')? + 1;
        let end = at + text[at..].find('`')?;
        let (path, function) = text[start..end].split_once("::")?;
        Some((start, path, function))
    });
    spans.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_not_there_is_found() {
        let test = ("crates/a/tests/life.rs", "#[test]\nfn it_holds() {}\n");
        let found = |table| held(&Tree::of(&[(TABLE, table), test])).len();
        assert_eq!(found("| a | `a/tests/life.rs::it_holds` |"), 0);
        assert_eq!(found("| a | `a/tests/life.rs::it_held` |"), 1);
        assert_eq!(found("| a | `b/tests/life.rs::it_holds` |"), 1);
        assert_eq!(found("| a | nothing |"), 1);
        assert_eq!(held(&Tree::of(&[test])).len(), 1);
    }

    #[test]
    fn a_name_that_fits_two_files_is_found() {
        let text = "fn it_holds() {}\n";
        let files = [
            (TABLE, "`tests/life.rs::it_holds`"),
            ("crates/a/tests/life.rs", text),
            ("crates/b/tests/life.rs", text),
        ];
        assert_eq!(held(&Tree::of(&files)).len(), 1);
    }
}
