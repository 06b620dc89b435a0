//! From an offer to a signed transaction.

use std::{sync::atomic::Ordering, time::Duration};

use alloy_primitives::U64;
use farthing_core::{
    noun::Expires,
    port::{
        method::{Fault, Refusal},
        payer::{Fee, Offer, Proof},
    },
    value::{Amount, ClaimKey, Secret, Timestamp},
};
use farthing_evm::{Address, PkhDid, Request, U256, keccak256};
use serde_json::json;

use super::{
    Nonces, TempoPayer,
    gas::Work,
    payload::Payload,
    plan::{Kind, Plan, unsupported},
    scope,
    view::{KeyQuestion, View, Wanted},
};
use crate::{
    charge::{self, Legs, Mode, ProofVersion},
    key::{
        AccountKey, KeyAuthorization, KeyKind, SignedKeyAuthorization,
        keychain::{self, KeyState},
    },
    token::Token,
    transaction::{Call, EXPIRING_NONCE_KEY, Received, Transaction},
};

/// For how long a payment is valid. The chain allows half a minute to a nonce that expires.
const VALIDITY: Duration = Duration::from_secs(25);

/// With less than this left, a payment would not be in a block in time.
const LEAST: Duration = Duration::from_secs(6);

/// How far the chain's time may lie before ours. A node that says more could make a payment that stays
/// good for long.
const SKEW: Duration = Duration::from_secs(60);

/// What the block's maker is given for a unit of gas at the most, in attodollars.
const TIP: u128 = 1_000_000_000;

impl TempoPayer {
    /// Makes the proof of an offer. What is signed here costs no more than what it says.
    pub(super) async fn prove(&self, offer: &Offer, now: Timestamp) -> Result<Proof, Refusal> {
        if offer.challenge.is_expired(now) {
            return Err(Refusal::new(Fault::Expired, "the challenge expired"));
        }
        let plan = self.plan(offer)?;
        match &plan.kind {
            Kind::Proof => self.attest(offer, now),
            Kind::Transfers {
                legs,
                mode,
                fee_token,
            } => {
                self.transfer(offer, &plan, legs, *mode, *fee_token, now)
                    .await
            }
        }
    }

    /// A signature for nothing. An access key signs for its account.
    fn attest(&self, offer: &Offer, now: Timestamp) -> Result<Proof, Refusal> {
        let challenge = &offer.challenge;
        let digest = self.proofs.digest(
            ProofVersion::V3,
            self.account(),
            &challenge.id,
            &challenge.realm,
        );
        let signature = self.key.sign_hash(digest).to_bytes();
        let until = challenge.expires.as_ref().map(Expires::at);
        let payload = Payload::Proof { signature }.write()?;
        let until = until.unwrap_or_else(|| now.saturating_add(VALIDITY));
        Ok(Proof::new(payload, Some(self.did().into()), until))
    }

    async fn transfer(
        &self,
        offer: &Offer,
        plan: &Plan<'_>,
        legs: &Legs,
        mode: Mode,
        fee_token: Option<&Token>,
        now: Timestamp,
    ) -> Result<Proof, Refusal> {
        let calls = legs.calls(self.options.client.as_deref());
        let grant = self.grant();
        if let Some(grant) = grant {
            scope::check_calls(grant, legs, &calls)?;
            scope::check_limit(grant, plan.token, plan.amount)?;
        }
        let view = self
            .views
            .look(self.wanted(plan, legs, &calls, fee_token), now)
            .await;
        let view = view.map_err(|error| {
            Refusal::new(Fault::Unavailable, "the chain does not answer").caused_by(error)
        })?;
        let (until, authorization) = (self.until(offer, &view, now)?, self.authorization(&view)?);
        if let Some(grant) = grant {
            scope::check_expiry(grant, until)?;
        }
        let gas = self.gas(legs, &view, authorization)?;
        let price = self.gas_price(offer, &view)?;
        let mut transaction = Transaction::new(self.network.chain(), calls);
        transaction.gas_limit = gas;
        transaction.max_fee_per_gas = price;
        transaction.max_priority_fee_per_gas = tip(view.base_fee);
        transaction.valid_before = Some(until.as_secs());
        transaction.nonce_key = self.nonce_key(offer);
        transaction.fee_token = fee_token.map(|token| token.address);
        transaction.sponsored = fee_token.is_none();
        transaction.key_authorization = authorization.cloned();
        let most = Amount::new(u128::try_from(transaction.max_fee()).unwrap_or(u128::MAX));
        if fee_token.is_some() && most > self.most(legs) {
            return Err(Refusal::new(
                Fault::Unavailable,
                "the chain asks a higher fee than was quoted",
            ));
        }
        self.check_funds(plan, fee_token, most, &view)?;
        let signed = transaction.sign(&self.key).map_err(|error| {
            Refusal::new(Fault::Internal, "the payment cannot be signed").caused_by(error)
        })?;
        self.views
            .spend(plan.token.address, self.account(), plan.amount);
        let fee = fee_token.map(|token| {
            self.views.spend(token.address, self.account(), most);
            Fee {
                currency: token.currency(),
                most,
            }
        });
        self.proof(&signed, mode, until, fee)
    }

