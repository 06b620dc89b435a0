//! A server over real HTTP that answers by a script and remembers what it was sent.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use farthing_core::{
    header::{PAYMENT_RECEIPT, PROBLEM_JSON, authorization, payment_receipt, www_authenticate},
    intent::charge::{self, ChargeRequest},
    noun::{
        Challenge, Credential, Expires, Receipt, Request as ChallengeRequest, problem::Problem,
    },
    value::{Amount, ChallengeId, CurrencyCode, MethodId, Realm, Recipient, Reference, Timestamp},
};
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

use super::START;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// How many came before.
    pub before: usize,
}

impl Seen {
    /// The payment it carries.
    pub fn payment(&self) -> Option<Credential> {
        match authorization::find(&self.headers) {
            authorization::Found::One(value) => authorization::parse(value.as_bytes()).ok(),
            _ => None,
        }
    }

    /// The very bytes of that payment.
    pub fn payment_bytes(&self) -> Option<Vec<u8>> {
        match authorization::find(&self.headers) {
            authorization::Found::One(value) => Some(value.as_bytes().to_vec()),
            _ => None,
        }
    }
}

/// An answer, or none.
pub enum Reply {
    Answer(Response<Full<Bytes>>),
    /// The answer comes after a while.
    Late(Duration, Response<Full<Bytes>>),
    /// The connection is closed without an answer.
    Close,
    /// Nothing is ever answered.
    Hang,
}

impl From<Response<Full<Bytes>>> for Reply {
    fn from(response: Response<Full<Bytes>>) -> Self {
        Self::Answer(response)
    }
}

pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start<R: Into<Reply>>(script: impl Fn(Seen) -> R + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(move |seen: Seen| -> Reply { script(seen).into() });
        let task = tokio::spawn(accept(listener, Arc::clone(&seen), script));
        Self {
            address,
            seen,
            task,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests carried a payment, and how many different ones.
    pub fn payments(&self) -> (usize, usize) {
        let mut bytes: Vec<_> = self.seen().iter().filter_map(Seen::payment_bytes).collect();
        let all = bytes.len();
        bytes.sort();
        bytes.dedup();
        (all, bytes.len())
    }
}

type Script = Arc<dyn Fn(Seen) -> Reply + Send + Sync>;

async fn accept(listener: TcpListener, seen: Arc<Mutex<Vec<Seen>>>, script: Script) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
        let service =
            service_fn(move |request| answer(request, Arc::clone(&seen), Arc::clone(&script)));
        tokio::spawn(async move {
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    all: Arc<Mutex<Vec<Seen>>>,
    script: Script,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let seen = {
        let mut all = all.lock().unwrap();
        let path = parts
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default();
        let before = all.len();
        let seen = Seen {
            method: parts.method,
            path,
            headers: parts.headers,
            body,
            before,
        };
        if let Some(credential) = seen.payment_bytes() {
            let credential = String::from_utf8_lossy(&credential);
            farthing_testkit::trace::plant(credential.trim_start_matches("Payment "));
        }
        all.push(seen.clone());
        seen
    };
    match script(seen) {
        Reply::Answer(response) => Ok(response),
        Reply::Late(after, response) => {
            tokio::time::sleep(after).await;
            Ok(response)
        }
        Reply::Close => Err(io::Error::other("closed by the script")),
        Reply::Hang => std::future::pending::<Result<_, Infallible>>()
            .await
            .map_err(|e| match e {}),
    }
}

/// A challenge of this server for an amount of the fake dollar, with an id of its own.
pub fn challenge(units: u128) -> Challenge {
    challenge_in("usd6", units)
}

/// The same in a currency.
pub fn challenge_in(code: &str, units: u128) -> Challenge {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    let request = ChargeRequest::new(
        Amount::new(units),
        CurrencyCode::new(code).unwrap(),
        Some(Recipient::new("seller").unwrap()),
    );
    let mut challenge = Challenge::new(
        ChallengeId::new(format!("challenge-{count}")).unwrap(),
        Realm::new("127.0.0.1").unwrap(),
        MethodId::new("fake").unwrap(),
        charge::id(),
        ChallengeRequest::new(&request).unwrap(),
    );
    challenge.expires = Some(Expires::new(Timestamp::from_secs(START + 300)));
    challenge
}

/// A 402 with challenges.
pub fn unpaid(challenges: &[Challenge]) -> Response<Full<Bytes>> {
    let mut response = bare(402);
    for challenge in challenges {
        let line = www_authenticate::format(challenge).parse().unwrap();
        response.headers_mut().append(WWW_AUTHENTICATE, line);
    }
    response
}

/// A 200 with a receipt for what a request carries.
pub fn paid(seen: &Seen, body: &'static str) -> Response<Full<Bytes>> {
    let credential = seen.payment().expect("the request carries a payment");
    let receipt = Receipt::new(
        credential.challenge.method.clone(),
        Timestamp::from_secs(START),
        Reference::new(format!("ref-{}", credential.challenge.id)).unwrap(),
    );
    let mut response = text(body);
    response
        .headers_mut()
        .insert(PAYMENT_RECEIPT, payment_receipt::to_header(&receipt));
    response
}

pub fn text(body: &'static str) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(body.as_bytes())))
}

pub fn bare(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

pub fn problem(problem: &Problem) -> Response<Full<Bytes>> {
    let mut response = bare(problem.status());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, PROBLEM_JSON.parse().unwrap());
    *response.body_mut() = Full::new(problem.to_json().into());
    response
}
