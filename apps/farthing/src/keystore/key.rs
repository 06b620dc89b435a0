//! Secret keys as people write them.

use farthing::{
    core::value::Secret,
    ledger::{AccountKey, KeyError},
};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::{KeystoreError, Kind};

/// The multicodec prefixes of secret keys, as varints.
const ED25519: [u8; 2] = [0x80, 0x26];
const SECP256K1: [u8; 2] = [0x81, 0x26];

/// A secret key: its kind, and 32 bytes. It is wiped when dropped.
pub(crate) struct SecretKey {
    pub(crate) kind: Kind,
    seed: Zeroizing<[u8; 32]>,
}

impl SecretKey {
    /// A key that nobody has.
    pub(crate) fn random(kind: Kind) -> Result<Self, KeystoreError> {
        // A random seed is no key of secp256k1 once in 2^128 times.
        for _ in 0..4 {
            let mut seed = Zeroizing::new([0; 32]);
            SystemRandom::new()
                .fill(seed.as_mut_slice())
                .map_err(|_| KeystoreError::Randomness)?;
            let key = Self { kind, seed };
            if key.account_key().is_ok() {
                return Ok(key);
            }
        }
        Err(KeystoreError::Randomness)
    }

    pub(super) const fn new(kind: Kind, seed: Zeroizing<[u8; 32]>) -> Self {
        Self { kind, seed }
    }

    /// Reads `[ed25519:|secp256k1:]HEX`, with or without `0x`, or the multibase of a private key
    /// (`z`, base58, multicodec 0x1300 or 0x1301). Digits that do not say their kind are of the
    /// `bare` one.
    pub(crate) fn parse(text: &Secret, bare: Kind) -> Option<Self> {
        let text = std::str::from_utf8(text.expose()).ok()?.trim();
        let key = match text.strip_prefix('z') {
            Some(encoded) => Self::from_multibase(encoded)?,
            None => Self::from_digits(text, bare)?,
        };
        key.account_key().is_ok().then_some(key)
    }

    /// As a multibase, which says its kind.
    pub(crate) fn to_multibase(&self) -> Secret {
        let prefix = match self.kind {
            Kind::Ed25519 => ED25519,
            Kind::Secp256k1 => SECP256K1,
        };
        let mut bytes = Zeroizing::new([0; 34]);
        bytes[..2].copy_from_slice(&prefix);
        bytes[2..].copy_from_slice(self.seed.as_slice());
        let encoded = Zeroizing::new(bs58::encode(bytes.as_slice()).into_string());
        Secret::new([b"z", encoded.as_bytes()].concat())
    }

    pub(crate) fn account_key(&self) -> Result<AccountKey, KeyError> {
        AccountKey::from_seed(self.kind.key_type(), *self.seed)
    }

    pub(super) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    fn from_multibase(encoded: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 64]);
        let length = bs58::decode(encoded).onto(bytes.as_mut_slice()).ok()?;
        let (prefix, seed) = bytes.get(..length)?.split_first_chunk::<2>()?;
        let kind = match *prefix {
            ED25519 => Kind::Ed25519,
            SECP256K1 => Kind::Secp256k1,
            _ => return None,
        };
        let seed = Zeroizing::new(seed.try_into().ok()?);
        Some(Self { kind, seed })
    }

    fn from_digits(text: &str, bare: Kind) -> Option<Self> {
        let (kind, digits) = match text.split_once(':') {
            None => (bare, text),
            Some(("ed25519", digits)) => (Kind::Ed25519, digits),
            Some(("secp256k1", digits)) => (Kind::Secp256k1, digits),
            Some(_) => return None,
        };
        let digits = digits.strip_prefix("0x").unwrap_or(digits).as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut seed = Zeroizing::new([0; 32]);
        for (byte, pair) in seed.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (digit(pair[0])?, digit(pair[1])?);
            *byte = high << 4 | low;
        }
        Some(Self { kind, seed })
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({}: …)", self.kind.name())
    }
}

fn digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use farthing::ledger::KeyType;

    use super::*;

    fn check(text: &str, bare: Kind, expect: Option<&str>) {
        let key = SecretKey::parse(&Secret::new(text), bare);
        let account = key.map(|key| key.account_key().unwrap().account().to_string());
        assert_eq!(account.as_deref(), expect, "{text}");
    }

    #[test]
    fn reads_the_ways_to_write_a_key_and_nothing_else() {
        let digits = "01".repeat(32);
        let account = |key_type| {
            let key = AccountKey::from_seed(key_type, [1; 32]).unwrap();
            key.account().to_string()
        };
        let (edwards, koblitz) = (account(KeyType::Ed25519), account(KeyType::Secp256k1));
        let reads = |text: &str, expect| check(text, Kind::Ed25519, Some(expect));
        reads(&digits, &edwards);
        reads(&format!("0x{digits}\n"), &edwards);
        reads(&format!("ed25519:{digits}"), &edwards);
        reads(&format!("secp256k1:0x{digits}"), &koblitz);
        check(&digits, Kind::Secp256k1, Some(&koblitz));
        let told = format!("ed25519:{digits}");
        check(&told, Kind::Secp256k1, Some(&edwards));
        for (prefix, expect) in [(ED25519, &edwards), (SECP256K1, &koblitz)] {
            let bytes = [&prefix[..], &[1; 32]].concat();
            reads(&format!("z{}", bs58::encode(bytes).into_string()), expect);
        }
        let short = &digits[2..];
        let public = bs58::encode([&[0xed, 0x01][..], &[1; 32]].concat()).into_string();
        for bad in [
            "",
            "z",
            "0x",
            short,
            &format!("{digits}00"),
            &format!("p256:{digits}"),
            &format!("+1{short}"),
            &format!("secp256k1:{}", "00".repeat(32)),
            &format!("z{public}"),
        ] {
            check(bad, Kind::Ed25519, None);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for kind in [Kind::Ed25519, Kind::Secp256k1] {
            let key = SecretKey::random(kind).unwrap();
            let again = SecretKey::parse(&key.to_multibase(), Kind::Ed25519).unwrap();
            assert_eq!((again.kind, again.seed()), (kind, key.seed()));
            assert!(format!("{key:?}").ends_with(": …)"));
        }
    }
}
