//! Who a wallet is, as everybody may know.

use std::fmt;

use farthing::{
    core::value::Did,
    evm::{Address, KnownKey, PkhDid},
    ledger::Account,
};

/// Who a key speaks for: an account on a ledger, one on a chain, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// On a ledger. A P-256 key has none there, and an access key has none of its own.
    pub(crate) account: Option<Account>,
    /// On a chain. An Ed25519 key has none there.
    pub(crate) address: Option<Address>,
}

impl Holder {
    /// Whoever has an account on a ledger; a secp256k1 key has one on a chain as well.
    pub(crate) fn of(account: Account) -> Self {
        Self {
            address: address(&account),
            account: Some(account),
        }
    }

    /// Somebody who is known on a chain only.
    pub(crate) const fn on_chain(address: Address) -> Self {
        Self {
            account: None,
            address: Some(address),
        }
    }

    /// Whether a payer is this one.
    pub(crate) fn is(&self, payer: &Did) -> bool {
        let on_ledger = self.account.as_ref().is_some_and(|it| it.did() == payer);
        let on_chain = || payer.as_str().parse().map(|did: PkhDid| did.address);
        on_ledger
            || self
                .address
                .is_some_and(|address| on_chain() == Ok(address))
    }
}

/// The account on a ledger, where there is one, else the address.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.account, &self.address) {
            (Some(account), _) => account.fmt(f),
            (None, Some(address)) => address.fmt(f),
            (None, None) => f.write_str("nobody"),
        }
    }
}

/// The account that a secp256k1 key has on every chain. A `did:key` holds the key itself, behind
/// two bytes that say its kind.
fn address(account: &Account) -> Option<Address> {
    let encoded = account.did().as_str().strip_prefix("did:key:z")?;
    let bytes = bs58::decode(encoded).into_vec().ok()?;
    let key = bytes.strip_prefix(&[0xe7, 0x01])?;
    let key = KnownKey::from_compressed(key.try_into().ok()?).ok()?;
    Some(key.address())
}

#[cfg(test)]
mod tests {
    use farthing::{
        evm::SigningKey,
        ledger::{AccountKey, KeyType},
    };

    use super::*;

    #[test]
    fn a_secp256k1_key_has_one_account_on_every_chain() {
        let account = |key_type| {
            let key = AccountKey::from_seed(key_type, [7; 32]).unwrap();
            key.account().clone()
        };
        let chain = SigningKey::from_bytes([7; 32]).unwrap().address();
        let holder = Holder::of(account(KeyType::Secp256k1));
        assert_eq!(holder.address, Some(chain));
        let did = |text: &str| Did::new(text).unwrap();
        assert!(holder.is(account(KeyType::Secp256k1).did()));
        assert!(holder.is(&did(&format!("did:pkh:eip155:1:{chain}"))));
        assert!(!holder.is(account(KeyType::Ed25519).did()));
        let other = Address::repeat_byte(1);
        assert!(!holder.is(&did(&format!("did:pkh:eip155:1:{other}"))));

        let edwards = Holder::of(account(KeyType::Ed25519));
        assert_eq!(edwards.address, None);
        assert!(!edwards.is(&did(&format!("did:pkh:eip155:1:{chain}"))));
    }
}
