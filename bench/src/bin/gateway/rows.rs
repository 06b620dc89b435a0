//! The rows: what is asked of each server, and the goal.

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    Failed, ask,
    contenders::{self, FREE, PAID},
    process::{OTHERS, Server, pinned},
};

/// What is to be measured, and how long.
pub(crate) struct Wanted {
    pub(crate) farthing: PathBuf,
    pub(crate) runs: usize,
    pub(crate) seconds: u32,
    pub(crate) filter: Option<String>,
}

/// A row, measured.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
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

impl Row {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Row {
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

/// Runs the rows that are wanted and shows each as it is done.
pub(crate) fn run(wanted: &Wanted, mut show: impl FnMut(&Row)) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let is_wanted = |name: &str| {
        wanted
            .filter
            .as_deref()
            .is_none_or(|part| name.contains(part))
    };
    if is_wanted("gateway_check") {
        show(&check(wanted, folder.path())?);
    }
    let upstream = contenders::upstream()?;
    let gateway = contenders::gateway(&wanted.farthing, folder.path(), upstream.address)?;
    if is_wanted("gateway_idle") {
        std::thread::sleep(Duration::from_secs(1));
        let idle = gateway.server.memory()? as f64 / 1024.0;
        show(&alone("gateway_idle", idle, "MiB", 30.0));
    }
    if is_wanted("gateway_start") {
        show(&start(wanted, &gateway.config)?);
    }
    let forwarder = contenders::forwarder(upstream.address)?;
    if is_wanted("gateway_free") {
        let nginx = contenders::nginx(folder.path(), upstream.address)?;
        free(
            wanted,
            &gateway.server,
            &forwarder,
            nginx.as_ref(),
            &mut show,
        )?;
    }
    if is_wanted("gateway_402") {
        let empty = contenders::empty()?;
        show(&offer(wanted, &gateway.server, &empty)?);
    }
    if is_wanted("gateway_paid") {
        paid(wanted, &gateway, &forwarder, &mut show)?;
    }
    if is_wanted("gateway_stream") {
        streams(&gateway.server, &forwarder, &upstream, &mut show)?;
    }
    Ok(())
}

fn free(
    wanted: &Wanted,
    gateway: &Server,
    forwarder: &Server,
    nginx: Option<&Server>,
    show: &mut impl FnMut(&Row),
) -> Result<(), Failed> {
    let (mut ours, mut bare, mut peer) = (Vec::new(), Vec::new(), Vec::new());
    for server in [Some(gateway), Some(forwarder), nginx]
        .into_iter()
        .flatten()
    {
        ask::load(server, FREE, 1)?;
    }
    for _ in 0..wanted.runs {
        ours.push(ask::load(gateway, FREE, wanted.seconds)?);
        bare.push(ask::load(forwarder, FREE, wanted.seconds)?);
        if let Some(nginx) = nginx {
            peer.push(ask::load(nginx, FREE, wanted.seconds)?);
        }
    }
    let of = |loads: &[ask::Load], part: fn(&ask::Load) -> f64| median(loads.iter().map(part));
    let (cpu, rate) = (|load: &ask::Load| load.cpu, |load: &ask::Load| load.rate);
    show(&less(
        "gateway_free_cpu",
        of(&ours, cpu),
        of(&bare, cpu),
        "forwarder",
        "ns of CPU",
        Some(1.15),
    ));
    show(&more(
        "gateway_free_rate",
        of(&ours, rate),
        of(&bare, rate),
        "forwarder",
        None,
    ));
    if nginx.is_some() {
        show(&less(
            "gateway_free_cpu_nginx",
            of(&ours, cpu),
            of(&peer, cpu),
            "nginx",
            "ns of CPU",
            None,
        ));
        show(&more(
            "gateway_free_rate_nginx",
            of(&ours, rate),
            of(&peer, rate),
            "nginx",
            Some(0.9),
        ));
    }
    Ok(())
}

fn offer(wanted: &Wanted, gateway: &Server, empty: &Server) -> Result<Row, Failed> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..wanted.runs {
        ours.push(ask::load(gateway, PAID, wanted.seconds)?.rate);
        bare.push(ask::load(empty, "/", wanted.seconds)?.rate);
    }
    let (ours, bare) = (median(ours.into_iter()), median(bare.into_iter()));
    Ok(more("gateway_402_rate", ours, bare, "empty 200", Some(0.7)))
}

