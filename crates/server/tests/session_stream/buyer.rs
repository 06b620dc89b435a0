//! A buyer that does by hand what a client does, and reads what comes byte by byte.

use std::collections::VecDeque;

use bytes::Bytes;
use farthing_core::{
    encoding::sse::{Message, Payment, Reader},
    header::{PAYMENT_RECEIPT, authorization, payment_receipt, www_authenticate},
    intent::session::{ChannelId, Protocol},
    noun::{
        Challenge, Credential, Receipt,
        session::{Cut, NeedVoucher, SessionReceipt},
    },
    value::{Amount, Timestamp},
};
use farthing_testkit::method::{self, FakeDescriptor, FakeSessionPayload};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use crate::shop::Shop;

pub(crate) const DEPOSIT: u128 = 100_000;

pub(crate) struct Buyer<'a> {
    shop: &'a Shop,
    pub(crate) channel: FakeDescriptor,
    pub(crate) challenge: Challenge,
}

impl<'a> Buyer<'a> {
    /// A buyer with a channel, whose first voucher says this much.
    pub(crate) async fn with(shop: &'a Shop, cumulative: u128) -> Self {
        let alice = method::account("alice");
        shop.reserve.deposit(&alice, DEPOSIT);
        let channel = FakeDescriptor::new(&alice, &shop.payee, Protocol::V2, "salt");
        let unpaid = request(shop, Method::GET, "/text?text=a", HeaderMap::new()).await;
        assert_eq!(unpaid.status(), 402);
        let challenges = www_authenticate::parse(unpaid.headers().get_all("www-authenticate"));
        let buyer = Self {
            shop,
            channel,
            challenge: challenges.into_iter().next().unwrap().unwrap(),
        };
        let lock = buyer
            .channel
            .opening(Amount::new(DEPOSIT), Timestamp::from_secs(1_800_000_600));
        let open = FakeSessionPayload::open(&buyer.channel, &lock, Amount::new(cumulative));
        let answer = buyer.send(Method::HEAD, "/text", &open, HeaderMap::new());
        let answer = answer.await;
        assert_eq!(answer.status(), 200, "{:?}", answer.headers());
        buyer
    }

    /// The same buyer at another gate on the same store.
    pub(crate) fn at(&self, shop: &'a Shop) -> Self {
        Self {
            shop,
            channel: self.channel.clone(),
            challenge: self.challenge.clone(),
        }
    }

    pub(crate) fn id(&self) -> ChannelId {
        self.channel.id()
    }

    pub(crate) fn credential(&self, payload: &FakeSessionPayload) -> HeaderValue {
        let credential = Credential::new(self.challenge.clone(), None, payload).unwrap();
        authorization::to_header(&credential)
    }

    /// A voucher, as a header has it.
    pub(crate) fn voucher(&self, cumulative: u128) -> HeaderValue {
        self.credential(&FakeSessionPayload::voucher(
            &self.channel,
            Amount::new(cumulative),
        ))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        payload: &FakeSessionPayload,
        mut headers: HeaderMap,
    ) -> Response<Incoming> {
        headers.insert("authorization", self.credential(payload));
        request(self.shop, method, path, headers).await
    }

    /// Asks for something with a voucher.
    pub(crate) async fn get(&self, path: &str, cumulative: u128) -> Response<Incoming> {
        self.get_with(path, cumulative, HeaderMap::new()).await
    }

    pub(crate) async fn get_with(
        &self,
        path: &str,
        cumulative: u128,
        headers: HeaderMap,
    ) -> Response<Incoming> {
        let voucher = FakeSessionPayload::voucher(&self.channel, Amount::new(cumulative));
        self.send(Method::GET, path, &voucher, headers).await
    }

    /// Hands in a voucher on a connection of its own.
    pub(crate) async fn pay(&self, cumulative: u128) {
        let voucher = FakeSessionPayload::voucher(&self.channel, Amount::new(cumulative));
        let answer = self
            .send(Method::HEAD, "/plain", &voucher, HeaderMap::new())
            .await;
        assert_eq!(answer.status(), 200);
    }
}

/// A request on a connection of its own.
pub(crate) async fn request(
    shop: &Shop,
    method: Method,
    path: &str,
    headers: HeaderMap,
) -> Response<Incoming> {
    let socket = tokio::net::TcpStream::connect(shop.address).await.unwrap();
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    *request.headers_mut() = headers;
    request
        .headers_mut()
        .insert("host", HeaderValue::from_static("127.0.0.1"));
    send.send_request(request).await.unwrap()
}

/// The receipt in a response's head.
pub(crate) fn receipt(headers: &HeaderMap) -> SessionReceipt {
    let receipt = payment_receipt::parse(&headers[PAYMENT_RECEIPT]).unwrap();
    SessionReceipt::read(&receipt).unwrap()
}

/// What a stream says.
#[derive(Debug, PartialEq)]
pub(crate) enum Got {
    Word(String),
    Need(NeedVoucher),
    Paid(SessionReceipt, Option<Cut>),
    End,
}

/// A stream, as it is read.
pub(crate) struct Stream {
    pub(crate) head: SessionReceipt,
    body: Incoming,
    reader: Reader,
    ready: VecDeque<Message>,
}

impl Stream {
    pub(crate) fn of(response: Response<Incoming>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            head: receipt(response.headers()),
            body: response.into_body(),
            reader: Reader::default(),
            ready: VecDeque::new(),
        }
    }

    pub(crate) async fn next(&mut self) -> Got {
        while self.ready.is_empty() {
            let Some(frame) = self.body.frame().await else {
                return Got::End;
            };
            if let Ok(data) = frame.unwrap().into_data() {
                self.ready.extend(self.reader.push(&data).unwrap());
            }
        }
        let message = self.ready.pop_front().unwrap();
        match message.payment() {
            None => Got::Word(message.data),
            Some(Payment::NeedVoucher) => Got::Need(NeedVoucher::parse(&message.data).unwrap()),
            Some(Payment::Receipt) => {
                let receipt = Receipt::from_json(&message.data).unwrap();
                Got::Paid(SessionReceipt::read(&receipt).unwrap(), Cut::of(&receipt))
            }
        }
    }

    pub(crate) async fn words(&mut self, expect: &str) {
        for word in expect.split(' ') {
            assert_eq!(self.next().await, Got::Word(word.to_owned()));
        }
    }

    /// What the next voucher has to say.
    pub(crate) async fn needs(&mut self) -> u128 {
        let Got::Need(need) = self.next().await else {
            panic!("the balance is out");
        };
        assert_eq!(need.deposit, Amount::new(DEPOSIT));
        need.required.units()
    }

    /// The last receipt: units, spent, and why it was cut.
    pub(crate) async fn ends(&mut self) -> (u64, u128, Option<Cut>) {
        let Got::Paid(receipt, cut) = self.next().await else {
            panic!("a stream ends with a receipt");
        };
        assert_eq!(self.next().await, Got::End);
        (receipt.units.unwrap(), receipt.spent.units(), cut)
    }
}
