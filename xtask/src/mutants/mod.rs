//! `cargo xtask mutants`: breaks one guarantee at a time in a copy of the checkout, and tells which
//! test noticed. One that nobody notices fails the command.

mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

pub(crate) use table::{Mutant, mutants};

use crate::{Stop, exec, repo, tools, unexpected};

/// What became of a mutant.
enum End {
    /// This test failed.
    Killed(String),
    /// No test failed.
    Survived,
    /// It does not compile, so nothing is known.
    Unbuilt(String),
}

/// Runs the mutants whose name contains the argument, or all.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let wanted = match args {
        [] => "",
        [flag] if flag == "--list" => {
            mutants().for_each(|mutant| println!("{}", mutant.name));
            return Ok(());
        }
        [part] if !part.starts_with('-') => part,
        [other, ..] => return Err(unexpected(other)),
    };
    let chosen: Vec<_> = mutants()
        .filter(|mutant| mutant.name.contains(wanted))
        .collect();
    let copy = Copy::make().map_err(Stop::Failed)?;
    copy.is_sound(&chosen).map_err(Stop::Failed)?;
    let (mut killed, mut others) = (0, Vec::new());
    for (at, mutant) in chosen.iter().enumerate() {
        eprintln!("[{}/{}] {}", at + 1, chosen.len(), mutant.name);
        match copy.try_out(mutant).map_err(Stop::Failed)? {
            End::Killed(by) => {
                killed += 1;
                println!("killed    {}\n          by {by}", mutant.name);
            }
            End::Survived => {
                println!("SURVIVED  {}", mutant.name);
                others.push(mutant.name);
            }
            End::Unbuilt(why) => {
                println!("UNBUILT   {}\n{why}", mutant.name);
                others.push(mutant.name);
            }
        }
    }
    println!("{killed} of {} mutants were killed", chosen.len());
    if others.is_empty() {
        Ok(())
    } else {
        Err(Stop::Failed(format!("not killed: {}", others.join("; "))))
    }
}

impl Mutant {
    /// The text with the edit, where what it replaces is there exactly once.
    pub(crate) fn apply(&self, text: &str) -> Option<String> {
        (text.matches(self.find).count() == 1).then(|| text.replace(self.find, self.replace))
    }
}

/// A copy of the checkout, with a target folder of its own: cargo takes two checkouts of one
/// workspace for the same packages, and the one would be given what the other was broken into.
struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn make() -> Result<Self, String> {
        let folder = repo::root().join("target").join("mutants");
        let (root, target) = (folder.join("tree"), folder.join("target"));
        for path in repo::files()? {
            let text = fs::read(repo::root().join(&path))
                .map_err(|error| format!("{path} cannot be read: {error}"))?;
            put(&root.join(&path), &text)?;
        }
        Ok(Self { root, target })
    }

    /// Makes the edit, runs what has to notice it, and takes the edit back.
    fn try_out(&self, mutant: &Mutant) -> Result<End, String> {
        let path = self.root.join(mutant.file);
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{} cannot be read: {error}", mutant.file))?;
        let mutated = mutant
            .apply(&text)
            .ok_or_else(|| format!("the text to replace is not once in {}", mutant.file))?;
        put(&path, mutated.as_bytes())?;
        let end = self.run_killers(mutant);
        put(&path, text.as_bytes())?;
        end
    }

    /// Whether every test passes that has to fail later: one that fails anyway proves nothing.
    fn is_sound(&self, chosen: &[&Mutant]) -> Result<(), String> {
        let mut killers: Vec<_> = chosen.iter().flat_map(|mutant| mutant.killers).collect();
        killers.sort();
        killers.dedup();
        for killer in killers {
            eprintln!("without any edit: {}", killer.join(" "));
            match self.run_tests(killer)? {
                End::Survived => {}
                End::Killed(by) => return Err(format!("without any edit this fails: {by}")),
                End::Unbuilt(why) => return Err(format!("this does not build:\n{why}")),
            }
        }
        Ok(())
    }

    fn run_killers(&self, mutant: &Mutant) -> Result<End, String> {
        for killer in mutant.killers {
            match self.run_tests(killer)? {
                End::Survived => {}
                end => return Ok(end),
            }
        }
        Ok(End::Survived)
    }

    fn run_tests(&self, tests: &[&str]) -> Result<End, String> {
        let mut cargo = exec::cargo();
        exec::prepend_path(&mut cargo, &tools::NEXTEST.folder()?);
        cargo
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUST_BACKTRACE", "0")
            .args(["nextest", "run", "--locked", "--fail-fast", "--color=never"])
            .args(tests)
            .stdin(Stdio::null());
        let done = cargo
            .output()
            .map_err(|error| format!("cargo did not start: {error}"))?;
        let said = String::from_utf8_lossy(&done.stderr);
        Ok(match done.status.code() {
            Some(0) => End::Survived,
            // What nextest answers when a test failed, and only then.
            Some(100) => End::Killed(failed(&said)),
            _ => End::Unbuilt(last_lines(&said)),
        })
    }
}

/// Writes a file if it is another one: what is not touched is not built again.
fn put(path: &Path, text: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// The first test that failed, from what nextest says: `FAIL [   0.1s] (1/2) package::test name`.
fn failed(said: &str) -> String {
    let words = ["FAIL [", "SIGABRT [", "TIMEOUT ["];
    said.lines()
        .map(str::trim_start)
        .find(|line| words.iter().any(|word| line.starts_with(word)))
        .and_then(|line| line.split_once("] "))
        .map_or("a test without a name", |(_, name)| name)
        .to_owned()
}

fn last_lines(said: &str) -> String {
    let lines: Vec<_> = said.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_applies_only_where_its_text_is_once() {
        let mutant = Mutant {
            name: "a test",
            file: "a.rs",
            find: "a < b",
            replace: "true",
            killers: &[],
        };
        assert_eq!(mutant.apply("if a < b {}").as_deref(), Some("if true {}"));
        assert_eq!(mutant.apply("if a > b {}"), None);
        assert_eq!(mutant.apply("a < b && a < b"), None);
    }

    #[test]
    fn the_first_failure_is_named() {
        let said = "   PASS [ 0.1s] (1/3) a::b c\n    FAIL [   0.2s] (2/3) a::b two words\n";
        assert_eq!(failed(said), "(2/3) a::b two words");
        assert_eq!(failed("nothing"), "a test without a name");
    }

    #[test]
    fn every_mutant_has_a_killer() {
        for mutant in mutants() {
            assert!(!mutant.killers.is_empty(), "{}", mutant.name);
            assert_ne!(mutant.find, mutant.replace, "{}", mutant.name);
        }
    }
}