fn paid(
    wanted: &Wanted,
    gateway: &contenders::Gateway,
    forwarder: &Server,
    show: &mut impl FnMut(&Row),
) -> Result<(), Failed> {
    const PAYMENTS: usize = 4096;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..wanted.runs.min(3) {
        ours.push(ask::pay(
            &gateway.server,
            PAID,
            contenders::buyer()?,
            PAYMENTS,
        )?);
        bare.push(ask::load(forwarder, FREE, wanted.seconds)?);
    }
    let cpu = |loads: &[ask::Load]| median(loads.iter().map(|load| load.cpu));
    show(&less(
        "gateway_paid_cpu",
        cpu(&ours),
        cpu(&bare),
        "forwarder",
        "ns of CPU",
        None,
    ));
    let rate = |loads: &[ask::Load]| median(loads.iter().map(|load| load.rate));
    show(&more(
        "gateway_paid_rate",
        rate(&ours),
        rate(&bare),
        "forwarder",
        None,
    ));
    Ok(())
}

fn streams(
    gateway: &Server,
    forwarder: &Server,
    upstream: &Server,
    show: &mut impl FnMut(&Row),
) -> Result<(), Failed> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        ours.push(ask::first_byte(gateway.address, "/stream")?.as_secs_f64() * 1e3);
        bare.push(ask::first_byte(forwarder.address, "/stream")?.as_secs_f64() * 1e3);
    }
    let over = median(ours.into_iter()) - median(bare.into_iter());
    show(&alone("gateway_stream_first_byte", over, "ms over", 1.0));
    const STREAMS: usize = 400;
    // Not the first: what a server allocates once is not a stream's.
    drop(ask::hold(gateway.address, "/stream", STREAMS)?);
    std::thread::sleep(Duration::from_millis(500));
    let before = gateway.memory()?;
    let held = ask::hold(gateway.address, "/stream", STREAMS)?;
    let more = ask::hold(gateway.address, "/stream", STREAMS)?;
    let after = gateway.memory()?;
    drop((held, more));
    let each = after.saturating_sub(before) as f64 / (2 * STREAMS) as f64;
    show(&alone("gateway_stream_memory", each, "KiB each", 32.0));
    let _ = upstream;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn start(wanted: &Wanted, config: &std::path::Path) -> Result<Row, Failed> {
    let mut took = Vec::new();
    for _ in 0..wanted.runs {
        let begun = Instant::now();
        let server = contenders::start(&wanted.farthing, config)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        drop(server);
    }
    Ok(alone(
        "gateway_start",
        median(took.into_iter()),
        "ms",
        300.0,
    ))
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn check(wanted: &Wanted, folder: &std::path::Path) -> Result<Row, Failed> {
    let file = contenders::many_routes(folder, 1000)?.display().to_string();
    let mut took = Vec::new();
    for _ in 0..wanted.runs {
        let mut command = pinned(OTHERS, &wanted.farthing);
        command.args(["gateway", "check", "--config", &file]);
        let begun = Instant::now();
        let done = command.output()?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        if !done.status.success() {
            return Err(format!("check failed: {}", String::from_utf8_lossy(&done.stderr)).into());
        }
    }
    Ok(alone(
        "gateway_check_1000",
        median(took.into_iter()),
        "ms",
        200.0,
    ))
}

fn less(
    name: &'static str,
    ours: f64,
    other: f64,
    against: &'static str,
    unit: &'static str,
    goal: Option<f64>,
) -> Row {
    Row {
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

fn more(
    name: &'static str,
    ours: f64,
    other: f64,
    against: &'static str,
    goal: Option<f64>,
) -> Row {
    Row {
        name,
        ours,
        other: Some(other),
        against,
        unit: "requests/s",
        value: ours / other,
        goal,
        more: true,
    }
}

const fn alone(name: &'static str, ours: f64, unit: &'static str, goal: f64) -> Row {
    Row {
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

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
