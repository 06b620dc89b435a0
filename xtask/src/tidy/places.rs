//! Nothing in the checkout is true on one machine only.

use super::tree::{File, Tree};
use super::{Finding, rust::line_of};

/// Folders that only some machines have.
const FOLDERS: &[&str] = &["/work/", "/root/", "/home/", "/Users/"];

/// How hosts of package registries and their mirrors begin. Which one is used is configured by
/// whoever builds.
const HOSTS: &[&str] = &[
    "://index.",
    "://registry.",
    "://static.",
    "://proxy.",
    "://mirror.",
    "://mirrors.",
    "://packages.",
];

/// No file names an absolute path of a machine or the host of a registry.
pub(super) fn portable(tree: &Tree) -> Vec<Finding> {
    let files = tree
        .files
        .iter()
        .filter(|file| !file.is_a_lock() && !file.is_a_rule());
    files.flat_map(tied).collect()
}

fn tied(file: &File) -> Vec<Finding> {
    let text = &file.text;
    let all = |needle: &'static str| {
        text.match_indices(needle)
            .map(move |found| (needle, found.0))
    };
    let folders = FOLDERS
        .iter()
        .flat_map(|folder| all(folder))
        .filter(|(_, start)| {
            let before = text[..*start].chars().next_back();
            // In the middle of a longer path or of a URL it means something else.
            !before.is_some_and(|c| c.is_alphanumeric() || "._-~})".contains(c))
        });
    let hosts = HOSTS.iter().flat_map(|host| all(host));
    let found = folders.chain(hosts).map(|(needle, start)| {
        let what = format!("`{needle}` belongs to one machine");
        Finding::at(&file.path, line_of(text, start), what)
    });
    found.collect()
}

impl File {
    /// Whether it is a lockfile, which a package manager writes.
    pub(super) fn is_a_lock(&self) -> bool {
        ["Cargo.lock", "package-lock.json"]
            .iter()
            .any(|name| self.path.ends_with(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_hosts_of_one_machine_are_found() {
        let check = |path: &str, text: &str| portable(&Tree::of(&[(path, text)])).len();
        assert_eq!(check("a.toml", "path = \"/home/me/x\""), 1);
        assert_eq!(
            check("a.md", "see\n/work/x and https://index.example.com/"),
            2
        );
        assert_eq!(check("a.md", "https://example.com/home/x, ./root/x"), 0);
        assert_eq!(check("Cargo.lock", "registry+https://index.example.com"), 0);
    }
}
