//! What a payment is allowed to spend: asked of the chain with everything else, and kept to before it is
//! signed.

use std::sync::atomic::Ordering;

use alloy_primitives::U64;
use farthing_core::{
    port::method::{Fault, Refusal},
    value::{Amount, Timestamp},
};
use farthing_evm::{Request, U256};
use serde_json::json;

use super::{
    TempoPayer,
    plan::{Plan, unsupported},
    scope,
    view::{KeyQuestion, View, Wanted},
};
use crate::{
    charge::Legs,
    key::{
        AccountKey, KeyAuthorization, KeyKind, SignedKeyAuthorization,
        keychain::{self, KeyState},
    },
    token::Token,
    transaction::{Call, EXPIRING_NONCE_KEY},
};

impl TempoPayer {
    /// What a payment has to know of the chain.
    pub(super) fn wanted(
        &self,
        plan: &Plan<'_>,
        legs: &Legs,
        calls: &[Call],
        fee_token: Option<&Token>,
    ) -> Wanted {
        let account = self.account();
        let mut balances = vec![(plan.token.address, account)];
        let fees = fee_token.filter(|token| token.address != plan.token.address);
        balances.extend(fees.map(|token| (token.address, account)));
        for leg in legs.iter() {
            let one = (plan.token.address, leg.recipient);
            if !balances.contains(&one) {
                balances.push(one);
            }
        }
        Wanted {
            balances,
            key: self.key_question(plan.token, fees),
            gas: Some(self.estimate(calls, fee_token)),
        }
    }

    /// What has to be known of an access key that spends of a token, and of another for fees.
    pub(crate) fn key_question(&self, token: &Token, fees: Option<&Token>) -> Option<KeyQuestion> {
        let key = self
            .key
            .access_key()
            .filter(|_| !self.is_known_and_free())?;
        let fees = fees.filter(|fees| fees.address != token.address);
        let tokens = std::iter::once(token).chain(fees);
        Some(KeyQuestion {
            account: self.account(),
            key,
            tokens: tokens.map(|token| token.address).collect(),
        })
    }

    /// How much gas a node thinks it takes.
    pub(crate) fn estimate(&self, calls: &[Call], fee_token: Option<&Token>) -> Request<U64> {
        let call = |call: &Call| json!({ "to": call.to, "data": call.input, "value": "0x0" });
        let (key, kind) = match &*self.key {
            AccountKey::Root(key) => (None, key.kind()),
            AccountKey::Access(access) => (Some(access.key.address()), access.key.kind()),
        };
        let asked = json!([{
            "from": self.account(),
            "calls": calls.iter().map(call).collect::<Vec<_>>(),
            "feeToken": fee_token.map(|token| token.address),
            "nonceKey": EXPIRING_NONCE_KEY,
            "keyType": if kind == KeyKind::P256 { "p256" } else { "secp256k1" },
            "keyId": key,
        }]);
        Request::new("eth_estimateGas", asked)
    }

    /// Whether there is enough. A transaction that cannot pay is not signed.
    pub(crate) fn check_funds(
        &self,
        token: &Token,
        amount: Amount,
        fee_token: Option<&Token>,
        fee: Amount,
        view: &View,
    ) -> Result<(), Refusal> {
        let mut needed = vec![(token, Some(amount))];
        match fee_token {
            Some(fees) if fees.address == token.address => {
                needed[0].1 = amount.checked_add(fee);
            }
            Some(fees) => needed.push((fees, Some(fee))),
            None => {}
        }
        for (at, (token, amount)) in needed.iter().enumerate() {
            let has = view.balance(token.address, self.account());
            if amount.is_none_or(|amount| has < amount) {
                let told = |amount| token.currency().display(amount);
                let needs =
                    amount.map(|amount| format!(", and this takes {} at the most", told(amount)));
                return Err(short(format!(
                    "there is not enough {} in the account: it has {}{}",
                    token.symbol,
                    told(has),
                    needs.unwrap_or_default(),
                )));
            }
            if let (Some(grant), Some(amount)) = (self.grant(), amount) {
                scope::check_limit(grant, token, *amount)?;
            }
            let left = view
                .key
                .as_ref()
                .and_then(|(state, left)| Some((state, left.get(at)?)));
            if let Some((state, left)) = left
                && is_limited(state)
                && keychain::read_remaining(left)
                    .is_ok_and(|left| !amount.is_some_and(|a| U256::from(a.units()) <= left.amount))
            {
                return Err(short(format!(
                    "the access key may not spend that much {}",
                    token.symbol
                )));
            }
        }
        Ok(())
    }

    /// The authorization that goes with the transaction: where there is one and the chain does not have it.
    pub(crate) fn authorization(
        &self,
        view: &View,
    ) -> Result<Option<&SignedKeyAuthorization>, Refusal> {
        let AccountKey::Access(access) = &*self.key else {
            return Ok(None);
        };
        let Some((state, _)) = &view.key else {
            return Ok(None);
        };
        let state = keychain::read_key(state).map_err(|error| {
            Refusal::new(
                Fault::Unavailable,
                "the chain does not tell of the access key",
            )
            .caused_by(error)
        })?;
        match (state, &access.authorization) {
            (KeyState::Revoked, _) => Err(unsupported("the access key was revoked")),
            (KeyState::Unknown, None) => {
                Err(unsupported("the account has not authorized the access key"))
            }
            (KeyState::Unknown, Some(authorization)) => Ok(Some(authorization)),
            (
                KeyState::Active {
                    limited, expiry, ..
                },
                _,
            ) => {
                let ended = |end| Timestamp::from_secs(end) <= view.time;
                if expiry.is_some_and(ended) {
                    return Err(unsupported("the access key has run out"));
                }
                if !limited && expiry.is_none() {
                    self.free.store(true, Ordering::Relaxed);
                }
                Ok(None)
            }
        }
    }

    /// Whether the chain is known to have our access key, with nothing about it that runs out.
    pub(super) fn is_known_and_free(&self) -> bool {
        self.free.load(Ordering::Relaxed)
    }

    /// What our access key may do, as far as it is known here.
    pub(crate) fn grant(&self) -> Option<&KeyAuthorization> {
        let AccountKey::Access(access) = &*self.key else {
            return None;
        };
        let with_it = access
            .authorization
            .as_ref()
            .map(SignedKeyAuthorization::authorization);
        with_it.or(self.options.grant.as_ref())
    }
}

fn is_limited(state: &[u8]) -> bool {
    !matches!(
        keychain::read_key(state),
        Ok(KeyState::Active { limited: false, .. } | KeyState::Unknown)
    )
}

fn short(why: String) -> Refusal {
    Refusal::new(Fault::Insufficient, why)
}
