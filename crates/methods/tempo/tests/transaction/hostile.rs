//! Bytes that are no transaction, or another form of one.

use alloy_primitives::{U256, uint};
use farthing_evm::{Address, SignatureError};
use farthing_tempo::{
    AccountSignatureError, DecodeError, InvalidTransaction, KeyAuthorization, KeyKind, Received,
    Transaction,
};
use proptest::prelude::*;

use crate::{
    fixture::{CHAIN, PATH_USD, PAYEE, p256, payment, root, secp, whole},
    tree::{CALLS, CHAIN_ID, FEE_TOKEN, Item, KEY_AUTHORIZATION, NONCE, SPONSOR},
};

const ORDER: U256 = uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);

fn signed() -> Vec<u8> {
    whole(payment(), &root(secp(7))).raw().bytes().to_vec()
}

fn sponsored() -> Vec<u8> {
    half_of(payment(), &root(secp(7)))
        .half()
        .unwrap()
        .cosign(PATH_USD, &secp(8))
        .raw()
        .bytes()
        .to_vec()
}

fn half_of(transaction: Transaction, key: &farthing_tempo::AccountKey) -> Received {
    let transaction = Transaction {
        sponsored: true,
        ..transaction
    };
    transaction.sign(key).unwrap()
}

/// What is said to a transaction whose fields were changed.
fn changed(bytes: &[u8], change: impl FnOnce(&mut Vec<Item>)) -> DecodeError {
    assert!(Received::decode(bytes).is_ok());
    let (kind, mut fields) = Item::read(bytes);
    change(&mut fields);
    Received::decode(&Item::write(kind, &fields)).unwrap_err()
}

fn malformed(error: &DecodeError) {
    assert!(matches!(error, DecodeError::Malformed(_)), "{error:?}");
}

#[test]
fn the_type_and_the_size_are_looked_at_first() {
    assert_eq!(Received::decode(&[]), Err(DecodeError::Size(0)));
    let large = vec![0x76; 65_537];
    assert_eq!(Received::decode(&large), Err(DecodeError::Size(65_537)));
    let mut other = signed();
    other[0] = 0x02;
    assert_eq!(Received::decode(&other), Err(DecodeError::Kind(0x02)));
    // A whole transaction is not a half, and the other way round.
    for bytes in [
        signed(),
        half_of(payment(), &root(secp(7))).encode().to_vec(),
    ] {
        let mut bytes = bytes;
        bytes[0] ^= 0x76 ^ 0x78;
        malformed(&Received::decode(&bytes).unwrap_err());
    }
}

#[test]
fn what_is_too_short_or_too_long_is_no_transaction() {
    let bytes = signed();
    for end in 1..bytes.len() {
        malformed(&Received::decode(&bytes[..end]).unwrap_err());
    }
    let mut longer = bytes.clone();
    longer.push(0x80);
    malformed(&Received::decode(&longer).unwrap_err());
    malformed(&changed(&bytes, |fields| {
        fields.push(Item::Bytes(Vec::new()));
    }));
    malformed(&changed(&bytes, |fields| {
        fields.insert(KEY_AUTHORIZATION, Item::Bytes(vec![1]));
    }));
    malformed(&changed(&bytes, |fields| {
        fields.insert(KEY_AUTHORIZATION, Item::List(Vec::new()));
    }));
    malformed(&changed(&bytes, |fields| {
        fields.remove(SPONSOR);
    }));
}

#[test]
fn a_number_has_one_form() {
    let bytes = signed();
    malformed(&changed(&bytes, |fields| {
        fields[CHAIN_ID] = Item::Bytes(vec![0, 5, 0x39]);
    }));
    malformed(&changed(&bytes, |fields| {
        fields[NONCE] = Item::Raw(vec![0]);
    }));
    malformed(&changed(&bytes, |fields| {
        fields[NONCE] = Item::Raw(vec![0x81, 1]);
    }));
    malformed(&changed(&bytes, |fields| {
        fields[NONCE] = Item::Raw(vec![0xb8, 1, 1]);
    }));
    malformed(&changed(&bytes, |fields| {
        fields[CHAIN_ID] = Item::Bytes(Vec::new());
    }));
    malformed(&changed(&bytes, |fields| {
        fields[CHAIN_ID] = Item::Bytes(vec![0x20, 0, 0, 0, 0, 0, 0]);
    }));
    malformed(&changed(&bytes, |fields| {
        fields[NONCE] = Item::Bytes(vec![1; 9]);
    }));
}

