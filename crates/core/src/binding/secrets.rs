//! The secrets behind challenge ids.

use std::fmt;

use ring::hmac::{self, HMAC_SHA256};

use crate::{
    bounds,
    encoding::base64url,
    value::{Secret, Timestamp},
};

/// The secret that binds new challenges, and the retired ones that still verify.
#[derive(Clone)]
pub struct Secrets {
    current: hmac::Key,
    retired: Vec<(hmac::Key, Timestamp)>,
}

/// Why secrets are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// One is too short to bind anything.
    #[error(
        "a challenge secret of {length} bytes is too short: it needs {}",
        bounds::SECRET_MIN
    )]
    Weak {
        /// How many bytes it has.
        length: usize,
    },
    /// There are too many.
    #[error("more than {} challenge secrets", bounds::SECRETS)]
    TooMany,
}

impl Secrets {
    /// One secret, which binds and verifies.
    ///
    /// # Errors
    /// When it has fewer than [`bounds::SECRET_MIN`] bytes.
    pub fn new(current: &Secret) -> Result<Self, SecretsError> {
        Ok(Self {
            current: key(current)?,
            retired: Vec::new(),
        })
    }

    /// Adds a secret that no longer binds and verifies until a time. That time must lie at least
    /// as late as the last challenge it bound is accepted.
    ///
    /// # Errors
    /// When it is too short, or there are too many.
    pub fn with_retired(mut self, secret: &Secret, until: Timestamp) -> Result<Self, SecretsError> {
        if self.retired.len() + 1 >= bounds::SECRETS {
            return Err(SecretsError::TooMany);
        }
        self.retired.push((key(secret)?, until));
        Ok(self)
    }

    /// A name for each secret that does not tell it, the current one first. Two processes on one
    /// store compare these to learn whether they know each other's challenges.
    pub fn fingerprints(&self) -> impl Iterator<Item = SecretFingerprint> + '_ {
        let keys = std::iter::once(&self.current).chain(self.retired.iter().map(|(key, _)| key));
        keys.map(|key| {
            let tag = hmac::sign(key, b"farthing: the name of a challenge secret");
            let mut name = [0; 16];
            name.copy_from_slice(&tag.as_ref()[..16]);
            SecretFingerprint(name)
        })
    }

    /// A key of 32 bytes for one purpose from each secret, the current one's first. The retired ones
    /// count whatever their time: what was made with them may still be there.
    pub fn derived<'a>(&'a self, purpose: &'a str) -> impl Iterator<Item = Secret> + 'a {
        let keys = std::iter::once(&self.current).chain(self.retired.iter().map(|(key, _)| key));
        keys.map(|key| Secret::new(hmac::sign(key, purpose.as_bytes()).as_ref()))
    }

    pub(super) const fn current(&self) -> &hmac::Key {
        &self.current
    }

    /// The keys that verify now.
    pub(super) fn verifying(&self, now: Timestamp) -> impl Iterator<Item = &hmac::Key> {
        std::iter::once(&self.current).chain(self.retired(now))
    }

    /// The retired keys that verify now.
    pub(super) fn retired(&self, now: Timestamp) -> impl Iterator<Item = &hmac::Key> {
        self.retired
            .iter()
            .filter(move |(_, until)| now < *until)
            .map(|(key, _)| key)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("retired", &self.retired.len())
            .finish_non_exhaustive()
    }
}

fn key(secret: &Secret) -> Result<hmac::Key, SecretsError> {
    if secret.len() < bounds::SECRET_MIN {
        return Err(SecretsError::Weak {
            length: secret.len(),
        });
    }
    Ok(hmac::Key::new(HMAC_SHA256, secret.expose()))
}

/// The name of a secret. It does not tell the secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretFingerprint([u8; 16]);

impl fmt::Display for SecretFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(self.0))
    }
}

impl fmt::Debug for SecretFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretFingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_secret_is_refused() {
        for length in [0, 10, bounds::SECRET_MIN - 1] {
            let weak = Secret::new(vec![1; length]);
            assert_eq!(
                Secrets::new(&weak).err(),
                Some(SecretsError::Weak { length })
            );
            let strong = Secrets::new(&Secret::new([1; 32])).unwrap();
            assert!(strong.with_retired(&weak, Timestamp::FAR).is_err());
        }
    }

    #[test]
    fn there_is_a_bound() {
        let mut secrets = Secrets::new(&Secret::new([0; 32])).unwrap();
        for byte in 1..8 {
            let retired = Secret::new([byte; 32]);
            secrets = secrets.with_retired(&retired, Timestamp::FAR).unwrap();
        }
        assert_eq!(secrets.fingerprints().count(), bounds::SECRETS);
        let one_more = secrets.with_retired(&Secret::new([9; 32]), Timestamp::FAR);
        assert_eq!(one_more.err(), Some(SecretsError::TooMany));
    }

    #[test]
    fn fingerprints_tell_secrets_apart_and_do_not_tell_them() {
        let name = |byte: u8| {
            let secrets = Secrets::new(&Secret::new([byte; 32])).unwrap();
            secrets.fingerprints().next().unwrap()
        };
        assert_eq!(name(1), name(1));
        assert_ne!(name(1), name(2));
        let secrets = Secrets::new(&Secret::new(*b"hunter2-hunter2-hunter2-hunter2!")).unwrap();
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }
}
