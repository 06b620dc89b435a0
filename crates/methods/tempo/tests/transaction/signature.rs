//! Signatures of an account, by each kind of key.

use alloy_primitives::{B256, U256, uint};
use farthing_evm::SignatureError;
use farthing_tempo::{
    AccessKey, AccountKey, AccountSignature, AccountSignatureError, Key, KeyKind, KeychainVersion,
};

use crate::fixture::{PAYEE, p256, root, secp};

const P256_ORDER: U256 =
    uint!(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551_U256);

const DIGEST: B256 = B256::repeat_byte(5);

fn access(key: impl Into<Key>) -> AccountKey {
    let key = key.into();
    AccountKey::from(AccessKey {
        account: PAYEE,
        key,
        authorization: None,
    })
}

#[test]
fn each_kind_is_read_as_it_was_written_and_checked() {
    let keys = [
        (root(secp(7)), 65),
        (root(p256(7)), 130),
        (access(secp(7)), 86),
        (access(p256(7)), 151),
    ];
    for (key, length) in keys {
        let signature = key.sign_hash(DIGEST);
        let bytes = signature.to_bytes();
        assert_eq!(bytes.len(), length);
        let read = AccountSignature::parse(&bytes).unwrap();
        assert_eq!(read, signature);
        assert_eq!(read.account(DIGEST), Ok(key.account()));
        assert_eq!(read.access_key(DIGEST), Ok(key.access_key()));
        for end in 0..length {
            assert!(AccountSignature::parse(&bytes[..end]).is_err(), "{end}");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(AccountSignature::parse(&longer).is_err());
        // Of another message it is another key's, or nobody's.
        let other = read.access_key(B256::repeat_byte(6));
        assert!(other != Ok(key.access_key()) || key.access_key().is_none());
    }
}

#[test]
fn an_access_key_signs_for_one_account_only() {
    let key = access(secp(7));
    let AccountSignature::Access(mut signature) = key.sign_hash(DIGEST) else {
        panic!("an access key signs as one");
    };
    assert_eq!(signature.version, KeychainVersion::V2);
    assert_eq!(signature.inner.kind(), KeyKind::Secp256k1);
    assert_eq!(signature.key(DIGEST), Ok(secp(7).address()));
    signature.account = secp(9).address();
    assert_ne!(signature.key(DIGEST), Ok(secp(7).address()));
    signature.version = KeychainVersion::V1;
    signature.inner = Key::from(secp(7)).sign(DIGEST);
    assert_eq!(signature.key(DIGEST), Ok(secp(7).address()));
    let bytes = AccountSignature::Access(signature.clone()).to_bytes();
    assert_eq!(bytes[0], 0x03);
    let read = AccountSignature::parse(&bytes);
    assert_eq!(read, Ok(AccountSignature::Access(signature)));
}

#[test]
fn of_two_signatures_on_the_other_curve_one_counts() {
    let bytes = root(p256(7)).sign_hash(DIGEST).to_bytes().to_vec();
    let parse = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        AccountSignature::parse(&bytes).and_then(|read| read.account(DIGEST))
    };
    assert_eq!(parse(&|_| {}), Ok(p256(7).address()));
    let curve = |error| Err(AccountSignatureError::Curve(error));
    let high = parse(&|bytes| {
        let s = P256_ORDER - U256::from_be_slice(&bytes[33..65]);
        bytes[33..65].copy_from_slice(&s.to_be_bytes::<32>());
    });
    assert_eq!(high, curve(SignatureError::HighS));
    let zero = parse(&|bytes| bytes[1..33].fill(0));
    assert_eq!(zero, curve(SignatureError::OutOfRange));
    let above = parse(&|bytes| bytes[33..65].fill(0xff));
    assert_eq!(above, curve(SignatureError::OutOfRange));
    // The key is a point of the curve, and the one that signed.
    let nowhere = parse(&|bytes| bytes[65] ^= 1);
    assert_eq!(nowhere, curve(SignatureError::OutOfRange));
    let other = p256(9);
    let foreign = parse(&|bytes| {
        let theirs = root(p256(9)).sign_hash(DIGEST).to_bytes();
        bytes[65..129].copy_from_slice(&theirs[65..129]);
    });
    assert_eq!(foreign, curve(SignatureError::Mismatch));
    assert_ne!(other.address(), p256(7).address());
    for flag in [1, 2, 255] {
        let flagged = parse(&|bytes| bytes[129] = flag);
        let expect = match flag {
            1 => curve(SignatureError::Mismatch),
            _ => Err(AccountSignatureError::Flag),
        };
        assert_eq!(flagged, expect);
    }
}

#[test]
fn secrets_and_signatures_are_not_shown() {
    let key = root(p256(7));
    let shown = format!("{key:?} {:?}", key.sign_hash(DIGEST));
    let secret = "07".repeat(4);
    assert!(
        !shown.contains(&secret) && !shown.contains("7, 7"),
        "{shown}"
    );
}
