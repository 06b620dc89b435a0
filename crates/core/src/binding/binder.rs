//! Who binds challenges and knows them again.

use std::sync::Arc;

use ring::hmac;

use super::{BoundId, Secrets, Slots, Template, id};
use crate::{
    noun::Request,
    value::{IntentId, MethodId, Realm, Timestamp},
};

/// Binds challenges to their id, and knows its own again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Binder {
    secrets: Arc<Secrets>,
}

/// Why a challenge is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingError {
    /// Its id is not the HMAC of what it says under any secret that verifies now: it was never
    /// issued, it was changed, or its secret was retired too long ago.
    #[error("the challenge was not issued here, or was changed")]
    NotOurs,
}

impl Binder {
    /// A binder with these secrets.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets: Arc::new(secrets),
        }
    }

    /// The secrets.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The id of a challenge.
    #[must_use]
    pub fn id(&self, slots: &Slots<'_>) -> BoundId {
        BoundId::new(&sign(self.secrets.current(), slots))
    }

    /// Prepares the challenges of one offer, whose first four slots never change.
    #[must_use]
    pub fn template(
        &self,
        realm: Realm,
        method: MethodId,
        intent: IntentId,
        request: &Request,
    ) -> Template {
        Template::new(self.clone(), (realm, method, intent), request)
    }

    /// Checks that a challenge is ours and unchanged, under the current secret or one that is
    /// still accepted. Whether it is expired is not checked here.
    ///
    /// # Errors
    /// When it is not.
    pub fn authenticate(
        &self,
        slots: &Slots<'_>,
        id: &str,
        now: Timestamp,
    ) -> Result<(), BindingError> {
        let claimed = id::claimed(id).ok_or(BindingError::NotOurs)?;
        verify(self.secrets.verifying(now), slots, &claimed)
    }

    /// The same under the retired secrets alone, for a template that tried the current one.
    pub(super) fn authenticate_retired(
        &self,
        slots: &Slots<'_>,
        claimed: &[u8; 32],
        now: Timestamp,
    ) -> Result<(), BindingError> {
        verify(self.secrets.retired(now), slots, claimed)
    }
}

fn verify<'a>(
    mut keys: impl Iterator<Item = &'a hmac::Key>,
    slots: &Slots<'_>,
    claimed: &[u8; 32],
) -> Result<(), BindingError> {
    if keys.any(|key| id::is_equal(&sign(key, slots), claimed)) {
        Ok(())
    } else {
        Err(BindingError::NotOurs)
    }
}

pub(super) fn sign(key: &hmac::Key, slots: &Slots<'_>) -> hmac::Tag {
    let mut mac = hmac::Context::with_key(key);
    slots.write_head(&mut mac);
    slots.write_tail(&mut mac);
    mac.sign()
}
