//! Calls that pay, and calls that almost do.

use farthing_core::value::Amount;
use farthing_evm::{Address, Bytes, U256, keccak256};
use proptest::prelude::*;

use super::fixture::{self, OTHER, legs, legs_with};
use crate::{
    charge::{Memo, Mismatch, attribution, match_calls},
    tip20::calls,
    token::known,
    transaction::Call,
};

/// What one gets for a change of calls that are right.
fn changed(splits: usize, change: impl FnOnce(&mut Vec<Call>)) -> Result<(), Mismatch> {
    let legs = legs(splits);
    let mut calls = legs.calls(Some("client"));
    change(&mut calls);
    match_calls(&calls, &legs)
}

fn is_call(result: &Result<(), Mismatch>, wanted: usize) -> bool {
    matches!(result, Err(Mismatch::Call { at, .. }) if *at == wanted)
}

#[test]
fn exactly_the_transfers_pass_in_any_order() {
    for splits in [0, 1, 10] {
        assert_eq!(changed(splits, |_| {}), Ok(()));
        assert_eq!(changed(splits, |calls| calls.reverse()), Ok(()));
    }
}

#[test]
fn an_amount_one_off_or_a_recipient_one_byte_off_is_missing() {
    let legs = legs(1);
    for at in 0..2 {
        let leg = legs[at];
        let missing = Mismatch::Missing {
            recipient: leg.recipient,
            amount: leg.amount,
        };
        // The last byte of the amount, and the last of the recipient.
        for (byte, by) in [(67, 1), (67, u8::MAX), (35, 1), (16, 1)] {
            let result = changed(1, |calls| {
                let mut input = calls[at].input.to_vec();
                input[byte] = input[byte].wrapping_add(by);
                calls[at].input = input.into();
            });
            assert_eq!(result, Err(missing.clone()), "call {at}, byte {byte}");
        }
    }
}

#[test]
fn one_too_many_and_one_missing_are_counted() {
    let count = |found| Err(Mismatch::Count { expected: 2, found });
    assert_eq!(changed(1, |calls| calls.push(calls[0].clone())), count(3));
    assert_eq!(changed(1, |calls| drop(calls.pop())), count(1));
    assert_eq!(changed(1, Vec::clear), count(0));
}

#[test]
fn one_call_does_not_pay_two_legs() {
    let legs = legs(2);
    let mut calls = legs.calls(None);
    // Two splits of different amounts: one is paid twice.
    calls[2] = calls[1].clone();
    let missing = Mismatch::Missing {
        recipient: legs[2].recipient,
        amount: legs[2].amount,
    };
    assert_eq!(match_calls(&calls, &legs), Err(missing));
}

#[test]
fn whatever_is_no_plain_transfer_is_refused() {
    let data = |signature: &str, words: &[U256]| -> Bytes {
        let mut data = keccak256(signature)[..4].to_vec();
        words
            .iter()
            .for_each(|word| data.extend(word.to_be_bytes::<32>()));
        data.into()
    };
    let word = |address: Address| U256::from_be_slice(address.as_slice());
    let (spender, amount) = (word(OTHER), U256::from(1));
    let smuggled = [
        data("approve(address,uint256)", &[spender, amount]),
        data(
            "transferFrom(address,address,uint256)",
            &[spender, spender, amount],
        ),
        data(
            "transferFromWithMemo(address,address,uint256,bytes32)",
            &[amount; 4],
        ),
        data("burn(uint256)", &[amount]),
        Bytes::new(),
        Bytes::from_static(&[0xa9, 0x05, 0x9c]),
    ];
    for input in smuggled {
        assert!(is_call(&changed(1, |calls| calls[1].input = input), 1));
    }
    let token = Some(known::BETA_USD.address);
    assert!(is_call(&changed(1, |calls| calls[0].to = token), 0));
    assert!(is_call(&changed(1, |calls| calls[0].to = None), 0));
    let value = U256::from(1);
    assert!(is_call(&changed(1, |calls| calls[1].value = value), 1));
}