#[test]
fn the_fields_are_those_that_were_signed() {
    let bytes = signed();
    // Another call is another message, and so another sender: one who has no money.
    let (kind, mut fields) = Item::read(&bytes);
    let call = fields[CALLS].list()[0].clone();
    fields[CALLS].list().push(call);
    let sender = |bytes: &[u8]| Received::decode(bytes).map(|read| read.authored().sender());
    let other = sender(&Item::write(kind, &fields));
    assert_ne!(other, sender(&bytes));

    // Where the signature has its key with it, it is wrong.
    let by_p256 = whole(payment(), &root(p256(7)));
    let error = changed(by_p256.raw().bytes(), |fields| {
        let call = fields[CALLS].list()[0].clone();
        fields[CALLS].list().push(call);
    });
    let wrong = AccountSignatureError::Curve(SignatureError::Mismatch);
    assert_eq!(error, DecodeError::Sender(wrong));
}

#[test]
fn what_no_chain_takes_is_not_read() {
    let bytes = signed();
    let error = changed(&bytes, |fields| fields[CALLS].list().clear());
    assert_eq!(error, DecodeError::Invalid(InvalidTransaction::NoCalls));
    let error = changed(&bytes, |fields| {
        let mut call = fields[CALLS].list()[0].clone();
        call.list()[0].bytes().clear();
        fields[CALLS].list().push(call);
    });
    assert_eq!(error, DecodeError::Invalid(InvalidTransaction::Create));
    let error = changed(&bytes, |fields| {
        let call = fields[CALLS].list()[0].clone();
        *fields[CALLS].list() = vec![call; 257];
    });
    malformed(&error);
}

