//! Access keys: what another's account lets a wallet spend on a chain.

use std::num::NonZeroU64;

use farthing::{
    core::value::{Amount, Timestamp},
    evm::{Address, B256, ChainId, U256},
    tempo::{
        AccessKey, AccountKey, CallScope, KeyAuthorization, KeyKind, Memo, SelectorRule,
        TokenLimit, tip20::calls,
    },
};
use serde::{Deserialize, Serialize};

use super::{Kind, SecretKey};

/// What an account lets a key do. The chain holds it to this; here it is known without asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Access {
    /// The account, which pays.
    pub(crate) account: Address,
    pub(crate) chain: ChainId,
    /// The key's own address, which is its name on the chain.
    pub(crate) key: Address,
    pub(crate) expires: Timestamp,
    /// How much of which token. Of others it can spend nothing.
    pub(crate) limits: Vec<SpendLimit>,
    /// Whom it can pay; anybody, where the list is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) recipients: Vec<Address>,
}

/// How much of a token a key can spend. Fees that are paid with the token count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SpendLimit {
    pub(crate) token: Address,
    pub(crate) amount: Amount,
    /// The seconds after which as much can be spent again; without them, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) every: Option<NonZeroU64>,
}

impl Access {
    /// The key with which a wallet signs for the account.
    pub(super) fn key_of(&self, secret: &SecretKey) -> Option<AccountKey> {
        let key = secret.signer().ok()?;
        let access = AccessKey {
            account: self.account,
            key,
            // The chain was told of the key when it was granted.
            authorization: None,
        };
        (access.key.address() == self.key).then(|| access.into())
    }

    /// As the chain is told of it: the key can move the tokens it has limits for, and do nothing
    /// else with the account.
    pub(crate) fn authorization(&self, kind: Kind) -> KeyAuthorization {
        let kind = match kind {
            Kind::P256 => KeyKind::P256,
            Kind::Secp256k1 | Kind::Ed25519 => KeyKind::Secp256k1,
        };
        let limit = |limit: &SpendLimit| TokenLimit {
            token: limit.token,
            limit: U256::from(limit.amount.units()),
            period: limit.every,
        };
        let scope = |limit: &SpendLimit| CallScope {
            target: limit.token,
            rules: [None, Some(Memo(B256::ZERO))]
                .map(|memo| SelectorRule {
                    selector: selector(memo),
                    recipients: self.recipients.clone(),
                })
                .into(),
        };
        KeyAuthorization {
            expiry: NonZeroU64::new(self.expires.as_secs()),
            limits: Some(self.limits.iter().map(limit).collect()),
            calls: Some(self.limits.iter().map(scope).collect()),
            ..KeyAuthorization::new(self.chain, kind, self.key)
        }
    }

    /// As one text, to be sealed together with the key.
    pub(super) fn bound(&self) -> String {
        serde_json::to_string(self).expect("addresses, numbers and texts are JSON")
    }
}

/// Which function a transfer calls: the first four bytes of any.
fn selector(memo: Option<Memo>) -> [u8; 4] {
    let call = calls::transfer(Address::ZERO, Amount::ZERO, memo);
    *call.first_chunk().expect("a call has a selector")
}
