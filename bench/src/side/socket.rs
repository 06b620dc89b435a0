//! A server behind a socket of the loopback. The client has a thread of its own, and what it costs
//! is not counted: only the thread that serves is.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, runtime::Builder};
use tower::{Service, ServiceExt as _};

use super::{
    ask::{Ask, client},
    call::Asks,
    wire::settle,
};
use crate::measure::{Side, measured_stretch};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A service that is asked in HTTP/1.1 over a socket, one request after the other.
pub(crate) fn over_socket<S, B>(service: S, mut asks: Asks, status: &'static str) -> Side
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system gives a runtime its poll");
    let listener = runtime
        .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .expect("the loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    Box::new(move |count| {
        let requests: Vec<Bytes> = asks(&runtime, count).iter().map(Ask::to_bytes).collect();
        let asking = thread::spawn(move || ask_all(address, &requests, status));
        let service = service.clone().map_request(|request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(client());
            request
        });
        let mut service = Some(TowerToHyperService::new(service));
        let spent = measured_stretch(&mut || {
            runtime.block_on(async {
                let (stream, _) = listener.accept().await.expect("the client connects");
                stream.set_nodelay(true).expect("a connection can be told");
                let service = service.take().expect("this runs once");
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A connection that failed shows in what was counted.
                let _ = serving.await;
                settle().await;
            });
        });
        let answered = asking.join().expect("the client does not panic");
        assert_eq!(answered, count, "every request is answered with {status}");
        spent
    })
}

/// Sends the requests and reads the answers. Returns how many were as they should be.
fn ask_all(address: SocketAddr, requests: &[Bytes], status: &str) -> usize {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a connection can be told");
    let (mut buffer, mut good) = ([0; 16 * 1024], 0);
    for request in requests {
        stream.write_all(request).expect("the server reads");
        let mut filled = 0;
        while !is_whole(&buffer[..filled]) {
            let more = stream.read(&mut buffer[filled..]).expect("it answers");
            assert!(more > 0, "the server stays until everything is answered");
            filled += more;
        }
        good += usize::from(buffer[9..].starts_with(status.as_bytes()));
    }
    good
}

/// Whether the head is there, and as many bytes after it as it says.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let said = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length = said
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= head + 4 + length)
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert!(is_whole(answer));
        for cut in 0..answer.len() {
            assert!(!is_whole(&answer[..cut]), "{cut}");
        }
    }
}
