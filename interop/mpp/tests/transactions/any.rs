//! Transactions, keys and signatures of every kind, from a number.

use std::num::NonZeroU64;

use alloy_primitives::{Address, B256, U256, b256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use farthing_evm::{ChainId, SigningKey};
use farthing_tempo::{
    AccessListEntry, AccessSignature, AccountKey, AccountSignature, Call, CallScope, Delegation,
    EXPIRING_NONCE_KEY, Key, KeyAuthorization, KeyKind, KeySignature, KeychainVersion, P256Key,
    SelectorRule, SignedKeyAuthorization, TokenLimit, Transaction,
};
use p256::ecdsa::{Signature, signature::hazmat::PrehashSigner};
use sha2::{Digest, Sha256};

/// Numbers that follow from the first (SplitMix64).
pub(crate) struct Any(u64);

impl Any {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn yes(&mut self) -> bool {
        self.next() & 1 == 0
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.yes().then(|| make(self))
    }

    fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    fn word(&mut self) -> B256 {
        let mut word = [0; 32];
        for part in word.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_be_bytes());
        }
        B256::from(word)
    }

    /// A number of any width: most have leading zeros.
    fn number(&mut self) -> U256 {
        let width = self.below(257);
        let word = U256::from_be_bytes(self.word().0);
        if width == 0 {
            U256::ZERO
        } else {
            word >> (256 - width)
        }
    }

    fn short(&mut self) -> u64 {
        let width = self.below(65);
        let number = self.next();
        number
            .checked_shr(u32::try_from(64 - width).unwrap())
            .unwrap_or(0)
    }

    fn wide(&mut self) -> u128 {
        u128::from(self.short()) << self.below(65)
    }

    fn positive(&mut self) -> NonZeroU64 {
        NonZeroU64::new(self.short()).unwrap_or(NonZeroU64::MIN)
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        self.some(most, |any| any.next().to_be_bytes()[0])
    }

    pub(crate) fn address(&mut self) -> Address {
        match self.below(8) {
            0 => Address::ZERO,
            1 => Address::left_padding_from(&[self.next().to_be_bytes()[0]]),
            _ => Address::from_slice(&self.word()[..20]),
        }
    }

    pub(crate) fn secp(&mut self) -> SigningKey {
        SigningKey::from_bytes(self.word().0).unwrap()
    }

    fn chain(&mut self) -> ChainId {
        ChainId::new((self.short() >> 11).max(1)).unwrap()
    }

    fn call(&mut self) -> Call {
        Call {
            to: Some(self.address()),
            value: self.number(),
            input: self.bytes(200).into(),
        }
    }

    pub(crate) fn transaction(&mut self) -> Transaction {
        let mut calls = vec![self.call()];
        calls.extend(self.some(4, Self::call));
        let mut transaction = Transaction::new(self.chain(), calls);
        transaction.max_priority_fee_per_gas = self.wide();
        transaction.max_fee_per_gas = self.wide();
        transaction.gas_limit = self.short();
        transaction.access_list = self.some(2, |any| AccessListEntry {
            address: any.address(),
            storage_keys: any.some(3, Self::word),
        });
        transaction.nonce_key = match self.below(3) {
            0 => U256::ZERO,
            1 => EXPIRING_NONCE_KEY,
            _ => self.number(),
        };
        transaction.nonce = self.short();
        transaction.valid_after = self
            .maybe(|any| any.positive().get() >> 1)
            .filter(|time| *time > 0);
        transaction.valid_before = self.maybe(|any| match transaction.valid_after {
            Some(after) => after + 1 + (any.short() >> 2),
            None => any.positive().get(),
        });
        transaction.sponsored = self.yes();
        transaction.fee_token = self.maybe(Self::address).filter(|_| !transaction.sponsored);
        if self.below(4) == 0 {
            transaction.authorizations = self.some(2, |any| {
                let digest = any.word();
                Delegation {
                    chain: any.number(),
                    address: any.address(),
                    nonce: any.short(),
                    signature: any.signer().sign(digest),
                }
            });
        }
        if self.below(8) == 0 && transaction.authorizations.is_empty() {
            transaction.calls[0].to = None;
        }
        transaction.key_authorization = self.maybe(Self::authorization);
        transaction
    }

    fn authorization(&mut self) -> SignedKeyAuthorization {
        let kind = [KeyKind::Secp256k1, KeyKind::P256, KeyKind::WebAuthn][self.below(3)];
        let authorization = KeyAuthorization {
            expiry: self.maybe(Self::positive),
            limits: self.maybe(|any| {
                any.some(2, |any| TokenLimit {
                    token: any.address(),
                    limit: any.number(),
                    period: any.maybe(Self::positive),
                })
            }),
            calls: self.maybe(|any| any.some(2, Self::scope)),
            witness: self.maybe(Self::word),
            admin: self.yes(),
            account: self.maybe(Self::address),
            ..KeyAuthorization::new(self.chain(), kind, self.address())
        };
        let signature = self.maker().sign(authorization.digest());
        SignedKeyAuthorization::new(authorization, signature).unwrap()
    }

    fn scope(&mut self) -> CallScope {
        CallScope {
            target: self.address(),
            rules: self.some(2, |any| SelectorRule {
                selector: any.next().to_be_bytes()[..4].try_into().unwrap(),
                recipients: any.some(2, Self::address),
            }),
        }
    }

    fn maker(&mut self) -> Maker {
        let secret = self.word().0;
        match self.below(4) {
            0 => Maker::Key(SigningKey::from_bytes(secret).unwrap().into()),
            1 => Maker::Key(P256Key::from_bytes(secret).unwrap().into()),
            2 => Maker::Hashed(secret),
            _ => Maker::Passkey(secret),
        }
    }

    pub(crate) fn signer(&mut self) -> Signer {
        let maker = self.maker();
        let version = self.maybe(|any| match any.below(3) {
            0 => KeychainVersion::V1,
            _ => KeychainVersion::V2,
        });
        let account = match version {
            Some(_) => self.address(),
            None => maker.address(),
        };
        Signer {
            account,
            version,
            maker,
        }
    }
}

