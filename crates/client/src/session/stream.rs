//! Reading a stream that is paid for while it flows.
//!
//! A task reads it, hands its bytes on as they come, and answers what the seller asks for on a
//! connection of its own. It ends with the stream, or when nobody reads what it hands on.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use bytes::Bytes;
use farthing_core::{
    encoding::sse::Payment,
    intent::session::ChannelId,
    noun::{
        Receipt,
        session::{Cut, NeedVoucher, SessionReceipt},
    },
    value::Amount,
};
use http::{HeaderMap, Method, StatusCode};
use http_body::Frame;
use reqwest::{Body, Request, Response, ResponseBuilderExt as _};
use tokio::sync::mpsc;
use url::Url;

use super::{
    bill::{Bill, StillOpen},
    buy::{Trade, used},
    events::{Part, Splitter},
    fault::SessionFault,
    keeper::{Flight, How, Keeper, Refusal},
    offer::SessionChoice,
    present::{Shown, bare},
    purse::Stage,
    receipt::{self, By, Told, Word},
};
use crate::{
    client::Inner,
    error::{Error, Said},
    target::Target,
};

/// Pieces that are read ahead of whoever reads the stream.
const AHEAD: usize = 4;

/// How often a seller may ask for a voucher before it delivers something, or says more than it did.
const ASKS: u32 = 8;

/// How often one voucher is sent.
const SENDS: u32 = 4;

/// What follows one stream.
struct Follower {
    client: Weak<Inner>,
    keeper: Arc<Keeper>,
    choice: SessionChoice,
    channel: ChannelId,
    target: Target,
    request: Request,
    bill: Bill,
    flight: Flight,
    told: Option<Told>,
    asked: u32,
    /// Dropped last, when all is counted.
    _open: StillOpen,
}

impl Inner {
    /// Hands the response on with a body that is paid for while it is read.
    pub(super) fn follow(
        &self,
        trade: &Trade<'_>,
        mut flight: Flight,
        mut response: Response,
        bill: Bill,
    ) -> Result<Response, Error> {
        let cap = self
            .policy
            .request_cap(trade.target.host(), bill.currency());
        flight.may_use(cap.unwrap_or(trade.choice.offer.protocol.most()));
        let follower = Follower {
            client: self.me.clone(),
            keeper: Arc::clone(&trade.keeper),
            choice: trade.choice.clone(),
            channel: bill.channel().clone(),
            target: trade.target.clone(),
            request: bare(&trade.request, Method::HEAD),
            _open: bill.keep_open(),
            bill,
            flight,
            told: None,
            asked: 0,
        };
        let (send, receive) = mpsc::channel(AHEAD);
        let mut head = http::Response::builder()
            .status(response.status())
            .version(response.version())
            .url(response.url().clone());
        if let Some(headers) = head.headers_mut() {
            *headers = std::mem::take(response.headers_mut());
            // What is taken out of it makes it shorter.
            headers.remove(http::header::CONTENT_LENGTH);
        }
        let body = Body::wrap(Handed(receive));
        let whole = head.body(body).map_err(|e| Error::Transport(e.into()))?;
        tokio::spawn(follower.run(response, send));
        Ok(Response::from(whole))
    }
}

impl Follower {
    async fn run(mut self, response: Response, send: mpsc::Sender<Result<Bytes, io::Error>>) {
        let how = self.read(response, &send).await;
        let Some(client) = self.client.upgrade() else {
            return;
        };
        let how = match how {
            Ok(true) => used(self.choice.amount(), self.flight.amount, &self.bill),
            Ok(false) => How::Unsure,
            Err(error) => {
                self.bill.fail(&error);
                tracing::warn!(%error, "a stream is not paid for any further");
                let _ = send.send(Err(io::Error::other(error))).await;
                How::Unsure
            }
        };
        if let How::Used(cost) = how {
            self.bill.costs(cost);
        }
        self.flight
            .land(how, self.told.filter(|_| how != How::Unsure));
        client.settle_down(&self.keeper).await;
    }

    /// Reads to the end: whether it was the stream's, with a receipt.
    async fn read(
        &mut self,
        mut response: Response,
        send: &mpsc::Sender<Result<Bytes, io::Error>>,
    ) -> Result<bool, Error> {
        let mut splitter = Splitter::default();
        let mut has_receipt = false;
        loop {
            let chunk = tokio::select! {
                chunk = response.chunk() => chunk,
                () = send.closed() => return Ok(false),
            };
            let chunk = chunk.map_err(|source| Error::Body {
                source: source.without_url(),
                payment: None,
            })?;
            let Some(chunk) = chunk else { break };
            for part in splitter.push(&chunk) {
                match part {
                    Part::Data(bytes) => {
                        self.asked = 0;
                        if send.send(Ok(bytes.into())).await.is_err() {
                            return Ok(false);
                        }
                    }
                    Part::Payment(Payment::NeedVoucher, text) => self.answer(&text).await?,
                    Part::Payment(Payment::Receipt, text) => {
                        has_receipt |= self.take_receipt(&text).await?;
                    }
                }
            }
        }
        let rest = splitter.rest();
        if !rest.is_empty() {
            let _ = send.send(Ok(rest.into())).await;
        }
        Ok(has_receipt)
    }

