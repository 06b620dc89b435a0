//! A row of the programs that measure whole servers: a line for people, an object for programs.

use std::fmt;

use serde::Serialize;

/// A row, measured.
#[derive(Debug, Serialize)]
pub struct Line {
    name: &'static str,
    ours: f64,
    other: Option<f64>,
    against: &'static str,
    unit: &'static str,
    /// Ours by the other's; ours itself where nothing stands beside.
    value: f64,
    goal: Option<f64>,
    /// Whether more is better.
    more: bool,
}

impl Line {
    /// Something of ours beside the same of another, of which less is better.
    #[must_use]
    pub fn less(
        name: &'static str,
        ours: f64,
        other: f64,
        against: &'static str,
        unit: &'static str,
        goal: Option<f64>,
    ) -> Self {
        Self {
            name,
            ours,
            other: Some(other),
            against,
            unit,
            value: ours / other,
            goal,
            more: false,
        }
    }

    /// Something of ours beside the same of another, of which more is better.
    #[must_use]
    pub fn more(
        name: &'static str,
        ours: f64,
        other: f64,
        against: &'static str,
        unit: &'static str,
        goal: Option<f64>,
    ) -> Self {
        Self {
            more: true,
            ..Self::less(name, ours, other, against, unit, goal)
        }
    }

    /// Something of ours with nothing beside it, of which less is better.
    #[must_use]
    pub const fn alone(name: &'static str, ours: f64, unit: &'static str, goal: f64) -> Self {
        Self {
            name,
            ours,
            other: None,
            against: "",
            unit,
            value: ours,
            goal: Some(goal),
            more: false,
        }
    }

    /// Something of ours that has neither another beside it nor a goal.
    #[must_use]
    pub const fn plain(name: &'static str, ours: f64, unit: &'static str) -> Self {
        let mut line = Self::alone(name, ours, unit, 0.0);
        line.goal = None;
        line
    }

    /// The object.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.goal {
            None => String::new(),
            Some(goal) => {
                let met = if self.more {
                    self.value >= goal
                } else {
                    self.value <= goal
                };
                let sign = if self.more { ">=" } else { "<=" };
                format!("{sign} {goal}  {}", if met { "met" } else { "MISSED" })
            }
        };
        let other = self
            .other
            .map_or_else(String::new, |other| format!("{other:.1}"));
        write!(
            f,
            "{:<26} {:>10.1} {:>10} {:<12} {:<12} {:>7.2}  {verdict}",
            self.name, self.ours, other, self.against, self.unit, self.value
        )
    }
}

/// The one in the middle.
#[must_use]
pub fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
