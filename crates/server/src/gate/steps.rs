//! The steps of a credential: parsed, authentic, bound, proven. Each consumes the one before, so
//! none can be left out.

use std::sync::Arc;

use bytes::Bytes;
use farthing_core::{
    binding::{Opaque, Slots},
    domain::payments::REMEMBER,
    header::{IDEMPOTENCY_KEY, digest},
    intent::charge::{CHARGE, ChargeRequest},
    noun::{CredentialRef, Request},
    payment::SettlePolicy,
    port::method::{Charge, Presented, Step, Verified},
    value::{ChallengeId, Fingerprint, Timestamp},
};
use http::{Method, request::Parts};

use super::{Gate, PreparedRoute};
use crate::{fingerprint, refused::Refused};
use farthing_core::value::RouteId;

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
            body,
            now,
        })
    }

    /// The fingerprint a claim records: with the body, where an idempotency key or the route
    /// makes it part of what was asked.
    pub(super) fn whole_fingerprint(&self) -> Fingerprint {
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

/// A credential that can be read, with every echoed slot within its grammar.
pub(super) struct Parsed<'a> {
    credential: &'a CredentialRef<'a>,
    slots: Slots<'a>,
    pub(super) challenge: ChallengeId,
    /// The hash of the proof, by which it is known again.
    pub(super) proof: Fingerprint,
}

impl<'a> Parsed<'a> {
    pub(super) fn new(credential: &'a CredentialRef<'a>) -> Result<Self, Refused> {
        let challenge = credential
            .challenge_id()
            .map_err(|error| Refused::Malformed(error.into()))?;
        let proof = fingerprint::of_proof(credential.payload().get());
        Ok(Self {
            slots: credential.slots().map_err(Refused::Slot)?,
            credential,
            challenge,
            proof,
        })
    }

    /// Checks that the challenge is ours and unchanged.
    pub(super) fn authenticate(self, gate: &Gate, asked: &Asked) -> Result<Authentic<'a>, Refused> {
        let offer = asked
            .route
            .offers
            .iter()
            .find(|offer| offer.template.is_of(&self.slots));
        let id = self.challenge.as_str();
        match offer {
            Some(offer) => offer.template.authenticate(&self.slots, id, asked.now),
            None => gate.0.binder.authenticate(&self.slots, id, asked.now),
        }
        .map_err(|_| Refused::NotOurs)?;
        if self.slots.realm() != gate.0.realm.as_str() {
            return Err(Refused::NotOurs);
        }
        if self.slots.intent() != CHARGE {
            return Err(Refused::UnknownMethod);
        }
        // The price is that of the challenge: it was promised until it expires.
        let (charge, request) = match offer {
            Some(offer) => (Arc::clone(&offer.charge), offer.request.clone()),
            None => {
                let by_name = gate.0.by_name.iter();
                let charge = by_name
                    .filter(|(name, _)| name.as_str() == self.slots.method())
                    .map(|(_, charge)| charge);
                let request = Request::parse(self.slots.request()).map_err(|_| Refused::NotOurs)?;
                (
                    Arc::clone(charge.last().ok_or(Refused::UnknownMethod)?),
                    request.decode().map_err(|_| Refused::NotOurs)?,
                )
            }
        };
        Ok(Authentic {
            parsed: self,
            charge,
            request,
        })
    }
}

/// A credential whose challenge is ours.
pub(super) struct Authentic<'a> {
    parsed: Parsed<'a>,
    charge: Arc<dyn Charge>,
    request: ChargeRequest,
}

impl<'a> Authentic<'a> {
    /// Checks that the challenge is good for this request, now.
    pub(super) fn bind(self, asked: &Asked) -> Result<Bound<'a>, Refused> {
        let slots = &self.parsed.slots;
        let opaque = slots
            .opaque()
            .and_then(Opaque::parse)
            .ok_or(Refused::NotOurs)?;
        if opaque.binding != asked.binding() {
            return Err(Refused::OtherRequest);
        }
        let is_bound = match (asked.route.bound_body(), slots.digest(), &asked.body) {
            (Some(_), Some(digest), Some(body)) => digest::matches(digest, body),
            (Some(_), _, _) => false,
            (None, _, _) => true,
        };
        if !is_bound {
            return Err(Refused::OtherRequest);
        }
        let expires = slots.expires().ok_or(Refused::NotOurs)?;
        if expires.saturating_add(self.charge.prepaid_grace()) <= asked.now {
            let remembered = expires.saturating_add(REMEMBER) > asked.now;
            return Err(if remembered {
                Refused::Expired
            } else {
                Refused::Forgotten
            });
        }
        Ok(Bound {
            authentic: self,
            expires,
        })
    }
}

/// A credential that is good for this request, as far as the challenge says.
pub(super) struct Bound<'a> {
    authentic: Authentic<'a>,
    expires: Timestamp,
}

impl Bound<'_> {
    /// Lets the method check the proof.
    pub(super) async fn prove(self, gate: &Gate, asked: &Asked) -> Result<Proven, Refused> {
        let Authentic {
            parsed,
            charge,
            request,
        } = self.authentic;
        let presented = Presented {
            challenge: &parsed.challenge,
            realm: &gate.0.realm,
            request: &request,
            expires: self.expires,
            source: parsed.credential.source(),
            payload: parsed.credential.payload(),
            now: asked.now,
        };
        let verified = match charge.verify(presented) {
            Step::Now(verified) => verified,
            Step::Later(verifying) => tokio::time::timeout(gate.0.options.rail_deadline, verifying)
                .await
                .unwrap_or_else(|_| Err(rail_is_slow())),
        };
        let verified = verified.map_err(Refused::Method)?;
        Ok(Proven {
            challenge: parsed.challenge,
            proof: parsed.proof,
            charge,
            request,
            verified,
        })
    }
}

fn rail_is_slow() -> farthing_core::port::method::Refusal {
    use farthing_core::port::method::{Fault, Refusal};
    Refusal::new(
        Fault::Unavailable,
        "the payment rail did not answer in time",
    )
}

/// A credential whose proof is good. What is left is to claim it.
pub(super) struct Proven {
    pub(super) challenge: ChallengeId,
    pub(super) proof: Fingerprint,
    pub(super) charge: Arc<dyn Charge>,
    pub(super) request: ChargeRequest,
    pub(super) verified: Verified,
}

impl Proven {
    /// When value moves: as the route says, unless it has moved already.
    pub(super) fn policy(&self, route: &PreparedRoute) -> SettlePolicy {
        if self.verified.prepaid {
            return SettlePolicy::First;
        }
        route.policy(&*self.charge)
    }
}
