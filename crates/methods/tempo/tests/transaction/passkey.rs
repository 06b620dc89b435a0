//! Signatures of the kinds that only browsers and authenticators make.

use alloy_primitives::{B256, Bytes};
use farthing_core::encoding::base64url;
use farthing_tempo::{
    AccountSignature, AccountSignatureError, SignedTransaction, Transaction, WebAuthnError,
};
use p256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner};
use ring::digest::{SHA256, digest as sha256};

use crate::fixture::{again, p256};

const PRESENT: u8 = 0x01;

/// r and s, x and y.
fn proof(byte: u8, signed: &[u8]) -> Vec<u8> {
    let key = SigningKey::from_bytes(&[byte; 32].into()).unwrap();
    let signature: Signature = key.sign_prehash(signed).unwrap();
    let signature = signature.normalize_s().unwrap_or(signature);
    let mut proof = signature.to_bytes().to_vec();
    proof.extend_from_slice(&key.verifying_key().to_encoded_point(false).as_bytes()[1..]);
    proof
}

/// A signature of a digest that was hashed once more.
pub(crate) fn hashed(byte: u8, digest: B256) -> Bytes {
    let again = sha256(&SHA256, digest.as_slice());
    let mut bytes = vec![0x01];
    bytes.extend_from_slice(&proof(byte, again.as_ref()));
    bytes.push(1);
    bytes.into()
}

/// A passkey's signature of a digest.
pub(crate) fn signed(byte: u8, digest: B256) -> Bytes {
    let asked = format!(
        r#"{{"type":"webauthn.get","challenge":"{}","origin":"https://example.com"}}"#,
        base64url::encode(digest)
    );
    said(byte, PRESENT, &asked)
}

/// What a passkey signs when it is asked this.
fn said(byte: u8, flags: u8, asked: &str) -> Bytes {
    let mut authenticator = vec![7; 37];
    authenticator[32] = flags;
    let mut whole = authenticator.clone();
    whole.extend_from_slice(sha256(&SHA256, asked.as_bytes()).as_ref());
    let mut bytes = vec![0x02];
    bytes.extend_from_slice(&authenticator);
    bytes.extend_from_slice(asked.as_bytes());
    bytes.extend_from_slice(&proof(byte, sha256(&SHA256, &whole).as_ref()));
    bytes.into()
}

/// A transaction with a signature that was made elsewhere.
pub(crate) fn put(transaction: Transaction, sign: &dyn Fn(B256) -> Bytes) -> SignedTransaction {
    let signature = AccountSignature::parse(&sign(transaction.signing_hash())).unwrap();
    let signed = transaction.with_signature(signature).unwrap();
    again(&signed).whole().unwrap()
}

#[test]
fn a_passkey_signs_what_it_was_asked_to() {
    let digest = B256::repeat_byte(5);
    let bytes = signed(7, digest);
    let signature = AccountSignature::parse(&bytes).unwrap();
    assert_eq!(signature.account(digest), Ok(p256(7).address()));
    assert_eq!(signature.access_key(digest), Ok(None));
    assert_eq!(signature.to_bytes(), bytes);
    let other = B256::repeat_byte(6);
    let challenge = AccountSignatureError::WebAuthn(WebAuthnError::Challenge);
    assert_eq!(signature.account(other), Err(challenge));

    let bytes = hashed(7, digest);
    let signature = AccountSignature::parse(&bytes).unwrap();
    assert_eq!(signature.account(digest), Ok(p256(7).address()));
    assert_eq!(signature.to_bytes(), bytes);
    assert!(signature.account(other).is_err());
}

#[test]
fn a_passkey_that_says_something_else_is_refused() {
    let digest = B256::repeat_byte(5);
    let challenge = base64url::encode(digest);
    let good = format!(r#"{{"type":"webauthn.get","challenge":"{challenge}"}}"#);
    let check = |flags: u8, asked: &str, expect: Option<WebAuthnError>| {
        let signature = AccountSignature::parse(&said(7, flags, asked)).unwrap();
        let expect = match expect {
            None => Ok(p256(7).address()),
            Some(error) => Err(AccountSignatureError::WebAuthn(error)),
        };
        assert_eq!(signature.account(digest), expect, "{flags} {asked}");
    };
    check(0x01, &good, None);
    check(0x04, &good, None);
    check(0x05 | 0x18, &good, None);
    for flags in [0, 0x02, 0x18, 0x41, 0x81] {
        check(flags, &good, Some(WebAuthnError::Flags));
    }
    check(PRESENT, "{}", Some(WebAuthnError::Short));
    let create = good.replace("get", "create");
    check(PRESENT, &create, Some(WebAuthnError::Type));
    check(
        PRESENT,
        &good.replace('{', "["),
        Some(WebAuthnError::ClientData),
    );
    check(
        PRESENT,
        &format!("{good}x"),
        Some(WebAuthnError::ClientData),
    );
    let twice = good.replace('{', r#"{"type":"webauthn.get","#);
    check(PRESENT, &twice, Some(WebAuthnError::ClientData));
    let padded = good.replace(&challenge, &format!("{challenge}="));
    check(PRESENT, &padded, Some(WebAuthnError::Challenge));

    // And where it says the right thing, it has to be signed.
    let mut bytes = said(7, PRESENT, &good).to_vec();
    bytes[1] ^= 1;
    let signature = AccountSignature::parse(&bytes).unwrap();
    assert!(signature.account(digest).is_err());
}

#[test]
fn a_passkeys_signature_has_a_bound() {
    let long = "x".repeat(2048 - 128 - 37);
    assert!(AccountSignature::parse(&said(7, PRESENT, &long)).is_ok());
    let longer = said(7, PRESENT, &format!("{long}x"));
    let error = AccountSignature::parse(&longer);
    assert_eq!(error, Err(AccountSignatureError::Kind(2050)));
    let short = AccountSignature::parse(&longer[..128]);
    assert_eq!(short, Err(AccountSignatureError::Kind(128)));
}
