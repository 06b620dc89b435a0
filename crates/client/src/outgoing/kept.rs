//! A signed credential, kept until its outcome is known.

use std::fmt;

use farthing_core::{
    encoding::base64url,
    noun::{Challenge, Credential},
    port::{
        backend::{Key, Place, Row, StoreError, Table, Write},
        payer::Proof,
    },
    value::{ClaimKey, Did, MethodId, Secret, Timestamp},
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
    /// What the payer itself hands to the rail, until that is known to be done.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "errand")]
    errand: Option<Secret>,
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
            errand: proof.errand.clone(),
        }
    }

    /// Whether its payer has to hand something to the rail before it is sent.
    pub(crate) const fn has_errand(&self) -> bool {
        self.errand.is_some()
    }

    /// The same once that is done.
    pub(crate) fn without_errand(self) -> Self {
        Self {
            errand: None,
            ..self
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
            errand: self.errand.clone(),
            // It was reserved when the proof was kept.
            fee: None,
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
        let place = Place {
            group: group(record),
            at: record.at.as_millis(),
        };
        self.put(record, Some(place))
    }

    /// The write that takes it out of that index: its request was served, so it is never sent
    /// again, and only its rail may still be asked about it.
    pub(super) fn set_aside(&self, record: &Outgoing) -> Result<Write, StoreError> {
        self.put(record, None)
    }

    fn put(&self, record: &Outgoing, place: Option<Place>) -> Result<Write, StoreError> {
        Ok(Write::Put {
            table: CREDENTIALS,
            key: record.id.to_key(),
            value: serde_json::to_vec(self).map_err(|error| StoreError::Corrupt(error.into()))?,
            fence: 0,
            place,
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

mod errand {
    use super::{Secret, base64url};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        errand: &Option<Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match errand {
            Some(errand) => serializer.serialize_some(&base64url::encode(errand.expose())),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Secret>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let bytes = text.map(|text| base64url::decode(&text)).transpose();
        Ok(bytes.map_err(D::Error::custom)?.map(Secret::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it was written before payers had errands.
    const OLDER: &str = r#"{"rail":"ledger","header":"authorization","value":"Payment e30","payload":{"a": 1},"source":null,"key":null,"valid_until":VALID}"#;

    #[test]
    fn what_older_stores_hold_is_read_and_written_as_it_was() {
        let valid = serde_json::to_string(&Timestamp::from_secs(1_800_000_000)).unwrap();
        let older = OLDER.replace("VALID", &valid);
        let kept: KeptCredential = serde_json::from_str(&older).unwrap();
        assert!(!kept.has_errand());
        assert_eq!(kept.header().unwrap().1, "Payment e30");
        assert_eq!(serde_json::to_string(&kept).unwrap(), older);
    }

    #[test]
    fn an_errand_is_kept_to_the_byte_and_not_shown() {
        let older = OLDER.replace("VALID", &serde_json::to_string(&Timestamp::EPOCH).unwrap());
        let mut kept: KeptCredential = serde_json::from_str(&older).unwrap();
        let bytes: Vec<u8> = (0..=255).collect();
        kept.errand = Some(Secret::new(bytes.clone()));
        let again: KeptCredential =
            serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        assert_eq!(again.proof().errand.unwrap().expose(), bytes);
        assert_eq!(format!("{kept:?}"), "KeptCredential(authorization: …)");
        assert!(!kept.without_errand().has_errand());
    }
}
