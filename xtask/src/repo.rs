//! Where the checkout is and which files are in it.

use std::path::PathBuf;

use crate::exec;

/// The root of the checkout.
///
/// `cargo run` says where our manifest is at run time; the path known at compile time is the
/// fallback for a binary that was started by hand.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .parent()
        .map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Every file that is tracked, or new and not ignored, by its path from the root.
pub(crate) fn files() -> Result<Vec<String>, String> {
    let mut git = exec::program("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
    ]);
    let listed = exec::output(&mut git)?;
    let root = root();
    let present = |path: &&str| !path.is_empty() && root.join(path).is_file();
    Ok(listed
        .split('\0')
        .filter(present)
        .map(str::to_owned)
        .collect())
}
