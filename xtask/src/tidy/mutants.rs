//! Every mutant still has the text it changes.

use super::{Finding, tree::Tree};
use crate::mutants::{Mutant, mutants};

/// Every edit of `cargo xtask mutants` applies exactly once.
pub(super) fn applicable(tree: &Tree) -> Vec<Finding> {
    check(tree, mutants())
}

fn check<'a>(tree: &Tree, mutants: impl Iterator<Item = &'a Mutant>) -> Vec<Finding> {
    let broken = mutants.filter(|mutant| {
        let file = tree.file(mutant.file);
        file.and_then(|file| mutant.apply(&file.text)).is_none()
    });
    broken
        .map(|mutant| {
            let what = format!("the mutant \"{}\" does not apply exactly once", mutant.name);
            Finding::of(mutant.file, what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_without_its_text_is_found() {
        const MUTANT: &[Mutant] = &[Mutant {
            name: "a test",
            file: "crates/core/src/lib.rs",
            find: "a < b",
            replace: "true",
            killers: &[],
        }];
        let found = |text| {
            let tree = Tree::of(&[("crates/core/src/lib.rs", text)]);
            check(&tree, MUTANT.iter()).len()
        };
        assert_eq!(found("a < b"), 0);
        assert_eq!(found("a <= b"), 1);
        assert_eq!(found("a < b || a < b"), 1);
        assert_eq!(check(&Tree::of(&[]), MUTANT.iter()).len(), 1);
    }
}
