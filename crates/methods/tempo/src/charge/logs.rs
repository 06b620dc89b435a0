//! Whether a transaction that is in a block paid a request.

use std::collections::HashSet;

use farthing_evm::{Address, Log};

use super::{
    Legs, Mismatch,
    matching::{Moved, find_all},
};
use crate::tip20::events::{Event, Movement};

/// Whether the logs of a transaction show that `from` paid a request.
///
/// Only logs of the token itself count, and only those of money of `from`. A transfer with a memo is told
/// twice, once as a transfer and once with the memo; that is one transfer, and a memo without its transfer
/// is none. Other logs are not looked at: a wallet may do more in the transaction than pay us.
///
/// That the transaction succeeded, is old or new enough, and is in a block that the chain still has, is for
/// the caller to find out.
///
/// # Errors
/// When a leg is not paid.
pub fn match_logs(logs: &[Log], from: Address, legs: &Legs) -> Result<(), Mismatch> {
    let mut seen = HashSet::with_capacity(logs.len());
    let (mut plain, mut noted) = (Vec::new(), Vec::new());
    for log in logs {
        if !seen.insert(log.index()) {
            return Err(Mismatch::Repeated { index: log.index() });
        }
        if log.address != legs.token() {
            continue;
        }
        match Event::read(log) {
            Some(Event::Transfer(movement)) if movement.from == from => plain.push(movement),
            Some(Event::TransferWithMemo(movement, memo)) if movement.from == from => {
                noted.push((movement, memo));
            }
            _ => {}
        }
    }
    let mut moved = Vec::with_capacity(plain.len());
    for (movement, memo) in noted {
        let Some(twin) = plain.iter().position(|plain| *plain == movement) else {
            continue;
        };
        plain.swap_remove(twin);
        moved.push(of(movement, Some(memo)));
    }
    moved.extend(plain.into_iter().map(|movement| of(movement, None)));
    find_all(legs, &moved)
}

const fn of(movement: Movement, memo: Option<super::Memo>) -> Moved {
    Moved {
        recipient: movement.to,
        amount: movement.amount,
        memo,
    }
}
