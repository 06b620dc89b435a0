//! Nonces: each account has lanes of them, and may use any.

use alloy_primitives::address;
use alloy_sol_types::{SolCall, sol};
use farthing_evm::{Address, NonceRead, U256};

/// The contract that counts the nonces of all lanes but the account's own.
const LANES: Address = address!("0x4e4F4E4345000000000000000000000000000000");

sol! {
    function getNonce(address account, uint256 nonceKey) returns (uint64 nonce);
}

/// Where the next nonce of an account's lane is read.
#[must_use]
pub(crate) fn read(account: Address, lane: U256) -> NonceRead {
    if lane.is_zero() {
        return NonceRead::Account(account);
    }
    let call = getNonceCall {
        account,
        nonceKey: lane,
    };
    NonceRead::Call {
        to: LANES,
        data: call.abi_encode().into(),
    }
}
