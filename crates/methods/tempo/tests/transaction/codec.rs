//! What is written is read, and is what the chain has.

use alloy_primitives::hex;
use farthing_evm::{B256, U256, keccak256};
use farthing_tempo::{
    AccessListEntry, Call, Delegation, EXPIRING_NONCE_KEY, InvalidTransaction, Received,
    Transaction,
};

use crate::fixture::{CHAIN, PATH_USD, PAYEE, again, p256, payment, root, secp, transfer, whole};

#[test]
fn a_transaction_with_everything_is_read_as_it_was_written() {
    let key = root(secp(7));
    let transaction = Transaction {
        max_priority_fee_per_gas: 1,
        access_list: vec![AccessListEntry {
            address: PATH_USD,
            storage_keys: vec![B256::repeat_byte(3), B256::ZERO],
        }],
        nonce_key: U256::from(77),
        nonce: 300,
        valid_before: Some(2_000_000_000),
        valid_after: Some(1_000_000_000),
        fee_token: Some(PATH_USD),
        calls: vec![transfer(PATH_USD, PAYEE, 1), transfer(PATH_USD, PAYEE, 2)],
        authorizations: vec![Delegation {
            chain: U256::from(CHAIN.get()),
            address: PAYEE,
            nonce: 1,
            signature: key.sign_hash(B256::repeat_byte(1)),
        }],
        ..payment()
    };
    let signed = transaction.clone().sign(&key).unwrap();
    let read = again(&signed);
    assert_eq!(read.authored().transaction(), &transaction);
    assert_eq!(read.authored().sender(), key.account());
    assert_eq!(read.authored().access_key(), None);
    let whole = read.whole().unwrap();
    assert_eq!(whole.sponsor(), None);
    assert_eq!(whole.hash(), keccak256(whole.raw().bytes()));
}

#[test]
fn a_sponsor_signs_for_the_fee_and_the_sender_for_everything_else() {
    let transaction = Transaction {
        sponsored: true,
        nonce_key: EXPIRING_NONCE_KEY,
        valid_before: Some(2_000_000_000),
        ..payment()
    };
    for key in [root(secp(7)), root(p256(7))] {
        let half = transaction.clone().sign(&key).unwrap();
        assert_eq!(half.encode()[0], 0x78);
        let half = again(&half);
        let identity = half.authored().identity();
        let half = half.half().unwrap();

        let (sponsor, other) = (secp(8), secp(9));
        let signed = half.clone().cosign(PATH_USD, &sponsor);
        assert_eq!(signed.raw().bytes()[0], 0x76);
        let read = again(&Received::Whole(signed)).whole().unwrap();
        assert_eq!(read.sponsor(), Some(sponsor.address()));
        assert_eq!(read.authored().sender(), key.account());
        assert_eq!(read.authored().transaction().fee_token, Some(PATH_USD));
        assert_eq!(read.authored().identity(), identity);

        // By another sponsor it is another transaction that moves the same.
        let elsewhere = half.cosign(PATH_USD, &other);
        assert_ne!(elsewhere.hash(), read.hash());
        assert_eq!(elsewhere.authored().identity(), identity);
    }
}

#[test]
fn both_forms_of_a_half_are_the_same_half() {
    let transaction = Transaction {
        sponsored: true,
        ..payment()
    };
    let half = transaction.sign(&root(secp(7))).unwrap();
    let marked = marked(&half);
    let read = Received::decode(&marked).unwrap();
    assert_eq!(read, half);
    assert_eq!(read.encode()[0], 0x78);
}

/// The form of a half that has a mark, and not the sender, in the sponsor's place.
fn marked(half: &Received) -> Vec<u8> {
    let bytes = half.encode();
    let sender = half.authored().sender();
    let mut place = vec![0x94];
    place.extend_from_slice(sender.as_slice());
    let at = bytes
        .windows(21)
        .position(|some| some == place)
        .expect("the sender stands in the half");
    // The list's length stands in one byte before the fields.
    assert_eq!(bytes[1], 0xf8);
    let mut marked = vec![0x76, 0xf8, bytes[2] - 20];
    marked.extend_from_slice(&bytes[3..at]);
    marked.push(0);
    marked.extend_from_slice(&bytes[at + 21..]);
    marked
}

#[test]
fn what_is_signed_is_what_peers_sign() {
    // Kept equal to the chain's own library by `interop/mpp/tests/transactions`.
    let transaction = Transaction {
        nonce: 1,
        valid_before: Some(1_700_000_000),
        ..payment()
    };
    assert_eq!(
        transaction.signing_hash(),
        B256::from(hex!(
            "d94404b60ba2a96316e663fba8d38bb36cecf1d469a0b253b7b73a903a2bc012"
        ))
    );
    let signed = whole(transaction, &root(secp(7)));
    assert_eq!(
        signed.hash(),
        B256::from(hex!(
            "56fd9801a2d5ec4876f25a2f20a83c965a524407b9c6748cd2fbf7a0b13d058d"
        ))
    );
}

#[test]
fn what_no_chain_takes_is_not_signed() {
    let check = |change: fn(&mut Transaction), expect: InvalidTransaction| {
        let mut transaction = payment();
        change(&mut transaction);
        assert_eq!(transaction.sign(&root(secp(7))), Err(expect));
    };
    check(|t| t.calls.clear(), InvalidTransaction::NoCalls);
    check(|t| t.valid_before = Some(0), InvalidTransaction::Window);
    check(|t| t.valid_after = Some(0), InvalidTransaction::Window);
    check(
        |t| (t.valid_after, t.valid_before) = (Some(9), Some(9)),
        InvalidTransaction::Window,
    );
    check(
        |t| {
            t.calls.push(Call {
                to: None,
                ..t.calls[0].clone()
            });
        },
        InvalidTransaction::Create,
    );
    check(
        |t| (t.sponsored, t.fee_token) = (true, Some(PATH_USD)),
        InvalidTransaction::FeeToken,
    );
    check(
        |t| t.calls = vec![t.calls[0].clone(); 257],
        InvalidTransaction::TooMuch("calls", 256),
    );
    check(
        |t| t.calls[0].input = vec![0; 65_536].into(),
        InvalidTransaction::TooMuch("bytes", 65_536),
    );
}

#[test]
fn the_most_a_fee_can_be_is_rounded_up() {
    let check = |gas_limit, max_fee_per_gas, expect: u64| {
        let transaction = Transaction {
            gas_limit,
            max_fee_per_gas,
            ..payment()
        };
        assert_eq!(transaction.max_fee(), U256::from(expect));
    };
    check(0, 1_000_000_000, 0);
    check(1, 1, 1);
    check(1, 1_000_000_000_000, 1);
    check(21_000, 1_000_000_000, 21);
    check(21_001, 1_000_000_000, 22);
    let endless = Transaction {
        gas_limit: u64::MAX,
        max_fee_per_gas: u128::MAX,
        ..payment()
    };
    assert!(endless.max_fee() > U256::from(u128::MAX));
}
