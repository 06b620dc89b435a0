//! What an access key may still do, asked before it signs: a transaction that such a key may not make is in
//! no block, and nobody says why.

use farthing_core::value::Amount;
use farthing_evm::{
    Address, At, Batch, Bytes, CallRequest, Node, Request, RpcError, U256, request,
};

use super::order::{AccessFault, TransferError, TransferOrder};
use crate::key::{
    AccessKey, KeyAuthorization, SignedKeyAuthorization,
    keychain::{self, KeyState, KeychainError},
};

/// Finds out whether a key may make a transfer, at a time of the chain.
///
/// # Errors
/// When it may not, or the chain does not tell.
pub(super) async fn check(
    node: &Node,
    access: &AccessKey,
    order: &TransferOrder,
    fee: Amount,
    time: u64,
) -> Result<(), TransferError> {
    let spent = spent(order, fee)?;
    let (account, key) = (access.account, access.key.address());
    let mut batch = Batch::new();
    let state = batch.ask(ask(keychain::ask_key(account, key)));
    let left = spent.iter().map(|(token, _)| {
        let asked = ask(keychain::ask_remaining(account, key, *token));
        batch.ask(asked)
    });
    let left: Vec<_> = left.collect();
    let mut answers = node.ask_batch(&batch).await?;

    let state =
        keychain::read_key(&answers.take(&state)?).map_err(|error| nonsense(node, error))?;
    let granted = access
        .authorization
        .as_ref()
        .map(SignedKeyAuthorization::authorization);
    let limited = match (state, granted) {
        (KeyState::Revoked, _) => return Err(AccessFault::Revoked.into()),
        (KeyState::Unknown, None) => return Err(AccessFault::Unknown.into()),
        (KeyState::Unknown, Some(granted)) => return within(granted, &spent),
        (KeyState::Active { expiry, .. }, _) if expiry.is_some_and(|end| end <= time) => {
            return Err(AccessFault::Ended.into());
        }
        (KeyState::Active { limited, .. }, _) => limited,
    };
    if !limited {
        return Ok(());
    }
    for ((token, needs), left) in spent.into_iter().zip(left) {
        let left = keychain::read_remaining(&answers.take(&left)?)
            .map_err(|error| nonsense(node, error))?;
        enough(token, left.amount, needs)?;
    }
    Ok(())
}

/// What counts on the key's limits: the fee, too.
fn spent(order: &TransferOrder, fee: Amount) -> Result<Vec<(Address, Amount)>, TransferError> {
    if order.token == order.fee_token {
        let both = order.amount.checked_add(fee).ok_or(TransferError::Order)?;
        return Ok(vec![(order.token, both)]);
    }
    Ok(vec![(order.token, order.amount), (order.fee_token, fee)])
}

/// Whether a key that the chain does not know yet may spend that much.
fn within(granted: &KeyAuthorization, spent: &[(Address, Amount)]) -> Result<(), TransferError> {
    let Some(limits) = &granted.limits else {
        return Ok(());
    };
    spent.iter().try_for_each(|(token, needs)| {
        let limit = limits.iter().find(|limit| limit.token == *token);
        let left = limit.map_or(U256::ZERO, |limit| limit.limit);
        enough(*token, left, *needs)
    })
}

fn enough(token: Address, left: U256, needs: Amount) -> Result<(), TransferError> {
    if U256::from(needs.units()) <= left {
        return Ok(());
    }
    // It is less than what is needed, so it is an amount.
    let left = Amount::new(left.saturating_to());
    Err(AccessFault::Limit { token, left, needs }.into())
}

fn ask(data: Bytes) -> Request<Bytes> {
    let call = CallRequest {
        to: keychain::ADDRESS,
        data,
        ..CallRequest::default()
    };
    request::call(&call, At::Latest)
}

fn nonsense(node: &Node, error: KeychainError) -> RpcError {
    RpcError::Nonsense {
        endpoint: format!("a node of chain {}", node.chain()),
        what: "the keychain answers with something else",
        source: Some(error.into()),
    }
}
