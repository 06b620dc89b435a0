//! Files and functions are short.

use super::{Finding, tree::Tree};

/// The most lines of a file without its tests, and where it starts to be long.
const FILE: Bound = Bound {
    most: 600,
    long: 500,
};

/// The same for a function.
const FUNCTION: Bound = Bound {
    most: 100,
    long: 70,
};

struct Bound {
    most: usize,
    long: usize,
}

/// No file is long.
pub(super) fn files(tree: &Tree) -> Vec<Finding> {
    let code = tree.rust().filter(|(file, _)| !file.is_test());
    code.filter_map(|(file, rust)| FILE.check(&file.path, 0, "the file", rust.length()))
        .collect()
}

/// No function is long.
pub(super) fn functions(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust().filter(|(file, _)| !file.is_test()) {
        for function in rust.functions() {
            let what = format!("`{}`", function.name);
            found.extend(FUNCTION.check(&file.path, function.line, &what, function.lines));
        }
    }
    found
}

impl Bound {
    fn check(&self, path: &str, line: usize, what: &str, lines: usize) -> Option<Finding> {
        let limit = if lines > self.most {
            self.most
        } else {
            self.long
        };
        let finding = Finding::at(
            path,
            line,
            format!("{what} has {lines} lines, more than {limit}"),
        );
        match lines {
            long if long > self.most => Some(finding),
            long if long > self.long => Some(finding.noted()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&Tree) -> Vec<Finding>, text: &str, expect: Option<bool>) {
        let found = rule(&Tree::of(&[("crates/core/src/lib.rs", text)]));
        let note = found.first().map(|finding| finding.note);
        assert_eq!(note, expect, "{found:?}");
    }

    #[test]
    fn long_files_are_found_without_their_tests() {
        check(files, &"a\n".repeat(500), None);
        check(files, &"a\n".repeat(501), Some(true));
        check(files, &"a\n".repeat(601), Some(false));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "a\n".repeat(900));
        check(files, &tests, None);
    }

    #[test]
    fn long_functions_are_found() {
        let function = |lines: usize| format!("fn a() {{\n{}}}\n", "b;\n".repeat(lines - 2));
        check(functions, &function(70), None);
        check(functions, &function(71), Some(true));
        check(functions, &function(101), Some(false));
    }
}
