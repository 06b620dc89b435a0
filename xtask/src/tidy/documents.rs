//! The documents are there, and say what is so.

use super::{Finding, tree::Tree};

const NEEDED: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "GLOSSARY.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
];

/// Every document is there, and the changelog has a place for what comes next.
pub(super) fn present(tree: &Tree) -> Vec<Finding> {
    let missing = NEEDED.iter().filter(|path| tree.file(path).is_none());
    let mut found: Vec<Finding> = missing
        .map(|path| Finding::of(path, "this document is missing"))
        .collect();
    let changelog = tree.file("CHANGELOG.md");
    if changelog.is_some_and(|file| !file.text.lines().any(|line| line == "## [Unreleased]")) {
        found.push(Finding::of("CHANGELOG.md", "there is no `## [Unreleased]`"));
    }
    found
}

/// The table of rooms in ARCHITECTURE.md has a row for each package, under its folder or name.
pub(super) fn rooms(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.file("ARCHITECTURE.md") else {
        return Vec::new();
    };
    let rows: Vec<&str> = map
        .text
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    let missing = tree.packages.iter().filter(|package| {
        let names = [
            format!("`{}`", package.folder),
            format!("`{}`", package.name),
        ];
        !rows
            .iter()
            .any(|row| names.iter().any(|name| row.contains(name)))
    });
    missing
        .map(|package| {
            let what = format!("the table of rooms has no row for `{}`", package.folder);
            Finding::of(&map.path, what)
        })
        .collect()
}

/// No package can be published by accident, and each takes the lints of the workspace.
pub(super) fn manifests(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in &tree.packages {
        let path = format!("{}/Cargo.toml", package.folder);
        if package.published {
            found.push(Finding::of(&path, "`publish = false` is missing"));
        }
        let lints = tree.file(&path).map(|file| file.text.replace(' ', ""));
        if lints.is_some_and(|text| !text.contains("[lints]\nworkspace=true")) {
            found.push(Finding::of(
                &path,
                "the lints of the workspace are not taken",
            ));
        }
    }
    found
}

/// What CI runs is the test command, so that there is nothing a person cannot run.
pub(super) fn ci(tree: &Tree) -> Vec<Finding> {
    const PATH: &str = ".ci/run";
    let Some(script) = tree.file(PATH) else {
        return vec![Finding::of(PATH, "the script that CI runs is missing")];
    };
    let idle = |line: &&str| {
        let idle = ["#", "set ", "cd "];
        !line.trim().is_empty() && !idle.iter().any(|start| line.starts_with(start))
    };
    let commands: Vec<&str> = script.text.lines().filter(idle).collect();
    if commands == ["exec cargo xtask test"] {
        return Vec::new();
    }
    vec![Finding::of(
        PATH,
        "it has to run `exec cargo xtask test` and nothing else",
    )]
}

#[cfg(test)]
mod tests {
    use super::super::tree::Package;
    use super::*;

    #[test]
    fn a_missing_document_is_found() {
        let all: Vec<(&str, &str)> = NEEDED
            .iter()
            .map(|path| (*path, "# Changes\n## [Unreleased]\n"))
            .collect();
        assert_eq!(present(&Tree::of(&all)), []);
        assert_eq!(present(&Tree::of(&all[1..]))[0].path, all[0].0);
        assert_eq!(
            present(&Tree::of(&[("CHANGELOG.md", "")])).len(),
            NEEDED.len()
        );
    }

    #[test]
    fn a_room_without_a_row_is_found() {
        let package = |folder: &str| Package {
            name: format!("farthing-{}", folder.rsplit('/').next().unwrap()),
            folder: folder.to_owned(),
            ..Package::default()
        };
        let mut tree = Tree::of(&[("ARCHITECTURE.md", "| `crates/core` | a |\n`crates/store`")]);
        tree.packages = vec![package("crates/core"), package("crates/store")];
        let found = rooms(&tree);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("crates/store"));
    }

    #[test]
    fn a_manifest_of_its_own_mind_is_found() {
        let mut tree = Tree::of(&[("a/Cargo.toml", "[package]\n")]);
        let package = |published| Package {
            folder: "a".to_owned(),
            published,
            ..Package::default()
        };
        tree.packages = vec![package(true)];
        assert_eq!(manifests(&tree).len(), 2);
        let mut tree = Tree::of(&[("a/Cargo.toml", "[lints]\nworkspace = true\n")]);
        tree.packages = vec![package(false)];
        assert_eq!(manifests(&tree), []);
    }

    #[test]
    fn a_ci_with_more_or_less_than_the_test_command_is_found() {
        let check = |text: &str| ci(&Tree::of(&[(".ci/run", text)])).len();
        assert_eq!(check("#!/bin/sh\nset -e\ncd x\nexec cargo xtask test\n"), 0);
        assert_eq!(check("exec cargo xtask test --skip fuzz\n"), 1);
        assert_eq!(check("cargo build\nexec cargo xtask test\n"), 1);
        assert_eq!(ci(&Tree::default()).len(), 1);
    }
}
