//! Packed bytes: what the store keeps of a payment, written small and read strictly.
//!
//! A number is written in groups of seven bits, the lowest first, each byte but the last with its
//! highest bit set. A text is its length as a number and then its bytes. There are no names and no
//! tags: whoever reads has to know what was written, so every packed row begins with a byte that
//! says its form.
//!
//! One value has one form. What is cut short, goes on after its end, spells a number in more bytes
//! than it needs or breaks the grammar of a type is refused.

use std::{str::FromStr, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::value::{Amount, Timestamp};

/// Why bytes are not what was packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// They end too early.
    #[error("it is cut short")]
    CutShort,
    /// They go on after the end.
    #[error("it goes on after its end")]
    TooLong,
    /// They are of a form that this program does not know.
    #[error("its form is {0}, which this program does not know")]
    Form(u8),
    /// A number is too large, or written in more bytes than it needs.
    #[error("a number in it is too large or too long")]
    Number,
    /// A code, a flag or a count is none that is written.
    #[error("it has a {0} that is never written")]
    Code(&'static str),
    /// A text is no UTF-8.
    #[error("a text in it is no UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// A text breaks its grammar.
    #[error("a text in it breaks its grammar: {0}")]
    Text(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A part of it that is JSON is none.
    #[error("a part of it is no JSON")]
    Json(#[from] serde_json::Error),
}

/// Writes packed bytes, one value after the other.
#[derive(Clone, Debug)]
pub struct Packer(Vec<u8>);

impl Packer {
    /// Begins with the byte that says the form.
    #[must_use]
    pub fn new(form: u8, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.push(form);
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// One byte: a code or a few flags.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Bytes whose number the reader knows.
    pub fn array<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.0.extend_from_slice(bytes);
    }

    /// A number.
    pub fn number(&mut self, number: u64) {
        self.wide(u128::from(number));
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Bytes whose number the reader does not know.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// An amount.
    pub fn amount(&mut self, amount: Amount) {
        self.wide(amount.units());
    }

    /// A moment.
    pub fn time(&mut self, time: Timestamp) {
        self.number(time.as_millis());
    }

    /// A length of time.
    pub fn duration(&mut self, time: Duration) {
        self.number(time.as_secs());
        self.number(u64::from(time.subsec_nanos()));
    }

    /// A value as JSON: for what has no shape of its own.
    ///
    /// # Errors
    /// When it cannot be JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        let json = serde_json::to_vec(value)?;
        self.bytes(&json);
        Ok(())
    }

    fn wide(&mut self, number: u128) {
        let mut left = number;
        while left > 0x7f {
            self.0.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        self.0.push(left as u8);
    }
}

/// Reads packed bytes, one value after the other.
#[derive(Clone, Debug)]
pub struct Unpacker<'a> {
    rest: &'a [u8],
    form: u8,
}

impl<'a> Unpacker<'a> {
    /// Begins behind the byte that says the form. The first form is 1, and every one up to the
    /// newest is read.
    ///
    /// # Errors
    /// When the form is another one.
    pub fn new(bytes: &'a [u8], newest: u8) -> Result<Self, UnpackError> {
        match bytes.split_first() {
            Some((&form, rest)) if (1..=newest).contains(&form) => Ok(Self { rest, form }),
            Some((form, _)) => Err(UnpackError::Form(*form)),
            None => Err(UnpackError::CutShort),
        }
    }

    /// The form of what is read.
    #[must_use]
    pub const fn form(&self) -> u8 {
        self.form
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When something is left.
    pub const fn end(&self) -> Result<(), UnpackError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(UnpackError::TooLong)
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// When there is none.
    pub fn byte(&mut self) -> Result<u8, UnpackError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// So many bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(UnpackError::CutShort)?;
        self.rest = rest;
        Ok(*head)
    }

    /// A number of at most `most`.
    ///
    /// # Errors
    /// When it is none, larger, or written in more bytes than it needs.
    pub fn number<T: TryFrom<u128> + PartialOrd>(&mut self, most: T) -> Result<T, UnpackError> {
        T::try_from(self.wide()?)
            .ok()
            .filter(|number| *number <= most)
            .ok_or(UnpackError::Number)
    }

    /// A text, as the type whose grammar it has.
    ///
    /// # Errors
    /// When it is none, or breaks that grammar.
    pub fn text<T>(&mut self) -> Result<T, UnpackError>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        let text = std::str::from_utf8(self.bytes()?)?;
        text.parse()
            .map_err(|error: T::Err| UnpackError::Text(error.into()))
    }

    /// An amount.
    ///
    /// # Errors
    /// As [`Unpacker::number`].
    pub fn amount(&mut self) -> Result<Amount, UnpackError> {
        self.wide().map(Amount::new)
    }

    /// A moment.
    ///
    /// # Errors
    /// As [`Unpacker::number`].
    pub fn time(&mut self) -> Result<Timestamp, UnpackError> {
        self.number(Timestamp::FAR.as_millis())
            .map(Timestamp::from_millis)
    }

    /// A length of time.
    ///
    /// # Errors
    /// As [`Unpacker::number`].
    pub fn duration(&mut self) -> Result<Duration, UnpackError> {
        Ok(Duration::new(
            self.number(u64::MAX)?,
            self.number(999_999_999)?,
        ))
    }

    /// A value that was written as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, UnpackError> {
        Ok(serde_json::from_slice(self.bytes()?)?)
    }

    /// Bytes whose number was written with them.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn bytes(&mut self) -> Result<&'a [u8], UnpackError> {
        let length = self.number(usize::MAX)?;
        let (head, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(UnpackError::CutShort)?;
        self.rest = rest;
        Ok(head)
    }

    fn wide(&mut self) -> Result<u128, UnpackError> {
        let (mut number, mut shift) = (0u128, 0u32);
        loop {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            // What does not fit would be shifted out, and a zero at the end adds nothing.
            if shift > 126 || (part << shift) >> shift != part || (byte == 0 && shift > 0) {
                return Err(UnpackError::Number);
            }
            number |= part << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_at_every_width() {
        let edges = (0..128).flat_map(|bit| [(1u128 << bit) - 1, 1 << bit]);
        for number in edges.chain([u128::MAX]) {
            let mut packer = Packer::new(9, 20);
            packer.amount(Amount::new(number));
            let bytes = packer.finish();
            let mut unpacker = Unpacker::new(&bytes, 9).unwrap();
            assert_eq!(unpacker.amount().unwrap().units(), number);
            unpacker.end().unwrap();
            let mut narrow = Unpacker::new(&bytes, 9).unwrap();
            assert_eq!(
                narrow.number(u64::MAX).ok(),
                u64::try_from(number).ok(),
                "{number}"
            );
        }
    }

    #[test]
    fn a_number_has_one_form() {
        let long: &[u8] = &[9, 0x81, 0x00];
        let wide = [&[9][..], &[0xff; 18], &[0x7f]].concat();
        let endless = [&[9][..], &[0x80; 40]].concat();
        for bad in [long, &wide, &endless] {
            let read = Unpacker::new(bad, 9).unwrap().amount();
            assert!(matches!(read, Err(UnpackError::Number)), "{bad:?}");
        }
        let cut = Unpacker::new(&[9, 0x80], 9).unwrap().amount();
        assert!(matches!(cut, Err(UnpackError::CutShort)));
    }

    #[test]
    fn a_length_is_not_believed() {
        let mut huge = Packer::new(9, 20);
        huge.number(u64::MAX);
        let bytes = huge.finish();
        let read = Unpacker::new(&bytes, 9).unwrap().text::<String>();
        assert!(matches!(read, Err(UnpackError::CutShort)));
    }

    #[test]
    fn another_form_is_refused() {
        assert!(matches!(
            Unpacker::new(b"{}", 1),
            Err(UnpackError::Form(b'{'))
        ));
        assert!(matches!(Unpacker::new(b"", 1), Err(UnpackError::CutShort)));
    }
}