#[test]
fn a_signature_has_one_form_but_for_its_parity() {
    let bytes = signed();
    let last = |fields: &mut Vec<Item>| -> usize { fields.len() - 1 };
    let error = changed(&bytes, |fields| {
        let at = last(fields);
        let signature = fields[at].bytes();
        let s = ORDER - U256::from_be_slice(&signature[32..64]);
        signature[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        signature[64] ^= 27 ^ 28;
    });
    let high = AccountSignatureError::Curve(SignatureError::HighS);
    assert_eq!(error, DecodeError::Sender(high));
    for parity in [2, 26, 29, 35, 255] {
        let error = changed(&bytes, |fields| {
            let at = last(fields);
            fields[at].bytes()[64] = parity;
        });
        let odd = AccountSignatureError::Curve(SignatureError::Parity);
        assert_eq!(error, DecodeError::Sender(odd));
    }

    // 0 and 1 count as 27 and 28, and give the same transaction with the same hash.
    let mut short = bytes.clone();
    *short.last_mut().unwrap() -= 27;
    let (read, plain) = (Received::decode(&short), Received::decode(&bytes));
    assert_eq!(read, plain);
    assert_eq!(read.unwrap().encode(), bytes);
}

#[test]
fn the_sponsors_place_holds_what_belongs_there() {
    for wrong in [vec![1], vec![0, 0], vec![7; 19], vec![7; 21], vec![7; 20]] {
        malformed(&changed(&signed(), |fields| {
            fields[SPONSOR] = Item::Bytes(wrong);
        }));
    }
    let bytes = sponsored();
    malformed(&changed(&bytes, |fields| {
        fields[SPONSOR].list()[0] = Item::Bytes(vec![27]);
    }));
    malformed(&changed(&bytes, |fields| {
        fields[SPONSOR].list().push(Item::Bytes(Vec::new()));
    }));
    let error = changed(&bytes, |fields| {
        *fields[SPONSOR].list() = vec![Item::Bytes(Vec::new()); 3];
    });
    assert_eq!(error, DecodeError::Sponsor(SignatureError::OutOfRange));
    let error = changed(&bytes, |fields| {
        let s = fields[SPONSOR].list()[2].bytes();
        let high = ORDER - U256::from_be_slice(s);
        *s = high.to_be_bytes_trimmed_vec();
    });
    assert_eq!(error, DecodeError::Sponsor(SignatureError::HighS));
}

#[test]
fn a_half_names_its_sender_and_no_token() {
    let half = half_of(payment(), &root(secp(7))).encode();
    let error = changed(&half, |fields| {
        fields[SPONSOR] = Item::Bytes(PAYEE.to_vec());
    });
    let signed = secp(7).address();
    let named = PAYEE;
    assert_eq!(error, DecodeError::OtherSender { named, signed });
    let error = changed(&half, |fields| {
        fields[FEE_TOKEN] = Item::Bytes(PATH_USD.to_vec());
    });
    assert_eq!(error, DecodeError::Invalid(InvalidTransaction::FeeToken));
    assert!(error.to_string().contains("must not include fee_token"));
}

#[test]
fn a_key_authorization_has_one_form() {
    let authorization = KeyAuthorization::new(CHAIN, KeyKind::P256, Address::repeat_byte(9));
    let transaction = Transaction {
        key_authorization: Some(authorization.sign(&secp(7).into())),
        ..payment()
    };
    let bytes = whole(transaction, &root(secp(7))).raw().bytes().to_vec();
    let at = KEY_AUTHORIZATION;

    // What is missing at the end is left out, not written as empty.
    let error = changed(&bytes, |fields| {
        fields[at].list()[0].list().push(Item::Bytes(Vec::new()));
    });
    assert_eq!(error, DecodeError::NotCanonical);
    let error = changed(&bytes, |fields| {
        fields[at].list()[1].bytes()[64] -= 27;
    });
    assert_eq!(error, DecodeError::NotCanonical);
    malformed(&changed(&bytes, |fields| {
        fields[at].list()[0].list()[1] = Item::Bytes(vec![3]);
    }));
    malformed(&changed(&bytes, |fields| {
        fields[at].list().push(Item::Bytes(Vec::new()));
    }));
    let error = changed(&bytes, |fields| fields[at].list()[1].bytes().clear());
    let none = AccountSignatureError::Kind(0);
    assert_eq!(error, DecodeError::Authorization(none));
}

#[test]
fn an_authorization_inside_is_not_another_access_key() {
    // Keychain signatures do not nest: an access key cannot sign through another.
    let mut nested = vec![0x04];
    nested.extend_from_slice(PAYEE.as_slice());
    nested.push(0x04);
    nested.extend_from_slice(PAYEE.as_slice());
    nested.extend_from_slice(&secp(7).sign(Default::default()).to_bytes());
    let error = changed(&signed(), |fields| {
        let at = fields.len() - 1;
        fields[at] = Item::Bytes(nested);
    });
    let none = AccountSignatureError::Kind(86);
    assert_eq!(error, DecodeError::Sender(none));
}

proptest! {
    /// Whatever is read is written again as the same bytes: no two texts are one transaction.
    #[test]
    fn what_is_read_is_written_the_same(at in 0..1000_usize, byte: u8, which in 0..3_usize) {
        let mut bytes = match which {
            0 => signed(),
            1 => sponsored(),
            _ => half_of(payment(), &root(p256(7))).encode().to_vec(),
        };
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = Received::decode(&bytes) {
            let mut again = read.encode().to_vec();
            if bytes.last() < Some(&2) && bytes != again {
                *again.last_mut().unwrap() -= 27;
            }
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn noise_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = bytes;
        for kind in [0x76, 0x78] {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            prop_assert!(Received::decode(&bytes).is_err());
        }
    }
}
