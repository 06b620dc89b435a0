//! The 402: fresh challenges, best first, and a problem that tells the price to whoever reads
//! only the body.

use bytes::Bytes;
use farthing_core::{
    binding::{BoundId, Issue, Opaque},
    bounds,
    header::{ACCEPT_PAYMENT, PROBLEM_JSON, accept_payment::AcceptPayment, digest},
    noun::{
        DigestText,
        problem::{self, Problem, ProblemKind, Retry},
    },
    value::ChallengeId,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header, request::Parts};

use super::{Asked, Gate, known_channel::Known, offer::Offer};
use crate::{
    event::Event,
    random,
    refused::Refused,
    route::{Dynamic, Inputs},
};

/// What stands for a challenge id in a problem that is written beforehand.
const PLACE: &str = "0000000000000000000000000000000000000000000";

/// The body of a plain 402, but for the challenge's id.
#[derive(Debug)]
pub(super) struct Body {
    before: String,
    after: String,
}

impl Body {
    pub(super) fn new(offers: &[Offer]) -> Self {
        let place = ChallengeId::new(PLACE).expect("zeros are a challenge id");
        let problem = Refused::Unpaid
            .problem()
            .with_challenge(place)
            .with_offers(told(offers.iter()));
        let json = problem.to_json();
        let (before, after) = json
            .split_once(PLACE)
            .expect("the problem tells its challenge");
        Self {
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }

    fn with(&self, id: &BoundId) -> String {
        let id = id.as_str();
        [&self.before, id, &self.after].concat()
    }
}

impl Gate {
    /// A 402 for a request that carries no payment.
    pub(crate) async fn offer(&self, asked: &Asked, parts: &Parts) -> Response<Bytes> {
        if !asked.route.is_ready() {
            return self.turn_away(&Refused::NotReady);
        }
        if asked.route.dynamic().is_none() {
            return self.offer_fixed(asked, &parts.headers);
        }
        match self.dynamic_offers(asked, parts).await {
            Ok(offers) => {
                let ranked = rank(&offers, &parts.headers);
                self.challenge(asked, &offers, &ranked, Refused::Unpaid.problem(), None)
            }
            Err(refused) => {
                refused.log(asked.id.as_str(), asked.now);
                respond(&refused.problem(), HeaderMap::new())
            }
        }
    }

    /// The same for a fixed price, at once.
    pub(crate) fn offer_fixed(&self, asked: &Asked, headers: &HeaderMap) -> Response<Bytes> {
        let offers = asked.route.offers_to(&asked.method);
        if let [only] = offers
            && asked.body.is_none()
            && let Ok((header, id)) = self.issue(only, asked)
        {
            self.tell_offered(asked, 1);
            let body = asked.route.body().with(&id);
            return plain_402(header, body);
        }
        self.challenge(
            asked,
            offers,
            &rank(offers, headers),
            Refused::Unpaid.problem(),
            None,
        )
    }

    /// Answers with a problem, and with fresh challenges where one more payment would help.
    pub(super) async fn answer(
        &self,
        asked: &Asked,
        parts: &Parts,
        problem: Problem,
    ) -> Response<Bytes> {
        if problem.retry() != Some(Retry::Fresh) {
            return respond(&problem, HeaderMap::new());
        }
        let dynamic;
        let offers = if asked.route.dynamic().is_none() {
            asked.route.offers_to(&asked.method)
        } else {
            match self.dynamic_offers(asked, parts).await {
                Ok(offers) => {
                    dynamic = offers;
                    dynamic.as_slice()
                }
                Err(refused) => return respond(&refused.problem(), HeaderMap::new()),
            }
        };
        self.challenge(asked, offers, &rank(offers, &parts.headers), problem, None)
    }

    pub(super) fn challenge(
        &self,
        asked: &Asked,
        offers: &[Offer],
        ranked: &[usize],
        problem: Problem,
        known: Option<&Known>,
    ) -> Response<Bytes> {
        let mut headers = HeaderMap::new();
        let mut first = None;
        for offer in ranked.iter().filter_map(|at| offers.get(*at)) {
            let other = known.and_then(|known| self.offer_known(offer, asked, known));
            match self.issue(other.as_ref().unwrap_or(offer), asked) {
                Ok((header, id)) => {
                    headers.append(header::WWW_AUTHENTICATE, header);
                    first = first.or_else(|| Some(id.to_challenge_id()));
                }
                Err(refused) => {
                    refused.log(asked.id.as_str(), asked.now);
                    return respond(&refused.problem(), HeaderMap::new());
                }
            }
        }
        self.tell_offered(asked, ranked.len());
        let mut problem = problem.with_offers(told(ranked.iter().filter_map(|at| offers.get(*at))));
        problem.challenge = first;
        respond(&problem, headers)
    }

