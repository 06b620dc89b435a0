//! Sealing a key under a passphrase: argon2id, then ChaCha20-Poly1305.

use argon2::{Algorithm, Argon2, Params, Version};
use farthing::core::{encoding::base64url, value::Secret};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

use super::KeystoreError;

/// How much work one guess at the passphrase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// For passphrases that people make up: RFC 9106's second recommendation, 64 MiB three times.
    pub(crate) const PEOPLE: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 4,
    };

    /// For 128 random bits, which no amount of guessing finds.
    pub(crate) const RANDOM: Self = Self {
        memory_kib: 8 * 1024,
        passes: 1,
        lanes: 1,
    };

    /// The most a file may ask for: whoever can write to the folder must not be able to fill the
    /// memory.
    const MOST: Self = Self {
        memory_kib: 1024 * 1024,
        passes: 16,
        lanes: 16,
    };
}

/// A sealed key, and how it was sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    sealed_key: Bytes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kdf {
    name: KdfName,
    #[serde(flatten)]
    cost: Cost,
    salt: Bytes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum KdfName {
    #[serde(rename = "argon2id")]
    Argon2id,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cipher {
    name: CipherName,
    nonce: Bytes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum CipherName {
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

/// Bytes that a file writes as base64url.
#[derive(Clone, Debug)]
struct Bytes(Vec<u8>);

impl Sealed {
    /// Seals a key together with what is written beside it.
    pub(super) fn new(
        key: &[u8; 32],
        passphrase: &Secret,
        cost: Cost,
        bound: &str,
    ) -> Result<Self, KeystoreError> {
        let (mut salt, mut nonce) = ([0; 16], [0; NONCE_LEN]);
        let random = SystemRandom::new();
        random
            .fill(&mut salt)
            .and_then(|()| random.fill(&mut nonce))
            .map_err(|_| KeystoreError::Randomness)?;
        let kdf = Kdf {
            name: KdfName::Argon2id,
            cost,
            salt: Bytes(salt.to_vec()),
        };
        let sealer = kdf.derive(passphrase).expect("our own costs are sane");
        let mut sealed = key.to_vec();
        sealer
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound),
                &mut sealed,
            )
            .expect("32 bytes are not too many to seal");
        Ok(Self {
            kdf,
            cipher: Cipher {
                name: CipherName::ChaCha20Poly1305,
                nonce: Bytes(nonce.to_vec()),
            },
            sealed_key: Bytes(sealed),
        })
    }

    /// Whether opening it takes a bearable amount of work.
    pub(super) fn is_sane(&self) -> bool {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.kdf.cost;
        memory_kib <= Cost::MOST.memory_kib
            && passes <= Cost::MOST.passes
            && lanes <= Cost::MOST.lanes
    }

    /// The key, if the passphrase is right and nothing was changed.
    pub(super) fn open(&self, passphrase: &Secret, bound: &str) -> Option<Zeroizing<[u8; 32]>> {
        let opener = self.kdf.derive(passphrase)?;
        let nonce = Nonce::try_assume_unique_for_key(&self.cipher.nonce.0).ok()?;
        let mut sealed = Zeroizing::new(self.sealed_key.0.clone());
        let key = opener.open_in_place(nonce, Aad::from(bound), &mut sealed);
        let key: &[u8] = key.ok()?;
        Some(Zeroizing::new(key.try_into().ok()?))
    }
}

impl Kdf {
    fn derive(&self, passphrase: &Secret) -> Option<LessSafeKey> {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.cost;
        let params = Params::new(memory_kib, passes, lanes, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose(), &self.salt.0, key.as_mut_slice())
            .ok()?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).ok()?;
        Some(LessSafeKey::new(key))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        base64url::decode(text).map(Self).map_err(D::Error::custom)
    }
}
