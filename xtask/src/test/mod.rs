//! `cargo xtask test`: the one test command, and exactly what CI runs.

mod steps;
mod trace;

use std::time::{Duration, Instant};

use crate::{Stop, unexpected};
use steps::STEPS;

/// One step of the run.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&mut Notes) -> Outcome,
}

/// How a step ended.
enum Outcome {
    Passed,
    Failed(String),
    /// It could not run here, and this is why. Never used for a step that ran and did not succeed.
    Skipped(String),
}

/// Things a passed step could not do, said again on the last lines.
type Notes = Vec<String>;

/// Runs the chosen steps, all of them also after a failure, and reports.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let wanted = Wanted::parse(args)?;
    if wanted.list {
        STEPS
            .iter()
            .for_each(|step| println!("{:9} {}", step.name, step.what));
        return Ok(());
    }
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|step| wanted.includes(step.name))
        .collect();
    let started = clock();
    let mut report = Report::default();
    for (index, step) in chosen.iter().enumerate() {
        let heading = format!("[{}/{}] {}", index + 1, chosen.len(), step.name);
        eprintln!("\n{heading}: {}", step.what);
        let began = clock();
        let outcome = (step.run)(&mut report.notes);
        eprintln!(
            "{heading}: {} in {}",
            outcome.word(),
            seconds(began.elapsed())
        );
        report.add(step.name, outcome);
    }
    eprintln!(
        "\nran {} steps in {}",
        chosen.len(),
        seconds(started.elapsed())
    );
    report.lines().iter().for_each(|line| println!("{line}"));
    if report.failed.is_empty() {
        return Ok(());
    }
    Err(Stop::Code(1))
}

#[derive(Debug, Default, PartialEq)]
struct Wanted {
    only: Vec<String>,
    skip: Vec<String>,
    list: bool,
}

impl Wanted {
    fn parse(args: &[String]) -> Result<Self, Stop> {
        let mut wanted = Self::default();
        let mut args = args.iter();
        while let Some(argument) = args.next() {
            let into = match argument.as_str() {
                "--list" => {
                    wanted.list = true;
                    continue;
                }
                "--only" => &mut wanted.only,
                "--skip" => &mut wanted.skip,
                other => return Err(unexpected(other)),
            };
            let named = args
                .next()
                .filter(|name| STEPS.iter().any(|step| step.name == *name));
            let Some(name) = named else {
                let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
                let known = known.join(", ");
                return Err(Stop::Usage(format!(
                    "{argument} takes one of the steps: {known}"
                )));
            };
            into.push(name.clone());
        }
        Ok(wanted)
    }

    fn includes(&self, step: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == step);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "SKIPPED",
        }
    }
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}

#[derive(Default)]
struct Report {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
    notes: Notes,
}

impl Report {
    fn add(&mut self, step: &str, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(why) => self.failed.push(format!("failed: {step}: {why}")),
            Outcome::Skipped(why) => self.skipped.push(format!("skipped: {step}: {why}")),
        }
    }

    /// What failed, what could not run and why, and the counts of steps on the last line.
    fn lines(&self) -> Vec<String> {
        let mut lines = self.failed.clone();
        lines.extend(self.skipped.iter().cloned());
        lines.extend(self.notes.iter().map(|note| format!("skipped: {note}")));
        let (failed, skipped) = (self.failed.len(), self.skipped.len());
        lines.push(format!(
            "{} passed, {failed} failed, {skipped} skipped",
            self.passed
        ));
        lines
    }
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a chore times its steps; no money depends on it"
)]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Wanted> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Wanted::parse(&args).ok()
    }

    #[test]
    fn steps_are_chosen_by_name_and_wrong_names_are_refused() {
        let wanted = parse("--only tidy --only typos --skip typos").unwrap();
        let chosen: Vec<&str> = STEPS
            .iter()
            .map(|step| step.name)
            .filter(|name| wanted.includes(name))
            .collect();
        assert_eq!(chosen, ["tidy"]);
        for wrong in ["--only", "--only tidyy", "tidy", "--skip --list"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_last_lines_say_what_failed_what_could_not_run_and_the_counts() {
        let mut report = Report::default();
        report.add("format", Outcome::Passed);
        report.add(
            "clippy",
            Outcome::Failed("`cargo clippy` ended with 101".to_owned()),
        );
        report.add("fuzz", Outcome::Skipped("no C++ compiler".to_owned()));
        report.notes.push("postgres: no server".to_owned());
        let expected = [
            "failed: clippy: `cargo clippy` ended with 101",
            "skipped: fuzz: no C++ compiler",
            "skipped: postgres: no server",
            "1 passed, 1 failed, 1 skipped",
        ];
        assert_eq!(report.lines(), expected);
    }
}
