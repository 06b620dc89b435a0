//! What is told of a channel to somebody who is known to be its payer: a snapshot, in two headers and in
//! the challenge that asks for more (section "Session Snapshot").

use std::sync::Arc;

use bytes::Bytes;
use farthing_core::{
    domain::channels::Step,
    header::{PAYMENT_SESSION, PAYMENT_SESSION_SNAPSHOT},
    intent::session::{ChannelId, Standing},
    noun::{Request, problem::Problem, session::Snapshot},
    value::{Amount, CurrencyCode, MethodId},
};
use http::{HeaderMap, HeaderValue, Response};

use super::{
    Asked, Gate,
    offer::{self, Metered, Offer},
    offers,
};
use crate::session::Live;

/// A channel, as it is told of.
pub(crate) struct Known {
    method: MethodId,
    currency: CurrencyCode,
    channel: ChannelId,
    snapshot: Snapshot,
}

impl Known {
    /// What is known of a channel, to one whose request costs this; `None` where its method tells
    /// nothing of channels, or nothing more can be paid out of it.
    pub(crate) async fn of(live: &Arc<Live>, price: Amount) -> Option<Self> {
        let terms = live.terms();
        let details = live.rail().told(terms)?;
        let id = live.id().clone();
        let read = live.step(move |channel| {
            let serves = !matches!(channel.standing(), Standing::Closing | Standing::Closed);
            Ok(Step::to(
                serves.then(|| Snapshot::new(id.clone(), channel, price)),
            ))
        });
        // Who is not told is asked for a payment all the same.
        let snapshot = read.await.ok()??;
        Some(Self {
            method: terms.method.clone(),
            currency: terms.currency.clone(),
            channel: live.id().clone(),
            snapshot: snapshot.with_details(details),
        })
    }

    /// Puts it into an answer's headers.
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        let told = [
            (PAYMENT_SESSION, self.channel.as_str().to_owned()),
            (PAYMENT_SESSION_SNAPSHOT, self.snapshot.to_header_text()),
        ];
        for (name, text) in told {
            if let Ok(mut value) = HeaderValue::try_from(text) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
    }

    fn is_of(&self, metered: &Metered) -> bool {
        *metered.rail.method() == self.method && metered.request.currency == self.currency
    }

    /// What is asked for of somebody who has this channel.
    fn request(&self, metered: &Metered) -> Option<Request> {
        let mut request = metered.request.clone();
        // There is a channel already, so nothing is advised for a new one.
        request.suggested_deposit = None;
        let details = &mut request.method_details;
        details.insert("channelId".to_owned(), self.channel.as_str().into());
        details.insert("sessionSnapshot".to_owned(), self.snapshot.to_value());
        Request::new(&request).ok()
    }
}

impl Gate {
    /// A refusal with fresh challenges, of which the session's tells of a channel.
    pub(super) fn challenge_known(
        &self,
        asked: &Asked,
        headers: &HeaderMap,
        problem: Problem,
        known: &Known,
    ) -> Response<Bytes> {
        let mut response = match problem.retry() {
            Some(farthing_core::noun::problem::Retry::Fresh) => {
                let ranked = offers::rank(&asked.route.offers, headers);
                self.challenge(asked, &asked.route.offers, &ranked, problem, Some(known))
            }
            _ => offers::respond(&problem, HeaderMap::new()),
        };
        known.put(response.headers_mut());
        response
    }

    /// The offer as it is made to somebody who has a channel, where it is an offer of such.
    pub(super) fn offer_known(&self, offer: &Offer, asked: &Asked, known: &Known) -> Option<Offer> {
        let metered = offer.metered().filter(|metered| known.is_of(metered))?;
        let request = known.request(metered)?;
        let names = (metered.rail.method(), farthing_core::intent::session::id());
        let template = offer::template(self, names, Ok(request), asked.route.settings()).ok()?;
        offer.with_template(template)
    }
}
