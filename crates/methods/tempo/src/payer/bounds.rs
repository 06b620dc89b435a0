//! What a payment may take: until when it is good, its gas, the price of it.

use std::time::Duration;

use farthing_core::{
    port::{
        method::{Fault, Refusal},
        payer::Offer,
    },
    value::{Amount, Timestamp},
};
use farthing_evm::{Address, B256, U256, keccak256};

use super::{Nonces, TempoPayer, gas::Work, plan::unsupported, view::View};
use crate::{
    charge::Legs,
    key::{AccountKey, SignedKeyAuthorization},
    skew::is_far_ahead,
    tip20,
    transaction::EXPIRING_NONCE_KEY,
};

/// For how long a payment is valid. The chain allows half a minute to a nonce that expires.
pub(crate) const VALIDITY: Duration = Duration::from_secs(25);

/// With less than this left, a payment would not be in a block in time.
const LEAST: Duration = Duration::from_secs(6);

/// What the block's maker is given for a unit of gas at the most, in attodollars.
const TIP: u128 = 1_000_000_000;

impl TempoPayer {
    /// The end of a payment: soon, and never after the challenge's, by the chain's time.
    pub(crate) fn until(
        &self,
        expires: Option<Timestamp>,
        validity: Duration,
        view: &View,
        now: Timestamp,
    ) -> Result<Timestamp, Refusal> {
        if is_far_ahead(view.time, now) {
            return Err(Refusal::new(
                Fault::Unavailable,
                "the chain's time lies far before ours: its node lies, or our clock is wrong",
            ));
        }
        let soon = view.time.saturating_add(validity);
        let end = expires.map_or(soon, |end| end.min(soon));
        // The chain counts whole seconds.
        let end = Timestamp::from_secs(end.as_secs());
        if end < view.time.saturating_add(LEAST) {
            return Err(Refusal::new(
                Fault::Expired,
                "the challenge ends before a payment could be in a block",
            ));
        }
        Ok(end)
    }

    /// The gas: what we know it takes, or what the node says where that is more, and never more than
    /// allowed.
    pub(super) fn gas(
        &self,
        legs: &Legs,
        view: &View,
        authorization: Option<&SignedKeyAuthorization>,
    ) -> Result<u64, Refusal> {
        let mut got: Vec<Address> = Vec::with_capacity(legs.len());
        for leg in legs.iter() {
            if view.balance(legs.token(), leg.recipient).is_zero() && !got.contains(&leg.recipient)
            {
                got.push(leg.recipient);
            }
        }
        let work = Work {
            transfers: u64::try_from(legs.len()).unwrap_or(u64::MAX),
            new: u64::try_from(got.len()).unwrap_or(u64::MAX),
            lane: self.options.nonces != Nonces::Expiring,
            key: &self.key,
            grant: authorization.map(SignedKeyAuthorization::authorization),
        };
        let told = view.gas.map_or(0, |gas| gas.saturating_add(gas / 4));
        let gas = work.gas().max(told);
        if gas > self.options.max_gas {
            return Err(unsupported(format!(
                "the payment takes {gas} gas, and may take {}",
                self.options.max_gas
            )));
        }
        Ok(gas)
    }

    /// For how long a payment is valid.
    pub(super) const fn validity(&self) -> Duration {
        match self.options.nonces {
            Nonces::Expiring => VALIDITY,
            Nonces::Lanes { validity } => validity,
        }
    }

    /// The most we pay for a unit of gas: half more than it costs now. Its last digits are of the print,
    /// so that two payments of one second that are the same otherwise are two transactions.
    pub(crate) fn gas_price(&self, print: B256, view: &View) -> Result<u128, Refusal> {
        let least = view.base_fee.saturating_add(tip(view.base_fee));
        if least >= self.options.max_gas_price {
            return Err(Refusal::new(
                Fault::Unavailable,
                "the chain asks more for gas than this payer pays",
            ));
        }
        let print = u128::from(u32::from_be_bytes([0, print[0], print[1], print[2]]));
        let price = least
            .saturating_add(view.base_fee / 2)
            .saturating_add(print);
        Ok(price.min(self.options.max_gas_price))
    }

    pub(super) fn nonce_key(&self, offer: &Offer) -> U256 {
        match self.options.nonces {
            Nonces::Expiring => EXPIRING_NONCE_KEY,
            // Neither the account's own lane nor that of expiring nonces.
            Nonces::Lanes { .. } => {
                let print = keccak256(offer.challenge.id.as_str());
                U256::from_be_bytes(print.0) >> 8 | U256::from(1)
            }
        }
    }

    /// The fee of a payment at the most: what is quoted, and whatever the chain says later, no more is
    /// signed for.
    pub(super) fn most(&self, legs: &Legs) -> Amount {
        let transfers = u64::try_from(legs.len()).unwrap_or(u64::MAX);
        let authorization = match &*self.key {
            AccountKey::Access(access) => access.authorization.as_ref(),
            AccountKey::Root(_) => None,
        };
        let work = Work {
            transfers,
            new: transfers,
            lane: self.options.nonces != Nonces::Expiring,
            key: &self.key,
            grant: authorization.map(SignedKeyAuthorization::authorization),
        };
        tip20::fee(
            work.gas().min(self.options.max_gas),
            self.options.max_gas_price,
        )
    }
}

/// A little for the block's maker, so that a payment does not wait behind those that give something.
pub(crate) fn tip(base_fee: u128) -> u128 {
    TIP.min(base_fee / 10)
}
