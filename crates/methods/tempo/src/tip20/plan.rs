//! What is asked before a transfer is signed: one round trip, in which also a transfer that would fail is
//! found out.

use farthing_core::value::{Amount, Timestamp};
use farthing_evm::{
    Address, At, Batch, Block, Bytes, CallRequest, ChainId, Node, RawTransaction, RpcError, U256,
    request,
};

use super::{
    ReadError, access, balance_request, calls, fee,
    order::{TransferError, TransferOptions, TransferOrder},
    read_balance,
};
use crate::{
    charge::can_receive,
    key::{
        AccountKey, SignedKeyAuthorization,
        keychain::{self, KeyState},
    },
    skew::is_far_ahead,
    transaction::{Call, EXPIRING_NONCE_KEY, InvalidTransaction, Transaction},
};

/// The gas of a transfer where the node cannot say how much it would use: more than one to an address that
/// never had anything.
const GAS: u64 = 1_000_000;

/// What a transaction of Tempo's own kind uses beside its calls: a signature of any kind, a nonce without a
/// number.
const BESIDE: u64 = 200_000;

/// What authorizing a key with it uses.
const AUTHORIZATION: u64 = 2_000_000;

/// So many transfers may differ in nothing but their gas, which tells them apart while they are valid.
const TWINS: u64 = 4096;

/// A transfer that can be signed.
pub(super) struct Plan {
    chain: ChainId,
    order: TransferOrder,
    gas: u64,
    max_fee_per_gas: u128,
    /// The chain's time when it was made.
    time: u64,
    valid_before: u64,
    authorization: Option<SignedKeyAuthorization>,
}

impl Plan {
    pub(super) async fn make(
        node: &Node,
        key: &AccountKey,
        options: &TransferOptions,
        order: &TransferOrder,
        now: Timestamp,
    ) -> Result<Self, TransferError> {
        if order.amount.is_zero() || !can_receive(order.recipient) {
            return Err(TransferError::Order);
        }
        let account = key.account();
        let mut batch = Batch::new();
        let block = batch.ask(request::block(At::Latest));
        let balance = batch.ask(balance_request(order.token, account));
        let fees = batch.ask(balance_request(order.fee_token, account));
        let gas = batch.ask(request::estimate_gas(&CallRequest {
            from: Some(account),
            to: order.token,
            data: data(order),
            value: U256::ZERO,
        }));
        let unused = unused_authorization(key);
        let state = unused.map(|(key, _)| batch.ask(ask_key(account, key)));
        let mut answers = node.ask_batch(&batch).await?;

        let block = answers.take(&block)?.ok_or_else(|| no_block(node))?;
        if is_far_ahead(block.time(), now) {
            return Err(TransferError::Ahead);
        }
        let balance = read_balance(order.token, &answers.take(&balance)?)?;
        let fees = read_balance(order.fee_token, &answers.take(&fees)?)?;
        // Said before the token says it in fewer words.
        enough(order.token, balance, order.amount)?;
        let used = match answers.take(&gas) {
            Ok(gas) => gas.to::<u64>().saturating_mul(3) / 2,
            Err(RpcError::Reverted(revert)) => return Err(TransferError::Refused(revert)),
            Err(RpcError::Unsupported { .. }) => GAS,
            Err(error) => return Err(error.into()),
        };
        let state = state.map(|state| answers.take(&state)).transpose()?;
        let authorization = match (unused, state) {
            (Some((_, authorization)), Some(state)) if is_unknown(node, &state)? => {
                Some(authorization.clone())
            }
            _ => None,
        };
        let more = authorization
            .as_ref()
            .map_or(BESIDE, |_| BESIDE + AUTHORIZATION);
        let plan = Self {
            chain: node.chain(),
            order: *order,
            gas: used.saturating_add(more),
            max_fee_per_gas: price(&block),
            time: block.time().as_secs(),
            valid_before: block.time().saturating_add(options.valid_for).as_secs(),
            authorization,
        };
        plan.check(options, balance, fees)?;
        Ok(plan)
    }

