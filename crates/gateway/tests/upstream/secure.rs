//! HTTP/2 and TLS, towards the upstream and from the client.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::rig::{Answer, Rig};

const ROUTES: &str = r#"
[routes]
"* /free/*" = "free"
"POST /paid" = { price = "$0.002", settle = "after", hold_up_to = "8MiB" }
"GET /stream" = { price = "$0.002", settle = "first" }
"#;

/// What an upstream in process tells of the request, with its body sent back.
async fn echo(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let told = |name: &str| {
        let lines = request.headers().get_all(name).iter();
        let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
        lines.join("|")
    };
    let response = Response::builder()
        .header("x-version", format!("{:?}", request.version()))
        .header("x-path", request.uri().path())
        .header(
            "x-authority",
            request
                .uri()
                .authority()
                .map_or("", |authority| authority.as_str()),
        )
        .header("x-host", told("host"))
        .header("x-connection", told("connection"))
        .header("x-te", told("te"))
        .header("x-cookie", told("cookie"))
        .header("x-from", told("x-forwarded-for"))
        .header("x-site", told("x-forwarded-host"))
        .header("trailer", "x-sum");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    trailers.insert("payment-receipt", "forged".parse().unwrap());
    let body = Unsized(request.into_body()).with_trailers(async { Some(Ok(trailers)) });
    Ok(response.body(body.boxed()).unwrap())
}

/// A body that says nothing of its size: only such a one has trailers in HTTP/1.1.
struct Unsized(Incoming);

impl Body for Unsized {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }
}

/// An upstream over TLS that speaks these protocols, or without TLS. It ends with the test's
/// runtime.
async fn upstream(tls: Option<(&KeyPair, &str, &[&[u8]])>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls.map(|(key, cert, protocols)| {
        let cert = rustls::pki_types::pem::PemObject::from_pem_slice(cert.as_bytes()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                // One that nobody trusts ends here.
                match acceptor {
                    None => drop(
                        builder
                            .serve_connection(TokioIo::new(stream), service_fn(echo))
                            .await,
                    ),
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            let stream = TokioIo::new(stream);
                            let _ = builder.serve_connection(stream, service_fn(echo)).await;
                        }
                    }
                }
            });
        }
    });
    address
}

fn certificate() -> (KeyPair, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap();
    (key, cert.pem())
}

fn rules(upstream: &str) -> String {
    format!("[log]\nformat = \"off\"\n[upstream]\n{upstream}\n{ROUTES}")
}

async fn large(rig: &Rig) -> Answer {
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let (_, answer) = rig.pay("POST", "/paid", &body).await;
    assert_eq!(answer.status, 200, "{:?}", answer.headers);
    assert!(answer.body == body, "the body came back as another");
    rig.assert_moved(2_000).await;
    answer
}

#[tokio::test]
async fn https_speaks_what_both_speak() {
    let (key, cert) = certificate();
    for (protocols, version) in [
        (&[&b"h2"[..], b"http/1.1"][..], "HTTP/2.0"),
        (&[b"http/1.1"], "HTTP/1.1"),
        (&[], "HTTP/1.1"),
    ] {
        let at = upstream(Some((&key, &cert, protocols))).await;
        let files = [("ca.pem", cert.as_str())];
        let rig =
            Rig::open_beside(&format!("https://{at}"), &rules("ca = \"ca.pem\""), &files).await;
        let answer = large(&rig).await;
        assert_eq!(answer.all("x-version"), [version]);
        let named = if version == "HTTP/2.0" {
            "x-authority"
        } else {
            "x-host"
        };
        assert_eq!(answer.all(named), [at.to_string()]);
        assert_eq!(answer.all("x-connection"), [""]);
        assert_eq!(answer.all("x-from"), ["127.0.0.1"]);
        assert_eq!(answer.all("x-site"), ["127.0.0.1"]);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_whoever_cannot_prove_who_it_is() {
    let (key, cert) = certificate();
    let at = upstream(Some((&key, &cert, &[b"h2"]))).await;
    let rig = Rig::open(&format!("https://{at}"), &rules("")).await;
    let answer = rig.ask("GET", "/free/a", &[]).await;
    answer.is_problem(503, "upstream-unavailable", None);
    let (_, answer) = rig.pay("POST", "/paid", b"x").await;
    answer.is_problem(503, "upstream-unavailable", Some(false));
    rig.assert_moved(0).await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_a_connection_that_never_was() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("https://{}", listener.local_addr().unwrap());
    let rig = Rig::open(&to, &rules("connect = \"300ms\"")).await;
    let answer = rig.ask("GET", "/free/a", &[]).await;
    answer.is_problem(503, "upstream-unavailable", None);
    let (_, answer) = rig.pay("POST", "/paid", b"x").await;
    answer.is_problem(503, "upstream-unavailable", Some(false));
    rig.assert_moved(0).await;
}

#[tokio::test]
async fn http_2_without_tls_where_it_is_told() {
    let at = upstream(None).await;
    let rig = Rig::open(&format!("http://{at}"), &rules("http2 = true")).await;
    let answer = large(&rig).await;
    assert_eq!(answer.all("x-version"), ["HTTP/2.0"]);
    assert_eq!(answer.all("x-authority"), [at.to_string()]);
}

#[tokio::test]
async fn the_host_may_be_that_of_the_site_and_never_the_clients() {
    let at = upstream(None).await;
    for (settings, header) in [
        ("keep_host = true", "x-host"),
        ("keep_host = true\nhttp2 = true", "x-authority"),
    ] {
        let rig = Rig::open(&format!("http://{at}"), &rules(settings)).await;
        let head = b"GET /free/a HTTP/1.1\r\nHost: internal.example\r\nConnection: close\r\n\r\n";
        let answer = rig.raw(head).await.remove(0);
        assert_eq!(answer.all(header), ["127.0.0.1"], "{settings}");
    }
}

/// A client of HTTP/2, without TLS.
async fn client(rig: &Rig) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    client
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .version(Version::HTTP_2);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::from("sent")).unwrap()
}

