//! Secrets in what the tests said: the tests keep their traces and name their secrets, and when all
//! ran, the one is searched for the other (`farthing_testkit::trace`).

use std::{fs, path::PathBuf};

/// The variable that names the folder.
pub(super) const FOLDER: &str = "FARTHING_TRACE";

/// The folder of one run; removed with it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("farthing-trace-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) const fn path(&self) -> &PathBuf {
        &self.0
    }

    /// Fails when a trace has a secret that its own process planted, and when there was nothing to
    /// search.
    pub(super) fn search(&self) -> Result<(), String> {
        let (mut traces, mut secrets) = (0, 0);
        let folder = fs::read_dir(&self.0).map_err(|error| error.to_string())?;
        for planted in folder.flatten().map(|entry| entry.path()) {
            let name = planted
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let Some(process) = name.strip_prefix("planted-") else {
                continue;
            };
            let Ok(trace) = fs::read(self.0.join(format!("trace-{process}"))) else {
                continue;
            };
            traces += 1;
            let trace = String::from_utf8_lossy(&trace);
            for secret in fs::read_to_string(&planted).unwrap_or_default().lines() {
                secrets += 1;
                if trace.contains(secret) {
                    return Err(format!(
                        "the trace of process {process} has a planted secret"
                    ));
                }
            }
        }
        eprintln!("  {secrets} secrets are in none of the traces of {traces} tests");
        if traces == 0 || secrets == 0 {
            return Err("no test kept a trace to search for secrets".to_owned());
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_trace_fails_the_run() {
        let folder = Folder(
            std::env::temp_dir().join(format!("farthing-trace-test-{}", std::process::id())),
        );
        fs::create_dir_all(folder.path()).unwrap();
        assert!(folder.search().is_err(), "nothing to search is no success");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("planted-1", "hunter2\nhunter3\n");
        write("trace-1", "a payment was made");
        folder.search().unwrap();
        write("trace-1", "a payment was made with hunter3");
        assert!(folder.search().is_err());
    }
}
