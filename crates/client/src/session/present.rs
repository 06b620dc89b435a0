//! Showing a seller what was signed.

use std::time::Duration;

use farthing_core::{
    header::{IDEMPOTENCY_KEY, authorization},
    noun::Credential,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use reqwest::{Request, Response};
use serde_json::value::RawValue;

use super::offer::SessionChoice;
use crate::{
    carry::{Carrier, Direct},
    client::Inner,
    error::{Error, RequestFault, Said, ServerFault},
    judge::Verdict,
    pay::payment_id,
    present::Sent,
};

/// What presenting led to.
pub(super) enum Shown {
    Served(Response),
    /// The seller refused, perhaps with a new challenge.
    Refused(Said, HeaderMap),
    /// An answer about something else: the service's own.
    Other(Response, Said),
    /// Nothing is decided.
    Silent(Said),
}

/// What presenting led to, with what is known of the tries before the last one.
pub(super) struct Presented {
    pub(super) shown: Shown,
    /// Whether some try got no answer that says that nothing was charged for it.
    pub(super) is_doubtful: bool,
}

impl Inner {
    /// The header that a payload goes in.
    pub(super) fn session_header(
        choice: &SessionChoice,
        payload: Box<RawValue>,
    ) -> Result<(HeaderName, HeaderValue), Error> {
        let credential = Credential {
            challenge: choice.offer.challenge.clone(),
            payload,
            source: Some(choice.quote.payer.clone().into()),
        };
        let mut value = HeaderValue::try_from(authorization::format(&credential))
            .map_err(|_| ServerFault::Header)?;
        value.set_sensitive(true);
        Ok((choice.header.clone(), value))
    }

    /// Sends a request with what was signed, and again while the seller says to or says nothing.
    pub(super) async fn show<C: Carrier>(
        &self,
        carrier: &mut C,
        request: &Request,
        header: &(HeaderName, HeaderValue),
    ) -> Result<Presented, Error> {
        let (mut waited, mut last, mut is_doubtful) = (Duration::ZERO, Said::default(), false);
        for sends in 1..=self.options.sends {
            let shown = match self.send_once(carrier, request, header).await? {
                Sent::Judged(Verdict::Served(response)) => Ok(Shown::Served(response)),
                Sent::Judged(Verdict::Refused { said, headers }) => {
                    Ok(Shown::Refused(said, headers))
                }
                Sent::Judged(Verdict::Other(response, said)) => Ok(Shown::Other(response, said)),
                Sent::Judged(Verdict::Again {
                    free: Some(own),
                    said,
                    ..
                }) => Ok(Shown::Other(*own, said)),
                Sent::Away(said) => {
                    is_doubtful = true;
                    Ok(Shown::Silent(said))
                }
                Sent::Judged(Verdict::Again { after, said, .. }) => Err((after, said)),
            };
            let (after, said) = match shown {
                Ok(shown) => return Ok(Presented { shown, is_doubtful }),
                Err(again) => again,
            };
            is_doubtful |= !said.denies();
            last = said;
            let delay = after.unwrap_or_else(|| self.options.backoff_after(sends));
            waited = waited.saturating_add(delay);
            if sends == self.options.sends || waited > self.options.wait {
                break;
            }
            tokio::time::sleep(delay).await;
        }
        let shown = Shown::Silent(last);
        Ok(Presented { shown, is_doubtful })
    }

    /// Sends it once, on a connection of our own: what was served, where it was.
    pub(super) async fn show_once(
        &self,
        request: &Request,
        header: &(HeaderName, HeaderValue),
    ) -> Result<Option<Response>, Error> {
        let mut direct = Direct(&self.http);
        Ok(match self.send_once(&mut direct, request, header).await? {
            Sent::Judged(Verdict::Served(response)) => Some(response),
            _ => None,
        })
    }

    /// Sends a request that pays nothing.
    pub(super) async fn ask_unpaid(&self, request: Request) -> Result<Response, Error> {
        let mut direct = Direct(&self.http);
        let answer = direct.carry(request);
        match tokio::time::timeout(self.options.answer_within, answer).await {
            Ok(response) => response.map_err(Error::Transport),
            Err(late) => Err(Error::Transport(late.into())),
        }
    }

    /// The same on a connection of our own, with nothing bought.
    pub(super) async fn show_aside(
        &self,
        request: &Request,
        header: &(HeaderName, HeaderValue),
    ) -> Result<Shown, Error> {
        let presented = self.show(&mut Direct(&self.http), request, header).await?;
        Ok(presented.shown)
    }
}

/// The request without what makes it buy something: for a top-up, a closing, a voucher alone.
pub(super) fn bare(request: &Request, method: Method) -> Request {
    let mut bare = Request::new(method, request.url().clone());
    *bare.headers_mut() = request.headers().clone();
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::TRANSFER_ENCODING,
        header::EXPECT,
        header::RANGE,
        IDEMPOTENCY_KEY,
    ] {
        bare.headers_mut().remove(name);
    }
    bare
}

/// Gives a request a key of its own, where its caller gave none: sent again after a broken
/// connection, it gets what was paid for.
pub(super) fn keyed(request: &mut Request) -> Result<(), Error> {
    if request.headers().contains_key(IDEMPOTENCY_KEY) {
        return Ok(());
    }
    let key = payment_id()?.to_string();
    let key = HeaderValue::try_from(key).map_err(|e| RequestFault::Build(e.into()))?;
    request.headers_mut().insert(IDEMPOTENCY_KEY, key);
    Ok(())
}
