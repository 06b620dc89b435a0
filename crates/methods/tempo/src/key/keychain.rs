//! The contract that keeps which keys may sign for an account, and what they may spend: how it is called.
//!
//! An account calls it with its own key; [`authorize`] does on the chain what a
//! [`SignedKeyAuthorization`](super::SignedKeyAuthorization) does inside a transaction.

use std::num::NonZeroU64;

use alloy_primitives::{Address, Bytes, FixedBytes, U256, address};
use alloy_sol_types::SolCall;

use super::{KeyAuthorization, KeyKind};
use abi::{
    AbiLimit, AbiRestrictions, AbiRule, AbiScope, authorizeKeyCall, getKeyCall,
    getRemainingLimitWithPeriodCall, revokeKeyCall, updateSpendingLimitCall,
};

/// Where it is.
pub const ADDRESS: Address = address!("0xAAAAAAAA00000000000000000000000000000000");

/// What the compiler makes of the contract's interface; nobody else's business.
mod abi {
    use alloy_sol_types::sol;

    sol! {
        struct AbiLimit { address token; uint256 amount; uint64 period; }
        struct AbiRule { bytes4 selector; address[] recipients; }
        struct AbiScope { address target; AbiRule[] rules; }
        struct AbiRestrictions {
            uint64 expiry;
            bool enforceLimits;
            AbiLimit[] limits;
            bool allowAnyCalls;
            AbiScope[] allowedCalls;
        }
        struct AbiKey {
            uint8 kind;
            address key;
            uint64 expiry;
            bool enforceLimits;
            bool isRevoked;
        }
        function authorizeKey(address key, uint8 kind, AbiRestrictions restrictions);
        function revokeKey(address key);
        function updateSpendingLimit(address key, address token, uint256 limit);
        function getKey(address account, address key) returns (AbiKey found);
        function getRemainingLimitWithPeriod(address account, address key, address token)
            returns (uint256 remaining, uint64 periodEnd);
    }
}

/// What the chain knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It was never authorized.
    Unknown,
    /// It may sign.
    Active {
        /// How it signs.
        kind: KeyKind,
        /// Until when, in seconds since 1970; `None` for ever.
        expiry: Option<u64>,
        /// Whether there is a limit to what it may spend.
        limited: bool,
    },
    /// It was revoked, and can never be authorized again.
    Revoked,
}

/// How much of a token a key may still spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// In base units.
    pub amount: U256,
    /// When as much as at first may be spent again, in seconds since 1970; `None` for never.
    pub renews: Option<u64>,
}

/// Why an answer of the contract makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeychainError {
    /// It is another answer than to this question.
    #[error("the keychain answers with something else")]
    Answer(#[from] alloy_sol_types::Error),
    /// It names a kind of key that is not known here.
    #[error("the keychain tells of a key of kind {0}, which is not known here")]
    Kind(u8),
}

/// The call that authorizes a key. What a call cannot say (a witness, an admin, another account) is not in
/// it.
#[must_use]
pub fn authorize(authorization: &KeyAuthorization) -> Bytes {
    let limits = authorization.limits.iter().flatten();
    let scopes = authorization.calls.iter().flatten();
    let restrictions = AbiRestrictions {
        // For ever has a number of its own here, and zero is the past.
        expiry: authorization.expiry.map_or(u64::MAX, NonZeroU64::get),
        enforceLimits: authorization.limits.is_some(),
        limits: limits
            .map(|limit| AbiLimit {
                token: limit.token,
                amount: limit.limit,
                period: limit.period.map_or(0, NonZeroU64::get),
            })
            .collect(),
        allowAnyCalls: authorization.calls.is_none(),
        allowedCalls: scopes
            .map(|scope| AbiScope {
                target: scope.target,
                rules: scope
                    .rules
                    .iter()
                    .map(|rule| AbiRule {
                        selector: FixedBytes(rule.selector),
                        recipients: rule.recipients.clone(),
                    })
                    .collect(),
            })
            .collect(),
    };
    let call = authorizeKeyCall {
        key: authorization.key,
        kind: authorization.kind as u8,
        restrictions,
    };
    call.abi_encode().into()
}

/// The call that revokes a key, for good.
#[must_use]
pub fn revoke(key: Address) -> Bytes {
    revokeKeyCall { key }.abi_encode().into()
}

/// The call that changes how much of a token a key may spend from now on.
#[must_use]
pub fn set_limit(key: Address, token: Address, limit: U256) -> Bytes {
    updateSpendingLimitCall { key, token, limit }
        .abi_encode()
        .into()
}

/// The question what the chain knows of a key.
#[must_use]
pub fn ask_key(account: Address, key: Address) -> Bytes {
    getKeyCall { account, key }.abi_encode().into()
}

/// The answer to [`ask_key`].
///
/// # Errors
/// When it is another answer.
pub fn read_key(answer: &[u8]) -> Result<KeyState, KeychainError> {
    let found = getKeyCall::abi_decode_returns_validate(answer)?;
    if found.isRevoked {
        return Ok(KeyState::Revoked);
    }
    if found.expiry == 0 {
        return Ok(KeyState::Unknown);
    }
    let kind = KeyKind::try_from(found.kind).map_err(KeychainError::Kind)?;
    Ok(KeyState::Active {
        kind,
        expiry: (found.expiry != u64::MAX).then_some(found.expiry),
        limited: found.enforceLimits,
    })
}

/// The question how much of a token a key may still spend.
#[must_use]
pub fn ask_remaining(account: Address, key: Address, token: Address) -> Bytes {
    getRemainingLimitWithPeriodCall {
        account,
        key,
        token,
    }
    .abi_encode()
    .into()
}

/// The answer to [`ask_remaining`].
///
/// # Errors
/// When it is another answer.
pub fn read_remaining(answer: &[u8]) -> Result<Remaining, KeychainError> {
    let found = getRemainingLimitWithPeriodCall::abi_decode_returns_validate(answer)?;
    Ok(Remaining {
        amount: found.remaining,
        renews: (found.periodEnd != 0).then_some(found.periodEnd),
    })
}
