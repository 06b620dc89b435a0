//! A seller over real HTTP that keeps channels on a fake rail, and lies where a test tells it to.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use farthing_core::{
    encoding::sse::{self, Event, Payment},
    header::{
        IDEMPOTENCY_KEY, PAYMENT_RECEIPT, PROBLEM_JSON, authorization, payment_receipt,
        payment_session, www_authenticate,
    },
    intent::session::{self, Channel, ChannelId, Protocol, Refused, SessionRequest, Voucher},
    noun::{
        Challenge, Expires, Request as ChallengeRequest,
        problem::{Problem, ProblemKind},
        session::{NeedVoucher, SessionReceipt, Snapshot},
    },
    payment::Moved,
    port::{
        clock::Clock,
        method::Outcome,
        session::{Action, Checked, FundOrder, Handing, Session, SettleItem, SettleJob, Shown},
    },
    value::{Amount, ChallengeId, Did, Realm, Recipient, Reference, Timestamp},
};
use farthing_testkit::method::{self, FakeDescriptor, FakeReserve, FakeSession};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response,
    header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::common::StillClock;

pub type Answer = Response<BoxBody<Bytes, Infallible>>;

/// How a shop misbehaves.
#[derive(Clone, Default)]
pub struct Ways {
    /// Changes its receipts.
    pub receipt: Option<fn(&mut SessionReceipt)>,
    /// Gives none.
    pub no_receipt: bool,
    /// Writes its receipts before it charges, and takes no voucher twice.
    pub late: bool,
    /// Changes what it says a stream needs.
    pub need: Option<fn(&mut NeedVoucher)>,
    /// Asks for vouchers that it has, for ever.
    pub asks_for_ever: bool,
    /// Says that a request lacks so much more.
    pub asks_more: u128,
    /// Charges and closes the connection, so many times.
    pub breaks: usize,
    /// Serves nothing and charges nothing, so many times, and says neither.
    pub fails: usize,
    /// Says that there is no such channel.
    pub forgets: bool,
    /// Does not take a HEAD.
    pub no_head: bool,
    /// Answers nothing to an opening it sent, so many times.
    pub swallows_openings: usize,
    /// Answers nothing to an opening, and does not send it.
    pub drops_openings: usize,
    /// Answers to an opening as if it had sent it, and keeps it back.
    pub keeps_openings: bool,
    /// Answers to a top-up as if it had sent it, and keeps it back.
    pub keeps_top_ups: bool,
    /// Refuses to close.
    pub will_not_close: bool,
    /// Looks at so many vouchers only after a higher one came.
    pub holds: usize,
    /// How long it takes to serve.
    pub slow: Duration,
}

pub struct Inside {
    payee: Did,
    pub reserve: Arc<FakeReserve>,
    pub session: FakeSession,
    pub protocol: Protocol,
    pub price: AtomicU64,
    pub unit: Mutex<Option<&'static str>>,
    pub advised: Mutex<Option<u128>>,
    pub least: AtomicU64,
    pub ways: Mutex<Ways>,
    pub books: Mutex<HashMap<ChannelId, Channel>>,
    descriptors: Mutex<HashMap<ChannelId, FakeDescriptor>>,
    calls: Mutex<HashMap<String, SessionReceipt>>,
    /// Openings it was given and has not sent.
    kept: Mutex<Vec<(ChannelId, Checked)>>,
    clock: Arc<StillClock>,
    count: AtomicUsize,
    changed: watch::Sender<u64>,
    /// Every request: what it did, and what its voucher said.
    pub seen: Mutex<Vec<(Method, String, u128)>>,
    pub served: AtomicUsize,
}

pub struct Shop {
    pub inside: Arc<Inside>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::ops::Deref for Shop {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.inside
    }
}

pub const WORDS: [&str; 5] = ["the", "quick", "brown", "fox", "jumps"];

impl Shop {
    pub async fn open(reserve: &Arc<FakeReserve>, clock: &Arc<StillClock>, p: Protocol) -> Self {
        Self::open_as("shop", reserve, clock, p).await
    }

    /// One of another payee, so that a channel of its own pays it.
    pub async fn open_as(
        name: &str,
        reserve: &Arc<FakeReserve>,
        clock: &Arc<StillClock>,
        p: Protocol,
    ) -> Self {
        let payee = method::account(name);
        let inside = Arc::new(Inside {
            payee: payee.clone(),
            reserve: Arc::clone(reserve),
            session: FakeSession::new(Arc::clone(reserve), &payee, p),
            protocol: p,
            price: AtomicU64::new(1_000),
            unit: Mutex::default(),
            advised: Mutex::new(Some(100_000)),
            least: AtomicU64::new(0),
            ways: Mutex::default(),
            books: Mutex::default(),
            descriptors: Mutex::default(),
            calls: Mutex::default(),
            kept: Mutex::default(),
            clock: Arc::clone(clock),
            count: AtomicUsize::new(0),
            changed: watch::Sender::new(0),
            seen: Mutex::default(),
            served: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, Arc::clone(&inside)));
        Self {
            inside,
            address,
            task,
        }
    }

