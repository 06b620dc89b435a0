//! The steps of a credential: parsed, authentic, bound, proven. Each consumes the one before, so
//! none can be left out.

use std::sync::Arc;

use farthing_core::{
    binding::{Opaque, Slots},
    domain::payments::REMEMBER,
    header::digest,
    intent::{
        charge::{CHARGE, ChargeRequest},
        session::SessionRequest,
    },
    noun::{CredentialRef, Request},
    payment::SettlePolicy,
    port::method::{Charge, Presented, Step, Verified},
    value::{ChallengeId, Did, Fingerprint, Timestamp},
};

use super::{
    Asked, Gate, PreparedRoute,
    offer::{Metered, Offer},
};
use crate::{fingerprint, refused::Refused};

/// A credential that can be read, with every echoed slot within its grammar.
pub(super) struct Parsed<'a> {
    credential: &'a CredentialRef<'a>,
    slots: Slots<'a>,
    pub(super) challenge: ChallengeId,
    /// The hash of the proof, by which it is known again.
    pub(super) proof: Fingerprint,
}

impl<'a> Parsed<'a> {
    pub(super) fn new(
        credential: &'a CredentialRef<'a>,
        slots: Slots<'a>,
    ) -> Result<Self, Refused> {
        let challenge = credential
            .challenge_id()
            .map_err(|error| Refused::Malformed(error.into()))?;
        let proof = fingerprint::of_proof(credential.payload().get());
        Ok(Self {
            slots,
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
            .chain(asked.route.proof())
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
        let (charge, request) = match offer.and_then(Offer::charge) {
            Some((charge, request)) => (Arc::clone(charge), request.clone()),
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

impl Gate {
    /// Checks that a session's challenge is ours and unchanged, and says what this route asks for by its
    /// method. A buyer keeps using one challenge, so it may be another route's or of another price:
    /// what counts is what is asked for here and now.
    ///
    /// # Errors
    /// When it is not ours, or the route asks for nothing by its method.
    pub(crate) fn session_asked_for<'r>(
        &self,
        asked: &'r Asked,
        slots: &Slots<'_>,
        id: &str,
    ) -> Result<&'r Metered, Refused> {
        let offers = &asked.route.offers;
        let offer = offers.iter().find(|offer| offer.template.is_of(slots));
        match offer {
            Some(offer) => offer.template.authenticate(slots, id, asked.now),
            None => self.0.binder.authenticate(slots, id, asked.now),
        }
        .map_err(|_| Refused::NotOurs)?;
        if slots.realm() != self.0.realm.as_str() {
            return Err(Refused::NotOurs);
        }
        if let Some(metered) = offer.and_then(Offer::metered) {
            return Ok(metered);
        }
        let of_its_method = offers
            .iter()
            .filter_map(Offer::metered)
            .filter(|metered| metered.rail.method().as_str() == slots.method());
        let candidates: Vec<&Metered> = of_its_method.collect();
        match candidates.as_slice() {
            [] => Err(Refused::OtherRequest),
            [only] => Ok(only),
            several => {
                let request = Request::parse(slots.request()).map_err(|_| Refused::NotOurs)?;
                let asked: SessionRequest = request.decode().map_err(|_| Refused::NotOurs)?;
                let mut several = several.iter();
                several
                    .find(|metered| metered.request.currency == asked.currency)
                    .copied()
                    .ok_or(Refused::OtherRequest)
            }
        }
    }
}

impl Gate {
    /// Who pays, as a charge proves it whose challenge is good for this request. Nothing is claimed.
    ///
    /// # Errors
    /// When the challenge is not ours, is for another request or over, or the proof is not good.
    pub(crate) async fn prove_payer(
        &self,
        asked: &Asked,
        credential: &CredentialRef<'_>,
        slots: Slots<'_>,
    ) -> Result<Option<Did>, Refused> {
        let bound = Parsed::new(credential, slots)?
            .authenticate(self, asked)?
            .bind(asked)?;
        Ok(bound.prove(self, asked).await?.verified.payer)
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
