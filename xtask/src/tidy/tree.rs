//! The checkout as the rules see it.

use serde_json::Value;

use super::rust::Rust;
use crate::{exec, repo};

/// The text files, the workspace's packages, and the size of their dependency trees.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    pub(super) packages: Vec<Package>,
    pub(super) weights: Vec<Weight>,
}

/// A text file, by its path from the root with forward slashes.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
    /// What its code looks like, if it is Rust.
    pub(super) rust: Option<Rust>,
}

/// A package of the workspace.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) name: String,
    /// Its folder from the root.
    pub(super) folder: String,
    /// The workspace packages it depends on.
    pub(super) uses: Vec<Use>,
    pub(super) published: bool,
}

/// A dependency of one workspace package on another.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) name: String,
    /// Whether only its tests, examples and benchmarks see it.
    pub(super) dev: bool,
}

/// How many packages a package brings into a build, with itself.
#[derive(Debug)]
pub(super) struct Weight {
    pub(super) package: String,
    pub(super) count: usize,
}

/// The packages whose weight is bounded.
pub(super) const WEIGHED: [&str; 2] = ["farthing-core", "farthing-cli"];

impl Tree {
    /// Reads the checkout.
    pub(super) fn read() -> Result<Self, String> {
        let packages = packages()?;
        let present = |name: &&str| packages.iter().any(|package| package.name == **name);
        let weights: Result<_, String> = WEIGHED.into_iter().filter(present).map(weigh).collect();
        Ok(Self {
            files: files()?,
            weights: weights?,
            packages,
        })
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &Rust)> {
        self.files
            .iter()
            .filter_map(|file| file.rust.as_ref().map(|rust| (file, rust)))
    }

    /// The Rust files that are part of what people run: no test, no crate that only tests use.
    pub(super) fn shipped(&self) -> impl Iterator<Item = (&File, &Rust)> {
        self.rust()
            .filter(|(file, _)| !file.is_test() && !file.is_for_developers())
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A checkout made of these files, for the tests of the rules.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File::new(path, (*text).to_owned()))
            .collect();
        Self {
            files,
            ..Self::default()
        }
    }
}

impl File {
    fn new(path: &str, text: String) -> Self {
        let rust = path.ends_with(".rs").then(|| Rust::read(&text));
        Self {
            path: path.to_owned(),
            text,
            rust,
        }
    }

    /// Whether the whole file is a test, by where it lies and what it is called.
    pub(super) fn is_test(&self) -> bool {
        let folders = ["tests/", "benches/"];
        folders.iter().any(|folder| {
            self.path.starts_with(folder) || self.path.contains(&format!("/{folder}"))
        }) || self.path.ends_with("tests.rs")
    }

    /// Whether it belongs to a crate that is never part of what people run.
    pub(super) fn is_for_developers(&self) -> bool {
        let folders = [
            "bench/",
            "apps/conformance/",
            "contracts/",
            "crates/testkit/",
            "examples/",
            "fuzz/",
            "interop/",
            "xtask/",
        ];
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// Whether it is the source of these rules, which has to name what it forbids.
    pub(super) fn is_a_rule(&self) -> bool {
        self.path.starts_with("xtask/src/tidy/")
    }
}

/// Every text file; what is not UTF-8 is no text.
fn files() -> Result<Vec<File>, String> {
    let root = repo::root();
    let read = |path: String| {
        let text = String::from_utf8(std::fs::read(root.join(&path)).ok()?).ok()?;
        Some(File::new(&path, text))
    };
    Ok(repo::files()?.into_iter().filter_map(read).collect())
}

fn packages() -> Result<Vec<Package>, String> {
    let mut metadata = exec::cargo();
    metadata.args(["metadata", "--format-version", "1", "--no-deps", "--locked"]);
    let text = exec::output(&mut metadata)?;
    let parsed: Value = serde_json::from_str(&text)
        .map_err(|error| format!("`cargo metadata` printed no JSON: {error}"))?;
    let root = parsed["workspace_root"].as_str().unwrap_or_default();
    let packages = parsed["packages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    Ok(packages
        .iter()
        .map(|package| Package::read(package, root))
        .collect())
}

impl Package {
    fn read(package: &Value, root: &str) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().replace('\\', "/");
        let manifest = text(&package["manifest_path"]);
        let folder = manifest
            .trim_start_matches(&root.replace('\\', "/"))
            .trim_matches('/');
        let folder = folder
            .trim_end_matches("Cargo.toml")
            .trim_end_matches('/')
            .to_owned();
        let dependencies = package["dependencies"].as_array().map(Vec::as_slice);
        let uses = dependencies
            .unwrap_or_default()
            .iter()
            .filter(|one| one["path"].is_string());
        Self {
            name: text(&package["name"]),
            folder,
            uses: uses
                .map(|one| Use {
                    name: text(&one["name"]),
                    dev: one["kind"] == "dev",
                })
                .collect(),
            published: package["publish"]
                .as_array()
                .is_none_or(|to| !to.is_empty()),
        }
    }
}

fn weigh(package: &str) -> Result<Weight, String> {
    let mut tree = exec::cargo();
    tree.args([
        "tree",
        "--locked",
        "--package",
        package,
        "--edges",
        "normal,build",
    ]);
    let listed = exec::output(tree.args(["--prefix", "none", "--format", "{p}"]))?;
    let mut names: Vec<&str> = listed
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    Ok(Weight {
        package: package.to_owned(),
        count: names.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_read_from_metadata() {
        let metadata = serde_json::json!({
            "name": "farthing-ledger",
            "manifest_path": "/src/farthing/crates/methods/ledger/Cargo.toml",
            "publish": [],
            "dependencies": [
                { "name": "farthing-core", "kind": null, "path": "/src/farthing/crates/core" },
                { "name": "farthing-testkit", "kind": "dev", "path": "/src/farthing/crates/testkit" },
                { "name": "serde", "kind": null },
            ],
        });
        let package = Package::read(&metadata, "/src/farthing");
        assert_eq!(package.folder, "crates/methods/ledger");
        assert!(!package.published);
        let uses: Vec<_> = package
            .uses
            .iter()
            .map(|one| (one.name.as_str(), one.dev))
            .collect();
        assert_eq!(uses, [("farthing-core", false), ("farthing-testkit", true)]);
    }

    #[test]
    fn this_checkout_can_be_read() {
        let tree = Tree::read().unwrap();
        assert!(
            tree.file("xtask/src/tidy/tree.rs")
                .is_some_and(|file| file.rust.is_some())
        );
        assert!(
            tree.packages
                .iter()
                .any(|package| package.folder == "xtask")
        );
        assert!(tree.weights.iter().all(|weight| weight.count > 1));
    }

    #[test]
    fn tests_are_known_by_their_place() {
        let is_test = |path: &str| File::new(path, String::new()).is_test();
        assert!(is_test("crates/server/tests/mpp_gate.rs"));
        assert!(is_test("crates/core/src/header/tests.rs"));
        assert!(is_test("crates/core/src/header/tests/many.rs"));
        assert!(!is_test("crates/testkit/src/lib.rs"));
        assert!(!is_test("crates/core/src/attests/mod.rs"));
    }
}
