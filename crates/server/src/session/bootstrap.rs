//! A payer that asks which channel it has (section "Bootstrap Preflight").
//!
//! A HEAD request to a route that offers sessions is also asked for a charge of nothing. Who pays that
//! has proven an account, and is told of the channel that this account pays the route by. The proof
//! moves nothing and is consumed by nothing: the same one again is told the same for as long as its
//! challenge lives.

use std::sync::Arc;

use bytes::Bytes;
use farthing_core::{
    binding::Slots,
    encoding::base64url,
    intent::session::{ChannelId, Standing, Terms},
    noun::CredentialRef,
    port::backend::{Batch, Guard, Key, Partition, StoreError, Table, Write},
    value::{Amount, CurrencyCode, Did, MethodId, Realm, Recipient},
};
use http::{Response, StatusCode};
use ring::digest::{Context, SHA256};

use super::{Live, Sessions, till::Till};
use crate::{
    gate::{Asked, Gate, Known},
    refused::Refused,
    session::receipt::keep_private,
};

/// Which channel a payer uses. It is a hint: what the channel is stands elsewhere.
const PAYERS: Table = Table::new("server.payers");

impl Gate {
    /// Answers a charge of nothing with what is known of its payer's channel.
    pub(crate) async fn tell_channel(
        &self,
        asked: &Asked,
        credential: &CredentialRef<'_>,
        slots: Slots<'_>,
    ) -> Result<Response<Bytes>, Refused> {
        let payer = self.prove_payer(asked, credential, slots).await?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        keep_private(response.headers_mut());
        let (Some(sessions), Some(payer)) = (self.sessions(), payer) else {
            return Ok(response);
        };
        for metered in asked.route.offers.iter().filter_map(|it| it.metered()) {
            let request = &metered.request;
            let whose = Whose {
                realm: self.realm(),
                method: metered.rail.method(),
                currency: &request.currency,
                payee: &request.recipient,
                payer: &payer,
            };
            let found = sessions.channel_of(&whose).await;
            if let Some(live) = found.map_err(Refused::Store)?
                && let Some(known) = Known::of(&live, Amount::ZERO).await
            {
                known.put(response.headers_mut());
                break;
            }
        }
        Ok(response)
    }
}

/// Whose channel is asked for.
struct Whose<'a> {
    realm: &'a Realm,
    method: &'a MethodId,
    currency: &'a CurrencyCode,
    payee: &'a Recipient,
    payer: &'a Did,
}

impl<'a> Whose<'a> {
    const fn of(terms: &'a Terms) -> Self {
        Self {
            realm: &terms.realm,
            method: &terms.method,
            currency: &terms.currency,
            payee: &terms.payee,
            payer: &terms.payer,
        }
    }

    fn key(&self) -> Key {
        let mut hash = Context::new(&SHA256);
        for part in [
            self.realm.as_str(),
            self.method.as_str(),
            self.currency.as_str(),
            self.payee.as_str(),
            self.payer.as_str(),
        ] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Key::from(base64url::encode(hash.finish()).as_str())
    }
}

impl Sessions {
    /// Notes which channel its payer uses. Without the note the payer is not told of it, and nothing
    /// else is amiss.
    pub(super) async fn remember(&self, live: &Live) {
        let mut batch = Batch::new(Partition::Store);
        batch.writes.push(Write::Put {
            table: PAYERS,
            key: Whose::of(live.terms()).key(),
            value: live.id().as_str().as_bytes().to_vec(),
            fence: 0,
            place: None,
        });
        if let Err(error) = self.backend.commit(batch).await {
            tracing::debug!(channel = %live.id(), "a payer's channel could not be noted: {error}");
        }
    }

    /// The channel that a payer opened last, where it is still to be used.
    async fn channel_of(&self, whose: &Whose<'_>) -> Result<Option<Arc<Live>>, StoreError> {
        let row = self
            .backend
            .get(&Partition::Store, PAYERS, &whose.key())
            .await?;
        let id = row.and_then(|row| {
            let text = std::str::from_utf8(&row.value).ok()?;
            ChannelId::new(text).ok()
        });
        let Some(id) = id else { return Ok(None) };
        let live = self.find(&id).await?;
        Ok(live.filter(|live| live.last().standing != Standing::Closed))
    }
}

impl Till {
    /// Forgets which channel a payer uses, where that is the one that is being forgotten. A note of a
    /// channel that it opened since stays, also where it is written at this moment.
    pub(super) async fn forget_payer(
        &self,
        id: &ChannelId,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        let backend = self.0.fundings.claims().backend();
        let key = Whose::of(terms).key();
        let row = backend.get(&Partition::Store, PAYERS, &key).await?;
        let Some(row) = row.filter(|row| row.value == id.as_str().as_bytes()) else {
            return Ok(());
        };
        let mut batch = Batch::new(Partition::Store);
        batch.guards.push(Guard::Version {
            table: PAYERS,
            key: key.clone(),
            version: row.version,
        });
        let table = PAYERS;
        batch.writes.push(Write::Delete { table, key });
        backend.commit(batch).await.map(drop)
    }
}
