//! Whether a transaction that was not sent yet would pay a request.

use super::{
    Legs, Mismatch,
    matching::{Moved, find_all},
};
use crate::{tip20::calls, transaction::Call};

/// Whether calls are the transfers that pay a request, in any order, and nothing else.
///
/// Nothing else means: no further call, however harmless, because the payer's account pays for all of them
/// and a sponsor for their gas; none that makes a contract, carries value, or goes to another contract; and
/// none whose data could be read in a second way.
///
/// # Errors
/// When they are anything else.
pub fn match_calls(calls: &[Call], legs: &Legs) -> Result<(), Mismatch> {
    if calls.len() != legs.len() {
        return Err(Mismatch::Count {
            expected: legs.len(),
            found: calls.len(),
        });
    }
    let moved: Result<Vec<Moved>, Mismatch> = calls
        .iter()
        .enumerate()
        .map(|(at, call)| read(call, legs).map_err(|what| Mismatch::Call { at, what }))
        .collect();
    find_all(legs, &moved?)
}

fn read(call: &Call, legs: &Legs) -> Result<Moved, &'static str> {
    let to = call.to.ok_or("the making of a contract")?;
    if !call.value.is_zero() {
        return Err("a call with value");
    }
    if to != legs.token() {
        return Err("a call of another contract");
    }
    let transfer = calls::read_transfer(&call.input).ok_or("another call of the token")?;
    Ok(Moved {
        recipient: transfer.recipient,
        amount: transfer.amount,
        memo: transfer.memo,
    })
}
