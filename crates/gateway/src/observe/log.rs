//! The access log: a line a request, written by a thread of its own.
//!
//! A request never waits for whoever reads the log. What waits to be written is bounded, and what
//! finds no place is counted and dropped. Of a request the log has its path without the query;
//! never a header, a body, a credential.

use std::{
    fmt::Write as _,
    io::{self, Write},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use farthing::core::{
    header::payment_receipt, intent::session::ChannelId, noun::session::SessionReceipt,
    value::Timestamp,
};
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;
use tokio::sync::oneshot;

use super::metrics::{Metrics, RouteMetrics};
use crate::config::LogFormat;

/// Where the access log goes.
#[derive(Default)]
pub enum Sink {
    /// To stderr.
    #[default]
    Stderr,
    /// To somebody else.
    Writer(Box<dyn Write + Send>),
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stderr => "Sink::Stderr",
            Self::Writer(_) => "Sink::Writer",
        })
    }
}

/// Lines that may wait.
const WAITING: usize = 4096;

/// Bytes that are written at once, where lines wait.
const TOGETHER: usize = 64 * 1024;

/// How long the last lines may take at the end.
const AT_THE_END: Duration = Duration::from_secs(1);

/// What there is to say of a request.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    pub(crate) client: IpAddr,
    pub(crate) method: Method,
    pub(crate) path: Box<str>,
    /// None where nobody waited for an answer any more.
    pub(crate) status: Option<StatusCode>,
    pub(crate) route: Arc<RouteMetrics>,
    pub(crate) paid: bool,
    /// The channel that pays for a stream.
    pub(crate) channel: Option<ChannelId>,
    /// What else was paid, and by which channel, is in here.
    pub(crate) receipt: Option<HeaderValue>,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
    /// Whether the answer went out to its end.
    pub(crate) whole: bool,
}

enum Message {
    Entry(Box<Entry>),
    Flush(oneshot::Sender<()>),
}

/// The access log of a gateway.
#[derive(Debug)]
pub(crate) struct AccessLog {
    format: Arc<AtomicU8>,
    messages: SyncSender<Message>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    pub(crate) fn start(sink: Sink, format: LogFormat, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (messages, waiting) = sync_channel(WAITING);
        let format = Arc::new(AtomicU8::new(number(format)));
        let shared = Arc::clone(&format);
        let sink: Box<dyn Write + Send> = match sink {
            Sink::Stderr => Box::new(io::stderr()),
            Sink::Writer(writer) => writer,
        };
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write(&waiting, sink, &shared))?;
        Ok(Self {
            format,
            messages,
            metrics,
        })
    }

    pub(crate) fn is_on(&self) -> bool {
        self.format.load(Ordering::Relaxed) != number(LogFormat::Off)
    }

    pub(crate) fn set(&self, format: LogFormat) {
        self.format.store(number(format), Ordering::Relaxed);
    }

    pub(crate) fn write(&self, entry: Box<Entry>) {
        if self.messages.try_send(Message::Entry(entry)).is_err() {
            self.metrics
                .log_lines_dropped
                .fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was said is written, for a moment: nobody may read it any more.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        let mut message = Message::Flush(done);
        let waited = async {
            while let Err(TrySendError::Full(back)) = self.messages.try_send(message) {
                message = back;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let _ = written.await;
        };
        let _ = tokio::time::timeout(AT_THE_END, waited).await;
    }
}

const fn number(format: LogFormat) -> u8 {
    match format {
        LogFormat::Lines => 0,
        LogFormat::Json => 1,
        LogFormat::Off => 2,
    }
}

/// Writes until nobody is left who could say something.
fn write(waiting: &Receiver<Message>, mut sink: Box<dyn Write + Send>, format: &AtomicU8) {
    let mut text = String::new();
    let mut flushed = Vec::new();
    while let Ok(message) = waiting.recv() {
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Entry(entry) => {
                    let is_json = format.load(Ordering::Relaxed) == number(LogFormat::Json);
                    put(&mut text, &entry, is_json);
                }
                Message::Flush(done) => flushed.push(done),
            }
            next = (text.len() < TOGETHER)
                .then(|| waiting.try_recv().ok())
                .flatten();
        }
        // Whoever was to read it is gone: that is no reason to stop serving.
        let _ = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
        text.clear();
        for done in flushed.drain(..) {
            let _ = done.send(());
        }
    }
}

impl Entry {
    /// The channel that it was paid out of, or that it opened, closed, or was about.
    fn channel(&self) -> Option<ChannelId> {
        let receipt = || {
            let receipt = payment_receipt::parse(self.receipt.as_ref()?.to_str().ok()?).ok()?;
            Some(SessionReceipt::read(&receipt).ok()?.channel)
        };
        self.channel.clone().or_else(receipt)
    }
}

