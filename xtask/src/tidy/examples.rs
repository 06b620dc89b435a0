//! What is written to be run is run.

use super::{Finding, tree::File, tree::Tree};

/// Each program in `examples/` is named by a test there.
pub(super) fn run(tree: &Tree) -> Vec<Finding> {
    let under = |folder: &'static str| {
        tree.files
            .iter()
            .filter(move |file| file.path.starts_with(folder))
    };
    let programs = under("examples/examples/").chain(under("examples/src/bin/"));
    let tests: Vec<&File> = under("examples/tests/").collect();
    let forgotten = programs.filter(|program| {
        let named = |test: &&File| test.text.contains(&format!("\"{}\"", name(&program.path)));
        program.rust.is_some() && !tests.iter().any(named)
    });
    forgotten
        .map(|file| Finding::of(&file.path, "no test in `examples/tests` runs it"))
        .collect()
}

/// Each file of a fuzz target is a target in the manifest.
pub(super) fn fuzzed(tree: &Tree) -> Vec<Finding> {
    let manifest = tree
        .file("fuzz/Cargo.toml")
        .map_or("", |file| file.text.as_str());
    let targets = tree
        .files
        .iter()
        .filter(|file| file.path.starts_with("fuzz/fuzz_targets/"));
    let forgotten = targets.filter(|file| {
        let path = file.path.trim_start_matches("fuzz/");
        file.rust.is_some() && !manifest.contains(&format!("path = \"{path}\""))
    });
    forgotten
        .map(|file| Finding::of(&file.path, "`fuzz/Cargo.toml` has no [[bin]] for it"))
        .collect()
}

/// The name of a program: its file, or its folder where the file is `main.rs`.
fn name(path: &str) -> &str {
    let path = path.trim_end_matches(".rs").trim_end_matches("/main");
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_example_is_found() {
        let program = ("examples/src/bin/priced_route.rs", "fn main() {}");
        let test = ("examples/tests/run.rs", "run(\"priced_route\")");
        assert_eq!(run(&Tree::of(&[program, test])), []);
        assert_eq!(run(&Tree::of(&[program])).len(), 1);
        assert_eq!(name("examples/examples/client/main.rs"), "client");
    }

    #[test]
    fn a_forgotten_fuzz_target_is_found() {
        let target = ("fuzz/fuzz_targets/amount.rs", "");
        let manifest = ("fuzz/Cargo.toml", "path = \"fuzz_targets/amount.rs\"");
        assert_eq!(fuzzed(&Tree::of(&[target, manifest])), []);
        assert_eq!(fuzzed(&Tree::of(&[target])).len(), 1);
    }
}
