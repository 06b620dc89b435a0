//! What checks the vouchers of one channel.

use std::sync::{Arc, OnceLock};

use farthing_core::{
    intent::session::{ChannelId, Voucher},
    port::{
        method::Refusal,
        session::{Said, Verifier},
    },
};
use farthing_evm::{Address, B256, KnownKey, Signature};

use super::Flaw;
use crate::session::{TempoChannel, Vouchers};

/// Checks the vouchers of one channel. Whose they have to be is in the channel's id, which the chain
/// confirmed; a request has no say in it.
#[derive(Debug)]
pub(super) struct TempoVerifier {
    id: ChannelId,
    channel: TempoChannel,
    vouchers: Arc<Vouchers>,
    signer: Address,
    /// The signer's key, from the first voucher of its on: checking against it is quicker than recovering.
    key: OnceLock<KnownKey>,
}

impl TempoVerifier {
    pub(super) fn new(channel: TempoChannel, vouchers: Arc<Vouchers>) -> Self {
        Self {
            id: channel.channel_id(),
            signer: channel.origin().signer(),
            channel,
            vouchers,
            key: OnceLock::new(),
        }
    }

    pub(super) fn voucher(&self, said: &Said) -> Result<Voucher, Flaw> {
        if said.channel != self.id {
            return Err(Flaw::OtherChannel);
        }
        let digest = self.vouchers.digest(self.channel.id(), said.cumulative)?;
        match self.key.get() {
            Some(key) => {
                let signature = with_any_parity(said)?;
                key.verify(&signature, digest).map_err(|_| Flaw::Signer)?;
            }
            None => self.learn(said, digest)?,
        }
        Ok(Voucher::new(
            self.channel.protocol(),
            said.cumulative,
            said.signature,
        )?)
    }

    /// Recovers the key that signed, and keeps it where it is the signer's.
    fn learn(&self, said: &Said, digest: B256) -> Result<(), Flaw> {
        let signature = with_any_parity(said)?;
        let key = [signature, signature.flipped()]
            .into_iter()
            .filter_map(|it| KnownKey::recover(&it, digest).ok())
            .find(|key| key.address() == self.signer)
            .ok_or(Flaw::Signer)?;
        // Another thread may have been first, with the same key.
        let _ = self.key.set(key);
        Ok(())
    }
}

/// The parity is not looked at, so any will do.
fn with_any_parity(said: &Said) -> Result<Signature, Flaw> {
    let mut bytes = [27; 65];
    bytes[..32].copy_from_slice(&said.signature.r);
    bytes[32..64].copy_from_slice(&said.signature.s);
    Signature::parse(&bytes).map_err(Flaw::Signature)
}

impl Verifier for TempoVerifier {
    fn check(&self, said: &Said) -> Result<Voucher, Refusal> {
        Ok(self.voucher(said)?)
    }
}
