//! Tempo transactions, written and read by us and by the chain's own library.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

mod any;
mod mutate;
mod theirs;

use alloy_consensus::transaction::SignerRecoverable;
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Bytes, Signature};
use farthing_tempo::{AccountSignature, Received, Transaction};
use tempo_primitives::{AASigned, transaction::TempoSignature};

use any::{Any, Signer};

/// Transactions of every kind.
const CASES: u64 = 2000;

/// Changes to the bytes of each.
const CHANGES: u64 = 12;

fn seed() -> u64 {
    let given = std::env::var("FARTHING_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// A transaction, signed by us, where it does not wait for a sponsor.
struct Case {
    transaction: Transaction,
    signer: Signer,
    received: Received,
}

fn case(any: &mut Any) -> Case {
    let transaction = any.transaction();
    let signer = any.signer();
    let signature = signer.sign(transaction.signing_hash());
    let received = transaction.clone().with_signature(signature).unwrap();
    Case {
        transaction,
        signer,
        received,
    }
}

/// The same transaction, as theirs.
fn signed(transaction: &Transaction, signature: &AccountSignature) -> AASigned {
    let signature = TempoSignature::from_bytes(&signature.to_bytes()).unwrap();
    theirs::transaction(transaction).into_signed(signature)
}

#[test]
fn both_write_the_same_bytes_and_sign_the_same() {
    for number in 0..CASES {
        let mut any = Any::new(seed().wrapping_add(number));
        let Case {
            transaction,
            signer,
            received,
        } = case(&mut any);
        let authored = received.authored();
        let mut other = signed(&transaction, authored.signature());
        assert_eq!(
            other.signature_hash(),
            transaction.signing_hash(),
            "{number}"
        );
        assert_eq!(
            other.recover_signer().unwrap(),
            authored.sender(),
            "{number}"
        );
        assert_eq!(authored.sender(), signer.account, "{number}");
        let identity = other.expiring_nonce_hash(authored.sender());
        assert_eq!(identity, authored.identity(), "{number}");
        key_of(&other, &received);

        let whole = match received {
            Received::Whole(whole) => whole,
            Received::Half(half) => {
                // Theirs marks a half, ours names its sender: either is read as the other.
                let mut marked = Vec::new();
                other.encode_for_fee_payer_service(&mut marked);
                let read = Received::decode(&marked).unwrap();
                assert_eq!(read, Received::Half(half.clone()), "{number}");

                let (sponsor, token) = (any.secp(), any.address());
                let whole = half.cosign(token, &sponsor);
                let mut complete = other.tx().clone();
                complete.fee_token = Some(token);
                let sender = whole.authored().sender();
                let digest = complete.fee_payer_signature_hash(sender);
                let signature = sponsor.sign(digest).to_bytes();
                complete.fee_payer_signature = Some(Signature::try_from(&signature[..]).unwrap());
                let payer = complete.recover_fee_payer(sender).unwrap();
                assert_eq!(Some(payer), whole.sponsor(), "{number}");
                other = complete.into_signed(other.signature().clone());
                whole
            }
        };
        assert_eq!(
            Bytes::from(other.encoded_2718()),
            *whole.raw().bytes(),
            "{number}"
        );
        assert_eq!(*other.hash(), whole.hash(), "{number}");
        let read = AASigned::decode_2718_exact(whole.raw().bytes()).unwrap();
        assert_eq!(read, other, "{number}");
        let again = Received::decode(&other.encoded_2718()).unwrap();
        assert_eq!(again, Received::Whole(whole), "{number}");
    }
}

/// Both find the same access key.
fn key_of(other: &AASigned, ours: &Received) {
    let digest = other.signature_hash();
    let theirs = other.signature().as_keychain();
    let theirs = theirs.map(|keychain| keychain.key_id(&digest).unwrap());
    assert_eq!(ours.authored().access_key(), theirs);
    let ours = &ours.authored().transaction().key_authorization;
    let theirs = &other.tx().key_authorization;
    let signer = theirs
        .as_ref()
        .map(|signed| signed.recover_signer().unwrap());
    assert_eq!(ours.as_ref().map(|signed| signed.signer()), signer);
    let digest = theirs.as_ref().map(|signed| signed.signature_hash());
    assert_eq!(
        ours.as_ref().map(|signed| signed.authorization().digest()),
        digest
    );
}

#[test]
fn what_we_read_of_changed_bytes_they_read_the_same() {
    let (mut taken, mut refused) = (0_u64, 0_u64);
    for number in 0..CASES {
        let mut any = Any::new(seed().wrapping_add(number));
        let received = case(&mut any).received;
        let whole = match received {
            Received::Whole(whole) => whole,
            Received::Half(half) => half.cosign(any.address(), &any.secp()),
        };
        for _ in 0..CHANGES {
            let bytes = mutate::change(&mut any, whole.raw().bytes());
            let Ok(Received::Whole(ours)) = Received::decode(&bytes) else {
                refused += 1;
                continue;
            };
            taken += 1;
            let theirs = AASigned::decode_2718_exact(&bytes).unwrap();
            let sender = theirs.recover_signer().unwrap();
            assert_eq!(sender, ours.authored().sender(), "{number}");
            assert_eq!(*theirs.hash(), ours.hash(), "{number}");
            assert_eq!(Bytes::from(theirs.encoded_2718()), *ours.raw().bytes());
            let payer = theirs.tx().recover_fee_payer(sender).unwrap();
            assert_eq!(ours.sponsor().unwrap_or(sender), payer, "{number}");
            key_of(&theirs, &Received::Whole(ours.clone()));
            let mut expected = theirs::transaction(ours.authored().transaction());
            expected.fee_payer_signature = theirs.tx().fee_payer_signature;
            assert_eq!(theirs.tx(), &expected, "{number}");
        }
    }
    eprintln!(
        "of {} changed transactions we take {taken}",
        taken + refused
    );
    assert!(taken > 1000 && refused > 1000, "{taken} {refused}");
}

/// What `farthing-tempo` keeps as golden is theirs.
#[test]
fn the_golden_hashes_are_theirs() {
    let (transaction, signature) = any::golden();
    let other = signed(&transaction, &signature);
    assert_eq!(other.signature_hash(), any::GOLDEN.0);
    assert_eq!(*other.hash(), any::GOLDEN.1);
}
