//! The servers that are ours to compare with: the one behind, a forwarder that does nothing but
//! forward, and one that answers an empty 200.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use clap::ValueEnum;
use http::{Request, Response, Uri, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;

use crate::Failed;

/// Which.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum What {
    /// Answers a small JSON body; `/stream` begins one and does not end it.
    Upstream,
    /// Forwards, and nothing else.
    Forwarder,
    /// Answers an empty 200.
    Empty,
}

type AnyBody = BoxBody<Bytes, hyper::Error>;

const ANSWER: &[u8] = br#"{"city":"Ghent","sky":"clear","celsius":21}"#;

/// Serves until the process is ended.
pub(crate) fn serve(what: What, to: Option<SocketAddr>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say(listener.local_addr()?);
        match what {
            What::Upstream => accept(listener, |request| async move { Ok(answer(&request)) }).await,
            What::Empty => {
                accept(listener, |_| async {
                    Ok(Response::new(
                        Empty::new()
                            .map_err(|never: Infallible| match never {})
                            .boxed(),
                    ))
                })
                .await
            }
            What::Forwarder => {
                let to = to.ok_or("a forwarder needs --to")?;
                let mut connector = HttpConnector::new();
                connector.set_nodelay(true);
                let client: Client<_, Incoming> =
                    Client::builder(TokioExecutor::new()).build(connector);
                accept(listener, move |request| {
                    forward(client.clone(), to, request)
                })
                .await
            }
        }
    })
}

#[expect(clippy::print_stdout, reason = "whoever started it reads the address")]
fn say(address: SocketAddr) {
    println!("{address}");
}

async fn accept<S, F>(listener: TcpListener, service: S) -> Result<(), Failed>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<AnyBody>, Failed>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(service.clone());
        tokio::spawn(async move {
            // Whoever asked went away.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(request: &Request<Incoming>) -> Response<AnyBody> {
    let body = if request.uri().path() == "/stream" {
        Begun(Some(Bytes::from_static(b"data: one\n\n"))).boxed()
    } else {
        Full::new(Bytes::from_static(ANSWER))
            .map_err(|never| match never {})
            .boxed()
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

/// One chunk at once, and no end.
struct Begun(Option<Bytes>);

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Nobody wakes it again: the connection's end is its end.
        self.0.take().map_or(Poll::Pending, |first| {
            Poll::Ready(Some(Ok(Frame::data(first))))
        })
    }
}

/// The least a forwarder does: the request's address becomes the upstream's, and back.
async fn forward(
    client: Client<HttpConnector, Incoming>,
    to: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<AnyBody>, Failed> {
    let path = request.uri().path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(to.to_string())
        .path_and_query(path)
        .build()?;
    Ok(client.request(request).await?.map(|body| body.boxed()))
}
