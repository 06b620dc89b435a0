//! Who asks: `wrk` where any request will do, and a client of our own where each is another.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use farthing::{
    core::{
        header::{authorization, www_authenticate},
        noun::{Credential, Source},
        port::{
            clock::Clock as _,
            payer::{Offer, Payer as _},
        },
    },
    ledger::{AccountKey, LedgerPayer},
};

use crate::{
    Failed,
    process::{OTHERS, Server, pinned},
};

/// What a server did in a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Processor time a request, in nanoseconds.
    pub(crate) cpu: f64,
}

/// As many requests as fit into so many seconds, over 64 connections.
pub(crate) fn load(server: &Server, path: &str, seconds: u32) -> Result<Load, Failed> {
    let before = server.cpu()?;
    let url = format!("http://{}{path}", server.address);
    let duration = format!("{seconds}s");
    let done = pinned(OTHERS, Path::new("wrk"))
        .args(["-t1", "-c64", "-d", &duration, &url])
        .output()?;
    let used = server.cpu()? - before;
    let said = String::from_utf8(done.stdout)?;
    let number = |before: &str| {
        let rest = said.split_once(before)?.1;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    };
    let rate = number("Requests/sec:").ok_or_else(|| format!("wrk said: {said}"))?;
    let requests = said
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .and_then(|(count, _)| count.parse::<f64>().ok())
        .ok_or("wrk did not count")?;
    if said.contains("Socket errors") {
        return Err(format!("requests failed: {said}").into());
    }
    Ok(Load {
        rate,
        cpu: used.as_secs_f64() * 1e9 / requests,
    })
}

/// How long the first byte of a body takes.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn first_byte(address: SocketAddr, path: &str) -> Result<Duration, Failed> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let begun = Instant::now();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")?;
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let more = stream.read(&mut buffer)?;
        if more == 0 {
            return Err("the stream ended before its first byte".into());
        }
        seen.extend_from_slice(&buffer[..more]);
        if seen.windows(5).any(|five| five == b"data:") {
            return Ok(begun.elapsed());
        }
    }
}

/// So many streams that have begun and do not end.
pub(crate) fn hold(
    address: SocketAddr,
    path: &str,
    streams: usize,
) -> Result<Vec<TcpStream>, Failed> {
    let open = || -> Result<TcpStream, Failed> {
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")?;
        let mut buffer = [0; 4096];
        let mut seen = Vec::new();
        while !seen.windows(5).any(|five| five == b"data:") {
            let more = stream.read(&mut buffer)?;
            if more == 0 {
                return Err("a stream was not begun".into());
            }
            seen.extend_from_slice(&buffer[..more]);
        }
        Ok(stream)
    };
    (0..streams).map(|_| open()).collect()
}

/// Buys so often, over 64 connections at once: asks for a price, signs, and pays. The challenges
/// and signatures are made before the stretch that is measured.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn pay(
    server: &Server,
    path: &str,
    buyer: AccountKey,
    count: usize,
) -> Result<Load, Failed> {
    let requests = credentials(server.address, path, buyer, count)?;
    let before = server.cpu()?;
    let begun = Instant::now();
    let good: usize = std::thread::scope(|scope| {
        let lists = requests.chunks(count.div_ceil(64));
        let asking: Vec<_> = lists
            .map(|list| scope.spawn(move || send(server.address, list)))
            .collect();
        asking
            .into_iter()
            .map(|one| one.join().map_err(|_| "a client panicked")?)
            .sum::<Result<usize, Failed>>()
    })?;
    let took = begun.elapsed();
    let used = server.cpu()? - before;
    if good != count {
        return Err(format!("{good} of {count} payments were answered with 200").into());
    }
    Ok(Load {
        rate: count as f64 / took.as_secs_f64(),
        cpu: used.as_secs_f64() * 1e9 / count as f64,
    })
}

fn send(address: SocketAddr, requests: &[String]) -> Result<usize, Failed> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut good = 0;
    for request in requests {
        good += usize::from(ask(&mut stream, request)?.starts_with("HTTP/1.1 200"));
    }
    Ok(good)
}

/// Sends a request and reads the whole answer; returns its head.
fn ask(stream: &mut TcpStream, request: &str) -> Result<String, Failed> {
    stream.write_all(request.as_bytes())?;
    let (mut seen, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse::<usize>()
                    .ok()
            });
            if seen.len() >= end + 4 + length.unwrap_or_default() {
                return Ok(head);
            }
        }
        let more = stream.read(&mut buffer)?;
        if more == 0 {
            return Err("the server closed the connection".into());
        }
        seen.extend_from_slice(&buffer[..more]);
    }
}

fn credentials(
    address: SocketAddr,
    path: &str,
    buyer: AccountKey,
    count: usize,
) -> Result<Vec<String>, Failed> {
    let source = Source::new(buyer.account().did().as_str()).ok();
    let payer = LedgerPayer::new(buyer);
    let runtime = tokio::runtime::Runtime::new()?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let unpaid = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    let mut requests = Vec::with_capacity(count);
    for _ in 0..count {
        let head = ask(&mut stream, &unpaid)?;
        let line = head
            .lines()
            .find_map(|line| {
                line.split_once(": ")
                    .filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"))
            })
            .ok_or_else(|| format!("no price was asked: {head}"))?;
        let challenge = www_authenticate::parse([line.1.as_bytes()]).remove(0)?;
        let offer = Offer {
            request: challenge.request.decode()?,
            challenge,
        };
        let proof = runtime.block_on(payer.sign(&offer, farthing::clock::SystemClock.now()))?;
        let credential = authorization::format(&Credential {
            challenge: offer.challenge,
            source: source.clone(),
            payload: proof.payload,
        });
        requests.push(format!(
            "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {credential}\r\n\r\n"
        ));
    }
    Ok(requests)
}
