//! Who signs a channel's vouchers.
//!
//! | the wallet's key | the channel's `authorizedSigner` | what signs |
//! |---|---|---|
//! | the account's own, secp256k1 | nobody: the payer itself | that key |
//! | an access key, secp256k1 | the access key | that key |
//! | either, P-256 | an account of its own | a key made from the wallet's, the contract and the channel's salt |
//!
//! Vouchers are ECDSA on secp256k1 (draft, "Voucher Signing Format"). A key that is made again whenever it is
//! needed is nowhere to be stolen from, cannot be lost while the wallet is there, and signs for one channel only.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use farthing_core::{
    intent::session::ChannelId,
    port::{method::Refusal, session_payer::Keeping},
    value::Amount,
};
use farthing_evm::{Address, B256, SigningKey};

use super::{TempoSessionPayer, internal, too_wide, unsupported};
use crate::{
    key::{AccountKey, Key, P256Key},
    session::{Escrow, Origin, TempoChannel, Vouchers, write_signature},
};

/// The most channels that are remembered. What is made for one costs less than two signatures.
const REMEMBERED: usize = 4096;

/// What a derived key is for, so that it is never one of something else.
const PURPOSE: &[u8] = b"farthing: the key of a channel's vouchers, 1";

/// What signing is quick with.
#[derive(Default)]
pub(super) struct Signers(Mutex<HashMap<ChannelId, Arc<Known>>>);

/// A channel whose vouchers can be signed.
pub(super) struct Known {
    pub(super) channel: TempoChannel,
    vouchers: Vouchers,
    /// The channel's own key, where the wallet's signs no vouchers.
    derived: Option<SigningKey>,
}

impl TempoSessionPayer {
    /// What a new channel names as its vouchers' signer; zero is the payer.
    pub(super) fn authorized_signer(
        &self,
        escrow: &Escrow,
        salt: B256,
    ) -> Result<Address, Refusal> {
        match &**self.wallet.key() {
            AccountKey::Root(Key::Secp256k1(_)) => Ok(Address::ZERO),
            AccountKey::Access(access) if matches!(access.key, Key::Secp256k1(_)) => {
                Ok(access.key.address())
            }
            key => Ok(derive(p256(key)?, escrow, self.account(), salt)?.address()),
        }
    }

    /// What stands for the signer of all channels of this wallet.
    pub(super) fn signing_address(&self) -> Address {
        let own = || self.wallet.key().access_key();
        let signer = self.signer.or_else(own);
        signer.unwrap_or_else(|| self.account())
    }

    /// Whether this wallet signs a channel's vouchers.
    pub(super) fn signs(&self, channel: &TempoChannel) -> bool {
        self.key_of(channel).is_ok()
    }

    /// A channel with its key, made once.
    pub(super) fn known(&self, keeping: &Keeping) -> Result<Arc<Known>, Refusal> {
        if let Some(known) = self.signers.get(&keeping.id) {
            return Ok(known);
        }
        let channel = self.channel(keeping)?;
        let known = Arc::new(Known {
            vouchers: Vouchers::of(channel.escrow()),
            derived: self.key_of(&channel)?,
            channel,
        });
        self.signers.put(&keeping.id, &known);
        Ok(known)
    }

    pub(super) fn sign_voucher(
        &self,
        known: &Known,
        cumulative: Amount,
    ) -> Result<String, Refusal> {
        let digest = known
            .vouchers
            .digest(known.channel.id(), cumulative)
            .map_err(too_wide)?;
        let signature = match &known.derived {
            Some(key) => key.sign(digest),
            None => secp256k1(self.wallet.key())
                .ok_or_else(|| internal("the wallet signs no vouchers"))?
                .sign(digest),
        };
        Ok(write_signature(&signature))
    }

    /// The channel's own key, where it has one.
    fn key_of(&self, channel: &TempoChannel) -> Result<Option<SigningKey>, Refusal> {
        let (signer, key) = (channel.origin().signer(), self.wallet.key());
        let own = secp256k1(key);
        if own.is_some_and(|own| own.address() == signer) {
            return Ok(None);
        }
        let another = || unsupported("another key signs the channel's vouchers");
        if own.is_some() {
            return Err(another());
        }
        let salt = match channel.origin() {
            Origin::V1(opened) => opened.salt,
            Origin::V2(descriptor) => descriptor.salt,
        };
        let derived = derive(p256(key)?, channel.escrow(), self.account(), salt)?;
        if derived.address() == signer {
            return Ok(Some(derived));
        }
        Err(another())
    }
}

impl Signers {
    fn get(&self, id: &ChannelId) -> Option<Arc<Known>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(id).cloned()
    }

    fn put(&self, id: &ChannelId, known: &Arc<Known>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= REMEMBERED {
            // What is still needed is made again.
            kept.clear();
        }
        kept.insert(id.clone(), known.clone());
    }
}

fn secp256k1(key: &AccountKey) -> Option<&SigningKey> {
    match wallet_key(key) {
        Key::Secp256k1(key) => Some(key),
        Key::P256(_) => None,
    }
}

fn p256(key: &AccountKey) -> Result<&P256Key, Refusal> {
    match wallet_key(key) {
        Key::P256(key) => Ok(key),
        Key::Secp256k1(_) => Err(internal("a key on secp256k1 signs vouchers itself")),
    }
}

fn wallet_key(key: &AccountKey) -> &Key {
    match key {
        AccountKey::Root(key) => key,
        AccountKey::Access(access) => &access.key,
    }
}

fn derive(
    key: &P256Key,
    escrow: &Escrow,
    account: Address,
    salt: B256,
) -> Result<SigningKey, Refusal> {
    let chain = escrow.chain.get().to_be_bytes();
    let parts = [
        PURPOSE,
        &chain,
        escrow.contract.as_slice(),
        account.as_slice(),
        salt.as_slice(),
    ];
    let bytes = <[u8; 32]>::try_from(key.derive(&parts.concat()).expose());
    let bytes = bytes.map_err(|_| internal("a derived key has 32 bytes"))?;
    // One in 2¹²⁸ is no key. The next channel has another salt.
    SigningKey::from_bytes(bytes)
        .map_err(|error| internal("the salt gives no key").caused_by(error))
}
