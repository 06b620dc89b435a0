//! From the challenges of a 402 to the sessions that can be paid.

use std::{fmt, sync::Arc};

use farthing_core::{
    header::{digest, www_authenticate},
    intent::{
        charge::ChargeRequest,
        session::{SESSION, SessionRequest},
    },
    noun::Challenge,
    port::{
        payer::{Offer, Quote},
        session_payer::{SessionOffer, SessionPayer, SessionQuote},
    },
    value::Amount,
};
use http::{HeaderMap, HeaderName};

use super::{
    purse::{Purse, Stage},
    store::full_scope,
};
use crate::{
    client::Inner,
    error::{Error, PayerFault, Refused, ServerFault},
    offers::lines,
    policy::UseSessions,
    target::Target,
};

/// A session that one of our payers can pay out of a channel, and that the policy does not forbid.
#[derive(Clone)]
pub struct SessionChoice {
    pub(super) offer: SessionOffer,
    pub(super) quote: SessionQuote,
    pub(super) header: HeaderName,
    pub(super) payer: Arc<dyn SessionPayer>,
    pub(super) scope: Box<str>,
    /// The least by which a voucher has to pass the one before it.
    pub(super) least: Amount,
}

impl fmt::Debug for SessionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionChoice")
            .field("offer", &self.offer)
            .field("quote", &self.quote)
            .finish_non_exhaustive()
    }
}

impl SessionChoice {
    /// The offer.
    #[must_use]
    pub const fn offer(&self) -> &SessionOffer {
        &self.offer
    }

    /// Who would pay, and in what.
    #[must_use]
    pub const fn quote(&self) -> &SessionQuote {
        &self.quote
    }

    /// The price of one unit as a person reads it.
    #[must_use]
    pub fn price(&self) -> String {
        self.quote.currency.display(self.amount())
    }

    /// The header the credential belongs in.
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }

    pub(super) const fn amount(&self) -> Amount {
        self.offer.request.amount
    }
}

impl Inner {
    /// The sessions of a 402 that can be paid, in the server's order. When there is none, the error
    /// is the first that was in the way of one.
    pub(crate) fn sessions_offered(
        &self,
        target: &Target,
        headers: &HeaderMap,
    ) -> Result<Vec<SessionChoice>, Option<Error>> {
        if self.session_payers.is_empty() {
            return Err(None);
        }
        if !target.is_private() {
            return Err(Some(Refused::PlainHttp(target.host().into()).into()));
        }
        let (mut choices, mut passed) = (Vec::new(), None);
        for challenge in www_authenticate::parse(lines(headers)) {
            let Ok(challenge) = challenge else { continue };
            if challenge.intent.as_str() != SESSION {
                continue;
            }
            match self.session_choice(target, challenge) {
                Ok(choice) => choices.push(choice),
                Err(error) => {
                    tracing::debug!(%error, host = target.host(), "a session is passed over");
                    passed.get_or_insert(error);
                }
            }
        }
        match choices.is_empty() {
            true => Err(passed),
            false => Ok(choices),
        }
    }

    /// The session that was paid at this place before and still can be, so that nobody has to be asked.
    pub(crate) async fn session_known(
        &self,
        target: &Target,
    ) -> Result<Option<SessionChoice>, Error> {
        let is_used = self.policy.uses_sessions() != UseSessions::Never && !self.policy.is_dry();
        let Some(choice) = self.keepers.offer(target).filter(|_| is_used) else {
            return Ok(None);
        };
        let challenge = &choice.offer.challenge;
        if challenge.digest.is_some() || self.judge().check_time(challenge).is_err() {
            return Ok(None);
        }
        let keeper = self.keepers.of(&choice.scope);
        let held = self.known(&keeper).await?;
        let pays = |purse: &Purse| purse.stage == Stage::Open && purse.dispute.is_none();
        Ok(held.filter(|held| pays(&held.record)).map(|_| choice))
    }

    fn session_choice(
        &self,
        target: &Target,
        challenge: Challenge,
    ) -> Result<SessionChoice, Error> {
        let header = challenge.credential_header().ok_or(ServerFault::Header)?;
        self.judge().check_time(&challenge)?;
        let ours = |text| digest::matches(text, target.body());
        if challenge
            .digest
            .as_ref()
            .is_some_and(|text| !ours(text.as_str()))
        {
            return Err(ServerFault::Digest.into());
        }
        let request: SessionRequest = challenge.request.decode().map_err(ServerFault::Charge)?;
        let protocol = request
            .protocol()
            .map_err(|_| PayerFault::Intent(challenge.intent.as_str().into()))?;
        let least = request.min_voucher_delta().map_err(ServerFault::Charge)?;
        let offer = SessionOffer {
            challenge,
            request,
            protocol,
        };
        let (payer, quote) = self.session_quote(&offer)?;
        self.check_session(target, &offer, &quote, least)?;
        let realm = &offer.challenge.realm;
        Ok(SessionChoice {
            scope: full_scope(payer.method(), &quote.payer, realm, &quote.scope),
            offer,
            quote,
            header,
            payer,
            least,
        })
    }

    fn session_quote(
        &self,
        offer: &SessionOffer,
    ) -> Result<(Arc<dyn SessionPayer>, SessionQuote), PayerFault> {
        let method = &offer.challenge.method;
        let mut refused = PayerFault::Method(method.as_str().into());
        let payers = self.session_payers.iter();
        for payer in payers.filter(|payer| payer.method() == method) {
            match payer.quote(offer) {
                Ok(quote) => return Ok((Arc::clone(payer), quote)),
                Err(refusal) => refused = PayerFault::Payer(refusal),
            }
        }
        Err(refused)
    }

    /// The policy's rules hold of a session as of a charge of one unit: or of a step, where vouchers are to
    /// rise by more than that, for a step may be signed for a single request.
    fn check_session(
        &self,
        target: &Target,
        offer: &SessionOffer,
        quote: &SessionQuote,
        least: Amount,
    ) -> Result<(), Refused> {
        let request = &offer.request;
        let unit = Offer {
            challenge: offer.challenge.clone(),
            request: ChargeRequest::new(
                request.amount.max(least),
                request.currency.clone(),
                Some(request.recipient.clone()),
            ),
        };
        let unit_quote = Quote {
            network: quote.network.clone(),
            ..Quote::new(quote.currency.clone(), quote.payer.clone())
        };
        self.policy.check(target, &unit, &unit_quote)
    }
}
