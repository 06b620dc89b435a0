//! The one table of tools and their versions.

/// A program of the tests that does not come with Rust.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The name of its binary.
    pub(crate) name: &'static str,
    /// The version that is installed when none is there.
    pub(crate) version: &'static str,
    /// The versions that are good enough when one is there: the numbers before the last dot.
    pub(crate) series: &'static str,
    /// The arguments that make it say its version.
    pub(crate) ask: &'static [&'static str],
    /// The ways to install it, best first.
    pub(crate) from: &'static [Source],
}

/// Where a tool comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// A crate, built with `cargo install`.
    Crate(&'static str),
    /// A ready-made binary in a Python wheel: seconds instead of minutes.
    Wheel(&'static str),
}

/// Runs the tests.
pub(crate) const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.143",
    series: "0.9",
    ask: &["nextest", "--version"],
    from: &[Source::Crate("cargo-nextest")],
};

/// Checks licences, bans and sources of the dependency tree.
pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    series: "0.20",
    ask: &["--version"],
    from: &[Source::Crate("cargo-deny")],
};

/// Checks spelling.
pub(crate) const TYPOS: Tool = Tool {
    name: "typos",
    version: "1.52.0",
    series: "1.52",
    ask: &["--version"],
    from: &[Source::Wheel("typos"), Source::Crate("typos-cli")],
};

/// Builds and runs the fuzz targets.
pub(crate) const FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
    series: "0.13",
    ask: &["--version"],
    from: &[Source::Crate("cargo-fuzz")],
};
