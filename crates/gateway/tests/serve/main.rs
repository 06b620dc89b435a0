//! A gateway as its operator and its buyers meet it: started, paid, reloaded, watched, ended.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are the helpers of tests"
)]

#[path = "../rig/mod.rs"]
mod rig;

mod behind;
mod life;
mod limits;
mod observe;
mod reload;
mod secrets;
mod tls;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use farthing_gateway::observe::Sink;
use rig::{Conn, Upstream};
use tokio::{io::AsyncReadExt, net::TcpStream, sync::watch};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// What was written to an access log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn sink(&self) -> Sink {
        Sink::Writer(Box::new(self.clone()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An upstream whose answers begin at once and end when the test says so.
async fn holding() -> (Upstream, watch::Sender<bool>) {
    let (end, ended) = watch::channel(false);
    let upstream = Upstream::start(move |_, mut conn: Conn| {
        let mut ended = ended.clone();
        Box::pin(async move {
            conn.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
                .await;
            let _ = ended.wait_for(|ended| *ended).await;
            conn.say("4\r\nlast\r\n0\r\n\r\n").await;
        })
    })
    .await;
    (upstream, end)
}

/// Reads until a text came.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut all = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&all).contains(text) {
            let read = stream.read_buf(&mut all).await.unwrap();
            assert!(
                read > 0,
                "ended before {text:?}: {:?}",
                String::from_utf8_lossy(&all)
            );
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .unwrap_or_else(|_| panic!("never came: {text:?}"));
    String::from_utf8(all).unwrap()
}

/// The value of a metric's sample.
#[track_caller]
fn sample(text: &str, name: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .parse()
        .unwrap()
}