fn put(text: &mut String, entry: &Entry, is_json: bool) {
    let micros = u64::try_from(entry.time.as_micros()).unwrap_or(u64::MAX);
    let done = if is_json {
        let line = json!({
            "at": entry.at.to_string(),
            "client": entry.client.to_string(),
            "method": entry.method.as_str(),
            "path": &*entry.path,
            "status": entry.status.map(|status| status.as_u16()),
            "bytes": entry.bytes,
            "micros": micros,
            "route": &*entry.route.name,
            "paid": entry.paid,
            "channel": entry.channel().as_ref().map(ChannelId::as_str),
            "whole": entry.whole,
        });
        writeln!(text, "{line}")
    } else {
        let paid = match (entry.paid, entry.channel()) {
            (_, Some(channel)) => format!(" paid by {}", channel.as_str().escape_debug()),
            (true, None) => " paid".to_owned(),
            (false, None) => String::new(),
        };
        let cut = if entry.whole { "" } else { " cut" };
        let status = entry.status.as_ref().map_or("-", StatusCode::as_str);
        writeln!(
            text,
            "{} {} {} {} {status} {}B {}.{:03}ms [{}]{paid}{cut}",
            entry.at,
            entry.client,
            entry.method,
            // What is in a path cannot end the line or move a cursor.
            entry.path.escape_debug(),
            entry.bytes,
            micros / 1000,
            micros % 1000,
            entry.route.name,
        )
    };
    // A text in memory takes what it is given.
    let _ = done;
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use farthing::core::value::Amount;

    use super::*;

    fn entry(metrics: &Metrics, path: &str) -> Box<Entry> {
        Box::new(Entry {
            at: Timestamp::from_secs(1_800_000_000),
            client: [192, 0, 2, 1].into(),
            method: Method::GET,
            path: path.into(),
            status: Some(StatusCode::OK),
            route: metrics.route("GET /a/*"),
            paid: true,
            channel: None,
            receipt: None,
            bytes: 12,
            time: Duration::from_micros(1_500),
            whole: false,
        })
    }

    struct Pipe(mpsc::Sender<Vec<u8>>, Option<mpsc::Receiver<()>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(gate) = &self.1 {
                let _ = gate.recv();
            }
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_for_people_and_one_for_programs() {
        let metrics = Metrics::new();
        let mut text = String::new();
        put(&mut text, &entry(&metrics, "/a/\u{1b}[2J\n"), false);
        assert_eq!(
            text,
            "2027-01-15T08:00:00Z 192.0.2.1 GET /a/\\u{1b}[2J\\n 200 12B 1.500ms [GET /a/*] paid cut\n"
        );
        text.clear();
        put(&mut text, &entry(&metrics, "/a/\"\n"), true);
        assert_eq!(
            text,
            "{\"at\":\"2027-01-15T08:00:00Z\",\"bytes\":12,\"channel\":null,\"client\":\"192.0.2.1\",\"method\":\"GET\",\
             \"micros\":1500,\"paid\":true,\"path\":\"/a/\\\"\\n\",\"route\":\"GET /a/*\",\"status\":200,\
             \"whole\":false}\n"
        );
    }

    #[test]
    fn a_line_names_the_channel_that_paid() {
        let metrics = Metrics::new();
        let channel: ChannelId = "0x00ff".parse().unwrap();
        let receipt = SessionReceipt {
            method: "fake".parse().unwrap(),
            at: Timestamp::from_secs(1_800_000_000),
            challenge: "c".parse().unwrap(),
            channel: channel.clone(),
            accepted: Amount::new(9),
            spent: Amount::new(7),
            units: None,
            transaction: None,
        };
        let mut streamed = entry(&metrics, "/a/b");
        streamed.channel = Some(channel);
        let mut told = entry(&metrics, "/a/b");
        told.receipt = Some(payment_receipt::session_to_header(&receipt));
        for entry in [streamed, told] {
            let mut text = String::new();
            put(&mut text, &entry, false);
            assert!(text.ends_with(" [GET /a/*] paid by 0x00ff cut\n"), "{text}");
            text.clear();
            put(&mut text, &entry, true);
            assert!(text.contains(",\"channel\":\"0x00ff\","), "{text}");
        }
        let mut odd = entry(&metrics, "/a/b");
        odd.receipt = Some(HeaderValue::from_static("no receipt"));
        let mut text = String::new();
        put(&mut text, &odd, false);
        assert!(text.ends_with(" paid cut\n"), "{text}");
    }

    #[tokio::test]
    async fn nobody_waits_for_a_reader_that_does_not_read() {
        let metrics = Arc::new(Metrics::new());
        let (lines, written) = mpsc::channel();
        let (open, gate) = mpsc::channel();
        let sink = Sink::Writer(Box::new(Pipe(lines, Some(gate))));
        let log = AccessLog::start(sink, LogFormat::Lines, Arc::clone(&metrics)).unwrap();
        let said = WAITING * 2 + 10_000;
        for _ in 0..said {
            log.write(entry(&metrics, "/a/b"));
        }
        let dropped = metrics.log_lines_dropped.load(Ordering::Relaxed);
        assert!(dropped > 0);
        drop(open);
        log.flush().await;
        let lines = written.try_iter().collect::<Vec<_>>().concat();
        let lines = lines.split(|byte| *byte == b'\n').count() as u64 - 1;
        assert_eq!(lines + dropped, said as u64);
    }
}
