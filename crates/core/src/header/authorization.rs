//! `Authorization` and `Payment-Authorization`: the credential.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::{PAYMENT_AUTHORIZATION, SCHEME, syntax::is_space};
use crate::{
    bounds,
    encoding::base64url,
    noun::{Credential, CredentialError, CredentialRef},
};

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// No credential of the `Payment` scheme.
    None,
    /// One, the whole header value. It is not checked beyond its scheme.
    One(&'a HeaderValue),
    /// Several. Which of them was meant nobody can tell.
    Many,
}

/// Looks for credentials of the `Payment` scheme in both headers. Those of other schemes, such as
/// a `Bearer` token, are left alone.
#[must_use]
pub fn find(headers: &HeaderMap) -> Found<'_> {
    let lines = headers
        .get_all(AUTHORIZATION)
        .iter()
        .chain(headers.get_all(PAYMENT_AUTHORIZATION));
    let mut payments = lines.filter(|line| token(line.as_bytes()).is_some());
    match (payments.next(), payments.next()) {
        (None, _) => Found::None,
        (Some(line), None) => Found::One(line),
        (Some(_), Some(_)) => Found::Many,
    }
}

/// Whether a header value is of the `Payment` scheme.
#[must_use]
pub fn is_payment(value: &HeaderValue) -> bool {
    token(value.as_bytes()).is_some()
}

/// Reads a credential, borrowing from the buffer, whose earlier content goes.
///
/// # Errors
/// When it is of another scheme, too large, not base64url, not JSON of the right shape, or lacks
/// a required field.
pub fn decode<'b>(
    value: impl AsRef<[u8]>,
    buffer: &'b mut Vec<u8>,
) -> Result<CredentialRef<'b>, CredentialError> {
    let value = value.as_ref();
    if value.len() > bounds::CREDENTIAL {
        return Err(CredentialError::TooLarge);
    }
    let encoded = token(value).ok_or(CredentialError::Scheme)?;
    base64url::decode_to(encoded, buffer)?;
    CredentialRef::from_json(std::str::from_utf8(buffer)?)
}

/// Reads a credential with texts of its own, every one checked.
///
/// # Errors
/// As [`decode`], and when a text breaks its grammar.
pub fn parse(value: impl AsRef<[u8]>) -> Result<Credential, CredentialError> {
    decode(value, &mut Vec::new())?.to_owned()
}

/// Writes a credential.
#[must_use]
pub fn format(credential: &Credential) -> String {
    let json = serde_json::to_string(credential).expect("a credential is made of texts and JSON");
    let mut text = String::with_capacity(SCHEME.len() + 1 + json.len().div_ceil(3) * 4);
    text.push_str(SCHEME);
    text.push(' ');
    base64url::encode_to(json, &mut text);
    text
}

/// Writes a credential as a header value that is marked sensitive, so that logs leave it out.
#[must_use]
pub fn to_header(credential: &Credential) -> HeaderValue {
    let mut value = HeaderValue::try_from(format(credential)).expect("base64url is visible ASCII");
    value.set_sensitive(true);
    value
}

/// What follows the scheme, or `None` where the scheme is another one.
fn token(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    let is_payment = scheme.eq_ignore_ascii_case(SCHEME.as_bytes())
        && rest.first().is_none_or(|byte| is_space(*byte));
    is_payment.then(|| rest.trim_ascii_start())
}

#[cfg(test)]
mod tests;
