//! The rows: what is asked of each server, and the goal.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use farthing_bench::line::{Line, median};

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

/// Runs the rows that are wanted and shows each as it is done.
pub(crate) fn run(wanted: &Wanted, mut show: impl FnMut(&Line)) -> Result<(), Failed> {
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
        show(&Line::alone("gateway_idle", idle, "MiB", 30.0));
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
    show: &mut impl FnMut(&Line),
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
    show(&Line::less(
        "gateway_free_cpu",
        of(&ours, cpu),
        of(&bare, cpu),
        "forwarder",
        "ns of CPU",
        Some(1.15),
    ));
    show(&Line::more(
        "gateway_free_rate",
        of(&ours, rate),
        of(&bare, rate),
        "forwarder",
        "requests/s",
        None,
    ));
    if nginx.is_some() {
        show(&Line::less(
            "gateway_free_cpu_nginx",
            of(&ours, cpu),
            of(&peer, cpu),
            "nginx",
            "ns of CPU",
            None,
        ));
        show(&Line::more(
            "gateway_free_rate_nginx",
            of(&ours, rate),
            of(&peer, rate),
            "nginx",
            "requests/s",
            Some(0.9),
        ));
    }
    Ok(())
}

fn offer(wanted: &Wanted, gateway: &Server, empty: &Server) -> Result<Line, Failed> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..wanted.runs {
        ours.push(ask::load(gateway, PAID, wanted.seconds)?.rate);
        bare.push(ask::load(empty, "/", wanted.seconds)?.rate);
    }
    let (ours, bare) = (median(ours.into_iter()), median(bare.into_iter()));
    Ok(Line::more(
        "gateway_402_rate",
        ours,
        bare,
        "empty 200",
        "requests/s",
        Some(0.7),
    ))
}

fn paid(
    wanted: &Wanted,
    gateway: &contenders::Gateway,
    forwarder: &Server,
    show: &mut impl FnMut(&Line),
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
    show(&Line::less(
        "gateway_paid_cpu",
        cpu(&ours),
        cpu(&bare),
        "forwarder",
        "ns of CPU",
        None,
    ));
    let rate = |loads: &[ask::Load]| median(loads.iter().map(|load| load.rate));
    show(&Line::more(
        "gateway_paid_rate",
        rate(&ours),
        rate(&bare),
        "forwarder",
        "requests/s",
        None,
    ));
    Ok(())
}

fn streams(
    gateway: &Server,
    forwarder: &Server,
    upstream: &Server,
    show: &mut impl FnMut(&Line),
) -> Result<(), Failed> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        ours.push(ask::first_byte(gateway.address, "/stream")?.as_secs_f64() * 1e3);
        bare.push(ask::first_byte(forwarder.address, "/stream")?.as_secs_f64() * 1e3);
    }
    let over = median(ours.into_iter()) - median(bare.into_iter());
    show(&Line::alone(
        "gateway_stream_first_byte",
        over,
        "ms over",
        1.0,
    ));
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
    show(&Line::alone(
        "gateway_stream_memory",
        each,
        "KiB each",
        32.0,
    ));
    let _ = upstream;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn start(wanted: &Wanted, config: &std::path::Path) -> Result<Line, Failed> {
    let mut took = Vec::new();
    for _ in 0..wanted.runs {
        let begun = Instant::now();
        let server = contenders::start(&wanted.farthing, config)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        drop(server);
    }
    Ok(Line::alone(
        "gateway_start",
        median(took.into_iter()),
        "ms",
        300.0,
    ))
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn check(wanted: &Wanted, folder: &std::path::Path) -> Result<Line, Failed> {
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
    Ok(Line::alone(
        "gateway_check_1000",
        median(took.into_iter()),
        "ms",
        200.0,
    ))
}
