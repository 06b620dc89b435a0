//! What to type to run this program again.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// `farthing` where that is this program, else the shortest path to it.
pub(crate) fn name() -> String {
    let Ok(me) = env::current_exe() else {
        return "farthing".to_owned();
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let is_me = |file: &PathBuf| {
        fs::canonicalize(file)
            .ok()
            .is_some_and(|file| Some(file) == fs::canonicalize(&me).ok())
    };
    let on_path = env::split_paths(&path)
        .map(|dir| dir.join("farthing"))
        .find(|file| file.is_file());
    if on_path.as_ref().is_some_and(is_me) {
        return "farthing".to_owned();
    }
    let here = env::current_dir().ok();
    let relative = here.as_ref().and_then(|here| me.strip_prefix(here).ok());
    quoted(relative.unwrap_or(&me))
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_path_as_one_word() {
        for (path, expect) in [
            ("/tmp/a-b_c.d", "/tmp/a-b_c.d"),
            ("/tmp/a b", "'/tmp/a b'"),
            ("/tmp/it's", r"'/tmp/it'\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expect);
        }
    }
}