    /// A fresh challenge of an offer: the header, and the id.
    fn issue(&self, offer: &Offer, asked: &Asked) -> Result<(HeaderValue, BoundId), Refused> {
        let opaque = Opaque::new(asked.binding(), random::entropy()?);
        let expires = asked.now.saturating_add(offer.lifetime(self));
        let mut issue = Issue::new(expires, &opaque);
        let is_bound = offer.charge().and(asked.route.bound_body());
        let digest: Option<DigestText> = is_bound
            .and(asked.body.as_ref())
            .map(|body| digest::sha256(body));
        issue.digest = digest.as_ref();
        let mut text = String::new();
        let id = offer.template.issue(&issue, &mut text);
        let header = HeaderValue::try_from(text).map_err(|_| Refused::Internal)?;
        Ok((header, id))
    }

    async fn dynamic_offers(&self, asked: &Asked, parts: &Parts) -> Result<Vec<Offer>, Refused> {
        let Some(dynamic) = asked.route.dynamic() else {
            return Ok(Vec::new());
        };
        // What finds the price may ask somebody else for it, and gets no longer than the handler.
        let pricing = (dynamic.price)(inputs(dynamic, asked, parts));
        let price = tokio::time::timeout(asked.route.deadline(), pricing)
            .await
            .unwrap_or_else(|late| Err(late.into()))
            .map_err(Refused::Pricing)?;
        let mut offers = Vec::new();
        for charge in &self.0.methods {
            let made = Offer::charges(self, charge, &price, &asked.route.route);
            offers.extend(made.map_err(|error| Refused::Pricing(error.into()))?);
        }
        offers.truncate(bounds::OFFERS);
        Ok(offers)
    }

    fn tell_offered(&self, asked: &Asked, offers: usize) {
        self.0.events.tell(|| Event::Offered {
            route: asked.id.clone(),
            offers,
        });
    }
}

/// What a dynamic price is shown: what it declared, and nothing else.
fn inputs(dynamic: &Dynamic, asked: &Asked, parts: &Parts) -> Inputs {
    let mut headers = HeaderMap::new();
    for name in &dynamic.headers {
        for value in parts.headers.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    Inputs {
        method: parts.method.clone(),
        // The scheme and the host of an absolute form are nothing a payment is bound to.
        uri: parts
            .uri
            .path_and_query()
            .map_or_else(Uri::default, |asked| Uri::from(asked.clone())),
        headers,
        body: asked.body.clone().filter(|_| dynamic.body),
    }
}

/// The positions of the offers, the buyer's favourite first.
pub(super) fn rank(offers: &[Offer], headers: &HeaderMap) -> Vec<usize> {
    let names: Vec<_> = offers.iter().map(Offer::names).collect();
    let lines = headers
        .get_all(ACCEPT_PAYMENT)
        .iter()
        .map(HeaderValue::as_bytes);
    match AcceptPayment::parse(lines) {
        Ok(accepted) => accepted.rank(names.iter().map(|(method, intent)| (method, intent))),
        Err(_) => (0..offers.len()).collect(),
    }
}

fn told<'a>(offers: impl Iterator<Item = &'a Offer>) -> Vec<problem::Offer> {
    offers.map(Offer::told).collect()
}

fn plain_402(challenge: HeaderValue, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status(ProblemKind::PaymentRequired.status());
    let headers = response.headers_mut();
    // These three, the length of the body, and the date.
    headers.reserve(5);
    headers.insert(header::WWW_AUTHENTICATE, challenge);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    response
}

/// A problem as a response.
pub(super) fn respond(problem: &Problem, mut headers: HeaderMap) -> Response<Bytes> {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(after) = problem.retry_after_secs() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
    }
    let mut response = Response::new(Bytes::from(problem.to_json()));
    *response.status_mut() = status(problem.status());
    *response.headers_mut() = headers;
    response
}

/// The status of a problem. A method may bring rows of its own to the table; one that is no
/// status at all is an error of ours.
fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code)
        .or_else(|_| StatusCode::from_u16(ProblemKind::Internal.status()))
        .expect("the table's own rows hold statuses")
}
