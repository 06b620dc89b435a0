//! A process that may open no more files. It has a test binary of its own, because the limit is the
//! whole process's.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

#[path = "rig/mod.rs"]
mod rig;

use std::{fs::File, os::fd::AsRawFd};

use rig::{Rig, Upstream, until};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const ASKS: &[u8] = b"GET /free HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// Reads one answer, or to the end.
async fn read(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    while !all.ends_with(b"ok") && stream.read_buf(&mut all).await.unwrap_or(0) > 0 {}
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn where_no_more_files_can_be_opened_unused_connections_make_room_and_what_is_paid_goes_on() {
    let upstream = Upstream::says(OK).await;
    let rules =
        "[log]\nformat = \"off\"\n[routes]\n\"GET /free\" = \"free\"\n\"GET /paid\" = \"$0.002\"\n";
    let rig = Rig::open(&upstream.url(), rules).await;
    let credential = rig.credential("GET", "/paid", b"").await;
    let mut unused = Vec::new();
    for _ in 0..6 {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        stream.write_all(ASKS).await.unwrap();
        assert!(read(&mut stream).await.ends_with("ok"));
        unused.push(stream);
    }
    until("what was asked for is over", async || {
        let metrics = rig.gateway.metrics().await;
        metrics.contains("farthing_connections 6\n")
    })
    .await;

    // One more file can be opened, and that is the client's side of a connection.
    let before = getrlimit(Resource::Nofile);
    let next = File::open("/dev/null").unwrap().as_raw_fd();
    let mut tight = before;
    tight.current = Some(u64::try_from(next).unwrap() + 1);
    setrlimit(Resource::Nofile, tight).unwrap();
    let mut late = TcpStream::connect(rig.address).await.unwrap();
    assert!(File::open("/dev/null").is_err(), "there is room left");
    for stream in &mut unused {
        assert_eq!(read(stream).await, "", "it was not ended");
    }
    let pays = format!(
        "GET /paid HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {credential}\r\nConnection: close\r\n\r\n"
    );
    late.write_all(pays.as_bytes()).await.unwrap();
    let answer = read(&mut late).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("ok"), "{answer}");
    rig.assert_moved(2_000).await;
    setrlimit(Resource::Nofile, before).unwrap();
}
