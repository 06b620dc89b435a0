//! What a row says: a line for people, an object for programs.

use serde::Serialize;

use crate::{
    count,
    rows::{Peer, Row, Unit},
    turns::{self, Both, Outcome},
};

/// A row, measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// What we need for a request.
    pub ours: f64,
    /// What the floor needs for it.
    pub floor: f64,
    /// What a peer needs for it, where one was measured.
    pub peer: Option<f64>,
    /// The peer's ratio to the floor.
    pub peer_ratio: Option<f64>,
    /// What `ours`, `floor` and `peer` are.
    pub unit: &'static str,
    /// The median of the ratios of the turns; for instructions the ratio itself.
    pub ratio: f64,
    /// What the ratio should not exceed, where there is such a goal.
    pub goal: Option<f64>,
    /// How many turns were taken. Instructions do not change from turn to turn.
    pub runs: usize,
    /// Instructions a request, where they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Both>,
    /// Allocations a request, where they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocations: Option<Both>,
    /// The processor's nanoseconds a request in all threads, for a row that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Both>,
    /// Flushes of the disk a request, for a row that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flushes: Option<Both>,
    /// Milliseconds that half of the requests took at the most, where several were under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<Both>,
    /// Milliseconds that all but one in a hundred took at the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<Both>,
    /// Bytes a channel takes in memory, for a row that has many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_bytes: Option<f64>,
}

impl Report {
    /// Measures a row.
    #[must_use]
    pub fn of(row: &Row, runs: usize, peer: Option<&Peer>) -> Self {
        let Outcome {
            time,
            ratio,
            cpu,
            flushes,
            latency,
            peer: timed,
            runs,
        } = turns::take(row, runs, peer);
        let waits = row.unit == Unit::Wall;
        let countable = row.is_countable();
        let instructions = countable.then(|| count::instructions(row)).flatten();
        let allocations = countable.then(|| count::allocations(row)).flatten();
        let by_instructions = instructions.filter(|_| row.unit == Unit::Instructions);
        let peers = match by_instructions {
            None => timed,
            Some(counted) => peer
                .and_then(|_| count::instructions_of(row, "peer"))
                .map(|needs| (needs, needs / counted.floor)),
        };
        Self {
            name: row.name,
            ours: by_instructions.unwrap_or(time).ours,
            floor: by_instructions.unwrap_or(time).floor,
            peer: peers.map(|(needs, _)| needs),
            peer_ratio: peers.map(|(_, ratio)| ratio),
            unit: match (by_instructions, row.unit) {
                (Some(_), _) => "instructions",
                (None, Unit::Wall) => "ns",
                (None, _) => "ns of CPU",
            },
            ratio: by_instructions.map_or(ratio, |counted| counted.ours / counted.floor),
            goal: row.goal,
            runs,
            instructions,
            allocations,
            cpu: waits.then_some(cpu),
            flushes: waits.then_some(flushes),
            p50: latency.map(|(half, _)| half),
            p99: latency.map(|(_, most)| most),
            channel_bytes: row.channels.and_then(count::channel_bytes),
        }
    }

    /// Whether the goal is met.
    #[must_use]
    pub fn meets_its_goal(&self) -> bool {
        self.goal.is_none_or(|goal| self.ratio <= goal)
    }

    /// The line of the table.
    #[must_use]
    pub fn line(&self) -> String {
        let (goal, verdict) = match self.goal {
            None => ("-".to_owned(), ""),
            Some(goal) if self.ratio <= goal => (format!("{goal:.2}x"), "met"),
            Some(goal) => (format!("{goal:.2}x"), "MISSED"),
        };
        let mut line = format!(
            "{:<30} {:>10.0} {:>10.0} {:<12} {:>6.2}x {goal:>7}  {verdict:<8}",
            self.name, self.ours, self.floor, self.unit, self.ratio
        );
        let mut more = Vec::new();
        if let (Some(needs), Some(ratio)) = (self.peer, self.peer_ratio) {
            more.push(format!(
                "peer {needs:.0} = {ratio:.2}x, {:.1} times ours",
                needs / self.ours
            ));
        }
        if let Some(counted) = self.instructions.filter(|_| self.unit != "instructions") {
            more.push(format!(
                "instructions {:.0} / {:.0} = {:.2}x",
                counted.ours,
                counted.floor,
                counted.ours / counted.floor
            ));
        }
        if let Some(counted) = self.allocations {
            more.push(format!(
                "allocations {:.1} / {:.1}",
                counted.ours, counted.floor
            ));
        }
        if let Some(cpu) = self.cpu {
            more.push(format!("CPU {:.0} / {:.0} ns", cpu.ours, cpu.floor));
        }
        if let Some(flushes) = self.flushes {
            more.push(format!(
                "flushes {:.3} / {:.3}",
                flushes.ours, flushes.floor
            ));
        }
        if let Some((half, most)) = self.p50.zip(self.p99) {
            more.push(format!(
                "p50 {:.2} / {:.2} ms, p99 {:.2} / {:.2} ms",
                half.ours, half.floor, most.ours, most.floor
            ));
        }
        if let Some(bytes) = self.channel_bytes {
            more.push(format!("{bytes:.0} bytes a channel"));
        }
        line.push_str(&more.join(", "));
        line.trim_end().to_owned()
    }
}

/// The head of the table.
#[must_use]
pub fn head() -> String {
    format!(
        "{:<30} {:>10} {:>10} {:<12} {:>7} {:>7}  {:<8}and a request's (ours / floor)",
        "row", "ours", "floor", "unit", "ratio", "goal", "verdict"
    )
}