    async fn take_receipt(&mut self, text: &str) -> Result<bool, Error> {
        let Ok(receipt) = Receipt::from_json(text) else {
            return Ok(false);
        };
        let Ok(said) = SessionReceipt::read(&receipt) else {
            return Ok(false);
        };
        let is_good = self.keep(&said, By::End).await?;
        if let Some(cut) = Cut::of(&receipt).filter(|_| is_good) {
            self.bill.cut_off(cut);
        }
        Ok(is_good)
    }

    async fn keep(&mut self, said: &SessionReceipt, by: By) -> Result<bool, Error> {
        let Some(client) = self.client.upgrade() else {
            return Ok(false);
        };
        let (keeper, channel) = (&self.keeper, &self.channel);
        match client
            .weigh(keeper, channel, said, (by, self.flight.amount))
            .await?
        {
            Word::Good(told) => {
                self.told = Some(told);
                self.bill.keep(said);
                Ok(true)
            }
            Word::Foreign => Ok(false),
            Word::Lie => {
                let why = "the seller's receipt says more than was signed or owed";
                Err(SessionFault::Disputed(why.into()).into())
            }
        }
    }

    /// The seller asks for a voucher.
    async fn answer(&mut self, text: &str) -> Result<(), Error> {
        let Some(client) = self.client.upgrade() else {
            return Ok(());
        };
        // What cannot be read, or is about a channel that is not this one, is nobody's question.
        let Ok(need) = NeedVoucher::parse(text) else {
            return Ok(());
        };
        if need.channel != self.channel {
            return Ok(());
        }
        self.asked += 1;
        if self.asked > ASKS {
            return Err(SessionFault::Nags.into());
        }
        let signed = self.sign(&client, need.required).await?;
        self.bill.costs(self.flight.amount);
        self.send(&client, signed).await
    }

    async fn sign(&mut self, client: &Inner, required: Amount) -> Result<Amount, Error> {
        let host = self.target.host().to_owned();
        for _ in 0..2 {
            let (keeper, flight) = (&self.keeper, &mut self.flight);
            match client
                .raise(keeper, flight, &host, required, &self.choice)
                .await
            {
                Ok(signed) => return Ok(signed),
                Err(Refusal::Error(error)) => return Err(error),
                Err(Refusal::Shut) => {
                    return Err(SessionFault::Stage(Stage::Closing.as_str()).into());
                }
                Err(Refusal::Deposit(needed)) => {
                    let what = (&self.target, &self.request);
                    client.top_up(keeper, &self.choice, what, needed).await?;
                }
            }
        }
        Err(SessionFault::Contended.into())
    }

    /// Hands the seller a voucher, on another connection.
    async fn send(&mut self, client: &Inner, signed: Amount) -> Result<(), Error> {
        let held = client
            .known(&self.keeper)
            .await?
            .ok_or(SessionFault::NoChannel)?;
        let keeping = held.record.keeping().ok_or(SessionFault::NoChannel)?;
        let mut signed = signed;
        let mut request = self.request.try_clone().ok_or(SessionFault::NoChannel)?;
        let mut last = Said::default();
        for _ in 0..SENDS {
            let payload = self.choice.payer.voucher(&keeping, signed, false);
            let payload = payload.map_err(SessionFault::Rail)?;
            let header = Inner::session_header(&self.choice, payload)?;
            match client.show_aside(&request, &header).await? {
                Shown::Served(response) => {
                    if let Some((_, said)) = receipt::of(response.headers()) {
                        self.keep(&said, By::Head).await?;
                    }
                    return Ok(());
                }
                Shown::Refused(said, headers) => {
                    last = said;
                    // A higher one was there first, or the challenge ran out.
                    signed = client.highest(&self.keeper).await?.0.max(signed);
                    self.renew(client, &headers);
                }
                Shown::Other(_, said) => {
                    let no_head = matches!(
                        said.status,
                        Some(
                            StatusCode::METHOD_NOT_ALLOWED
                                | StatusCode::NOT_FOUND
                                | StatusCode::NOT_IMPLEMENTED
                        )
                    );
                    last = said;
                    // Some take vouchers by POST alone.
                    match no_head && *request.method() == Method::HEAD {
                        true => *request.method_mut() = Method::POST,
                        false => break,
                    }
                }
                Shown::Silent(said) => {
                    last = said;
                    break;
                }
            }
        }
        Err(SessionFault::Refused(Box::new(last)).into())
    }

    fn renew(&mut self, client: &Inner, headers: &HeaderMap) {
        let url: Url = self.target.url().clone();
        let target = Target::new(Method::HEAD, url);
        let choices = client
            .sessions_offered(&target, headers)
            .unwrap_or_default();
        let same = choices
            .into_iter()
            .find(|choice| choice.scope == self.choice.scope);
        self.choice = same.unwrap_or_else(|| self.choice.clone());
    }
}

/// A body that a task hands on.
struct Handed(mpsc::Receiver<Result<Bytes, io::Error>>);

impl http_body::Body for Handed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = self.0.poll_recv(cx);
        next.map(|piece| piece.map(|bytes| bytes.map(Frame::data)))
    }
}
