//! What a request led to: the server's answer, and what it cost.

use std::fmt;

use bytes::{Bytes, BytesMut};
use farthing_core::{
    noun::Receipt,
    payment::Moved,
    value::{Amount, Currency, PaymentId, Recipient, Reference},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reqwest::Request;
use url::Url;

use crate::{
    carry::Direct,
    client::Client,
    error::Error,
    flow::Answered,
    judge::Verdict,
    offers::Choice,
    outgoing::{Outgoing, Standing},
    present::Sent,
    session::{Bill, SessionChoice},
};

/// What was paid for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlay {
    /// Under what the payment is kept.
    pub payment: PaymentId,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// To whom.
    pub payee: Option<Recipient>,
    /// Whether it is certain: paid, unconfirmed or doubtful.
    pub standing: Standing,
    /// What the rail calls it, where that is known.
    pub reference: Option<Reference>,
    /// The receipt, where the server gave one.
    pub receipt: Option<Receipt>,
    /// Whether the outcome is in the store. Where it is not, the payment is still listed as
    /// pending.
    pub recorded: bool,
}

impl Outlay {
    pub(crate) fn of(record: &Outgoing, receipt: Option<Receipt>, recorded: bool) -> Self {
        let reference = receipt.as_ref().map(|receipt| receipt.reference().clone());
        let standing = match (recorded, &receipt) {
            (true, _) => record.standing,
            (false, Some(_)) => Standing::Paid,
            (false, None) => Standing::Unconfirmed,
        };
        Self {
            payment: record.id,
            amount: record.amount,
            currency: record.currency(),
            payee: record.payee.clone(),
            standing,
            reference: reference.or_else(|| record.reference.clone()),
            receipt,
            recorded,
        }
    }

    /// Whether money moved.
    #[must_use]
    pub const fn moved(&self) -> Moved {
        match self.standing {
            Standing::Paid => Moved::Yes,
            Standing::Void => Moved::No,
            _ => Moved::Unknown,
        }
    }

    /// The price as a person reads it.
    #[must_use]
    pub fn price(&self) -> String {
        self.currency.display(self.amount)
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    inner: reqwest::Response,
    outlay: Option<Outlay>,
    plan: Option<Choice>,
    session_plan: Option<SessionChoice>,
    bill: Option<Bill>,
    again: Option<Again>,
}

/// What fetches an answer again that broke off: the same payment, which is settled by now.
struct Again {
    client: Client,
    request: Request,
    header: (HeaderName, HeaderValue),
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Again")
    }
}

impl Response {
    pub(crate) fn new(answered: Answered, client: &Client) -> Self {
        let again = answered.again.map(|(request, header)| Again {
            client: client.clone(),
            request,
            header,
        });
        Self {
            inner: answered.response,
            outlay: answered.outlay,
            plan: answered.plan,
            session_plan: answered.session_plan,
            bill: answered.bill,
            again,
        }
    }

    pub(crate) fn paid_for(inner: reqwest::Response, outlay: Outlay) -> Self {
        Self {
            inner,
            outlay: Some(outlay),
            plan: None,
            session_plan: None,
            bill: None,
            again: None,
        }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The version of HTTP it came over.
    #[must_use]
    pub fn version(&self) -> http::Version {
        self.inner.version()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// Where the answer comes from, after redirects.
    #[must_use]
    pub fn url(&self) -> &Url {
        self.inner.url()
    }

    /// What was paid for it; `None` when it was free.
    #[must_use]
    pub const fn paid(&self) -> Option<&Outlay> {
        self.outlay.as_ref()
    }

    /// The receipt of that payment.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt> {
        self.outlay.as_ref()?.receipt.as_ref()
    }

    /// What would have been paid, in a dry run.
    #[must_use]
    pub const fn would_pay(&self) -> Option<&Choice> {
        self.plan.as_ref()
    }

    /// What it costs out of a channel, where it is paid for so. Of a stream it grows while the body is
    /// read.
    #[must_use]
    pub const fn bill(&self) -> Option<&Bill> {
        self.bill.as_ref()
    }

    /// The session that would have been used, in a dry run.
    #[must_use]
    pub const fn would_use(&self) -> Option<&SessionChoice> {
        self.session_plan.as_ref()
    }

    /// The next piece of the body, as it comes in.
    ///
    /// # Errors
    /// When the connection fails. The payment is settled by then and its receipt kept.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.inner
            .chunk()
            .await
            .map_err(|error| broken(self.outlay.as_ref(), error))
    }

    /// The whole body. It is as large as the server makes it.
    ///
    /// Where a body that was paid for breaks off, the same payment is sent again: nothing more is
    /// paid, and a server that has not delivered yet delivers now.
    ///
    /// # Errors
    /// When the connection fails, and the server does not send the answer again.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        let whole = self.bytes_up_to(usize::MAX).await?;
        Ok(whole.expect("no body has more bytes than can be counted"))
    }

    /// The same, or `None` where the body is larger than so many bytes. A server may send for
    /// ever, and need not say beforehand how much it sends.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn bytes_up_to(self, most: usize) -> Result<Option<Bytes>, Error> {
        let Self {
            inner,
            outlay,
            again,
            ..
        } = self;
        let mut failed = match collect(inner, most).await {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        if let Some(Again {
            client,
            request,
            header,
        }) = again
        {
            let inner = &client.inner;
            for sends in 1..inner.options.sends {
                tokio::time::sleep(inner.options.backoff_after(sends)).await;
                let mut direct = Direct(&inner.http);
                match inner.send_once(&mut direct, &request, &header).await {
                    Ok(Sent::Judged(Verdict::Served(response))) => {
                        match collect(response, most).await {
                            Ok(bytes) => return Ok(bytes),
                            Err(error) => failed = error,
                        }
                    }
                    Ok(Sent::Judged(Verdict::Again { .. })) => {}
                    _ => break,
                }
            }
        }
        Err(broken(outlay.as_ref(), failed))
    }

    /// The whole body as text; what is not UTF-8 in it is replaced.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn text(self) -> Result<String, Error> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The HTTP client's own response.
    #[must_use]
    pub fn into_inner(self) -> reqwest::Response {
        self.inner
    }
}

/// A body as far as it goes, unless it goes too far.
async fn collect(
    mut response: reqwest::Response,
    most: usize,
) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > most - body.len() {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

fn broken(outlay: Option<&Outlay>, error: reqwest::Error) -> Error {
    Error::Body {
        source: error.without_url(),
        payment: outlay.map(|outlay| Box::new(outlay.clone())),
    }
}
