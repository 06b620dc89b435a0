//! What the fuzz targets share.

use std::fmt::{Debug, Display};
use std::str::FromStr;

pub mod rows;

/// The input as text, where it is text: most parsers take nothing else.
#[must_use]
pub fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// Parses, and for what parses demands that formatting and parsing again gives the same value.
///
/// # Panics
/// When it does not, which is the finding the fuzzer looks for.
pub fn round_trip<T>(text: &str)
where
    T: FromStr<Err: Debug> + Display + Debug + PartialEq,
{
    let Ok(parsed) = text.parse::<T>() else {
        return;
    };
    let shown = parsed.to_string();
    let again = shown.parse::<T>();
    assert!(
        again.as_ref().is_ok_and(|again| *again == parsed),
        "{text:?} → {shown:?} → {again:?}"
    );
}
