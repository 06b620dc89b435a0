//! Whether files changed, by what they hold.
//!
//! Times of files say little: an editor writes twice in a second, and a link that is swapped may
//! point to an older file. So what the files hold is hashed, each second.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use farthing::file;
use ring::digest::{SHA256, digest};

/// Bytes of a file that are looked at.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The files of a gateway, as they were when somebody last looked.
#[derive(Debug)]
pub struct Watch {
    seen: Vec<(PathBuf, Print)>,
    /// What the last look found that had not been taken in yet.
    settling: Option<Vec<(PathBuf, Print)>>,
}

/// What a file holds; nothing where it cannot be read.
type Print = Option<[u8; 32]>;

impl Watch {
    /// Takes note of what the files hold.
    #[must_use]
    pub fn new(paths: &[PathBuf]) -> Self {
        Self {
            seen: prints(paths),
            settling: None,
        }
    }

    /// Whether the files hold something else, and have come to rest: a file that is still being
    /// written is looked at again the next time. What was found is then taken for known.
    pub fn has_changed(&mut self, paths: &[PathBuf]) -> bool {
        let now = prints(paths);
        if now == self.seen {
            self.settling = None;
            return false;
        }
        if self.settling.as_ref() == Some(&now) {
            self.seen = now;
            self.settling = None;
            return true;
        }
        self.settling = Some(now);
        false
    }

    /// Takes what the files hold for known.
    pub fn know(&mut self, paths: &[PathBuf]) {
        *self = Self::new(paths);
    }
}

fn prints(paths: &[PathBuf]) -> Vec<(PathBuf, Print)> {
    let prints = paths.iter().map(|path| (path.clone(), print(path)));
    prints.collect()
}

fn print(path: &Path) -> Print {
    let mut bytes = Vec::new();
    let file = file::open(path).ok()?;
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    digest(&SHA256, &bytes).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_is_told_once_it_has_come_to_rest_and_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        fs::write(&path, "one").unwrap();
        let paths = [path.clone()];
        let mut watch = Watch::new(&paths);
        assert!(!watch.has_changed(&paths));
        fs::write(&path, "tw").unwrap();
        assert!(!watch.has_changed(&paths), "it may still be written");
        fs::write(&path, "two").unwrap();
        assert!(!watch.has_changed(&paths), "it was");
        assert!(watch.has_changed(&paths));
        assert!(!watch.has_changed(&paths));
        fs::write(&path, "two").unwrap();
        assert!(!watch.has_changed(&paths), "the same again is no change");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_is_swapped_and_a_file_that_goes_are_changes() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("old"), "old").unwrap();
        fs::write(at("new"), "new").unwrap();
        std::os::unix::fs::symlink(at("old"), at("link")).unwrap();
        let paths = [at("link")];
        let mut watch = Watch::new(&paths);
        std::os::unix::fs::symlink(at("new"), at("next")).unwrap();
        fs::rename(at("next"), at("link")).unwrap();
        assert!(!watch.has_changed(&paths));
        assert!(watch.has_changed(&paths));
        fs::remove_file(at("new")).unwrap();
        assert!(!watch.has_changed(&paths));
        assert!(watch.has_changed(&paths));
    }
}
