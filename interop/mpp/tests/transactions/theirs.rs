//! Our transactions as theirs.

use std::num::NonZeroU64;

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::Authorization,
};
use alloy_primitives::TxKind;
use farthing_tempo::{KeyKind, SignedKeyAuthorization, Transaction};
use tempo_primitives::{
    TempoTransaction,
    transaction::{
        Call, CallScope, KeyAuthorization, PrimitiveSignature, SelectorRule, SignatureType,
        TempoSignature, TempoSignedAuthorization, TokenLimit,
        tempo_transaction::FEE_PAYER_SIGNATURE_MARKER,
    },
};

/// The transaction before a sponsor signed.
pub(crate) fn transaction(ours: &Transaction) -> TempoTransaction {
    let calls = ours.calls.iter().map(|call| Call {
        to: call.to.map_or(TxKind::Create, TxKind::Call),
        value: call.value,
        input: call.input.clone(),
    });
    let entries = ours.access_list.iter().map(|entry| AccessListItem {
        address: entry.address,
        storage_keys: entry.storage_keys.clone(),
    });
    let delegations = ours.authorizations.iter().map(|delegation| {
        let inner = Authorization {
            chain_id: delegation.chain,
            address: delegation.address,
            nonce: delegation.nonce,
        };
        let signature = TempoSignature::from_bytes(&delegation.signature.to_bytes()).unwrap();
        TempoSignedAuthorization::new_unchecked(inner, signature)
    });
    TempoTransaction {
        chain_id: ours.chain.get(),
        fee_token: ours.fee_token,
        max_priority_fee_per_gas: ours.max_priority_fee_per_gas,
        max_fee_per_gas: ours.max_fee_per_gas,
        gas_limit: ours.gas_limit,
        calls: calls.collect(),
        access_list: AccessList(entries.collect()),
        nonce_key: ours.nonce_key,
        nonce: ours.nonce,
        fee_payer_signature: ours.sponsored.then_some(FEE_PAYER_SIGNATURE_MARKER),
        valid_before: ours.valid_before.and_then(NonZeroU64::new),
        valid_after: ours.valid_after.and_then(NonZeroU64::new),
        key_authorization: ours.key_authorization.as_ref().map(authorization),
        tempo_authorization_list: delegations.collect(),
    }
}

fn authorization(
    signed: &SignedKeyAuthorization,
) -> tempo_primitives::transaction::SignedKeyAuthorization {
    let ours = signed.authorization();
    let limits = ours.limits.as_ref().map(|limits| {
        let limits = limits.iter().map(|limit| TokenLimit {
            token: limit.token,
            limit: limit.limit,
            period: limit.period.map_or(0, NonZeroU64::get),
        });
        limits.collect()
    });
    let calls = ours.calls.as_ref().map(|calls| {
        let scopes = calls.iter().map(|scope| CallScope {
            target: scope.target,
            selector_rules: scope
                .rules
                .iter()
                .map(|rule| SelectorRule {
                    selector: rule.selector,
                    recipients: rule.recipients.clone(),
                })
                .collect(),
        });
        scopes.collect()
    });
    let theirs = KeyAuthorization {
        chain_id: ours.chain.get(),
        key_type: match ours.kind {
            KeyKind::Secp256k1 => SignatureType::Secp256k1,
            KeyKind::P256 => SignatureType::P256,
            KeyKind::WebAuthn => SignatureType::WebAuthn,
        },
        key_id: ours.key,
        expiry: ours.expiry,
        limits,
        allowed_calls: calls,
        witness: ours.witness,
        is_admin: ours.admin,
        account: ours.account,
    };
    let signature = PrimitiveSignature::from_bytes(&signed.signature().to_bytes()).unwrap();
    theirs.into_signed(signature)
}
