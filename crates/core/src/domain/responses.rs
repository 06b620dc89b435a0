//! Responses: answers that were paid for and wait for their delivery.
//!
//! A response is kept under its payment until it is delivered, and under an idempotency key for
//! as long as the route says.

use std::sync::Arc;

use crate::{
    port::backend::{Backend, Key, Partition, Place, Range, StoreError, Table, Write},
    value::{Fingerprint, PaymentId, Timestamp},
};

const RESPONSES: Table = Table::new("core.responses");
const EXPIRING: &str = "expiring";

/// Under what a response is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The payment that bought it.
    Payment(PaymentId),
    /// The idempotency key of the request, hashed with its scope.
    Idempotency(Fingerprint),
}

impl Slot {
    fn key(self) -> Key {
        match self {
            Self::Payment(id) => Key::new([b"p".as_slice(), id.as_bytes()].concat()),
            Self::Idempotency(print) => Key::new([b"i".as_slice(), &print.0].concat()),
        }
    }
}

/// A stored response: a status, headers in order, and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The status code.
    pub status: u16,
    /// The headers, as they are sent.
    pub headers: Vec<(Box<str>, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Stored {
    /// How many bytes it takes, as it is kept.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.len() + value.len() + 6);
        4 + headers.sum::<usize>() + self.body.len()
    }
}

/// The responses of a store.
#[derive(Clone)]
pub struct Responses {
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for Responses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Responses")
    }
}

impl Responses {
    /// Responses kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// The write that keeps a response until a time.
    #[must_use]
    pub fn write(slot: Slot, response: &Stored, until: Timestamp) -> Write {
        Write::Put {
            table: RESPONSES,
            key: slot.key(),
            value: encode(response),
            fence: 0,
            place: Some(Place {
                group: Key::from(EXPIRING),
                at: until.as_millis(),
            }),
        }
    }

    /// The write that drops a response.
    #[must_use]
    pub fn erase(slot: Slot) -> Write {
        Write::Delete {
            table: RESPONSES,
            key: slot.key(),
        }
    }

    /// Reads a response.
    ///
    /// # Errors
    /// When the store fails, or what is there is no response.
    pub async fn get(&self, slot: Slot) -> Result<Option<Stored>, StoreError> {
        let row = self
            .backend
            .get(&Partition::Store, RESPONSES, &slot.key())
            .await?;
        row.map(|row| {
            decode(&row.value).ok_or_else(|| StoreError::Corrupt("a response is cut short".into()))
        })
        .transpose()
    }

    /// The writes that drop the responses whose time is over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<Write>, StoreError> {
        let range = Range {
            partition: Partition::Store,
            table: RESPONSES,
            group: Key::from(EXPIRING),
            before: now.as_millis(),
            after: None,
            newest_first: false,
            limit,
        };
        let rows = self.backend.range(range).await?;
        Ok(rows
            .into_iter()
            .map(|row| Write::Delete {
                table: RESPONSES,
                key: row.key,
            })
            .collect())
    }
}

/// `status (2) | headers (2) | { name length (2) | name | value length (4) | value }… | body`,
/// numbers big endian. A body is bytes, which JSON would have to wrap.
pub(super) fn encode(response: &Stored) -> Vec<u8> {
    let headers = &response.headers[..response.headers.len().min(usize::from(u16::MAX))];
    let mut out = Vec::with_capacity(response.body.len() + 64 * headers.len() + 4);
    out.extend(response.status.to_be_bytes());
    out.extend((u16::try_from(headers.len()).unwrap_or(u16::MAX)).to_be_bytes());
    for (name, value) in headers {
        out.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(name.as_bytes());
        out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(value);
    }
    out.extend(&response.body);
    out
}

pub(super) fn decode(mut bytes: &[u8]) -> Option<Stored> {
    let status = u16::from_be_bytes(take(&mut bytes)?);
    let count = u16::from_be_bytes(take(&mut bytes)?);
    let mut headers = Vec::with_capacity(usize::from(count).min(128));
    for _ in 0..count {
        let length = usize::from(u16::from_be_bytes(take(&mut bytes)?));
        let (name, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        let length = usize::try_from(u32::from_be_bytes(take(&mut bytes)?)).ok()?;
        let (value, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        headers.push((std::str::from_utf8(name).ok()?.into(), value.to_vec()));
    }
    Some(Stored {
        status,
        headers,
        body: bytes.to_vec(),
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_survives_its_bytes_and_a_cut_one_is_refused() {
        let response = Stored {
            status: 200,
            headers: vec![
                ("content-type".into(), b"text/plain".to_vec()),
                ("x".into(), vec![0xff]),
            ],
            body: b"hello".to_vec(),
        };
        let bytes = encode(&response);
        assert_eq!(bytes.len(), response.size());
        assert_eq!(decode(&bytes), Some(response));
        let head = bytes.len() - 5;
        for cut in 0..head {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
    }
}
