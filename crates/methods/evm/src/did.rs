//! Accounts on a chain as DIDs: `did:pkh:eip155:CHAIN:ADDRESS`.

use std::{fmt, str::FromStr};

use alloy_primitives::Address;
use farthing_core::value::Did;

use crate::ChainId;

/// An account of a chain, as a payer names itself.
///
/// The address is read in any case and compared as bytes, as the Tempo draft has it ("Split Entry
/// Schema"); it is written with the checksum of EIP-55, as wallets do. That the payer controls the account
/// is for a signature to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PkhDid {
    /// The chain.
    pub chain: ChainId,
    /// The account's address.
    pub address: Address,
}

/// Why a text is not such a DID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not did:pkh:eip155:CHAIN:ADDRESS")]
pub struct PkhDidError;

impl FromStr for PkhDid {
    type Err = PkhDidError;

    fn from_str(text: &str) -> Result<Self, PkhDidError> {
        let rest = text.strip_prefix("did:pkh:eip155:").ok_or(PkhDidError)?;
        let (chain, address) = rest.split_once(':').ok_or(PkhDidError)?;
        if !address.starts_with("0x") {
            return Err(PkhDidError);
        }
        Ok(Self {
            chain: chain.parse().map_err(|_| PkhDidError)?,
            address: address.parse().map_err(|_| PkhDidError)?,
        })
    }
}

impl fmt::Display for PkhDid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did:pkh:eip155:{}:{}", self.chain, self.address)
    }
}

impl From<PkhDid> for Did {
    fn from(did: PkhDid) -> Self {
        Self::new(did.to_string()).expect("the form of did:pkh is within a DID's grammar")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_in_any_case_and_written_with_its_checksum() {
        let text = "did:pkh:eip155:4217:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let did: PkhDid = text.parse().unwrap();
        assert_eq!(did.chain.get(), 4217);
        assert_eq!(did.to_string(), text);
        assert_eq!(text.to_lowercase().parse(), Ok(did));
        assert_eq!(Did::from(did).as_str(), text);
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let good = "did:pkh:eip155:1:0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
        assert!(good.parse::<PkhDid>().is_ok());
        let bad = [
            good.replace("eip155", "bip122"),
            good.replace(":1:", ":01:"),
            good.replace(":1:", ":0:"),
            good.replace(":1:", ":"),
            good.replace("0x", ""),
            good.replace("0x", "0X"),
            format!("{good}0"),
            format!("{good}#key"),
            good[..good.len() - 1].to_owned(),
            good.replace("aaeb", "aagb"),
        ];
        for bad in bad {
            assert_eq!(bad.parse::<PkhDid>(), Err(PkhDidError), "{bad}");
        }
    }
}