    /// The most the fee can be.
    pub(super) fn max_fee(&self) -> Amount {
        fee(self.gas + TWINS, self.max_fee_per_gas)
    }

    /// Whether the key may make it.
    pub(super) async fn check_key(
        &self,
        node: &Node,
        key: &AccountKey,
    ) -> Result<(), TransferError> {
        match key {
            AccountKey::Root(_) => Ok(()),
            AccountKey::Access(key) => {
                access::check(node, key, &self.order, self.max_fee(), self.time).await
            }
        }
    }

    /// Signs it. The index is that of the account's transfers, and makes each of them another transaction.
    pub(super) fn sign(
        &self,
        key: &AccountKey,
        index: u64,
    ) -> Result<RawTransaction, InvalidTransaction> {
        let call = Call {
            to: Some(self.order.token),
            value: U256::ZERO,
            input: data(&self.order),
        };
        let mut transaction = Transaction::new(self.chain, vec![call]);
        transaction.gas_limit = self.gas + index % TWINS;
        transaction.max_fee_per_gas = self.max_fee_per_gas;
        transaction.nonce_key = EXPIRING_NONCE_KEY;
        transaction.valid_before = Some(self.valid_before);
        transaction.fee_token = Some(self.order.fee_token);
        transaction.key_authorization = self.authorization.clone();
        let signed = transaction.sign(key)?.whole();
        let signed = signed.expect("a transfer pays its own fee");
        Ok(signed.raw().clone())
    }

    fn check(
        &self,
        options: &TransferOptions,
        balance: Amount,
        fees: Amount,
    ) -> Result<(), TransferError> {
        let (fee, order) = (self.max_fee(), &self.order);
        if fee > options.max_fee {
            let most = options.max_fee;
            return Err(TransferError::Fee { fee, most });
        }
        if order.token == order.fee_token {
            let both = order.amount.checked_add(fee).ok_or(TransferError::Order)?;
            return enough(order.token, balance, both);
        }
        enough(order.fee_token, fees, fee)
    }
}

fn data(order: &TransferOrder) -> Bytes {
    calls::transfer(order.recipient, order.amount, order.memo)
}

fn enough(token: Address, has: Amount, needs: Amount) -> Result<(), TransferError> {
    if has < needs {
        return Err(TransferError::TooLittle { token, has, needs });
    }
    Ok(())
}

/// Twice what a unit of gas costs now: it may rise by an eighth with each block.
fn price(block: &Block) -> u128 {
    let base = block.base_fee_per_gas.unwrap_or_default();
    u128::try_from(base).unwrap_or(u128::MAX).saturating_mul(2)
}

/// The access key with the authorization that it may not have shown the chain yet.
fn unused_authorization(key: &AccountKey) -> Option<(Address, &SignedKeyAuthorization)> {
    match key {
        AccountKey::Access(access) => {
            let authorization = access.authorization.as_ref()?;
            Some((access.key.address(), authorization))
        }
        AccountKey::Root(_) => None,
    }
}

fn ask_key(account: Address, key: Address) -> farthing_evm::Request<Bytes> {
    let call = CallRequest {
        to: keychain::ADDRESS,
        data: keychain::ask_key(account, key),
        ..CallRequest::default()
    };
    request::call(&call, At::Latest)
}

fn is_unknown(node: &Node, answer: &[u8]) -> Result<bool, RpcError> {
    let state = keychain::read_key(answer).map_err(|error| RpcError::Nonsense {
        endpoint: format!("a node of chain {}", node.chain()),
        what: "the keychain answers with something else",
        source: Some(error.into()),
    })?;
    Ok(state == KeyState::Unknown)
}

fn no_block(node: &Node) -> ReadError {
    ReadError::Rpc(RpcError::Nonsense {
        endpoint: format!("a node of chain {}", node.chain()),
        what: "there is no last block",
        source: None,
    })
}
