//! A request, as far as a payment is bound to it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    binding::Slots,
    header::IDEMPOTENCY_KEY,
    value::{Fingerprint, RouteId, Timestamp},
};
use http::{Method, header, request::Parts};

use super::PreparedRoute;
use crate::{fingerprint, refused::Refused};

/// A request, as far as a payment is bound to it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) route: Arc<PreparedRoute>,
    pub(crate) id: RouteId,
    pub(super) method: Method,
    pub(super) fingerprint: Fingerprint,
    pub(super) idempotency: Option<Box<str>>,
    pub(super) body: Option<Bytes>,
    pub(super) now: Timestamp,
    /// Whether it is known to have no body.
    is_empty: bool,
    takes_trailers: bool,
}

impl Asked {
    pub(super) fn new(
        route: &Arc<PreparedRoute>,
        parts: &Parts,
        body: Option<Bytes>,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let id = route
            .id(parts)
            .ok_or(Refused::BadRequest("the path cannot be named"))?;
        let fingerprint = fingerprint::of_request(&id, parts, route.inputs());
        Ok(Self {
            route: Arc::clone(route),
            fingerprint,
            id,
            method: parts.method.clone(),
            idempotency: idempotency_key(parts)?,
            is_empty: body.as_ref().is_some_and(Bytes::is_empty) || is_empty(parts),
            takes_trailers: takes_trailers(parts),
            body,
            now,
        })
    }

    /// The fingerprint a claim records: with the body, where an idempotency key or the route
    /// makes it part of what was asked.
    pub(crate) fn whole_fingerprint(&self) -> Fingerprint {
        match &self.body {
            Some(body) => fingerprint::with_body(self.fingerprint, body),
            None => self.fingerprint,
        }
    }

    /// The half of the fingerprint that stands in a challenge.
    pub(super) fn binding(&self) -> [u8; 16] {
        let mut half = [0; 16];
        half.copy_from_slice(&self.fingerprint.0[..16]);
        half
    }
}

/// What a session asks of a request.
impl Asked {
    /// When it came.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }

    /// Its idempotency key.
    pub(crate) fn idempotency(&self) -> Option<&str> {
        self.idempotency.as_deref()
    }

    /// Whether a session's credential on it buys what the route sells, or only hands in its voucher.
    ///
    /// A HEAD never buys, and neither does a POST that carries nothing but its credential: that is how
    /// vouchers are sent to an address whose answer is still streaming. A route may say that such a
    /// POST is what it is asked by.
    pub(crate) fn buys(&self, parts: &Parts) -> bool {
        if self.method == Method::HEAD {
            return false;
        }
        self.method != Method::POST
            || self.route.serves_empty_posts()
            || parts.uri.query().is_some_and(|query| !query.is_empty())
            || !self.is_empty
    }

    /// Whether a credential on it proves who its sender is, to be told of its channel.
    pub(super) fn asks_for_its_channel(&self, slots: &Slots<'_>) -> bool {
        let proof = self.route.proof();
        self.method == Method::HEAD && proof.is_some_and(|proof| proof.template.is_of(slots))
    }

    /// How long an answer is kept for its key.
    pub(crate) fn remembered_until(&self) -> Timestamp {
        let kept = self.route.settings().remember_answers;
        self.now.saturating_add(kept)
    }

    /// Whether its handler may run again.
    pub(crate) fn may_run_again(&self) -> bool {
        self.route.is_rerunnable(&self.method)
    }

    /// When its handler has long had its time.
    pub(crate) fn served_until(&self) -> Timestamp {
        let margin = Duration::from_secs(30);
        let most = self.route.deadline().saturating_add(margin);
        self.now.saturating_add(most)
    }

    /// Whether its sender reads what comes after a body.
    pub(crate) const fn takes_trailers(&self) -> bool {
        self.takes_trailers
    }
}

/// Whether the head says that no body follows. One that does not say how long its body is has one only
/// where it says that it comes in chunks; of HTTP/2, whoever reads the body knows better.
fn is_empty(parts: &Parts) -> bool {
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let none = length.is_none_or(|length| length.as_bytes() == b"0");
    let is_marked = parts.extensions.get::<HasBody>().is_some();
    none && !is_marked && !parts.headers.contains_key(header::TRANSFER_ENCODING)
}

/// Marks a request whose body was seen to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HasBody;

fn takes_trailers(parts: &Parts) -> bool {
    let mut lines = parts.headers.get_all(header::TE).iter();
    lines.any(|line| {
        let mut names = line.as_bytes().split(|byte| *byte == b',');
        names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

fn idempotency_key(parts: &Parts) -> Result<Option<Box<str>>, Refused> {
    let mut lines = parts.headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(key) = lines.next() else {
        return Ok(None);
    };
    let text = key.to_str().ok().filter(|text| {
        !text.is_empty()
            && text.len() <= farthing_core::bounds::IDEMPOTENCY_KEY
            && lines.next().is_none()
    });
    text.map(|text| Some(text.into()))
        .ok_or(Refused::BadRequest("the Idempotency-Key cannot be read"))
}
