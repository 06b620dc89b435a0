//! A signature that answers a charge of nothing.

use farthing_core::value::Timestamp;
use farthing_evm::{Address, Bytes, Node};

use super::{Flaw, demand::Demand};
use crate::{
    charge::{Attested, ProofVersion, Proofs, Signer, source},
    key::AccountSignature,
};

/// A signature that the chain has to be asked about, in each version that is taken.
#[derive(Debug)]
pub(super) struct Unclear {
    account: Address,
    attested: Vec<Attested>,
    signature: Bytes,
}

/// Who signed, as far as it can be said without the chain.
#[derive(Debug)]
pub(super) enum Signed {
    /// The account itself.
    ByAccount(Address),
    /// Perhaps a key that the account lets sign for it, or a contract would take it.
    Perhaps(Unclear),
}

/// Reads a signature, and sees whether the account itself made it.
pub(super) fn read(
    demand: &Demand<'_>,
    signature: Bytes,
    proofs: &Proofs,
    versions: &[ProofVersion],
) -> Result<Signed, Flaw> {
    if demand.legs.is_some() {
        return Err(Flaw::NotForNothing);
    }
    demand.is_open()?;
    let presented = &demand.presented;
    let account = source(presented.source, demand.details.chain).map_err(Flaw::Source)?;
    let (challenge, realm) = (presented.challenge, presented.realm);
    let attested: Vec<Attested> = versions
        .iter()
        .map(|version| proofs.attested(*version, account, challenge, realm, &signature))
        .collect();
    if attested.iter().any(|one| one.by() == Signer::Account) {
        return Ok(Signed::ByAccount(account));
    }
    Ok(Signed::Perhaps(Unclear {
        account,
        attested,
        signature,
    }))
}

impl Unclear {
    /// Asks the chain whether the signature is the account's all the same.
    pub(super) async fn confirm(&self, node: &Node, now: Timestamp) -> Result<Address, Flaw> {
        for attested in &self.attested {
            if attested.confirm(node, now).await.map_err(Flaw::Chain)? {
                return Ok(self.account);
            }
        }
        Err(Flaw::Signature(
            AccountSignature::parse(&self.signature).err(),
        ))
    }
}
