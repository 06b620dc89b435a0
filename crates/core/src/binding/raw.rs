//! The binding with a secret of any length, for tools that are handed one to check with.
//!
//! Nothing in a server's configuration leads here: [`Secrets`](super::Secrets) refuses a weak
//! secret, and only a [`Binder`](super::Binder) issues challenges.

use ring::hmac::{self, HMAC_SHA256};

use super::{BindingError, BoundId, Slots, binder, id};

/// The id a challenge has under a secret.
#[must_use]
pub fn challenge_id(secret: &[u8], slots: &Slots<'_>) -> BoundId {
    BoundId::new(&binder::sign(&hmac::Key::new(HMAC_SHA256, secret), slots))
}

/// Checks that a challenge has the id it must have under a secret.
///
/// # Errors
/// When it has another one.
pub fn verify(secret: &[u8], slots: &Slots<'_>, claimed: &str) -> Result<(), BindingError> {
    let tag = binder::sign(&hmac::Key::new(HMAC_SHA256, secret), slots);
    match id::claimed(claimed) {
        Some(claimed) if id::is_equal(&tag, &claimed) => Ok(()),
        _ => Err(BindingError::NotOurs),
    }
}
