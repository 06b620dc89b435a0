//! The dependency trees stay small.

use super::{Finding, tree::Tree};

/// Each bounded package with the number its tree stays under, itself included.
const UNDER: [(&str, usize); 2] = [("farthing-core", 45), ("farthing-cli", 290)];

/// No tree has grown to its bound.
pub(super) fn bounded(tree: &Tree) -> Vec<Finding> {
    let over = UNDER.iter().filter_map(|(package, under)| {
        let weight = tree
            .weights
            .iter()
            .find(|weight| weight.package == *package)?;
        (weight.count >= *under).then(|| {
            let count = weight.count;
            let what = format!("the tree of `{package}` has {count} packages, not under {under}");
            Finding::of("Cargo.lock", what)
        })
    });
    over.collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::{WEIGHED, Weight};
    use super::*;

    #[test]
    fn a_tree_at_its_bound_is_too_large() {
        let found = |count| {
            let weights = vec![Weight {
                package: "farthing-core".to_owned(),
                count,
            }];
            bounded(&Tree {
                weights,
                ..Tree::default()
            })
            .len()
        };
        assert_eq!((found(44), found(45)), (0, 1));
    }

    #[test]
    fn what_is_bounded_is_weighed() {
        assert_eq!(UNDER.map(|(package, _)| package), WEIGHED);
    }
}
