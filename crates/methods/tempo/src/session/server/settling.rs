//! What a settlement costs, and its transaction.

use farthing_core::value::{Amount, Timestamp};
use farthing_evm::{Block, ChainId, RawTransaction};

use super::{
    options::Settling,
    settle::{Item, Stop},
};
use crate::{
    key::AccountKey,
    skew::is_far_ahead,
    tip20::fee,
    transaction::{EXPIRING_NONCE_KEY, InvalidTransaction, Transaction},
};

/// The gas of a call where the node cannot say how much it would use: more than a close that pays two
/// accounts which never had any of the token.
const GAS: u64 = 700_000;

/// What a transaction of Tempo's own kind uses beside its calls: a signature of any kind, a nonce without a
/// number.
const BESIDE: u64 = 200_000;

/// So many settlements may differ in nothing but their gas, which tells them apart while they are valid.
const TWINS: u64 = 4096;

/// A settlement that can be signed.
pub(super) struct Sheet {
    chain: ChainId,
    gas: u64,
    max_fee_per_gas: u128,
    valid_before: u64,
    fee_token: farthing_evm::Address,
}

impl Sheet {
    /// Reckons with what each call would use, where the node could say. Each was tried alone, as a transaction
    /// of its own, so together they use less; a quarter is added for what other transactions change before.
    pub(super) fn new(
        chain: ChainId,
        settling: &Settling,
        block: &Block,
        used: &[Option<u64>],
        balance: Amount,
        now: Timestamp,
    ) -> Result<Self, Stop> {
        if is_far_ahead(block.time(), now) {
            return Err(Stop::unavailable(
                "the chain's time is far before ours: nothing is signed",
            ));
        }
        let mut gas = BESIDE + TWINS;
        let mut fits = used.len();
        for (at, used) in used.iter().enumerate() {
            let used = used.unwrap_or(GAS);
            gas = gas.saturating_add(used.saturating_add(used / 4));
            if gas > settling.gas {
                fits = fits.min(at);
            }
        }
        if fits < used.len() {
            let beyond = (fits..used.len()).collect();
            return Err(Stop::refused(
                beyond,
                "the settlement would use more gas than is allowed: these are for another one",
            ));
        }
        // Twice what a unit of gas costs now: it may rise by an eighth with each block.
        let base = block.base_fee_per_gas.unwrap_or_default();
        let price = u128::try_from(base).unwrap_or(u128::MAX).saturating_mul(2);
        let most = fee(gas, price);
        if most > settling.max_fee {
            tracing::error!(fee = %most, most = %settling.max_fee, "a settlement's fee would be more than is allowed");
            return Err(Stop::unavailable(
                "the settlement's fee would be more than is allowed",
            ));
        }
        if balance < most {
            tracing::error!(has = %balance, needs = %most, "the account that settles has too little for the fee: fund it");
            return Err(Stop::unavailable(
                "the account that settles has too little for the fee",
            ));
        }
        Ok(Self {
            chain,
            gas: gas - TWINS,
            max_fee_per_gas: price,
            valid_before: block.time().saturating_add(settling.valid_for).as_secs(),
            fee_token: settling.fee_token.address,
        })
    }

    /// Signs it. The index is that of the account's transactions of this kind, and makes each of them another.
    pub(super) fn sign(
        &self,
        items: &[Item],
        key: &AccountKey,
        index: u64,
    ) -> Result<RawTransaction, InvalidTransaction> {
        let calls = items.iter().map(|item| item.call.clone()).collect();
        let mut transaction = Transaction::new(self.chain, calls);
        transaction.gas_limit = self.gas + index % TWINS;
        transaction.max_fee_per_gas = self.max_fee_per_gas;
        transaction.nonce_key = EXPIRING_NONCE_KEY;
        transaction.valid_before = Some(self.valid_before);
        transaction.fee_token = Some(self.fee_token);
        let signed = transaction.sign(key)?.whole();
        let signed = signed.expect("a settlement pays its own fee");
        Ok(signed.raw().clone())
    }
}
