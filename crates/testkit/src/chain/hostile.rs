//! A node that does not do what a node should: a server that answers as a test wants.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What is done with a request.
#[derive(Debug)]
pub enum Reply {
    /// A result for each question.
    Results(Vec<Value>),
    /// This body.
    Body(String),
    /// This status of HTTP.
    Status(u16),
    /// What another node says.
    Forward(SocketAddr),
    /// Another node gets it, and what it says is lost.
    Swallow(SocketAddr),
    /// The connection is closed.
    Close,
    /// Nothing, for as long as the other side waits.
    Hang,
    /// Bytes without an end.
    Endless,
}

/// A result for the one question.
pub fn result(value: impl Into<Value>) -> Reply {
    Reply::Results(vec![value.into()])
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct Hostile {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Hostile {
    /// Answers each request as the function says, which is given the methods asked, with commas, and the
    /// whole request.
    ///
    /// # Panics
    /// When the system gives no port.
    pub async fn start(reply: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("the system gives a port");
        let address = listener.local_addr().expect("a listener has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (reply, seen) = (Arc::new(reply), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, seen) = (reply.clone(), seen.clone());
                tokio::spawn(async move { serve(stream, &*reply, &seen).await });
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often exactly these methods were asked.
    ///
    /// # Panics
    /// When a test's function panicked.
    #[must_use]
    pub fn count(&self, methods: &str) -> usize {
        let asked = self.asked.lock().expect("nobody panics while it writes");
        asked.iter().filter(|asked| *asked == methods).count()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: &(dyn Fn(&str, &Value) -> Reply + Send + Sync),
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let body = read(&mut stream).await?;
    let asked: Value = serde_json::from_slice(&body)?;
    let several = asked.as_array().is_some();
    let all = asked
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![asked.clone()]);
    let names: Vec<&str> = all
        .iter()
        .filter_map(|one| one["method"].as_str())
        .collect();
    let names = names.join(",");
    seen.lock()
        .expect("nobody panics while it writes")
        .push(names.clone());
    let (status, body) = match reply(&names, &asked) {
        Reply::Results(results) => {
            let answers = all.iter().zip(results);
            let answers = answers
                .map(|(one, result)| json!({"jsonrpc": "2.0", "id": one["id"], "result": result}));
            let mut answers: Vec<Value> = answers.collect();
            let body = if several {
                Value::Array(answers)
            } else {
                answers.remove(0)
            };
            (200, body.to_string())
        }
        Reply::Body(body) => (200, body),
        Reply::Status(status) => (status, "<html>sorry</html>".to_owned()),
        Reply::Forward(to) => (200, forward(to, &body).await?),
        Reply::Swallow(to) => return forward(to, &body).await.map(drop),
        Reply::Close => return Ok(()),
        Reply::Hang => {
            // Until the other side gives up.
            stream.read_to_end(&mut Vec::new()).await?;
            return Ok(());
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n[").await?;
            loop {
                stream.write_all(&[b' '; 64 * 1024]).await?;
            }
        }
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut some = [0; 4096];
        let length = stream.read(&mut some).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        all.extend_from_slice(&some[..length]);
        let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
        let wanted: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |length| {
                length.trim().parse().expect("a length is a number")
            });
        if all.len() >= end + 4 + wanted {
            return Ok(all.split_off(end + 4));
        }
    }
}

pub(super) async fn forward(to: SocketAddr, body: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    let head = format!(
        "POST / HTTP/1.0\r\nHost: {to}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    Ok(body.unwrap_or_default())
}
