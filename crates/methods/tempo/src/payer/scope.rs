//! What an access key may do: kept to here, before anything is signed, so that a payment the chain would
//! refuse is not made.

use farthing_core::{
    port::method::{Fault, Refusal},
    value::{Amount, Timestamp},
};
use farthing_evm::{Address, U256};

use crate::{
    charge::Legs,
    key::{CallScope, KeyAuthorization},
    token::Token,
    transaction::Call,
};

/// Whether a key may make these calls, which are the transfers of these legs.
///
/// # Errors
/// When the grant does not allow one of them.
pub(super) fn check_calls(
    grant: &KeyAuthorization,
    legs: &Legs,
    calls: &[Call],
) -> Result<(), Refusal> {
    let Some(scopes) = &grant.calls else {
        return Ok(());
    };
    let allowed = |recipient: Address, call: &Call| {
        scopes
            .iter()
            .any(|scope| admits(scope, legs.token(), recipient, call))
    };
    let mut pairs = legs.iter().zip(calls);
    if pairs.all(|(leg, call)| allowed(leg.recipient, call)) {
        return Ok(());
    }
    Err(refused(
        "the access key may not pay this recipient in this token",
    ))
}

/// Whether a key may make calls of any kind: a rule's addresses are those of a call's first argument.
///
/// # Errors
/// When the grant does not allow one of them.
pub(crate) fn check_any(grant: &KeyAuthorization, calls: &[Call]) -> Result<(), Refusal> {
    let Some(scopes) = &grant.calls else {
        return Ok(());
    };
    let allowed = |call: &Call| {
        let first = call
            .input
            .get(4..36)
            .map(|word| Address::from_slice(&word[12..]));
        let to = call.to.zip(first);
        to.is_some_and(|(to, first)| scopes.iter().any(|scope| admits(scope, to, first, call)))
    };
    if calls.iter().all(allowed) {
        return Ok(());
    }
    Err(refused(
        "the access key may not lock tokens in this contract",
    ))
}

/// Whether a key's limit of a token leaves room for an amount. What it spent of it before is the chain's to
/// know.
///
/// # Errors
/// When it does not.
pub(crate) fn check_limit(
    grant: &KeyAuthorization,
    token: &Token,
    amount: Amount,
) -> Result<(), Refusal> {
    let Some(limits) = &grant.limits else {
        return Ok(());
    };
    let limit = limits.iter().find(|limit| limit.token == token.address);
    let room = limit.map_or(U256::ZERO, |limit| limit.limit);
    if U256::from(amount.units()) <= room {
        return Ok(());
    }
    Err(Refusal::new(
        Fault::Insufficient,
        format!("the access key may not spend that much {}", token.symbol),
    ))
}

/// Whether a key is still good at a time of the chain.
///
/// # Errors
/// When it ran out.
pub(crate) fn check_expiry(grant: &KeyAuthorization, until: Timestamp) -> Result<(), Refusal> {
    let ends = grant.expiry.map(|end| Timestamp::from_secs(end.get()));
    if ends.is_some_and(|ends| ends <= until) {
        return Err(refused("the access key has run out"));
    }
    Ok(())
}

fn admits(scope: &CallScope, token: Address, recipient: Address, call: &Call) -> bool {
    if scope.target != token {
        return false;
    }
    let selector = call.input.first_chunk::<4>();
    scope.rules.is_empty()
        || scope.rules.iter().any(|rule| {
            Some(&rule.selector) == selector
                && (rule.recipients.is_empty() || rule.recipients.contains(&recipient))
        })
}

fn refused(why: &'static str) -> Refusal {
    Refusal::new(Fault::Unsupported, why)
}
