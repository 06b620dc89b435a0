//! The seal on the journal: an effect that waits to be sent is worth money to whoever reads it.
//!
//! The key is derived from the challenge secret, which lies beside the store and not in it: a
//! copied store tells nobody what was about to be paid. What a former secret sealed is opened for
//! as long as that secret is given as a retired one, also after its time is over.

use farthing_core::{binding::Secrets, payment::Payment, port::backend::StoreError, value::Secret};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::random;

const PURPOSE: &str = "farthing: the seal on a journaled effect";

/// Seals an effect for one payment, for which alone it opens: a nonce, and what it is enciphered to.
///
/// # Errors
/// When the system gives no randomness.
pub(super) fn seal(
    secrets: &Secrets,
    payment: &Payment,
    effect: &Secret,
) -> Result<Secret, StoreError> {
    seal_for(secrets, payment.id.as_bytes(), effect)
}

/// The same for whatever has an id that nothing else has.
pub(crate) fn seal_for(
    secrets: &Secrets,
    id: &[u8; 16],
    effect: &Secret,
) -> Result<Secret, StoreError> {
    let unsealed = |error: &'static str| StoreError::Unavailable(error.into());
    let entropy = random::entropy().map_err(|error| StoreError::Unavailable(error.into()))?;
    let nonce: [u8; NONCE_LEN] = *entropy
        .0
        .first_chunk()
        .expect("entropy is longer than a nonce");
    let key = secrets.derived(PURPOSE).next().and_then(|key| cipher(&key));
    let key = key.ok_or_else(|| unsealed("there is no key to seal with"))?;
    let mut text = effect.expose().to_vec();
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(id),
        &mut text,
    )
    .map_err(|_| unsealed("an effect could not be sealed"))?;
    Ok(Secret::new([&nonce[..], &text].concat()))
}

/// Opens what was sealed for this payment.
///
/// # Errors
/// When no secret of ours opens it: it was changed, or its secret is not given any more.
pub(super) fn open(
    secrets: &Secrets,
    payment: &Payment,
    sealed: &Secret,
) -> Result<Secret, StoreError> {
    open_for(secrets, payment.id.as_bytes(), sealed)
}

/// The same for whatever has an id that nothing else has.
pub(crate) fn open_for(
    secrets: &Secrets,
    id: &[u8; 16],
    sealed: &Secret,
) -> Result<Secret, StoreError> {
    let opened = sealed
        .expose()
        .split_first_chunk::<NONCE_LEN>()
        .and_then(|(nonce, text)| {
            secrets.derived(PURPOSE).find_map(|key| {
                let mut text = text.to_vec();
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let plain = cipher(&key)?
                    .open_in_place(nonce, Aad::from(id), &mut text)
                    .ok()?;
                Some(Secret::new(&*plain))
            })
        });
    opened.ok_or_else(|| {
        StoreError::Corrupt(
            "no challenge secret opens the journal: is a retired one missing?".into(),
        )
    })
}

fn cipher(key: &Secret) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key.expose())
        .ok()
        .map(LessSafeKey::new)
}
