//! Secret keys as people write them.

use farthing::{
    core::value::Secret,
    evm::SigningKey,
    ledger,
    tempo::{self, P256Key},
};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::{Holder, KeystoreError, Kind};

/// The multicodec prefixes of secret keys, as varints.
const ED25519: [u8; 2] = [0x80, 0x26];
const SECP256K1: [u8; 2] = [0x81, 0x26];
const P256: [u8; 2] = [0x86, 0x26];

/// A secret key: its kind, and 32 bytes. It is wiped when dropped.
pub(crate) struct SecretKey {
    pub(crate) kind: Kind,
    seed: Zeroizing<[u8; 32]>,
}

/// A key that a rail has no use for.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this key is of no use there")]
pub(crate) struct OfNoUse;

impl SecretKey {
    /// A key that nobody has.
    pub(crate) fn random(kind: Kind) -> Result<Self, KeystoreError> {
        // A random seed is no key of secp256k1 once in 2^128 times, and none of P-256 once in 2^32.
        for _ in 0..8 {
            let mut seed = Zeroizing::new([0; 32]);
            SystemRandom::new()
                .fill(seed.as_mut_slice())
                .map_err(|_| KeystoreError::Randomness)?;
            let key = Self { kind, seed };
            if key.holder().is_ok() {
                return Ok(key);
            }
        }
        Err(KeystoreError::Randomness)
    }

    pub(super) const fn new(kind: Kind, seed: Zeroizing<[u8; 32]>) -> Self {
        Self { kind, seed }
    }

    /// Reads `[ed25519:|secp256k1:|p256:]HEX`, with or without `0x`, or the multibase of a private
    /// key (`z`, base58, multicodec 0x1300, 0x1301 or 0x1306). Digits that do not say their kind
    /// are of the one that is named; without one, those with `0x` are a key as Ethereum's wallets
    /// write it, and others an Ed25519 seed.
    pub(crate) fn parse(text: &Secret, named: Option<Kind>) -> Option<Self> {
        let text = std::str::from_utf8(text.expose()).ok()?.trim();
        let key = match text.strip_prefix('z') {
            Some(encoded) => Self::from_multibase(encoded)?,
            None => Self::from_digits(text, named)?,
        };
        key.holder().is_ok().then_some(key)
    }

    /// As a multibase, which says its kind.
    pub(crate) fn to_multibase(&self) -> Secret {
        let prefix = match self.kind {
            Kind::Ed25519 => ED25519,
            Kind::Secp256k1 => SECP256K1,
            Kind::P256 => P256,
        };
        let mut bytes = Zeroizing::new([0; 34]);
        bytes[..2].copy_from_slice(&prefix);
        bytes[2..].copy_from_slice(self.seed.as_slice());
        let encoded = Zeroizing::new(bs58::encode(bytes.as_slice()).into_string());
        Secret::new([b"z", encoded.as_bytes()].concat())
    }

    /// As `0x` and 64 digits, which other wallets read.
    pub(crate) fn to_digits(&self) -> Secret {
        let mut text = Zeroizing::new(Vec::with_capacity(2 + 64));
        text.extend(b"0x");
        for byte in self.seed.iter() {
            for half in [byte >> 4, byte & 15] {
                text.push(b"0123456789abcdef"[usize::from(half)]);
            }
        }
        Secret::new(text.as_slice())
    }

    /// Who it is.
    pub(crate) fn holder(&self) -> Result<Holder, OfNoUse> {
        match (self.account_key(), self.signer()) {
            (Ok(key), _) => Ok(Holder::of(key.account().clone())),
            (Err(_), Ok(key)) => Ok(Holder::on_chain(key.address())),
            (Err(_), Err(none)) => Err(none),
        }
    }

    /// As a key of an account on a ledger.
    pub(crate) fn account_key(&self) -> Result<ledger::AccountKey, OfNoUse> {
        let kind = match self.kind {
            Kind::Ed25519 => ledger::KeyType::Ed25519,
            Kind::Secp256k1 => ledger::KeyType::Secp256k1,
            Kind::P256 => return Err(OfNoUse),
        };
        ledger::AccountKey::from_seed(kind, *self.seed).map_err(|_| OfNoUse)
    }

