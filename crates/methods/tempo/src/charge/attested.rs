//! Who signed a proof: seen from the signature, where the account's own key made it, and asked of the chain
//! where something else may sign for the account.

use farthing_core::value::Timestamp;
use farthing_evm::{
    Address, At, B256, Bytes, CallRequest, Node, RpcError, contract_accepts, request,
};

use super::ProofVersion;
use crate::key::{
    AccountSignature,
    keychain::{self, KeyState},
};

/// The longest signature that is looked at. A passkey's is the longest there is a use for.
const LONGEST: usize = 4096;

/// A signature that is said to be an account's over a proof.
#[derive(Clone, Debug)]
pub struct Attested {
    account: Address,
    digest: B256,
    signature: Bytes,
    by: Signer,
}

/// Who made a signature, as far as it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The account's own key. That is proof enough.
    Account,
    /// Another key, which may be one of the account's access keys.
    Key(Address),
    /// Nobody whose key can be told. If the account is a contract, it can tell.
    Unclear,
}

impl Attested {
    /// Reads a signature over a proof's digest.
    ///
    /// In version 3 the account is signed, so any key's signature is for this account. In version 2 it is
    /// not: there an access key's counts only in the form that names the account.
    #[must_use]
    pub fn new(version: ProofVersion, account: Address, digest: B256, signature: &[u8]) -> Self {
        let by = match signature.len() {
            ..=LONGEST => AccountSignature::parse(signature).map_or(Signer::Unclear, |read| {
                signer(version, account, digest, &read)
            }),
            _ => Signer::Unclear,
        };
        Self {
            account,
            digest,
            // What is longer is not kept: it is asked about nowhere.
            signature: Bytes::copy_from_slice(&signature[..signature.len().min(LONGEST + 1)]),
            by,
        }
    }

    /// Who made it, as far as it shows.
    #[must_use]
    pub const fn by(&self) -> Signer {
        self.by
    }

    /// Whether it is the account's. The chain is asked only where the account's own key did not sign:
    /// whether the key that did may sign for the account now, and else whether the account is a contract
    /// that accepts the signature.
    ///
    /// # Errors
    /// When the chain does not tell. The signature is not bad then.
    pub async fn confirm(&self, node: &Node, now: Timestamp) -> Result<bool, RpcError> {
        match self.by {
            Signer::Account => return Ok(true),
            Signer::Key(key) if self.is_active(node, key, now).await? => return Ok(true),
            Signer::Key(_) | Signer::Unclear => {}
        }
        contract_accepts(node, self.account, self.digest, &self.signature).await
    }

    async fn is_active(&self, node: &Node, key: Address, now: Timestamp) -> Result<bool, RpcError> {
        let asked = CallRequest {
            to: keychain::ADDRESS,
            data: keychain::ask_key(self.account, key),
            ..CallRequest::default()
        };
        let answer = node.ask(request::call(&asked, At::Latest)).await?;
        let state = keychain::read_key(&answer).map_err(|error| RpcError::Nonsense {
            endpoint: format!("a node of chain {}", node.chain()),
            what: "the keychain answers with something else",
            source: Some(error.into()),
        })?;
        Ok(match state {
            KeyState::Active { expiry, .. } => expiry.is_none_or(|end| end > now.as_secs()),
            _ => false,
        })
    }
}

fn signer(
    version: ProofVersion,
    account: Address,
    digest: B256,
    signature: &AccountSignature,
) -> Signer {
    match signature {
        AccountSignature::Root(by) => match by.signer(digest) {
            Ok(signer) if signer == account => Signer::Account,
            Ok(signer) if version == ProofVersion::V3 => Signer::Key(signer),
            _ => Signer::Unclear,
        },
        AccountSignature::Access(by) if by.account == account => {
            let names_account = by.version == crate::key::KeychainVersion::V2;
            match by.key(digest) {
                Ok(key) if names_account || version == ProofVersion::V3 => Signer::Key(key),
                _ => Signer::Unclear,
            }
        }
        AccountSignature::Access(_) => Signer::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use farthing_evm::{SigningKey, keccak256};

    use super::*;
    use crate::key::{AccessKey, AccountKey, Key, P256Key};

    fn secp(seed: u8) -> SigningKey {
        SigningKey::from_bytes([seed; 32]).unwrap()
    }

    #[test]
    fn the_accounts_own_key_needs_no_chain() {
        let digest = keccak256("a proof");
        let p256 = P256Key::from_bytes([3; 32]).unwrap();
        for key in [AccountKey::from(secp(1)), AccountKey::from(p256)] {
            let signature = key.sign_hash(digest).to_bytes();
            let of = |account| Attested::new(ProofVersion::V3, account, digest, &signature).by();
            assert_eq!(of(key.account()), Signer::Account);
            // For another account it is the signature of a key that may be its access key.
            assert_eq!(of(Address::with_last_byte(1)), Signer::Key(key.account()));
        }
    }

    #[test]
    fn an_access_keys_signature_is_for_the_account_it_names() {
        let (digest, account) = (keccak256("a proof"), Address::with_last_byte(9));
        let key = AccountKey::from(AccessKey {
            account,
            key: Key::from(secp(2)),
            authorization: None,
        });
        let signature = key.sign_hash(digest).to_bytes();
        let named = Signer::Key(secp(2).address());
        for version in [ProofVersion::V2, ProofVersion::V3] {
            let of = |account| Attested::new(version, account, digest, &signature).by();
            assert_eq!(of(account), named);
            assert_eq!(of(Address::with_last_byte(8)), Signer::Unclear);
        }
        // In version 2 nothing says for which account a bare signature is.
        let bare = secp(2).sign(digest).to_bytes();
        let of = |version| Attested::new(version, account, digest, &bare).by();
        assert_eq!(of(ProofVersion::V3), named);
        assert_eq!(of(ProofVersion::V2), Signer::Unclear);
    }

    #[test]
    fn what_is_no_signature_is_unclear() {
        let (digest, account) = (keccak256("a proof"), secp(1).address());
        for bytes in [
            vec![],
            vec![1; 64],
            vec![0; 65],
            vec![9; 66],
            vec![4; 100_000],
        ] {
            let attested = Attested::new(ProofVersion::V3, account, digest, &bytes);
            assert_eq!(attested.by(), Signer::Unclear, "{} bytes", bytes.len());
            assert!(attested.signature.len() <= LONGEST + 1);
        }
    }
}
