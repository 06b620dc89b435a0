//! Where the credentials of a socket are taken: the gate, as it is asked for each of them.

use std::sync::Arc;

use bytes::Bytes;
use farthing_core::{
    header::{PAYMENT_AUTHORIZATION, PAYMENT_RECEIPT, payment_receipt, www_authenticate},
    intent::session,
    noun::{Challenge, Receipt, problem::Problem, session::SessionReceipt},
    value::{Amount, Secret},
};
use http::{HeaderValue, Method, Response, header, request::Parts};

use super::{Body, collected};
use crate::{
    gate::{Admission, Gate, PreparedRoute, turned_away},
    layer,
    refused::Refused,
    session::{
        Live,
        meter::{Meter, Tariff},
    },
};

/// Where the credentials of one socket are taken.
pub(super) struct Desk<'a> {
    pub(super) gate: &'a Gate,
    pub(super) route: &'a Arc<PreparedRoute>,
    /// The request that opened the socket, as each of its credentials comes with it.
    pub(super) parts: Parts,
}

impl Desk<'_> {
    /// What the gate says to a credential: as to a request that brings a voucher and wants nothing.
    /// Without one it says what is asked for.
    pub(super) async fn admit(&self, credential: Option<&Secret>) -> Response<Bytes> {
        let mut parts = self.parts.clone();
        parts.headers.remove(header::AUTHORIZATION);
        parts.headers.remove(PAYMENT_AUTHORIZATION);
        if let Some(credential) = credential {
            let Ok(mut value) = HeaderValue::from_bytes(credential.expose()) else {
                let refused = Refused::BadRequest("the credential is no header");
                return self.gate.turn_away(&refused);
            };
            value.set_sensitive(true);
            parts.method = Method::HEAD;
            parts.headers.insert(header::AUTHORIZATION, value);
        }
        let peer = layer::peer(&parts.extensions);
        let admitted = self
            .gate
            .admit::<Body>(self.route, &parts, None, peer)
            .await;
        match admitted {
            Admission::Offer(response) => response,
            Admission::Respond(response) => collected(response).await,
            // What is asked with HEAD buys nothing, unless it is no session that paid for it.
            Admission::Proceed(permit) => {
                let nothing = turned_away(&Refused::BadRequest("a socket is paid by a session"));
                collected(permit.finish(nothing.map(Body::new)).await).await
            }
        }
    }

    /// The channel that a credential was of.
    pub(super) async fn live(&self, known: &SessionReceipt) -> Option<Arc<Live>> {
        let found = self.gate.sessions()?.find(&known.channel).await;
        found.ok().flatten()
    }

    /// What its socket is charged by.
    pub(super) fn meter(&self, known: &SessionReceipt, live: Arc<Live>) -> Result<Meter, Refused> {
        let gate = self.gate;
        let sessions = gate.sessions().ok_or(Refused::Internal)?;
        let asked = gate.ask(self.route, &self.parts, None, gate.now())?;
        let price = gate.session_price(&asked, &live).ok_or(Refused::Internal)?;
        let metering = self.route.metering();
        let wait = metering.and_then(|metering| metering.voucher_wait);
        Ok(Meter::new(Tariff {
            live,
            price,
            challenge: known.challenge.clone(),
            paid: 0,
            credit: Amount::ZERO,
            row: None,
            within: wait.unwrap_or(sessions.options().voucher_wait),
            takes_trailers: false,
            till: Some(sessions.till().clone()),
            closing: sessions.closing().clone(),
            work: gate.work().clone(),
            clock: Arc::clone(gate.clock()),
        }))
    }
}

/// The receipt of a credential that was taken.
pub(super) fn paid(admitted: &Response<Bytes>) -> Option<(Receipt, SessionReceipt)> {
    let receipt = admitted.headers().get(PAYMENT_RECEIPT);
    let receipt = receipt.filter(|_| admitted.status().is_success())?;
    let receipt = payment_receipt::parse(receipt).ok()?;
    let known = SessionReceipt::read(&receipt).ok()?;
    Some((receipt, known))
}

/// The session that an answer asks for.
pub(super) fn challenge(admitted: &Response<Bytes>) -> Option<Challenge> {
    let lines = admitted.headers().get_all(header::WWW_AUTHENTICATE);
    let mut challenges = www_authenticate::parse(lines).into_iter().flatten();
    challenges.find(|it| it.intent.as_str() == session::SESSION)
}

/// Why a credential was not taken, in words.
pub(super) fn detail(admitted: &Response<Bytes>) -> String {
    let problem = Problem::parse(admitted.body(), admitted.status().as_u16()).ok();
    let detail = problem.and_then(|problem| problem.detail.as_deref().map(str::to_owned));
    detail.unwrap_or_else(|| "The payment was not taken.".to_owned())
}
