//! Key authorizations, and the contract that keeps them.

use std::num::NonZeroU64;

use alloy_primitives::{B256, U256};
use farthing_evm::{Address, Bytes};
use farthing_tempo::{
    CallScope, DecodeError, Key, KeyAuthorization, KeyKind, KeySignature, SelectorRule,
    SignedKeyAuthorization, TokenLimit, keychain,
};

use crate::fixture::{CHAIN, PATH_USD, PAYEE, p256, secp};

/// One with everything, whose lists are then taken away.
pub(crate) fn full() -> KeyAuthorization {
    KeyAuthorization {
        expiry: NonZeroU64::new(2_000_000_000),
        limits: Some(vec![
            TokenLimit {
                token: PATH_USD,
                limit: U256::from(1000),
                period: None,
            },
            TokenLimit {
                token: PAYEE,
                limit: U256::ZERO,
                period: NonZeroU64::new(86_400),
            },
        ]),
        calls: Some(vec![CallScope {
            target: PATH_USD,
            rules: vec![SelectorRule {
                selector: [0xa9, 0x05, 0x9c, 0xbb],
                recipients: vec![PAYEE],
            }],
        }]),
        witness: Some(B256::repeat_byte(4)),
        admin: true,
        account: Some(PAYEE),
        ..KeyAuthorization::new(CHAIN, KeyKind::P256, p256(9).address())
    }
}

#[test]
fn what_is_missing_is_told_from_what_is_empty() {
    let variants = [
        full(),
        KeyAuthorization {
            account: None,
            ..full()
        },
        KeyAuthorization {
            account: None,
            admin: false,
            ..full()
        },
        KeyAuthorization {
            limits: Some(Vec::new()),
            calls: None,
            ..full()
        },
        KeyAuthorization {
            limits: None,
            calls: Some(Vec::new()),
            witness: None,
            admin: false,
            account: None,
            ..full()
        },
        KeyAuthorization::new(CHAIN, KeyKind::WebAuthn, PAYEE),
    ];
    let mut digests = Vec::new();
    for authorization in variants {
        for root in [Key::from(secp(7)), Key::from(p256(7))] {
            let signed = authorization.clone().sign(&root);
            let bytes = signed.encode();
            let read = SignedKeyAuthorization::decode(&bytes).unwrap();
            assert_eq!(read, signed);
            assert_eq!(read.authorization(), &authorization);
            assert_eq!(read.signer(), root.address());
            let mut longer = bytes.clone();
            longer.push(0x80);
            assert!(SignedKeyAuthorization::decode(&longer).is_err());
        }
        digests.push(authorization.digest());
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 6);
}

#[test]
fn a_signature_of_something_else_is_refused() {
    let other = Key::from(p256(7)).sign(B256::ZERO);
    assert!(SignedKeyAuthorization::new(full(), other).is_err());
    let made = Key::from(p256(7)).sign(full().digest());
    let signed = SignedKeyAuthorization::new(full(), made).unwrap();
    assert_eq!(signed, full().sign(&p256(7).into()));

    // Over secp256k1 a change makes another signer.
    let mut changed = full();
    changed.limits = None;
    let signature = Key::from(secp(7)).sign(full().digest());
    let signed = SignedKeyAuthorization::new(changed, signature).unwrap();
    assert_ne!(signed.signer(), secp(7).address());

    let large = SignedKeyAuthorization::decode(&vec![0xc0; 65_537]);
    assert!(matches!(large, Err(DecodeError::Size(65_537))));
}

#[test]
fn a_signature_says_its_kind() {
    let bytes = Key::from(p256(7)).sign(B256::ZERO).to_bytes();
    let read = KeySignature::parse(&bytes).unwrap();
    assert_eq!(read.kind(), KeyKind::P256);
    // One for an account is none of a key.
    let mut access = vec![0x04];
    access.extend_from_slice(PAYEE.as_slice());
    access.extend_from_slice(&bytes);
    assert!(KeySignature::parse(&access).is_err());
}

#[test]
fn the_contract_is_called_by_its_functions() {
    let starts = |data: Bytes, selector: [u8; 4]| assert_eq!(data[..4], selector);
    starts(keychain::authorize(&full()), [0x98, 0x0a, 0x60, 0x25]);
    starts(keychain::revoke(PAYEE), [0x5a, 0xe7, 0xab, 0x32]);
    let call = keychain::authorize(&KeyAuthorization::new(CHAIN, KeyKind::P256, PAYEE));
    // For ever is the largest number there is.
    let word = |at: usize| U256::from_be_slice(&call[4 + 32 * at..36 + 32 * at]);
    assert_eq!(word(1), U256::from(1));
    assert_eq!(word(3), U256::from(u64::MAX));
    assert!(keychain::read_key(&[0; 31]).is_err());
    let mut odd = vec![0; 160];
    (odd[31], odd[95]) = (9, 9);
    assert!(matches!(
        keychain::read_key(&odd),
        Err(keychain::KeychainError::Kind(9))
    ));
    let _: Address = keychain::ADDRESS;
}
