//! Crates depend inwards: towards core.

use super::{Finding, tree::Package, tree::Tree};

/// What a crate's own code may use. Its tests may use more.
const MAY_USE: &[(&str, &[&str])] = &[
    ("farthing-core", &[]),
    ("farthing-store", &["farthing-core"]),
    ("farthing-x402", &["farthing-core"]),
    ("farthing-identity", &["farthing-core"]),
    ("farthing-evm", &["farthing-core", "farthing-x402"]),
    ("farthing-tempo", &["farthing-core", "farthing-evm"]),
    (
        "farthing-server",
        &["farthing-core", "farthing-x402", "farthing-identity"],
    ),
    (
        "farthing-client",
        &["farthing-core", "farthing-x402", "farthing-identity"],
    ),
    (
        "farthing-facilitator",
        &["farthing-core", "farthing-x402", "farthing-evm"],
    ),
    ("farthing-gateway", &["farthing"]),
    (
        "farthing-cli",
        &[
            "farthing",
            // For the demo's own chain, which has no reserve.
            "farthing-contracts",
            "farthing-facilitator",
            "farthing-gateway",
        ],
    ),
];

/// Crates that only developers build. They may use anything, and only the tests of others, and
/// they themselves, use them.
const FOR_DEVELOPERS: &[&str] = &[
    "farthing-bench",
    "farthing-conformance",
    "farthing-contracts",
    "farthing-examples",
    "farthing-fuzz",
    "farthing-interop",
    "farthing-testkit",
    "xtask",
];

/// Each dependency between our crates is one that the design allows.
pub(super) fn inwards(tree: &Tree) -> Vec<Finding> {
    tree.packages.iter().flat_map(outward).collect()
}

fn outward(package: &Package) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    if FOR_DEVELOPERS.contains(&package.name.as_str()) {
        return Vec::new();
    }
    let Some(allowed) = allowed(package) else {
        let what = format!("`{}` has no row in the table of arrows", package.name);
        return vec![Finding::of(&manifest, what)];
    };
    let wrong = package
        .uses
        .iter()
        .filter(|used| !used.dev && !allowed(&used.name));
    wrong
        .map(|used| {
            let what = format!("`{}` must not depend on `{}`", package.name, used.name);
            Finding::of(&manifest, what)
        })
        .collect()
}

/// What a package may use, as a question; `None` for a package that the design does not know.
fn allowed(package: &Package) -> Option<impl Fn(&str) -> bool> {
    let row = MAY_USE
        .iter()
        .find(|(name, _)| *name == package.name)
        .map(|(_, uses)| *uses);
    let facade = package.name == "farthing";
    let uses = match row {
        Some(uses) => uses,
        // A rail knows core and nothing else, unless it has a row of its own.
        None if package.folder.starts_with("crates/methods/") => &["farthing-core"],
        None if facade => &[],
        None => return None,
    };
    // The facade picks from everything below it.
    let above = |name: &str| name == "farthing-cli" || FOR_DEVELOPERS.contains(&name);
    Some(move |name: &str| uses.contains(&name) || (facade && !above(name)))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Use;
    use super::*;

    fn check(name: &str, folder: &str, uses: &[&str], expect: &[&str]) {
        let uses = uses.iter().map(|used| {
            let (name, dev) = used
                .strip_prefix("dev:")
                .map_or((*used, false), |name| (name, true));
            Use {
                name: name.to_owned(),
                dev,
            }
        });
        let package = Package {
            name: name.to_owned(),
            folder: folder.to_owned(),
            uses: uses.collect(),
            published: false,
        };
        let found = inwards(&Tree {
            packages: vec![package],
            ..Tree::default()
        });
        let said: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(said, expect);
    }

    #[test]
    fn outward_arrows_are_found() {
        check(
            "farthing-core",
            "crates/core",
            &["dev:farthing-testkit"],
            &[],
        );
        let wrong = "`farthing-core` must not depend on `farthing-store`";
        check(
            "farthing-core",
            "crates/core",
            &["farthing-store"],
            &[wrong],
        );
        let wrong = "`farthing-server` must not depend on `farthing-ledger`";
        check(
            "farthing-server",
            "crates/server",
            &["farthing-core", "farthing-ledger"],
            &[wrong],
        );
        let wrong = "`farthing-ledger` must not depend on `farthing-store`";
        check(
            "farthing-ledger",
            "crates/methods/ledger",
            &["farthing-store"],
            &[wrong],
        );
        let wrong = "`farthing` must not depend on `farthing-testkit`";
        check(
            "farthing",
            "crates/farthing",
            &["farthing-server", "farthing-testkit"],
            &[wrong],
        );
        let wrong = "`farthing-cli` must not depend on `farthing-store`";
        check(
            "farthing-cli",
            "apps/farthing",
            &["farthing", "farthing-store"],
            &[wrong],
        );
        let wrong = "`farthing-new` has no row in the table of arrows";
        check("farthing-new", "crates/new", &[], &[wrong]);
        check(
            "farthing-bench",
            "bench",
            &["farthing-server", "farthing-ledger"],
            &[],
        );
    }
}