#[test]
fn data_that_could_be_read_in_a_second_way_is_refused() {
    for extra in [1, 31, 32] {
        let longer = changed(0, |calls| {
            let mut input = calls[0].input.to_vec();
            input.resize(input.len() + extra, 0);
            calls[0].input = input.into();
        });
        assert!(is_call(&longer, 0), "{extra} more");
    }
    let shorter = changed(0, |calls| {
        calls[0].input = calls[0].input.slice(..99);
    });
    assert!(is_call(&shorter, 0));
    // The twelve bytes before an address are zero.
    let dirty = changed(0, |calls| {
        let mut input = calls[0].input.to_vec();
        input[4] = 1;
        calls[0].input = input.into();
    });
    assert!(is_call(&dirty, 0));
}

#[test]
fn the_memo_is_that_of_the_challenge() {
    let legs = legs(0);
    let of_another = Mismatch::Memo {
        recipient: legs[0].recipient,
        amount: legs[0].amount,
    };
    let other = attribution(&fixture::challenge("another"), &fixture::realm(), None);
    let elsewhere = attribution(
        &fixture::challenge("challenge"),
        &fixture::other_realm(),
        None,
    );
    for memo in [
        None,
        Some(Memo([0; 32].into())),
        Some(other),
        Some(elsewhere),
    ] {
        let result = changed(0, |calls| {
            let leg = legs[0];
            calls[0].input = calls::transfer(leg.recipient, leg.amount, memo);
        });
        assert_eq!(result, Err(of_another.clone()), "{memo:?}");
    }
}

#[test]
fn a_sellers_own_memo_is_wanted_to_the_bit() {
    let memo = Memo([0x5a; 32].into());
    let legs = legs_with(Some(memo), &[]);
    let mut calls = legs.calls(None);
    assert_eq!(match_calls(&calls, &legs), Ok(()));
    let mut input = calls[0].input.to_vec();
    input[99] ^= 1;
    calls[0].input = input.into();
    assert!(matches!(
        match_calls(&calls, &legs),
        Err(Mismatch::Memo { .. })
    ));
}

#[test]
fn a_leg_that_takes_any_memo_leaves_the_wanted_one_to_its_leg() {
    let (to, amount) = (fixture::RECIPIENT, 10);
    let memo = Memo([1; 32].into());
    // Three transfers of the same amount to the same address, told apart by their memos only.
    let legs = legs_with(None, &[(to, amount, None), (to, amount, Some(memo))]);
    let mut calls = legs.calls(None);
    let same = Amount::new(amount);
    assert!(
        legs.iter()
            .all(|leg| leg.amount == same && leg.recipient == to)
    );
    for _ in 0..3 {
        calls.rotate_left(1);
        assert_eq!(match_calls(&calls, &legs), Ok(()));
    }
    calls.swap(0, 1);
    assert_eq!(match_calls(&calls, &legs), Ok(()));
    let plain = calls
        .iter()
        .position(|call| call.input.len() == 68)
        .unwrap();
    calls[plain].input = calls::transfer(to, same, Some(memo));
    assert_eq!(match_calls(&calls, &legs), Ok(()), "any memo will do");
}

proptest! {
    /// Whatever a byte of the calls is changed to, they pay no more, except for the payer's own name in
    /// the memo.
    #[test]
    fn no_byte_can_be_changed(splits in 0usize..4, at in any::<prop::sample::Index>(), by in 1..=u8::MAX) {
        let legs = legs(splits);
        let mut calls = legs.calls(Some("client"));
        let total: usize = calls.iter().map(|call| call.input.len()).sum();
        let mut at = at.index(total);
        let mut which = 0;
        while at >= calls[which].input.len() {
            at -= calls[which].input.len();
            which += 1;
        }
        let mut input = calls[which].input.to_vec();
        input[at] ^= by;
        calls[which].input = input.into();
        let name = which == 0 && (68 + 15..68 + 25).contains(&at);
        prop_assert_eq!(match_calls(&calls, &legs).is_ok(), name);
    }
}