    fn proof(
        &self,
        signed: &Received,
        mode: Mode,
        until: Timestamp,
        fee: Option<Fee>,
    ) -> Result<Proof, Refusal> {
        let bytes = signed.encode();
        let (name, payload, errand) = match (signed, mode) {
            (Received::Whole(whole), Mode::Push) => {
                let hash = whole.hash();
                let errand = Some(Secret::new(bytes.to_vec()));
                (hash, Payload::Hash { hash }, errand)
            }
            (Received::Whole(whole), Mode::Pull) => (
                whole.hash(),
                Payload::Transaction { signature: bytes },
                None,
            ),
            // The seller's signature is part of the hash it will have.
            (Received::Half(half), _) => {
                let name = half.authored().identity();
                (name, Payload::Transaction { signature: bytes }, None)
            }
        };
        Ok(Proof {
            key: ClaimKey::proof(&charge::method(), &format!("{name:#x}")).ok(),
            errand,
            fee,
            ..Proof::new(payload.write()?, Some(self.did().into()), until)
        })
    }

    /// What a payment has to know of the chain.
    fn wanted(
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
        let key = self.key.access_key().map(|key| {
            let mut tokens = vec![plan.token.address];
            tokens.extend(fees.map(|token| token.address));
            KeyQuestion {
                account,
                key,
                tokens,
            }
        });
        Wanted {
            balances,
            key: key.filter(|_| !self.is_known_and_free()),
            gas: Some(self.estimate(calls, fee_token)),
        }
    }

    /// How much gas a node thinks it takes.
    fn estimate(&self, calls: &[Call], fee_token: Option<&Token>) -> Request<U64> {
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

    /// The end of a payment: soon, and never after the challenge's, by the chain's time.
    fn until(&self, offer: &Offer, view: &View, now: Timestamp) -> Result<Timestamp, Refusal> {
        if view.time > now.saturating_add(SKEW) {
            return Err(Refusal::new(
                Fault::Unavailable,
                "the chain's time lies far before ours: its node lies, or our clock is wrong",
            ));
        }
        let validity = match self.options.nonces {
            Nonces::Expiring => VALIDITY,
            Nonces::Lanes { validity } => validity,
        };
        let soon = view.time.saturating_add(validity);
        let end = offer
            .challenge
            .expires
            .as_ref()
            .map_or(soon, |end| end.at().min(soon));
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
    fn gas(
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

    /// The most we pay for a unit of gas: half more than it costs now. Its last digits are of the
    /// challenge, so that two payments of one second that are the same otherwise are two transactions.
    fn gas_price(&self, offer: &Offer, view: &View) -> Result<u128, Refusal> {
        let least = view.base_fee.saturating_add(tip(view.base_fee));
        if least >= self.options.max_gas_price {
            return Err(Refusal::new(
                Fault::Unavailable,
                "the chain asks more for gas than this payer pays",
            ));
        }
        let print = keccak256(offer.challenge.id.as_str());
        let print = u128::from(u32::from_be_bytes([0, print[0], print[1], print[2]]));
        let price = least
            .saturating_add(view.base_fee / 2)
            .saturating_add(print);
        Ok(price.min(self.options.max_gas_price))
    }

    fn nonce_key(&self, offer: &Offer) -> U256 {
        match self.options.nonces {
            Nonces::Expiring => EXPIRING_NONCE_KEY,
            // Neither the account's own lane nor that of expiring nonces.
            Nonces::Lanes { .. } => {
                let print = keccak256(offer.challenge.id.as_str());
                U256::from_be_bytes(print.0) >> 8 | U256::from(1)
            }
        }
    }

    /// Whether there is enough. A transaction that cannot pay is not signed.
    fn check_funds(
        &self,
        plan: &Plan<'_>,
        fee_token: Option<&Token>,
        fee: Amount,
        view: &View,
    ) -> Result<(), Refusal> {
        let mut needed = vec![(plan.token, Some(plan.amount))];
        match fee_token {
            Some(token) if token.address == plan.token.address => {
                needed[0].1 = plan.amount.checked_add(fee);
            }
            Some(token) => needed.push((token, Some(fee))),
            None => {}
        }
        for (at, (token, amount)) in needed.iter().enumerate() {
            let enough = |has: Amount| amount.is_some_and(|amount| amount <= has);
            if !enough(view.balance(token.address, self.account())) {
                return Err(short(format!(
                    "there is not enough {} in the account",
                    token.symbol
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
    fn authorization(&self, view: &View) -> Result<Option<&SignedKeyAuthorization>, Refusal> {
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
    fn is_known_and_free(&self) -> bool {
        self.free.load(Ordering::Relaxed)
    }

    /// What our access key may do, as far as it is known here.
    pub(super) fn grant(&self) -> Option<&KeyAuthorization> {
        let AccountKey::Access(access) = &*self.key else {
            return None;
        };
        let with_it = access
            .authorization
            .as_ref()
            .map(SignedKeyAuthorization::authorization);
        with_it.or(self.options.grant.as_ref())
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
        crate::tip20::fee(
            work.gas().min(self.options.max_gas),
            self.options.max_gas_price,
        )
    }

    pub(super) fn did(&self) -> PkhDid {
        PkhDid {
            chain: self.network.chain(),
            address: self.account(),
        }
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

/// A little for the block's maker, so that a payment does not wait behind those that give something.
fn tip(base_fee: u128) -> u128 {
    TIP.min(base_fee / 10)
}
