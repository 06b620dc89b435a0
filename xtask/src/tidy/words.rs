//! The glossary binds the words.

use super::rust::{identifiers, parts};
use super::{Finding, tree::Tree};

const GLOSSARY: &str = "GLOSSARY.md";

/// The words that the glossary has to define, as `**Word**`.
const NEEDED: &[&str] = &[
    "Backend",
    "Challenge",
    "Claim",
    "Credential",
    "Debit",
    "Delivered",
    "Fence",
    "Gate",
    "Intent",
    "Lease",
    "Method",
    "Offer",
    "Owed",
    "Partition",
    "Payer",
    "Payload",
    "Payment",
    "Permit",
    "Proof",
    "Rail",
    "Realm",
    "Receipt",
    "Request",
    "Settled",
    "Voided",
];

/// Every binding word has its definition.
pub(super) fn defined(tree: &Tree) -> Vec<Finding> {
    let Some(glossary) = tree.file(GLOSSARY) else {
        return Vec::new();
    };
    let missing = NEEDED
        .iter()
        .filter(|word| !glossary.text.contains(&format!("**{word}**")));
    missing
        .map(|word| Finding::of(GLOSSARY, format!("`{word}` is not defined")))
        .collect()
}

/// No identifier uses a synonym that the glossary's table turns away.
pub(super) fn spoken(tree: &Tree) -> Vec<Finding> {
    let Some(glossary) = tree.file(GLOSSARY) else {
        return Vec::new();
    };
    let synonyms = synonyms(&glossary.text);
    if synonyms.is_empty() {
        return vec![Finding::of(
            GLOSSARY,
            "the table of words we do not use is gone",
        )];
    }
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        for (index, line) in rust.code.lines().enumerate() {
            for (synonym, word) in &synonyms {
                if identifiers(line).any(|(_, name)| says(&parts(name), synonym)) {
                    let what = format!("`{}` is called {word}", synonym.join("_"));
                    found.push(Finding::at(&file.path, index + 1, what));
                }
            }
        }
    }
    found
}

/// The rows `` | `synonym` | word | `` of the glossary, each synonym in its parts.
fn synonyms(glossary: &str) -> Vec<(Vec<String>, &str)> {
    let row = |line| {
        let mut cells = str::split(line, '|').map(str::trim);
        let (edge, synonym, word) = (cells.next()?, cells.next()?, cells.next()?);
        let synonym = synonym.strip_prefix('`')?.strip_suffix('`')?;
        edge.is_empty().then(|| (parts(synonym), word))
    };
    glossary.lines().filter_map(row).collect()
}

fn says(name: &[String], synonym: &[String]) -> bool {
    name.windows(synonym.len()).any(|window| window == synonym)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_without_a_definition_is_found() {
        let all: String = NEEDED
            .iter()
            .map(|word| format!("**{word}**: it\n"))
            .collect();
        assert_eq!(defined(&Tree::of(&[(GLOSSARY, &all)])), []);
        let without = all.replace("**Fence**", "Fence");
        assert_eq!(defined(&Tree::of(&[(GLOSSARY, &without)])).len(), 1);
    }

    #[test]
    fn a_synonym_is_found() {
        let glossary = (
            GLOSSARY,
            "| not | but |\n|---|---|\n| `fencing_token` | Fence |\n",
        );
        let code = |text| spoken(&Tree::of(&[glossary, ("crates/core/src/lib.rs", text)])).len();
        assert_eq!(
            code("struct NewFencingToken;\nlet my_fencing_token = 1;"),
            2
        );
        assert_eq!(
            code("struct Fence; // a fencing_token elsewhere\nlet token = 1;"),
            0
        );
        assert_eq!(spoken(&Tree::of(&[(GLOSSARY, "")])).len(), 1);
    }
}