#[tokio::test]
async fn a_client_of_http_2_meets_the_same_door() {
    let at = upstream(None).await;
    let rig = Rig::open(&format!("http://{at}"), &rules("")).await;
    let client = client(&rig).await;
    for (method, uri, headers, status) in [
        ("GET", "http://x/free/a", &[][..], 200),
        ("POST", "http://x/free/a", &[], 200),
        ("POST", "http://other.example/paid", &[], 402),
        ("POST", "http://x/free/../paid", &[], 400),
        ("POST", "http://x//paid", &[], 400),
        ("POST", "http://x/free/%2e%2e/paid", &[], 400),
        ("POST", "http://x/PAID", &[], 404),
        ("POST", "http://x/paid", &[("host", "y")], 400),
        ("POST", "http://x/paid", &[("host", "x")], 402),
        ("POST", "http://u@x/paid", &[], 400),
        ("TRACE", "http://x/free/a", &[], 400),
        ("post", "http://x/paid", &[], 400),
        (
            "GET",
            "http://x/free/a",
            &[("x-original-url", "/paid")],
            200,
        ),
    ] {
        let mut client = client.clone();
        client.ready().await.unwrap();
        let answer = client.send_request(request(method, uri, headers)).await;
        match answer {
            Ok(answer) => assert_eq!(answer.status(), status, "{method} {uri} {headers:?}"),
            // What is no message of HTTP/2 is a reset, and no answer.
            Err(error) => assert_eq!(status, 400, "{method} {uri} {headers:?}: {error}"),
        }
    }
}

/// HTTP/2 may send one in several lines, and what reads HTTP/1.1 takes the first for all of it.
#[tokio::test]
async fn a_cookie_in_crumbs_arrives_as_one() {
    for settings in ["", "http2 = true"] {
        let at = upstream(None).await;
        let rig = Rig::open(&format!("http://{at}"), &rules(settings)).await;
        let mut client = client(&rig).await;
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")];
        let sent = request("GET", "http://x/free/a", &crumbs);
        let answer = client.send_request(sent).await.unwrap();
        assert_eq!(
            answer.headers()["x-cookie"],
            "a=1; b=2; c=3; d=4",
            "{settings}"
        );
    }
}

#[tokio::test]
async fn trailers_come_through_both_protocols() {
    for settings in ["", "http2 = true"] {
        let at = upstream(None).await;
        let rig = Rig::open(&format!("http://{at}"), &rules(settings)).await;
        let mut client = client(&rig).await;
        let sent = request("POST", "http://x/free/a", &[("te", "trailers")]);
        let answer = client.send_request(sent).await.unwrap();
        assert_eq!(answer.headers()["x-te"], "trailers");
        let collected = answer.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        assert_eq!(collected.to_bytes(), "sent");
        assert_eq!(trailers.len(), 1, "{settings}: {trailers:?}");
        assert_eq!(trailers["x-sum"], "7");
    }
}
