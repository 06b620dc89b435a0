//! Proofs: the signature that answers a request for nothing.
//!
//! It is over the challenge's id, the realm, and the account that is proven (EIP-712, domain `MPP`). The
//! domain's version says which of them are signed:
//!
//! | version | what is signed | here |
//! |---|---|---|
//! | 3 | account, challenge id, realm | signed, accepted |
//! | 2 | challenge id, realm | accepted where the seller says so |
//! | 1 | challenge id | does not exist |
//!
//! Version 2 does not say for which account a key signed that several accounts gave access to. Version 1,
//! the draft's ("Proof Payload"), does not say to whom: a hostile seller could pass another's challenge on
//! and be given the signature for it.

use std::fmt;

use alloy_sol_types::eip712_domain;
use farthing_core::value::{ChallengeId, Realm};
use farthing_evm::{Address, B256, ChainId, PkhDid, PkhDidError, Typed};
use serde_json::{Value, json};

use super::Attested;

/// What is signed in version 3.
mod v3 {
    alloy_sol_types::sol! {
        struct Proof { address account; string challengeId; string realm; }
    }
}

/// What is signed in version 2.
mod v2 {
    alloy_sol_types::sol! {
        struct Proof { string challengeId; string realm; }
    }
}

/// The domain's name.
const NAME: &str = "MPP";

/// Which fields a proof is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProofVersion {
    /// The challenge's id and the realm.
    V2,
    /// The account as well.
    V3,
}

impl ProofVersion {
    const fn text(self) -> &'static str {
        match self {
            Self::V2 => "2",
            Self::V3 => "3",
        }
    }
}

/// The proofs of a chain, with what is the same for all of them hashed once.
///
/// ```
/// use farthing_core::value::{ChallengeId, Realm};
/// use farthing_evm::{ChainId, SigningKey};
/// use farthing_tempo::{ProofVersion, Proofs};
///
/// let proofs = Proofs::new(ChainId::new(42_431)?);
/// let key = SigningKey::from_bytes([1; 32])?;
/// let (challenge, realm) = (ChallengeId::new("id")?, Realm::new("api.example.com")?);
/// let digest = proofs.digest(ProofVersion::V3, key.address(), &challenge, &realm);
/// assert_eq!(key.sign(digest).recover(digest)?, key.address());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Proofs {
    chain: ChainId,
    v2: Typed<v2::Proof>,
    v3: Typed<v3::Proof>,
}

impl Proofs {
    /// The proofs of a chain.
    #[must_use]
    pub fn new(chain: ChainId) -> Self {
        let domain = |version: ProofVersion| {
            eip712_domain! { name: NAME, version: version.text(), chain_id: chain.get(), }
        };
        Self {
            chain,
            v2: Typed::new(&domain(ProofVersion::V2)),
            v3: Typed::new(&domain(ProofVersion::V3)),
        }
    }

    /// What an account signs to answer a challenge.
    #[must_use]
    pub fn digest(
        &self,
        version: ProofVersion,
        account: Address,
        challenge: &ChallengeId,
        realm: &Realm,
    ) -> B256 {
        let (id, realm) = (challenge.as_str().to_owned(), realm.as_str().to_owned());
        match version {
            ProofVersion::V2 => self.v2.digest(&v2::Proof {
                challengeId: id,
                realm,
            }),
            ProofVersion::V3 => self.v3.digest(&v3::Proof {
                account,
                challengeId: id,
                realm,
            }),
        }
    }

    /// Reads a signature that is said to be an account's answer to a challenge.
    #[must_use]
    pub fn attested(
        &self,
        version: ProofVersion,
        account: Address,
        challenge: &ChallengeId,
        realm: &Realm,
        signature: &[u8],
    ) -> Attested {
        let digest = self.digest(version, account, challenge, realm);
        Attested::new(version, account, digest, signature)
    }

    /// The same as wallets are given it: typed data (EIP-712) as JSON.
    #[must_use]
    pub fn typed_data(
        &self,
        version: ProofVersion,
        account: Address,
        challenge: &ChallengeId,
        realm: &Realm,
    ) -> Value {
        let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
        let mut fields = vec![field("challengeId", "string"), field("realm", "string")];
        let mut message = json!({ "challengeId": challenge, "realm": realm });
        if version == ProofVersion::V3 {
            fields.insert(0, field("account", "address"));
            message["account"] = json!(account.to_string());
        }
        json!({
            "domain": { "name": NAME, "version": version.text(), "chainId": self.chain.get() },
            "types": { "Proof": fields },
            "primaryType": "Proof",
            "message": message,
        })
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proofs").field(&self.chain).finish()
    }
}

