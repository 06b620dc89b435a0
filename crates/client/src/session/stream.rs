//! Reading a stream that is paid for while it flows.
//!
//! A task reads it, hands its bytes on as they come, and answers what the seller asks for on a
//! connection of its own. It ends with the stream, or when nobody reads what it hands on.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use farthing_core::{
    encoding::sse::Payment,
    noun::{Receipt, session::NeedVoucher},
    value::Amount,
};
use http::{Method, StatusCode};
use http_body::Frame;
use reqwest::{Body, Response, ResponseBuilderExt as _};
use tokio::sync::mpsc;

use super::{
    events::{Part, Splitter},
    fault::SessionFault,
    present::Shown,
    receipt::{self, By},
    tab::Tab,
};
use crate::{
    client::Inner,
    error::{Error, Said},
};

/// Pieces that are read ahead of whoever reads the stream.
const AHEAD: usize = 4;

/// How often one voucher is sent.
const SENDS: u32 = 4;

/// What follows one stream.
struct Follower {
    tab: Tab,
}

/// Hands a response on with a body that is paid for while it is read.
pub(super) fn follow(tab: Tab, mut response: Response) -> Result<Response, Error> {
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
    tokio::spawn(Follower { tab }.run(response, send));
    Ok(Response::from(whole))
}

impl Follower {
    async fn run(mut self, response: Response, send: mpsc::Sender<Result<Bytes, io::Error>>) {
        let is_told = match self.read(response, &send).await {
            Ok(is_told) => is_told,
            Err(error) => {
                self.tab.fail(&error);
                let _ = send.send(Err(io::Error::other(error))).await;
                false
            }
        };
        self.tab.land(is_told).await;
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
                        self.tab.delivered();
                        if send.send(Ok(bytes.into())).await.is_err() {
                            return Ok(false);
                        }
                    }
                    Part::Payment(Payment::NeedVoucher, text) => self.answer(&text).await?,
                    Part::Payment(Payment::Receipt, text) => {
                        if let Ok(receipt) = Receipt::from_json(&text) {
                            has_receipt |= self.tab.take_last(&receipt).await?;
                        }
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

    /// The seller asks for a voucher.
    async fn answer(&mut self, text: &str) -> Result<(), Error> {
        let client = self.tab.client();
        // What cannot be read is nobody's question.
        let Ok(need) = NeedVoucher::parse(text) else {
            return Ok(());
        };
        match self.tab.raise(&client, &need).await? {
            Some(signed) => self.send(&client, signed).await,
            None => Ok(()),
        }
    }

    /// Hands the seller a voucher, on another connection.
    async fn send(&mut self, client: &Inner, signed: Amount) -> Result<(), Error> {
        let mut signed = signed;
        let request = self.tab.request.try_clone();
        let mut request = request.ok_or(SessionFault::NoChannel)?;
        let mut last = Said::default();
        for _ in 0..SENDS {
            let header = self.tab.voucher(client, signed).await?;
            match client.show_aside(&request, &header).await? {
                Shown::Served(response) => {
                    if let Some((_, said)) = receipt::of(response.headers()) {
                        self.tab.keep(&said, By::Head).await?;
                    }
                    return Ok(());
                }
                Shown::Refused(said, headers) => {
                    last = said;
                    // A higher one was there first, or the challenge ran out.
                    signed = self.tab.highest(client).await?.max(signed);
                    self.tab.renew(client, &headers);
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
