//! Channels that the store forgot: their seller is asked for them.
//!
//! Some sellers tell of a channel with any challenge. Ours tell nobody who has not proven an account: a
//! HEAD is asked for a charge of nothing, and whoever pays that is told of the channel that its account
//! has (section "Bootstrap Preflight"). The proof moves nothing, and is kept by nobody.

use std::sync::Arc;

use farthing_core::{
    header::{ACCEPT_PAYMENT, PAYMENT_SESSION_SNAPSHOT, payment_session},
    intent::session::{OnChain, Seen},
    port::session_payer::Told,
    value::{Amount, Timestamp},
};
use http::{HeaderMap, Method};
use reqwest::Request;
use serde_json::Value;
use url::Url;

use super::{
    fault::SessionFault,
    lock::Sight,
    offer::SessionChoice,
    purse::{Purse, Stage},
    store::HeldPurse,
};
use crate::{
    client::Inner,
    error::{Error, RequestFault, TransportError},
    offers::Choice,
    outgoing::KeptCredential,
    pay::payment_id,
    target::Target,
};

/// A channel that its seller told of and the store did not know.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// The purse that it is kept under from now on. It pays nothing, and can be closed.
    pub purse: Purse,
    /// What the seller says that vouchers said. Nobody here knows.
    pub accepted: Amount,
    /// What the seller says was charged.
    pub spent: Amount,
}

impl Inner {
    /// Asks a seller for the channels it knows of ours, and keeps those that the rail has and the store
    /// does not. How much was signed on them nobody here knows, and a seller's word is no evidence: so
    /// they pay nothing, and are closed.
    pub(super) async fn recover(&self, url: &str) -> Result<Vec<Found>, Error> {
        let wrong = |error: TransportError| RequestFault::Build(error);
        let url: Url = url.parse().map_err(|e: url::ParseError| wrong(e.into()))?;
        let place = Target::new(Method::GET, url.clone());
        let (mut found, mut failed) = (Vec::new(), None);
        // A HEAD is what a proof is asked for with; not every seller takes one.
        for method in [Method::HEAD, Method::GET] {
            let target = Target::new(method.clone(), url.clone());
            let mut request = Request::new(method, url.clone());
            request
                .headers_mut()
                .insert(ACCEPT_PAYMENT, self.accept.clone());
            let asked = request.try_clone().ok_or(RequestFault::BodyOnce)?;
            let response = self.ask_unpaid(asked).await?;
            let choices = match self.sessions_offered(&target, response.headers()) {
                Ok(choices) => choices,
                Err(error) => {
                    failed = error;
                    continue;
                }
            };
            failed = None;
            let proven = self.prove(&target, &request, &choices, response.headers());
            let told = proven.await?;
            for choice in choices {
                for headers in [Some(response.headers()), told.as_ref()]
                    .into_iter()
                    .flatten()
                {
                    found.extend(self.adopt_all(&choice, &place, headers).await?);
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(found),
        }
    }

    /// Proves our account to a seller that asks for a charge of nothing: what it says then.
    async fn prove(
        &self,
        target: &Target,
        request: &Request,
        sessions: &[SessionChoice],
        headers: &HeaderMap,
    ) -> Result<Option<HeaderMap>, Error> {
        let charges = self.judge().choices(target, headers).unwrap_or_default();
        let is_ours = |charge: &Choice| {
            let of_account = |session: &SessionChoice| {
                session.quote.payer == charge.quote().payer
                    && session.offer.challenge.method == charge.offer().challenge.method
            };
            charge.offer().request.amount.is_zero() && sessions.iter().any(of_account)
        };
        let Some(charge) = charges.into_iter().find(is_ours) else {
            return Ok(None);
        };
        if self.policy.is_dry() {
            return Ok(None);
        }
        let payer = Arc::clone(charge.payer());
        let proof = self
            .within(payer.sign(charge.offer(), self.clock.now()))
            .await?;
        // Nothing is to move by it, and nothing is to be paid for that.
        if proof.errand.is_some() || proof.fee.as_ref().is_some_and(|fee| !fee.most.is_zero()) {
            return Ok(None);
        }
        let proof = KeptCredential::new(&charge.offer().challenge, charge.header(), &proof);
        let shown = self.show_once(request, &proof.header()?).await?;
        Ok(shown.map(|response| response.headers().clone()))
    }

    async fn adopt_all(
        &self,
        choice: &SessionChoice,
        place: &Target,
        headers: &HeaderMap,
    ) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        for snapshot in snapshots(choice, headers) {
            let told = choice.payer.read_snapshot(&choice.offer, &snapshot);
            let told = told.map_err(SessionFault::Rail)?;
            if let Some(told) = told {
                found.extend(self.adopt(choice, place, told).await?);
            }
        }
        Ok(found)
    }

    async fn adopt(
        &self,
        choice: &SessionChoice,
        target: &Target,
        told: Told,
    ) -> Result<Option<Found>, Error> {
        let live = self.purses.live().await?;
        let is_known = |held: &HeldPurse| held.record.channel.as_ref() == Some(&told.channel.id);
        if live.iter().any(is_known) {
            return Ok(None);
        }
        let sight = self.sight(&*choice.payer, &told.channel).await?;
        let is_shown = sight != Sight::Blind;
        let (deposit, settled, close_requested_at) = match sight {
            Sight::There(Seen {
                state:
                    OnChain::Open {
                        deposit,
                        settled,
                        close_requested_at,
                    },
                ..
            }) => (deposit, settled, close_requested_at),
            Sight::There(_) | Sight::Nowhere => return Ok(None),
            // The seller's books are the rail.
            Sight::Blind => (told.deposit, Amount::ZERO, None),
        };
        let keeper = self.keepers.of(&choice.scope);
        let purse = Purse {
            id: payment_id()?,
            channel: Some(told.channel.id),
            protocol: told.channel.protocol,
            details: told.channel.details,
            stage: Stage::Closing,
            deposit,
            // What the rail paid out was signed, whatever else was.
            signed: settled,
            owed: settled,
            close_requested_at,
            lease_until: Timestamp::EPOCH,
            ..self.new_purse(&keeper, choice, target)?
        };
        self.purses.adopt(purse.clone(), is_shown).await?;
        Ok(Some(Found {
            purse,
            accepted: told.accepted,
            spent: told.spent,
        }))
    }
}

/// What a seller tells of channels with a challenge.
fn snapshots(choice: &SessionChoice, headers: &HeaderMap) -> Vec<Value> {
    let details = &choice.offer.request.method_details;
    let mut all: Vec<Value> = details
        .get("sessionSnapshot")
        .cloned()
        .into_iter()
        .collect();
    let header = headers.get(PAYMENT_SESSION_SNAPSHOT);
    let header = header.and_then(|value| payment_session::parse_snapshot(value.as_bytes()).ok());
    if let Some(snapshot) = header.map(|snapshot| snapshot.to_value())
        && !all.contains(&snapshot)
    {
        all.push(snapshot);
    }
    all
}
