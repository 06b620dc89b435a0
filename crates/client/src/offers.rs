//! From the challenges of a 402 to the offers that can be paid, in the order they are tried.
//!
//! Nothing that stands in a challenge is ever dialled, and nothing in it says how many decimals a
//! currency has: those are the payer's to know.

use std::{fmt, sync::Arc};

use farthing_core::{
    header::{digest, www_authenticate},
    intent::charge::{CHARGE, ChargeRequest},
    noun::Challenge,
    port::{
        method::{Fault, Refusal},
        payer::{Offer, Payer, Quote},
    },
    value::Timestamp,
};
use http::{HeaderMap, HeaderName, header::WWW_AUTHENTICATE};

use crate::{
    error::{Error, PayerFault, Refused, RequestFault, ServerFault},
    options::Options,
    policy::{Policy, rank},
    target::Target,
};

/// Bytes of a host's name, as the DNS has it.
const HOST: usize = 253;

/// An offer that one of our payers can pay and that the policy does not forbid. Whether the
/// budgets have room is known only when it is reserved.
#[derive(Clone)]
pub struct Choice {
    offer: Offer,
    quote: Quote,
    header: HeaderName,
    payer: Arc<dyn Payer>,
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice")
            .field("offer", &self.offer)
            .field("quote", &self.quote)
            .finish()
    }
}

impl Choice {
    /// The offer.
    #[must_use]
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Who would pay, and in what.
    #[must_use]
    pub const fn quote(&self) -> &Quote {
        &self.quote
    }

    /// The header the credential belongs in.
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }

    /// The price as a person reads it.
    #[must_use]
    pub fn price(&self) -> String {
        self.quote.currency.display(self.offer.request.amount)
    }

    pub(crate) fn payer(&self) -> &Arc<dyn Payer> {
        &self.payer
    }
}

/// Whether a response carries a challenge of the `Payment` scheme, readable or not.
pub(crate) fn has_challenge(headers: &HeaderMap) -> bool {
    !www_authenticate::parse(lines(headers)).is_empty()
}

/// What offers are judged with.
pub(crate) struct Judge<'a> {
    pub(crate) payers: &'a [Arc<dyn Payer>],
    pub(crate) policy: &'a Policy,
    pub(crate) options: &'a Options,
    pub(crate) now: Timestamp,
}

impl Judge<'_> {
    /// The offers that can be paid, the best first.
    ///
    /// When there is none, the error is the one that is most the owner's to act on: what the
    /// policy forbids before what the wallet cannot do, and that before what the server got wrong.
    pub(crate) fn choices(
        &self,
        target: &Target,
        headers: &HeaderMap,
    ) -> Result<Vec<Choice>, Error> {
        if !target.is_private() {
            return Err(Refused::PlainHttp(target.host().into()).into());
        }
        if target.host().len() > HOST {
            return Err(RequestFault::Host.into());
        }
        let (mut choices, mut passed) = (Vec::new(), Vec::new());
        for challenge in www_authenticate::parse(lines(headers)) {
            let judged = challenge
                .map_err(|error| ServerFault::Challenge(error).into())
                .and_then(|challenge| self.choice(target, challenge));
            match judged {
                Ok(choice) => choices.push(choice),
                Err(error) => {
                    tracing::debug!(%error, host = target.host(), "an offer is passed over");
                    passed.push(error);
                }
            }
        }
        if choices.is_empty() {
            passed.sort_by_key(weight);
            return Err(passed
                .into_iter()
                .next()
                .unwrap_or(Error::Server(ServerFault::Empty)));
        }
        Ok(rank(self.policy, choices))
    }

    fn choice(&self, target: &Target, challenge: Challenge) -> Result<Choice, Error> {
        if challenge.intent.as_str() != CHARGE {
            return Err(PayerFault::Intent(challenge.intent.as_str().into()).into());
        }
        let header = challenge.credential_header().ok_or(ServerFault::Header)?;
        self.check_time(&challenge)?;
        let ours = |text| digest::matches(text, target.body());
        if challenge
            .digest
            .as_ref()
            .is_some_and(|text| !ours(text.as_str()))
        {
            return Err(ServerFault::Digest.into());
        }
        let request: ChargeRequest = challenge.request.decode().map_err(ServerFault::Charge)?;
        let offer = Offer { challenge, request };
        let (payer, quote) = self.quote(&offer)?;
        self.policy.check(target, &offer, &quote)?;
        Ok(Choice {
            offer,
            quote,
            header,
            payer,
        })
    }

    /// The end of a challenge has to lie ahead, and not absurdly far.
    pub(crate) fn check_time(&self, challenge: &Challenge) -> Result<(), ServerFault> {
        if challenge.is_expired(self.now) {
            return Err(ServerFault::Expired);
        }
        let latest = self.now.saturating_add(self.options.window);
        match &challenge.expires {
            Some(end) if end.at() > latest => Err(ServerFault::Window),
            _ => Ok(()),
        }
    }

    /// The first payer that can pay an offer.
    fn quote(&self, offer: &Offer) -> Result<(Arc<dyn Payer>, Quote), PayerFault> {
        let method = &offer.challenge.method;
        let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
        for payer in self.payers.iter().filter(|payer| payer.method() == method) {
            match payer.quote(offer) {
                Ok(quote) => return Ok((Arc::clone(payer), quote)),
                Err(refusal) if payer.is_on_network(offer) => here.push(refusal),
                Err(refusal) => elsewhere.push(refusal),
            }
        }
        // That the other networks are not asked for is no news where one is.
        let told = if here.is_empty() { elsewhere } else { here };
        let refusal = together(told).map(PayerFault::Payer);
        Err(refusal.unwrap_or_else(|| PayerFault::Method(method.as_str().into())))
    }
}

/// What several payers said, each reason once. Whose fault it is goes by the first of them that is
/// more than an offer of another kind.
fn together(refusals: Vec<Refusal>) -> Option<Refusal> {
    let mut reasons: Vec<String> = Vec::new();
    for reason in refusals.iter().map(ToString::to_string) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let mut refusals = refusals;
    refusals.sort_by_key(|refusal| refusal.fault == Fault::Unsupported);
    let first = refusals.into_iter().next()?;
    Some(Refusal {
        public: reasons.join("; ").into(),
        ..first
    })
}

fn weight(error: &Error) -> u8 {
    match error {
        Error::Refused(_) => 0,
        Error::Payer(PayerFault::Payer(_)) => 1,
        Error::Payer(_) => 2,
        _ => 3,
    }
}

pub(crate) fn lines(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .map(http::HeaderValue::as_bytes)
}
