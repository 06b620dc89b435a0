//! A transaction's bytes as a tree, to be changed and written again.

use alloy_rlp::Header;

/// An item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Bytes(Vec<u8>),
    List(Vec<Item>),
    /// Written as it is, however wrong.
    Raw(Vec<u8>),
}

/// The places of a transaction's fields.
pub(crate) const CHAIN_ID: usize = 0;
pub(crate) const CALLS: usize = 4;
pub(crate) const NONCE: usize = 7;
pub(crate) const FEE_TOKEN: usize = 10;
pub(crate) const SPONSOR: usize = 11;
pub(crate) const KEY_AUTHORIZATION: usize = 13;

impl Item {
    /// The type and the fields of a transaction.
    pub(crate) fn read(bytes: &[u8]) -> (u8, Vec<Self>) {
        let mut rest = &bytes[1..];
        match Self::next(&mut rest) {
            Self::List(fields) => (bytes[0], fields),
            other => panic!("a transaction is a list, not {other:?}"),
        }
    }

    /// A transaction of a type and fields.
    pub(crate) fn write(kind: u8, fields: &[Self]) -> Vec<u8> {
        let mut out = vec![kind];
        Self::List(fields.to_vec()).put(&mut out);
        out
    }

    pub(crate) fn list(&mut self) -> &mut Vec<Self> {
        match self {
            Self::List(items) => items,
            other => panic!("{other:?} is no list"),
        }
    }

    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("{other:?} is no bytes"),
        }
    }

    pub(crate) fn next(rest: &mut &[u8]) -> Self {
        let is_list = rest[0] >= 0xc0;
        let mut payload = Header::decode_bytes(rest, is_list).unwrap();
        if !is_list {
            return Self::Bytes(payload.to_vec());
        }
        let mut items = Vec::new();
        while !payload.is_empty() {
            items.push(Self::next(&mut payload));
        }
        Self::List(items)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(raw) => out.extend_from_slice(raw),
            Self::Bytes(bytes) => alloy_rlp::Encodable::encode(bytes.as_slice(), out),
            Self::List(items) => {
                let mut payload = Vec::new();
                items.iter().for_each(|item| item.put(&mut payload));
                let header = Header {
                    list: true,
                    payload_length: payload.len(),
                };
                header.encode(out);
                out.extend_from_slice(&payload);
            }
        }
    }
}
