//! A hand-made server that answers what a test wants, and remembers what it was sent.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use farthing::core::encoding::base64url;
use serde_json::json;

/// Somebody else's account.
pub(crate) const PAYEE: &str = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";

/// No two challenges have one id.
static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Shop {
    pub(crate) at: SocketAddr,
    /// The heads of the requests, as they came.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    /// Answers each request by a function of its head and of our own address.
    pub(crate) fn open(answer: impl Fn(&str, SocketAddr) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = read(&stream);
                let answer = answer(&head, at);
                shared.lock().unwrap().push(head);
                // A client that went away is its own affair.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { at, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/thing", self.at)
    }

    /// The credentials that came in, without their scheme.
    pub(crate) fn credentials(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let lines = seen.iter().flat_map(|head| head.lines());
        lines
            .filter_map(|line| line.strip_prefix("authorization: Payment "))
            .map(str::to_owned)
            .collect()
    }
}

fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// An answer that closes the connection.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// A challenge of the ledger, as a header line.
pub(crate) fn asks(realm: &str, method: &str, amount: &str) -> String {
    let request = json!({ "amount": amount, "currency": "usd6", "recipient": PAYEE });
    let request = base64url::encode(request.to_string());
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "www-authenticate: Payment id=\"challenge-{id}\", realm=\"{realm}\", method=\"{method}\", \
         intent=\"charge\", request=\"{request}\", expires=\"{}\"\r\n",
        soon()
    )
}

pub(crate) fn is_paid(head: &str) -> bool {
    head.contains("authorization: Payment ")
}

/// A problem, as the headers and the body of an answer.
pub(crate) fn problem(kind: &str, members: &str) -> (String, String) {
    let headers = "content-type: application/problem+json\r\n".to_owned();
    (
        headers,
        format!("{{\"type\":\"{kind}\",\"title\":\"T\"{members}}}"),
    )
}

fn soon() -> String {
    use farthing::{clock::SystemClock, core::port::clock::Clock};
    let end = SystemClock
        .now()
        .saturating_add(std::time::Duration::from_secs(60));
    end.to_string()
}
