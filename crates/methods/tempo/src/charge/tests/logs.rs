//! Logs that show a payment, and logs that almost do.

use farthing_evm::{Address, B256, Log, keccak256};
use serde_json::{Value, json};

use super::fixture::{self, OTHER, PAYER, legs, legs_with};
use crate::{
    charge::{Leg, Legs, Memo, Mismatch, attribution, match_logs},
    token::known,
};

/// A log as a node tells it.
fn log(index: usize, emitter: Address, event: &str, words: &[B256], data: u128) -> Value {
    let mut topics = vec![keccak256(event)];
    topics.extend(words);
    json!({
        "address": emitter,
        "topics": topics,
        "data": format!("0x{data:064x}"),
        "logIndex": format!("0x{index:x}"),
    })
}

fn transfer(index: usize, from: Address, to: Address, amount: u128) -> Value {
    let words = [from.into_word(), to.into_word()];
    let event = "Transfer(address,address,uint256)";
    log(index, known::ALPHA_USD.address, event, &words, amount)
}

fn with_memo(index: usize, from: Address, to: Address, amount: u128, memo: Memo) -> Value {
    let words = [from.into_word(), to.into_word(), memo.0];
    let event = "TransferWithMemo(address,address,uint256,bytes32)";
    log(index, known::ALPHA_USD.address, event, &words, amount)
}

fn check(logs: &[Value], legs: &Legs) -> Result<(), Mismatch> {
    let logs: Vec<Log> = logs
        .iter()
        .map(|log| serde_json::from_value(log.clone()).unwrap())
        .collect();
    match_logs(&logs, PAYER, legs)
}

fn bound() -> Memo {
    attribution(&fixture::challenge("challenge"), &fixture::realm(), None)
}

/// What a chain tells of the transfers that pay these legs.
fn paid(legs: &Legs) -> Vec<Value> {
    let mut logs = Vec::new();
    for (at, leg) in legs.iter().enumerate() {
        let amount = leg.amount.units();
        logs.push(transfer(logs.len(), PAYER, leg.recipient, amount));
        if at == 0 {
            logs.push(with_memo(logs.len(), PAYER, leg.recipient, amount, bound()));
        }
    }
    logs
}

fn missing(leg: &Leg) -> Mismatch {
    Mismatch::Missing {
        recipient: leg.recipient,
        amount: leg.amount,
    }
}

#[test]
fn the_logs_of_the_transfers_pass_in_any_order_and_among_others() {
    let legs = legs(3);
    let mut logs = paid(&legs);
    assert_eq!(check(&logs, &legs), Ok(()));
    logs.reverse();
    assert_eq!(check(&logs, &legs), Ok(()));
    let fees = "feec000000000000000000000000000000000000".parse().unwrap();
    logs.push(transfer(90, PAYER, fees, 77));
    logs.push(log(91, OTHER, "Whatever()", &[], 0));
    assert_eq!(check(&logs, &legs), Ok(()));
}

#[test]
fn a_log_of_another_token_or_of_somebody_elses_money_does_not_count() {
    let legs = legs(0);
    let (to, amount) = (legs[0].recipient, legs[0].amount.units());
    let mut fake = paid(&legs);
    for log in &mut fake {
        log["address"] = json!(OTHER);
    }
    assert_eq!(check(&fake, &legs), Err(missing(&legs[0])));
    let others = [
        transfer(0, OTHER, to, amount),
        with_memo(1, OTHER, to, amount, bound()),
    ];
    assert_eq!(check(&others, &legs), Err(missing(&legs[0])));
    // A memo of the payer's does not make somebody else's transfer the payer's.
    let mixed = [
        transfer(0, OTHER, to, amount),
        with_memo(1, PAYER, to, amount, bound()),
    ];
    assert_eq!(check(&mixed, &legs), Err(missing(&legs[0])));
}

#[test]
fn a_transfer_with_a_memo_is_one_transfer() {
    // Two legs that ask for the same: one with the memo, one with any.
    let to = fixture::RECIPIENT;
    let legs = legs_with(None, &[(to, 10, None)]);
    let twin = [
        transfer(0, PAYER, to, 10),
        with_memo(1, PAYER, to, 10, bound()),
    ];
    assert_eq!(check(&twin, &legs), Err(missing(&legs[1])));
    let mut two = twin.to_vec();
    two.push(transfer(2, PAYER, to, 10));
    assert_eq!(check(&two, &legs), Ok(()));
    // And two memos of one transfer are one transfer still.
    let mut memos = twin.to_vec();
    memos.push(with_memo(2, PAYER, to, 10, Memo([9; 32].into())));
    assert_eq!(check(&memos, &legs), Err(missing(&legs[1])));
}

#[test]
fn a_memo_without_its_transfer_moves_nothing() {
    let legs = legs(0);
    let (to, amount) = (legs[0].recipient, legs[0].amount.units());
    let alone = [with_memo(0, PAYER, to, amount, bound())];
    assert_eq!(check(&alone, &legs), Err(missing(&legs[0])));
    let of_less = [
        transfer(0, PAYER, to, amount - 1),
        with_memo(1, PAYER, to, amount, bound()),
    ];
    assert_eq!(check(&of_less, &legs), Err(missing(&legs[0])));
}

#[test]
fn a_log_that_is_told_twice_is_nonsense() {
    let legs = legs(0);
    let mut logs = paid(&legs);
    logs.push(logs[0].clone());
    assert_eq!(check(&logs, &legs), Err(Mismatch::Repeated { index: 0 }));
}

#[test]
fn amounts_recipients_and_memos_are_to_the_unit() {
    let legs = legs(1);
    let good = paid(&legs);
    let (to, amount) = (legs[0].recipient, legs[0].amount.units());
    for off in [amount - 1, amount + 1] {
        let mut logs = good.clone();
        logs[0] = transfer(0, PAYER, to, off);
        logs[1] = with_memo(1, PAYER, to, off, bound());
        assert_eq!(check(&logs, &legs), Err(missing(&legs[0])));
    }
    let mut logs = good.clone();
    logs.pop();
    assert_eq!(check(&logs, &legs), Err(missing(&legs[1])));
    let mut logs = good;
    logs[1] = with_memo(1, PAYER, to, amount, Memo([0; 32].into()));
    assert!(matches!(check(&logs, &legs), Err(Mismatch::Memo { .. })));
}

#[test]
fn logs_of_another_form_are_not_transfers() {
    let legs = legs(0);
    let good = paid(&legs);
    let changes: [fn(&mut Value); 4] = [
        |log| log["data"] = json!("0x"),
        |log| log["data"] = json!(format!("{}00", log["data"].as_str().unwrap_or_default())),
        |log| log["topics"] = json!([log["topics"][0]]),
        |log| {
            // A topic that is no address: something before it.
            let topic = log["topics"][2].as_str().unwrap_or_default();
            log["topics"][2] = json!(topic.replacen("0x00", "0x01", 1));
        },
    ];
    for change in changes {
        let mut logs = good.clone();
        change(&mut logs[0]);
        assert_eq!(check(&logs, &legs), Err(missing(&legs[0])), "{}", logs[0]);
    }
}
