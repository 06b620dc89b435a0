//! Recursive length prefixes, read strictly: every item has one form, every list ends where it says,
//! and nothing is longer than its reader wants.

use alloy_rlp::{Decodable, EMPTY_STRING_CODE, Encodable, Error, Header};

/// The items of a list that are not read yet.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Bytes to be read.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next item, a list.
    pub(crate) fn list(&mut self) -> Result<Self, Error> {
        Header::decode_bytes(&mut self.0, true).map(Self)
    }

    /// The next item, as bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        Header::decode_bytes(&mut self.0, false)
    }

    /// The next item, of a type that has one form only: a number, an address, a hash.
    pub(crate) fn item<T: Decodable>(&mut self) -> Result<T, Error> {
        T::decode(&mut self.0)
    }

    /// The next item, where an empty one says that there is none.
    pub(crate) fn optional<T: Decodable>(&mut self) -> Result<Option<T>, Error> {
        if self.skip_empty() {
            return Ok(None);
        }
        self.item().map(Some)
    }

    /// The next item, a number that is not zero, where an empty one says that there is none.
    pub(crate) fn number(&mut self) -> Result<Option<u64>, Error> {
        // Zero and an empty item are the same bytes.
        let number: u64 = self.item()?;
        Ok((number != 0).then_some(number))
    }

    /// The next item, where an empty one, and the end of the list, say that there is none.
    pub(crate) fn trailing<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if self.is_empty() || self.skip_empty() {
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// The items of the next list, at most so many.
    pub(crate) fn items<T>(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut list = self.list()?;
        let mut items = Vec::new();
        while !list.is_empty() {
            if items.len() == most {
                return Err(Error::Custom("a list has too many items"));
            }
            items.push(read(&mut list)?);
        }
        Ok(items)
    }

    /// Passes over an item that is empty bytes.
    pub(crate) fn skip_empty(&mut self) -> bool {
        let empty = self.0.first() == Some(&EMPTY_STRING_CODE);
        if empty {
            self.0 = &self.0[1..];
        }
        empty
    }

    /// Whether the next item is a list.
    pub(crate) fn has_list(&self) -> bool {
        self.0.first().is_some_and(|first| *first >= 0xc0)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes sure that nothing is left.
    pub(crate) const fn end(self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::UnexpectedLength)
        }
    }
}

/// Writes a list of what `items` writes.
pub(crate) fn list(out: &mut Vec<u8>, items: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::with_capacity(256);
    items(&mut payload);
    let header = Header {
        list: true,
        payload_length: payload.len(),
    };
    header.encode(out);
    out.extend_from_slice(&payload);
}

/// Writes a list of items, each written by `item`.
pub(crate) fn list_of<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
    list(out, |out| items.iter().for_each(|each| item(out, each)));
}

/// Writes an item that may be missing.
pub(crate) fn optional<T: Encodable>(out: &mut Vec<u8>, item: Option<T>) {
    match item {
        Some(item) => item.encode(out),
        None => out.push(EMPTY_STRING_CODE),
    }
}
