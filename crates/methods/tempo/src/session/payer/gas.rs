//! How much gas it takes to lock tokens in a channel. New state is what is dear (TIP-1000): a channel, the
//! first tokens of a kind in its contract, an allowance. An allowance that is used up gives its gas back only at
//! the end, so more has to be there than is used. Sellers take transactions of up to two million.
//!
//! What was measured with the contracts of this project on a chain of the fork T4, what the chain's own
//! developers measure of the precompile, and what is given here:
//!
//! | | T4 | precompile | given |
//! |---|---|---|---|
//! | an opening, second protocol | 310,000 | 294,000 | 875,000 |
//! | the first of a token | 564,000 | 792,000 | 875,000 |
//! | a top-up, second protocol | 69,000 | 49,000 | 110,000 |
//! | an opening with its approval, first protocol | 1,325,000 | | 1,895,000 |
//! | a top-up with its approval, first protocol | 259,000 | | 395,000 |

use farthing_core::{intent::session::Protocol, value::Amount};

use crate::{
    key::{AccountKey, SignedKeyAuthorization},
    payer::{TempoPayer, gas::Work},
    tip20,
};

/// What opening a channel does.
pub(super) fn opening(protocol: Protocol, wallet: &TempoPayer) -> Work<'_> {
    match protocol {
        Protocol::V1 => work(2, 7, wallet),
        Protocol::V2 => work(2, 3, wallet),
    }
}

/// What adding to one does.
pub(super) fn top_up(protocol: Protocol, wallet: &TempoPayer) -> Work<'_> {
    match protocol {
        Protocol::V1 => work(3, 1, wallet),
        Protocol::V2 => work(2, 0, wallet),
    }
}

/// The most that its fee can be.
pub(super) fn most(work: &Work<'_>, wallet: &TempoPayer) -> Amount {
    let options = wallet.options();
    tip20::fee(work.gas().min(options.max_gas), options.max_gas_price)
}

/// A call of a contract that moves tokens counts as two transfers.
fn work(transfers: u64, new: u64, wallet: &TempoPayer) -> Work<'_> {
    let key = &**wallet.key();
    let authorization = match key {
        AccountKey::Access(access) => access.authorization.as_ref(),
        AccountKey::Root(_) => None,
    };
    Work {
        transfers,
        new,
        lane: false,
        key,
        grant: authorization.map(SignedKeyAuthorization::authorization),
    }
}