/// Why a credential's source names nobody who could have signed. The payer's mistake; nothing moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is none.
    #[error("the credential names no source")]
    Missing,
    /// It is no account of a chain.
    #[error("the credential's source is no account of a chain")]
    Form(#[source] PkhDidError),
    /// It is an account of another chain.
    #[error("the credential's source is an account of chain {0}")]
    OtherChain(ChainId),
    /// It is the address that nobody has.
    #[error("the credential's source is the zero address")]
    Nobody,
}

/// The account that a credential says it is of.
///
/// # Errors
/// When it names none of this chain.
pub fn source(source: Option<&str>, chain: ChainId) -> Result<Address, SourceError> {
    let did: PkhDid = source
        .ok_or(SourceError::Missing)?
        .parse()
        .map_err(SourceError::Form)?;
    if did.chain != chain {
        return Err(SourceError::OtherChain(did.chain));
    }
    if did.address.is_zero() {
        return Err(SourceError::Nobody);
    }
    Ok(did.address)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256, hex};
    use farthing_evm::SigningKey;

    use super::*;

    const ACCOUNT: Address = address!("1a642f0E3c3aF545E7AcBD38b07251B3990914F1");

    fn parts() -> (Proofs, ChallengeId, Realm) {
        let proofs = Proofs::new(ChainId::new(42_431).unwrap());
        let id = ChallengeId::new("kM9xPqWvT2nJrHsY4aDfEb").unwrap();
        (proofs, id, Realm::new("api.example.com").unwrap())
    }

    /// The numbers that peers check theirs against.
    #[test]
    fn version_3_is_what_peers_sign() {
        let (proofs, id, realm) = parts();
        let digest = proofs.digest(ProofVersion::V3, ACCOUNT, &id, &realm);
        assert_eq!(
            digest,
            b256!("3860a700a55e02ad3c2dc047e92489feceecbdb0a801d948e1d9f0b61ea9bc3f")
        );
        let key = SigningKey::from_bytes([1; 32]).unwrap();
        assert_eq!(key.address(), ACCOUNT);
        assert_eq!(
            key.sign(digest).to_bytes(),
            hex!(
                "53f5d64d9f995e841b4212639b2e17e508e96752e10316df3814a16443dcbdb6"
                "26c082190a4c3ecc3148101eb443d15bd83b579380b1be735a9c99f0df36c9fe1b"
            )
        );
    }

    #[test]
    fn each_part_changes_what_is_signed() {
        let (proofs, id, realm) = parts();
        let here = proofs.digest(ProofVersion::V3, ACCOUNT, &id, &realm);
        let other_id = ChallengeId::new("other").unwrap();
        let other_realm = Realm::new("api.example.org").unwrap();
        let elsewhere = Proofs::new(ChainId::new(4217).unwrap());
        let other_account = Address::with_last_byte(1);
        let v3 = ProofVersion::V3;
        for other in [
            proofs.digest(ProofVersion::V2, ACCOUNT, &id, &realm),
            proofs.digest(v3, other_account, &id, &realm),
            proofs.digest(v3, ACCOUNT, &other_id, &realm),
            proofs.digest(v3, ACCOUNT, &id, &other_realm),
            elsewhere.digest(v3, ACCOUNT, &id, &realm),
        ] {
            assert_ne!(here, other);
        }
    }

    #[test]
    fn typed_data_is_fixed() {
        let (proofs, id, realm) = parts();
        let both = [ProofVersion::V2, ProofVersion::V3]
            .map(|version| proofs.typed_data(version, ACCOUNT, &id, &realm));
        let text = serde_json::to_string_pretty(&both).unwrap();
        assert_eq!(text, include_str!("golden/proof.json").trim());
    }

    #[test]
    fn a_source_is_an_account_of_the_chain() {
        let chain = ChainId::new(42_431).unwrap();
        let did = |chain: u64, account: Address| format!("did:pkh:eip155:{chain}:{account}");
        let read = |text: &str| source(Some(text), chain);
        assert_eq!(read(&did(42_431, ACCOUNT)), Ok(ACCOUNT));
        assert_eq!(read(&did(42_431, ACCOUNT).to_lowercase()), Ok(ACCOUNT));
        assert_eq!(source(None, chain), Err(SourceError::Missing));
        assert_eq!(read("did:key:z6Mk"), Err(SourceError::Form(PkhDidError)));
        let other = ChainId::new(4217).unwrap();
        assert_eq!(
            read(&did(4217, ACCOUNT)),
            Err(SourceError::OtherChain(other))
        );
        assert_eq!(read(&did(42_431, Address::ZERO)), Err(SourceError::Nobody));
    }
}
