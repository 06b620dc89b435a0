//! What a request led to: the server's answer, and what it cost.

use bytes::Bytes;
use farthing_core::{
    noun::Receipt,
    payment::Moved,
    value::{Amount, Currency, PaymentId, Recipient, Reference},
};
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::{
    error::Error,
    offers::Choice,
    outgoing::{Outgoing, Standing},
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
    pub(crate) inner: reqwest::Response,
    pub(crate) outlay: Option<Outlay>,
    pub(crate) plan: Option<Choice>,
}

impl Response {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status()
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

    /// The next piece of the body, as it comes in.
    ///
    /// # Errors
    /// When the connection fails. The payment is settled by then and its receipt kept.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.inner.chunk().await.map_err(|error| self.broken(error))
    }

    /// The whole body. It is as large as the server makes it.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        let Self { inner, outlay, .. } = self;
        inner
            .bytes()
            .await
            .map_err(|error| broken(outlay.as_ref(), error))
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn text(self) -> Result<String, Error> {
        let Self { inner, outlay, .. } = self;
        inner
            .text()
            .await
            .map_err(|error| broken(outlay.as_ref(), error))
    }

    /// The HTTP client's own response.
    #[must_use]
    pub fn into_inner(self) -> reqwest::Response {
        self.inner
    }

    fn broken(&self, error: reqwest::Error) -> Error {
        broken(self.outlay.as_ref(), error)
    }
}

fn broken(outlay: Option<&Outlay>, error: reqwest::Error) -> Error {
    Error::Body {
        source: error.without_url(),
        payment: outlay.map(|outlay| Box::new(outlay.clone())),
    }
}