/// What signs for an account.
pub(crate) struct Signer {
    pub(crate) account: Address,
    version: Option<KeychainVersion>,
    maker: Maker,
}

impl Signer {
    pub(crate) fn sign(&self, digest: B256) -> AccountSignature {
        let Some(version) = self.version else {
            return AccountSignature::Root(self.maker.sign(digest));
        };
        let digest = match version {
            KeychainVersion::V1 => digest,
            KeychainVersion::V2 => {
                let parts = [&[0x04], digest.as_slice(), self.account.as_slice()].concat();
                alloy_primitives::keccak256(parts)
            }
        };
        AccountSignature::Access(AccessSignature {
            account: self.account,
            version,
            inner: self.maker.sign(digest),
        })
    }
}

/// What makes a signature of one kind.
enum Maker {
    Key(Key),
    Hashed([u8; 32]),
    Passkey([u8; 32]),
}

impl Maker {
    fn address(&self) -> Address {
        match self {
            Self::Key(key) => key.address(),
            Self::Hashed(secret) | Self::Passkey(secret) => {
                P256Key::from_bytes(*secret).unwrap().address()
            }
        }
    }

    fn sign(&self, digest: B256) -> KeySignature {
        let bytes = match self {
            Self::Key(key) => return key.sign(digest),
            Self::Hashed(secret) => {
                let proof = proof(secret, &Sha256::digest(digest));
                [&[0x01][..], &proof, &[1]].concat()
            }
            Self::Passkey(secret) => {
                let challenge = URL_SAFE_NO_PAD.encode(digest);
                let client = format!(r#"{{"challenge":"{challenge}","type":"webauthn.get"}}"#);
                let mut said = vec![9; 37];
                said[32] = 0x05;
                let client_hash = Sha256::digest(client.as_bytes());
                let signed = Sha256::digest([&said[..], &client_hash[..]].concat());
                let proof = proof(secret, &signed);
                [&[0x02][..], &said, client.as_bytes(), &proof].concat()
            }
        };
        KeySignature::parse(&bytes).unwrap()
    }
}

/// r and s, x and y.
fn proof(secret: &[u8; 32], signed: &[u8]) -> Vec<u8> {
    let key = p256::ecdsa::SigningKey::from_bytes(secret.into()).unwrap();
    let signature: Signature = key.sign_prehash(signed).unwrap();
    let signature = signature.normalize_s().unwrap_or(signature);
    let point = key.verifying_key().to_encoded_point(false);
    [&signature.to_bytes()[..], &point.as_bytes()[1..]].concat()
}

/// What is signed of the golden transaction, and its hash.
pub(crate) const GOLDEN: (B256, B256) = (
    b256!("0xd94404b60ba2a96316e663fba8d38bb36cecf1d469a0b253b7b73a903a2bc012"),
    b256!("0x56fd9801a2d5ec4876f25a2f20a83c965a524407b9c6748cd2fbf7a0b13d058d"),
);

/// The transaction whose hashes are golden in `farthing-tempo`'s own tests.
pub(crate) fn golden() -> (Transaction, AccountSignature) {
    let mut token = [0; 20];
    token[..2].copy_from_slice(&[0x20, 0xc0]);
    let input = [
        &[0xa9, 0x05, 0x9c, 0xbb],
        Address::repeat_byte(0x42).into_word().as_slice(),
        &U256::from(5).to_be_bytes::<32>(),
    ]
    .concat();
    let call = Call {
        to: Some(Address::from(token)),
        value: U256::ZERO,
        input: input.into(),
    };
    let transaction = Transaction {
        max_fee_per_gas: 100_000_000_000,
        gas_limit: 2_000_000,
        nonce: 1,
        valid_before: Some(1_700_000_000),
        ..Transaction::new(ChainId::new(1337).unwrap(), vec![call])
    };
    let key = AccountKey::from(SigningKey::from_bytes([7; 32]).unwrap());
    let signature = key.sign_hash(transaction.signing_hash());
    (transaction, signature)
}
