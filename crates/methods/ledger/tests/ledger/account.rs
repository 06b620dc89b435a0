//! Names of accounts, and signatures by their keys.

use farthing_ledger::{Account, AccountError, AccountKey, KeyError, KeyType};
use proptest::prelude::*;

use crate::fixture::key;

fn hex(text: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

fn check_vector(key_type: KeyType, seed: &str, did: &str) {
    let key = AccountKey::from_seed(key_type, hex(seed)).unwrap();
    assert_eq!(key.account().to_string(), did);
    assert_eq!(&Account::parse(did).unwrap(), key.account());
}

/// The test vectors of the did:key method's specification.
#[test]
fn the_vectors_of_did_key_hold() {
    let zeros = "0".repeat(63);
    for (last, did) in [
        (
            "0",
            "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
        ),
        (
            "1",
            "did:key:z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG",
        ),
        (
            "2",
            "did:key:z6MknGc3ocHs3zdPiJbnaaqDi58NGb4pk1Sp9WxWufuXSdxf",
        ),
    ] {
        check_vector(KeyType::Ed25519, &format!("{zeros}{last}"), did);
    }
    for (seed, did) in [
        (
            "9085d2bef69286a6cbb51623c8fa258629945cd55ca705cc4e66700396894e0c",
            "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        ),
        (
            "f0f4df55a2b3ff13051ea814a8f24ad00f2e469af73c363ac7e9fb999a9072ed",
            "did:key:zQ3shtxV1FrJfhqE1dvxYRcCknWNjHc3c5X1y3ZSoPDi2aur2",
        ),
        (
            "6b0b91287ae3348f8c2f2552d766f30e3604867e34adc37ccbb74a8e6b893e02",
            "did:key:zQ3shZc2QzApp2oymGvQbzP8eKheVshBHbU4ZYjeXqwSKEn6N",
        ),
    ] {
        check_vector(KeyType::Secp256k1, seed, did);
    }
}

fn did(bytes: &[u8]) -> String {
    format!("did:key:z{}", bs58::encode(bytes).into_string())
}

#[test]
fn an_account_has_one_name() {
    let good = key(KeyType::Ed25519, 1).account().to_string();
    let refused = |text: &str| Account::parse(text).unwrap_err();
    let capital = good.replace("did:key:z", "did:key:Z");
    let hexadecimal = format!("did:key:f{}", "ed01".to_owned() + &"00".repeat(32));
    for bad in [
        "",
        "did:key:",
        "did:pkh:z6Mk",
        &capital,
        &hexadecimal,
        "did:key:z6Mk#z6Mk",
    ] {
        assert_eq!(refused(bad), AccountError::Grammar, "{bad}");
    }
    for bad in [
        format!("{good} "),
        format!(" {good}"),
        format!("{good}0"),
        format!("{good}\n"),
    ] {
        assert_eq!(refused(&bad), AccountError::Grammar, "{bad:?}");
    }
    let key = [9; 32];
    let long_varint = [&[0xed, 0x81, 0x00][..], &key].concat();
    let leading_zero = [&[0, 0xed, 0x01][..], &key].concat();
    let short = [&[0xed, 0x01][..], &key[..31]].concat();
    let x25519 = [&[0xec, 0x01][..], &key].concat();
    let uncompressed = [&[0xe7, 0x01, 0x04][..], &key, &key].concat();
    for bad in [
        &long_varint,
        &leading_zero,
        &short,
        &x25519,
        &uncompressed,
        &vec![0xed],
    ] {
        assert_eq!(refused(&did(bad)), AccountError::KeyType, "{bad:x?}");
    }
}

#[test]
fn a_key_that_is_no_point_is_no_account() {
    // Past the field's prime, and a tag that is neither even nor odd.
    let past = [&[0xe7, 0x01, 0x02][..], &[0xff; 32]].concat();
    let tag = [&[0xe7, 0x01, 0x05][..], &[1; 32]].concat();
    for bad in [past, tag] {
        assert_eq!(Account::parse(&did(&bad)), Err(AccountError::Point));
    }
}

#[test]
fn a_signature_has_one_form() {
    for key_type in [KeyType::Ed25519, KeyType::Secp256k1] {
        let (alice, bob) = (key(key_type, 1), key(key_type, 2));
        let signature = alice.sign(b"pay");
        assert!(alice.account().verifies(b"pay", &signature));
        assert!(
            !alice.account().verifies(b"pays", &signature),
            "another message"
        );
        assert!(
            !bob.account().verifies(b"pay", &signature),
            "another account"
        );
        assert!(!alice.account().verifies(b"pay", &signature[..63]), "cut");
        assert!(
            !alice
                .account()
                .verifies(b"pay", &[&signature[..], &[0]].concat()),
            "longer"
        );
        assert!(!alice.account().verifies(b"pay", &[]), "empty");
        assert!(!alice.account().verifies(b"pay", &[0; 64]), "zeros");
    }
}

#[test]
fn the_higher_s_of_an_ecdsa_signature_is_refused() {
    let key = key(KeyType::Secp256k1, 1);
    let mut signature = key.sign(b"pay");
    assert!(key.account().verifies(b"pay", &signature));
    let s = secp256k1::SecretKey::from_secret_bytes(signature[32..].try_into().unwrap()).unwrap();
    signature[32..].copy_from_slice(&s.negate().to_secret_bytes());
    // The same point and the same scalar up to its sign: plain ECDSA takes it.
    let mut parsed = secp256k1::ecdsa::Signature::from_compact(&signature).unwrap();
    parsed.normalize_s();
    assert!(key.account().verifies(b"pay", &parsed.serialize_compact()));
    assert!(!key.account().verifies(b"pay", &signature));
}

#[test]
fn a_secret_key_is_not_shown() {
    let key = key(KeyType::Ed25519, 7);
    assert_eq!(
        format!("{key:?}"),
        format!("AccountKey(… of {})", key.account())
    );
}

#[test]
fn a_seed_out_of_range_is_no_key() {
    for seed in [[0; 32], [0xff; 32]] {
        let refused = AccountKey::from_seed(KeyType::Secp256k1, seed).map(|_| ());
        assert_eq!(refused, Err(KeyError::OutOfRange));
    }
}

proptest! {
    #[test]
    fn accounts_survive_their_text(seed: [u8; 32], secp: bool) {
        let key_type = if secp { KeyType::Secp256k1 } else { KeyType::Ed25519 };
        let Ok(key) = AccountKey::from_seed(key_type, seed) else { return Ok(()) };
        let text = key.account().to_string();
        prop_assert_eq!(&Account::parse(&text).unwrap(), key.account());
        prop_assert_eq!(key.account().recipient().to_string(), text);
    }

    #[test]
    fn what_is_read_is_written_the_same(text in "did:key:z[1-9A-HJ-NP-Za-km-z]{0,60}") {
        if let Ok(account) = Account::parse(&text) {
            prop_assert_eq!(account.to_string(), text);
        }
    }
}
