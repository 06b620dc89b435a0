//! Running other programs.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::{Stop, repo};

/// `cargo`, started in the checkout as if from a shell there.
pub(crate) fn cargo() -> Command {
    program("cargo")
}

/// A program started in the checkout, without what `cargo run` put into our environment.
///
/// Some build scripts ask to be run again when `CARGO_MANIFEST_DIR` or a `CARGO_PKG_*` variable
/// changes. Handing ours down would rebuild those crates at each turn between `cargo xtask` and
/// plain `cargo`.
pub(crate) fn program(name: impl Into<OsString>) -> Command {
    let mut command = Command::new(name.into());
    command.current_dir(repo::root());
    for (key, _) in std::env::vars_os() {
        if key.to_str().is_some_and(set_by_cargo_run) {
            command.env_remove(key);
        }
    }
    command
}

fn set_by_cargo_run(key: &str) -> bool {
    const EXACT: [&str; 7] = [
        "CARGO",
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_LINKS",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
    ];
    key.starts_with("CARGO_PKG_") || EXACT.contains(&key)
}

/// Puts a folder in front of the `PATH` that a command sees.
pub(crate) fn prepend_path(command: &mut Command, folder: &Path) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
    // A folder whose name holds the separator cannot stand in PATH; the command then finds
    // nothing there and says so.
    if let Ok(joined) = std::env::join_paths(folders) {
        command.env("PATH", joined);
    }
}

/// Shows the command, runs it with its output going to the terminal, and says how it ended if it
/// did not end well.
pub(crate) fn stream(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    eprintln!("  $ {shown}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("`{shown}` did not start: {error}")),
    }
}

/// The standard output of a command that has to succeed; its standard error is in the failure.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = show(command);
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{shown}` did not start: {error}"))?;
    read(&shown, done)
}

/// What a command printed that ended well.
fn read(shown: &str, done: Output) -> Result<String, String> {
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!(
            "`{shown}` ended with {}\n{}",
            done.status,
            said.trim_end()
        ));
    }
    String::from_utf8(done.stdout)
        .map_err(|_| format!("`{shown}` printed something else than text"))
}

/// The standard output of a command that has to succeed and is given this input.
pub(crate) fn answer(command: &mut Command, input: String) -> Result<String, String> {
    let shown = show(command);
    let lost = |error: std::io::Error| format!("`{shown}` did not run: {error}");
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().map_err(lost)?;
    let mut stdin = child.stdin.take();
    // On a thread, because a command may answer before it has read everything. One that stops
    // reading says why by how it ends.
    let fed = std::thread::spawn(move || {
        if let Some(stdin) = &mut stdin {
            drop(stdin.write_all(input.as_bytes()));
        }
    });
    let done = child.wait_with_output().map_err(lost)?;
    drop(fed.join());
    read(&shown, done)
}

/// Whether a command runs and succeeds, without showing what it prints.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Becomes another program, so that signals and the exit code are its own: Ctrl-C, or a signal
/// sent to our process, reaches it and nobody returns to the prompt before it has ended.
#[cfg(unix)]
pub(crate) fn become_program(command: &mut Command) -> Result<(), Stop> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(Stop::Failed(format!(
        "`{}` did not start: {error}",
        show(command)
    )))
}

/// Runs another program to its end and passes its exit code on.
#[cfg(not(unix))]
pub(crate) fn become_program(command: &mut Command) -> Result<(), Stop> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            Err(Stop::Code(code.unwrap_or(1)))
        }
        Err(error) => Err(Stop::Failed(format!(
            "`{}` did not start: {error}",
            show(command)
        ))),
    }
}

/// Where a program of this name is on the `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
        .find(|candidate| candidate.is_file())
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    command
        .get_args()
        .fold(name, |line, arg| line + " " + &arg.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_a_failure_and_its_words_are_kept() {
        let said = output(cargo().arg("no-such-subcommand-here")).unwrap_err();
        assert!(said.contains("no-such-subcommand-here"), "{said}");
        assert!(!succeeds(cargo().arg("no-such-subcommand-here")));
        assert!(succeeds(cargo().arg("--version")));
    }

    #[test]
    fn a_program_answers_what_it_is_given() {
        let long = "a line\n".repeat(50_000);
        assert_eq!(answer(&mut program("cat"), long.clone()), Ok(long));
        assert!(answer(&mut program("false"), "unread".to_owned()).is_err());
    }

    #[test]
    fn what_cargo_run_set_is_not_handed_down() {
        assert!(set_by_cargo_run("CARGO_PKG_NAME"));
        assert!(set_by_cargo_run("CARGO_MANIFEST_DIR"));
        for kept in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_JOBS",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(!set_by_cargo_run(kept), "{kept}");
        }
    }
}