    /// The same seller at another address.
    pub async fn also(&self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Arc::clone(&self.inside);
        let task = tokio::spawn(accept(listener, Arc::clone(&inside)));
        Self {
            inside,
            address,
            task,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn ways(&self, change: impl FnOnce(&mut Ways)) {
        change(&mut self.ways.lock().unwrap());
    }

    /// The one channel: what is accepted, and what is spent.
    pub fn book(&self) -> (u128, u128) {
        let books = self.books.lock().unwrap();
        assert_eq!(books.len(), 1, "there is one channel");
        let balance = books.values().next().unwrap().balance();
        (balance.accepted.units(), balance.spent.units())
    }

    pub fn channels(&self) -> usize {
        self.reserve.truth().channels.len()
    }

    pub fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// How often an action was presented.
    pub fn count(&self, action: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, what, _)| what == action).count()
    }

    pub fn highest_shown(&self) -> u128 {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|(_, _, says)| *says)
            .max()
            .unwrap_or_default()
    }
}

async fn accept(listener: TcpListener, inside: Arc<Inside>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let inside = Arc::clone(&inside);
        let service = service_fn(move |request| {
            let inside = Arc::clone(&inside);
            async move {
                inside
                    .answer(request)
                    .await
                    .ok_or(std::io::Error::other("closed"))
            }
        });
        tokio::spawn(async move {
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn full(status: u16, body: &str) -> Answer {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    let mut response = Response::new(body.boxed());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}

impl Inside {
    fn ways_now(&self) -> Ways {
        self.ways.lock().unwrap().clone()
    }

    fn price(&self) -> Amount {
        Amount::new(self.price.load(Ordering::SeqCst).into())
    }

    fn request(&self) -> SessionRequest {
        let mut request = SessionRequest::new(
            self.price(),
            method::currency().code,
            Recipient::new(self.payee.as_str()).unwrap(),
        );
        request.unit_type = self.unit.lock().unwrap().map(Into::into);
        request.suggested_deposit = self.advised.lock().unwrap().map(Amount::new);
        if self.protocol == Protocol::V2 {
            let details = &mut request.method_details;
            details.insert("sessionProtocol".to_owned(), "v2".into());
        }
        let least = self.least.load(Ordering::SeqCst);
        if least > 0 {
            let details = &mut request.method_details;
            details.insert("minVoucherDelta".to_owned(), least.to_string().into());
        }
        request
    }

    fn challenge(&self) -> Challenge {
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        let mut challenge = Challenge::new(
            ChallengeId::new(format!("session-{count}")).unwrap(),
            Realm::new("127.0.0.1").unwrap(),
            method::method(),
            session::id(),
            ChallengeRequest::new(&self.request()).unwrap(),
        );
        let end = self.clock.now().saturating_add(Duration::from_secs(3600));
        challenge.expires = Some(Expires::new(end));
        challenge
    }

    fn unpaid(&self, problem: Option<Problem>) -> Answer {
        let mut response = match &problem {
            None => full(402, ""),
            Some(problem) => full(problem.status(), &problem.to_json()),
        };
        let headers = response.headers_mut();
        let line = www_authenticate::format(&self.challenge()).parse().unwrap();
        headers.append(WWW_AUTHENTICATE, line);
        if problem.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        } else {
            self.add_snapshot(headers);
        }
        response
    }

    fn add_snapshot(&self, headers: &mut HeaderMap) {
        let books = self.books.lock().unwrap();
        let Some((id, channel)) = books.iter().next() else {
            return;
        };
        let descriptor = self.descriptors.lock().unwrap()[id].clone();
        let descriptor = serde_json::to_value(descriptor).unwrap();
        let snapshot = Snapshot::new(id.clone(), channel, self.price());
        let snapshot = snapshot.with_details([("descriptor".to_owned(), descriptor)]);
        headers.insert(
            farthing_core::header::PAYMENT_SESSION_SNAPSHOT,
            payment_session::snapshot_to_header(&snapshot),
        );
    }

    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Option<Answer> {
        let (parts, body) = request.into_parts();
        let _ = body.collect().await.ok()?;
        let authorization::Found::One(value) = authorization::find(&parts.headers) else {
            let row = (parts.method, "unpaid".to_owned(), 0);
            self.seen.lock().unwrap().push(row);
            return Some(self.unpaid(None));
        };
        let credential = authorization::parse(value.as_bytes()).unwrap();
        let request: SessionRequest = credential.challenge.request.decode().unwrap();
        let shown = Shown {
            challenge: &credential.challenge.id,
            realm: &credential.challenge.realm,
            request: &request,
            expires: Timestamp::FAR,
            source: None,
            payload: &credential.payload,
            now: self.clock.now(),
        };
        let action = self.session.read(&shown).unwrap();
        let (name, says) = match &action {
            Action::Open(funding) => ("open", funding.voucher.as_ref().unwrap().cumulative),
            Action::TopUp(_) => ("topUp", Amount::ZERO),
            Action::Voucher(said) => ("voucher", said.cumulative),
            Action::Close(said) => ("close", said.cumulative),
            _ => unreachable!(),
        };
        let row = (parts.method.clone(), name.to_owned(), says.units());
        self.seen.lock().unwrap().push(row);
        let ways = self.ways_now();
        if ways.no_head && parts.method == Method::HEAD {
            let mut response = full(405, "");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET"));
            return Some(response);
        }
        if ways.forgets && name != "open" {
            return Some(self.gone(ProblemKind::SessionChannelNotFound));
        }
        let id = action.channel().clone();
        if let Action::Open(_) | Action::TopUp(_) = &action {
            if name == "open" && ways.drops_openings > 0 {
                self.ways.lock().unwrap().drops_openings -= 1;
                return None;
            }
            let is_kept = match name {
                "open" => ways.keeps_openings,
                _ => ways.keeps_top_ups,
            };
            if is_kept {
                return Some(self.keep(&shown, &action, &id).await);
            }
            if let Some(refused) = self.fund(&shown, &action, &id).await {
                return Some(refused);
            }
            if name == "topUp" {
                return Some(self.receipt(&id, full(204, ""), None));
            }
            if ways.swallows_openings > 0 {
                self.ways.lock().unwrap().swallows_openings -= 1;
                return None;
            }
        }
        if let Action::Close(_) = &action {
            return Some(self.close(&shown, &id, &action).await);
        }
        self.sell(&parts, &id, &action).await
    }

    fn gone(&self, kind: ProblemKind) -> Answer {
        let problem = Problem::new(kind).with_moved(Moved::No);
        self.unpaid(Some(problem))
    }

    /// Keeps an opening or a top-up back, and pretends to have sent it.
    async fn keep(&self, shown: &Shown<'_>, action: &Action, id: &ChannelId) -> Answer {
        let (Action::Open(funding) | Action::TopUp(funding)) = action else {
            unreachable!()
        };
        let known = self.descriptors.lock().unwrap().get(id).cloned();
        let terms = known.map(|known| known.terms(shown.realm));
        let checked = self.session.check(*shown, funding, terms.as_ref()).await;
        let checked = checked.unwrap();
        self.kept.lock().unwrap().push((id.clone(), checked));
        full(200, "goods")
    }

    /// Sends what it kept back, and says how many of those opened a channel.
    pub async fn send_kept(&self) -> usize {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        let mut opened = 0;
        for (id, checked) in kept {
            let effect = checked.verified.effect.as_ref().unwrap();
            let order = FundOrder {
                channel: &id,
                terms: &checked.terms,
                effect,
            };
            let outcome = self.session.fund(order).await;
            opened += usize::from(matches!(outcome, Outcome::Settled { .. }));
        }
        opened
    }

    async fn fund(&self, shown: &Shown<'_>, action: &Action, id: &ChannelId) -> Option<Answer> {
        let (Action::Open(funding) | Action::TopUp(funding)) = action else {
            return None;
        };
        let known = self.descriptors.lock().unwrap().get(id).cloned();
        let terms = known.as_ref().map(|known| known.terms(shown.realm));
        if terms.is_some() && matches!(action, Action::Open(_)) {
            return None;
        }
        let checked = self.session.check(*shown, funding, terms.as_ref()).await;
        let Ok(checked) = checked else {
            return Some(self.gone(ProblemKind::VerificationFailed));
        };
        let effect = checked.verified.effect.unwrap();
        let order = FundOrder {
            channel: id,
            terms: &checked.terms,
            effect: &effect,
        };
        match self.session.fund(order).await {
            Outcome::Settled { .. } => {}
            _ => return Some(full(503, "")),
        }
        let looked = self
            .session
            .look(&[(id.clone(), checked.terms.clone())])
            .await;
        let seen = looked.unwrap()[0].unwrap();
        let mut books = self.books.lock().unwrap();
        match books.get_mut(id) {
            Some(channel) => drop(channel.observe(seen).unwrap()),
            None => {
                let mut channel = Channel::open(self.protocol, seen).unwrap();
                let _ = channel.grant(1, Amount::new(u128::MAX >> 1));
                books.insert(id.clone(), channel);
                let descriptor = FakeDescriptor::read(&checked.terms.details.to_map()).unwrap();
                self.descriptors
                    .lock()
                    .unwrap()
                    .insert(id.clone(), descriptor);
            }
        }
        None
    }

    fn voucher(&self, id: &ChannelId, action: &Action) -> Result<Voucher, Box<Answer>> {
        let said = match action {
            Action::Open(funding) => funding.voucher.clone().unwrap(),
            Action::Voucher(said) | Action::Close(said) => said.clone(),
            _ => unreachable!(),
        };
        let known = self.descriptors.lock().unwrap().get(id).cloned();
        let gone = || Box::new(self.gone(ProblemKind::SessionChannelNotFound));
        let terms = known.ok_or_else(gone)?.terms(&"127.0.0.1".parse().unwrap());
        let verifier = self.session.verifier(id, &terms).unwrap();
        let bad = |_| Box::new(self.gone(ProblemKind::SessionInvalidSignature));
        verifier.check(&said).map_err(bad)
    }

    fn step<T>(
        &self,
        id: &ChannelId,
        step: impl FnOnce(&mut Channel) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let mut books = self.books.lock().unwrap();
        let done = step(books.get_mut(id).unwrap());
        drop(books);
        done
    }

    async fn sell(
        self: &Arc<Self>,
        parts: &http::request::Parts,
        id: &ChannelId,
        action: &Action,
    ) -> Option<Answer> {
        let ways = self.ways_now();
        let voucher = match self.voucher(id, action) {
            Ok(voucher) => voucher,
            Err(refused) => return Some(*refused),
        };
        if ways.holds > 0 {
            self.ways.lock().unwrap().holds -= 1;
            let mut changes = self.changed.subscribe();
            let is_overtaken = || {
                let books = self.books.lock().unwrap();
                books[id].balance().accepted > voucher.cumulative()
            };
            while !is_overtaken() {
                changes.changed().await.ok()?;
            }
        }
        let key = parts.headers.get(IDEMPOTENCY_KEY);
        let key = key.map(|key| key.to_str().unwrap().to_owned());
        if let Some(stored) = key.as_ref().and_then(|key| {
            let calls = self.calls.lock().unwrap();
            calls.get(key).cloned()
        }) {
            return Some(self.with(stored, full(200, "goods")));
        }
        let buys = parts.method != Method::HEAD
            && (parts.method != Method::POST || parts.headers.contains_key("content-type"));
        let price = if buys { self.price() } else { Amount::ZERO };
        let before = self.said(id, Some(0));
        if ways.late && voucher.cumulative() <= before.accepted {
            return Some(self.gone(ProblemKind::SessionDeltaTooSmall));
        }
        let least = Amount::new(self.least.load(Ordering::SeqCst).into());
        let more = Amount::new(ways.asks_more);
        if buys && ways.fails > 0 {
            self.ways.lock().unwrap().fails -= 1;
            let taken = self.step(id, |channel| channel.accept(&voucher, least));
            return Some(full(if taken.is_ok() { 500 } else { 402 }, ""));
        }
        let step = |channel: &mut Channel| {
            let asked = price.checked_add(more).unwrap();
            let admitted = channel.accept_and_charge(Some(&voucher), least, asked)?;
            admitted.charge
        };
        let done = self.step(id, step);
        self.changed.send_modify(|count| *count += 1);
        if let Err(refused) = done {
            return Some(self.unpaid(Some(refused.problem(id))));
        }
        if !buys {
            return Some(self.receipt(id, full(200, ""), None));
        }
        self.served.fetch_add(1, Ordering::SeqCst);
        if let Some(key) = key {
            self.calls
                .lock()
                .unwrap()
                .insert(key, self.said(id, Some(1)));
        }
        if ways.breaks > 0 {
            self.ways.lock().unwrap().breaks -= 1;
            return None;
        }
        tokio::time::sleep(ways.slow).await;
        if ways.late {
            let accepted = self.said(id, None).accepted;
            return Some(self.with(SessionReceipt { accepted, ..before }, full(200, "goods")));
        }
        Some(match parts.uri.path() {
            "/stream" => self.stream(id),
            "/broken" => full(418, "no"),
            _ => self.receipt(id, full(200, "goods"), Some(1)),
        })
    }

    fn said(&self, id: &ChannelId, units: Option<u64>) -> SessionReceipt {
        let balance = self.books.lock().unwrap()[id].balance();
        SessionReceipt {
            method: method::method(),
            at: self.clock.now(),
            challenge: ChallengeId::new("some").unwrap(),
            channel: id.clone(),
            accepted: balance.accepted,
            spent: balance.spent,
            units,
            transaction: None,
        }
    }

    fn receipt(&self, id: &ChannelId, response: Answer, units: Option<u64>) -> Answer {
        self.with(self.said(id, units), response)
    }

    fn with(&self, mut said: SessionReceipt, mut response: Answer) -> Answer {
        let ways = self.ways_now();
        if ways.no_receipt {
            return response;
        }
        if let Some(lie) = ways.receipt {
            lie(&mut said);
        }
        let value = payment_receipt::to_header(&said.to_receipt());
        response.headers_mut().insert(PAYMENT_RECEIPT, value);
        response
    }

    /// A word a unit. The first is paid for with the request.
    fn stream(self: &Arc<Self>, id: &ChannelId) -> Answer {
        let (send, receive) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
        let mut changes = self.changed.subscribe();
        let head = self.said(id, None);
        let (me, id) = (Arc::clone(self), id.clone());
        tokio::spawn(async move {
            for (at, word) in WORDS.iter().enumerate() {
                let comes_with_the_request = at == 0;
                loop {
                    if comes_with_the_request {
                        break;
                    }
                    changes.mark_unchanged();
                    let paid = me.step(&id, |channel| channel.charge(me.price()));
                    let Err(refused) = paid else { break };
                    let Refused::Short(need) = refused else {
                        return;
                    };
                    let mut need = NeedVoucher::new(id.clone(), &need);
                    let ways = me.ways_now();
                    if let Some(lie) = ways.need {
                        lie(&mut need);
                    }
                    if ways.asks_for_ever {
                        need.required = need.accepted;
                    }
                    let mut out = Vec::new();
                    sse::write_payment(Payment::NeedVoucher, &need.to_json(), &mut out);
                    if send.send(Ok(Frame::data(out.into()))).await.is_err() {
                        return;
                    }
                    tokio::select! {
                        _ = changes.changed() => {}
                        () = send.closed() => return,
                    }
                }
                let event = Event::data(*word).to_bytes();
                if send.send(Ok(Frame::data(event.into()))).await.is_err() {
                    return;
                }
            }
            let units = WORDS.len() as u64;
            let mut out = Vec::new();
            let mut said = me.said(&id, Some(units));
            if let Some(lie) = me.ways_now().receipt {
                lie(&mut said);
            }
            sse::write_payment(Payment::Receipt, &said.to_json(), &mut out);
            let _ = send.send(Ok(Frame::data(out.into()))).await;
        });
        let mut response = Response::new(Receiving(receive).boxed());
        let media = HeaderValue::from_static(sse::MEDIA_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, media);
        self.with(head, response)
    }

    async fn close(&self, shown: &Shown<'_>, id: &ChannelId, action: &Action) -> Answer {
        if self.ways_now().will_not_close {
            return full(500, "");
        }
        let voucher = match self.voucher(id, action) {
            Ok(voucher) => voucher,
            Err(refused) => return *refused,
        };
        if let Err(refused) = self.step(id, |channel| channel.close(Some(&voucher))) {
            return self.unpaid(Some(refused.problem(id)));
        }
        let (capture, kept) = {
            let books = self.books.lock().unwrap();
            let closing = books[id].closing();
            (closing.capture, closing.voucher.cloned())
        };
        let terms = self.descriptors.lock().unwrap()[id].terms(shown.realm);
        let item = SettleItem {
            channel: id.clone(),
            terms,
            how: Handing::Close {
                capture,
                voucher: kept,
            },
        };
        let mut job = [7; 16];
        job[0] = u8::try_from(self.count.fetch_add(1, Ordering::SeqCst) % 256).unwrap();
        let job = SettleJob {
            id: job,
            items: vec![item],
        };
        let _ = self.session.settle(&job).await;
        let mut said = self.said(id, None);
        said.transaction = Some(Reference::new("closing-1").unwrap());
        self.with(said, full(204, ""))
    }
}

struct Receiving(mpsc::Receiver<Result<Frame<Bytes>, Infallible>>);

impl hyper::body::Body for Receiving {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx)
    }
}