    /// As a key that signs on a chain.
    pub(crate) fn signer(&self) -> Result<tempo::Key, OfNoUse> {
        match self.kind {
            Kind::Ed25519 => Err(OfNoUse),
            Kind::Secp256k1 => SigningKey::from_bytes(*self.seed)
                .map(tempo::Key::Secp256k1)
                .map_err(|_| OfNoUse),
            Kind::P256 => P256Key::from_bytes(*self.seed)
                .map(tempo::Key::P256)
                .map_err(|_| OfNoUse),
        }
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
            P256 => Kind::P256,
            _ => return None,
        };
        let seed = Zeroizing::new(seed.try_into().ok()?);
        Some(Self { kind, seed })
    }

    fn from_digits(text: &str, named: Option<Kind>) -> Option<Self> {
        let (said, digits) = match text.split_once(':') {
            None => (named, text),
            Some(("ed25519", digits)) => (Some(Kind::Ed25519), digits),
            Some(("secp256k1", digits)) => (Some(Kind::Secp256k1), digits),
            Some(("p256", digits)) => (Some(Kind::P256), digits),
            Some(_) => return None,
        };
        let (usual, digits) = match digits.strip_prefix("0x") {
            Some(digits) => (Kind::Secp256k1, digits),
            None => (Kind::Ed25519, digits),
        };
        let (kind, digits) = (said.unwrap_or(usual), digits.as_bytes());
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
    use super::*;

    fn check(text: &str, named: Option<Kind>, expect: Option<&str>) {
        let key = SecretKey::parse(&Secret::new(text), named);
        let holder = key.map(|key| key.holder().unwrap().to_string());
        assert_eq!(holder.as_deref(), expect, "{text}");
    }

    fn holder(kind: Kind) -> String {
        let key = SecretKey::new(kind, Zeroizing::new([1; 32]));
        key.holder().unwrap().to_string()
    }

    #[test]
    fn reads_the_ways_to_write_a_key_and_nothing_else() {
        let digits = "01".repeat(32);
        let (edwards, koblitz) = (holder(Kind::Ed25519), holder(Kind::Secp256k1));
        let p256 = holder(Kind::P256);
        let reads = |text: &str, expect| check(text, None, Some(expect));
        reads(&digits, &edwards);
        reads(&format!("0x{digits}\n"), &koblitz);
        reads(&format!("ed25519:{digits}"), &edwards);
        reads(&format!("ed25519:0x{digits}"), &edwards);
        reads(&format!("secp256k1:0x{digits}"), &koblitz);
        reads(&format!("p256:{digits}"), &p256);
        check(&digits, Some(Kind::Secp256k1), Some(&koblitz));
        check(&format!("0x{digits}"), Some(Kind::P256), Some(&p256));
        let told = format!("ed25519:{digits}");
        check(&told, Some(Kind::Secp256k1), Some(&edwards));
        for (prefix, expect) in [(ED25519, &edwards), (SECP256K1, &koblitz), (P256, &p256)] {
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
            &format!("p384:{digits}"),
            &format!("+1{short}"),
            &format!("secp256k1:{}", "00".repeat(32)),
            &format!("0x{}", "ff".repeat(32)),
            &format!("p256:{}", "ff".repeat(32)),
            &format!("z{public}"),
        ] {
            check(bad, None, None);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for kind in [Kind::Ed25519, Kind::Secp256k1, Kind::P256] {
            let key = SecretKey::random(kind).unwrap();
            let again = SecretKey::parse(&key.to_multibase(), None).unwrap();
            assert_eq!((again.kind, again.seed()), (kind, key.seed()));
            let again = SecretKey::parse(&key.to_digits(), Some(kind)).unwrap();
            assert_eq!((again.kind, again.seed()), (kind, key.seed()));
            assert!(format!("{key:?}").ends_with(": …)"));
        }
        let known = SecretKey::new(Kind::Secp256k1, Zeroizing::new([0xa7; 32]));
        let digits = format!("0x{}", "a7".repeat(32));
        assert_eq!(known.to_digits().expose(), digits.as_bytes());
    }
}
