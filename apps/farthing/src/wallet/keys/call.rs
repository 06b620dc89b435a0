//! A call by which an account changes what its keys may do.
//!
//! Its transaction is valid for less than half a minute and needs no number. It need not be kept: what
//! the chain knows of the key says whether it was executed, and a second one fails.

use std::time::Duration;

use farthing::{
    core::value::{Amount, Timestamp},
    evm::{
        Address, At, Batch, Bytes, CallRequest, Fate, Mortality, Node, RpcError, SendError, TxHash,
        U256, Watched, request, wait,
    },
    tempo::{
        AccountKey, Call, EXPIRING_NONCE_KEY, Token, Transaction, is_far_ahead,
        keychain::{self, KeyState},
        tip20,
    },
};

use crate::networks::CallError;

/// The gas of a call where the node cannot say how much it would use.
const GAS: u64 = 2_000_000;

/// What a transaction of Tempo's own kind uses beside its calls.
const BESIDE: u64 = 200_000;

/// The most a call's fee may be: a dollar. A node that names a price beyond it is broken or lies.
const MOST: Amount = Amount::new(1_000_000);

/// For how long a transaction is valid by the chain's time, and how long it is waited for.
const VALID: Duration = Duration::from_secs(25);
const PATIENCE: Duration = Duration::from_secs(60);

/// A call that can be signed.
pub(super) struct Planned {
    transaction: Transaction,
    /// What it may cost.
    pub(super) fee: Amount,
}

/// A call that was executed.
pub(super) struct Done {
    pub(super) hash: TxHash,
    pub(super) fee: Amount,
}

/// Finds out what a call to the keychain would cost, and whether it would be refused.
pub(super) async fn plan(
    node: &Node,
    account: Address,
    data: Bytes,
    fee_token: &Token,
    now: Timestamp,
) -> Result<Planned, CallError> {
    let mut batch = Batch::new();
    let block = batch.ask(request::block(At::Latest));
    let gas = batch.ask(request::estimate_gas(&CallRequest {
        from: Some(account),
        to: keychain::ADDRESS,
        data: data.clone(),
        value: U256::ZERO,
    }));
    let mut answers = node.ask_batch(&batch).await?;
    let block = answers.take(&block)?.ok_or_else(|| RpcError::Nonsense {
        endpoint: format!("a node of chain {}", node.chain()),
        what: "there is no last block",
        source: None,
    })?;
    if is_far_ahead(block.time(), now) {
        return Err(CallError::Ahead);
    }
    let gas = match answers.take(&gas) {
        Ok(gas) => gas.to::<u64>().saturating_mul(3) / 2,
        Err(RpcError::Reverted(revert)) => return Err(CallError::Refused(revert)),
        Err(RpcError::Unsupported { .. }) => GAS,
        Err(error) => return Err(error.into()),
    };
    let call = Call {
        to: Some(keychain::ADDRESS),
        value: U256::ZERO,
        input: data,
    };
    let price = u128::try_from(block.base_fee_per_gas.unwrap_or_default()).unwrap_or(u128::MAX);
    let mut transaction = Transaction::new(node.chain(), vec![call]);
    transaction.gas_limit = gas.saturating_add(BESIDE);
    // It may rise by an eighth with each block.
    transaction.max_fee_per_gas = price.saturating_mul(2);
    transaction.nonce_key = EXPIRING_NONCE_KEY;
    transaction.valid_before = Some(block.time().saturating_add(VALID).as_secs());
    transaction.fee_token = Some(fee_token.address);
    let fee = tip20::fee(transaction.gas_limit, transaction.max_fee_per_gas);
    if fee > MOST {
        let told = |amount| fee_token.currency().display(amount);
        return Err(CallError::Fee {
            fee: told(fee),
            most: told(MOST),
        });
    }
    Ok(Planned { transaction, fee })
}

impl Planned {
    /// Signs and sends it, and waits for what became of it.
    pub(super) async fn send(self, node: &Node, key: &AccountKey) -> Result<Done, CallError> {
        let valid_before = self.transaction.valid_before.map(Timestamp::from_secs);
        let signed = self.transaction.sign(key).map_err(CallError::Sign)?;
        let signed = signed.whole().expect("it pays its own fee");
        let watched = Watched {
            hash: signed.hash(),
            dies: Mortality {
                nonce: None,
                valid_before,
            },
            raw: Some(signed.raw().clone()),
        };
        // What else a node says against it is no proof; the next look is.
        if let Err(SendError::NotSent(error)) = node.send_raw(signed.raw()).await {
            return Err(error.into());
        }
        match wait(node, &watched, PATIENCE).await {
            Ok(Fate::Included(receipt)) => Ok(Done {
                hash: signed.hash(),
                fee: tip20::fee_of(&receipt),
            }),
            Ok(Fate::Reverted(_)) => Err(CallError::Reverted(signed.hash())),
            Ok(Fate::Dead(_)) => Err(CallError::Dead),
            _ => Err(CallError::Waiting(signed.hash())),
        }
    }
}

/// What the chain knows of a key.
pub(super) async fn state(
    node: &Node,
    account: Address,
    key: Address,
) -> Result<KeyState, CallError> {
    let call = CallRequest {
        to: keychain::ADDRESS,
        data: keychain::ask_key(account, key),
        ..CallRequest::default()
    };
    let answer = node.ask(request::call(&call, At::Latest)).await?;
    Ok(keychain::read_key(&answer)?)
}
