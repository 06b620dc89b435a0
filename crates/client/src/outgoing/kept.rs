//! A signed credential, kept until its outcome is known.

use std::fmt;

use farthing_core::{
    noun::{Challenge, Credential},
    port::{
        backend::{Key, Place, Row, StoreError, Table, Write},
        payer::Proof,
    },
    value::{ClaimKey, Did, MethodId, Timestamp},
};
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Outgoing;

pub(super) const CREDENTIALS: Table = Table::new("client.credentials");

/// A credential as it is kept: the very bytes that are sent, and the proof for the rail to be
/// asked about. It is erased when the outcome is final.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeptCredential {
    rail: MethodId,
    header: Box<str>,
    value: Box<str>,
    payload: Box<RawValue>,
    source: Option<Did>,
    key: Option<ClaimKey>,
    valid_until: Timestamp,
}

impl fmt::Debug for KeptCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptCredential({}: …)", self.header)
    }
}

impl KeptCredential {
    pub(crate) fn new(challenge: &Challenge, header: &HeaderName, proof: &Proof) -> Self {
        let credential = Credential {
            challenge: challenge.clone(),
            payload: proof.payload.clone(),
            source: proof.source.clone().map(Into::into),
        };
        Self {
            rail: challenge.method.clone(),
            header: header.as_str().into(),
            value: farthing_core::header::authorization::format(&credential).into(),
            payload: proof.payload.clone(),
            source: proof.source.clone(),
            key: proof.key.clone(),
            valid_until: proof.valid_until,
        }
    }

    /// The header it is sent in, marked sensitive so that logs leave it out.
    ///
    /// # Errors
    /// When what was kept is no header.
    pub(crate) fn header(&self) -> Result<(HeaderName, HeaderValue), StoreError> {
        let corrupt = |error: http::Error| StoreError::Corrupt(error.into());
        let name = HeaderName::try_from(&*self.header).map_err(|error| corrupt(error.into()))?;
        let mut value =
            HeaderValue::try_from(&*self.value).map_err(|error| corrupt(error.into()))?;
        value.set_sensitive(true);
        Ok((name, value))
    }

    /// The proof, for its payer.
    pub(crate) fn proof(&self) -> Proof {
        Proof {
            payload: self.payload.clone(),
            source: self.source.clone(),
            key: self.key.clone(),
            valid_until: self.valid_until,
        }
    }

    /// Whether it is a payment by a method.
    pub(crate) fn is_by(&self, method: &MethodId) -> bool {
        self.rail == *method
    }

    pub(crate) const fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// The write that keeps it, in the index under the request it is for.
    pub(super) fn write(&self, record: &Outgoing) -> Result<Write, StoreError> {
        Ok(Write::Put {
            table: CREDENTIALS,
            key: record.id.to_key(),
            value: serde_json::to_vec(self).map_err(|error| StoreError::Corrupt(error.into()))?,
            fence: 0,
            place: Some(Place {
                group: group(record),
                at: record.at.as_millis(),
            }),
        })
    }

    /// The write that erases it.
    pub(super) fn erase(record: &Outgoing) -> Write {
        Write::Delete {
            table: CREDENTIALS,
            key: record.id.to_key(),
        }
    }

    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        serde_json::from_slice(&row.value).map_err(|error| StoreError::Corrupt(error.into()))
    }
}

fn group(record: &Outgoing) -> Key {
    Key::from(&record.request.0[..])
}
