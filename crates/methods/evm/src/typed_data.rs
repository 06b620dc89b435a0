//! EIP-712: structures that are signed.

use std::{fmt, marker::PhantomData};

use alloy_primitives::{B256, Keccak256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct};

/// A kind of message in one domain, with what is the same for every message hashed once.
///
/// ```
/// use alloy_sol_types::{eip712_domain, sol};
/// use farthing_evm::Typed;
///
/// sol! {
///     struct Proof { string challengeId; }
/// }
/// let domain = eip712_domain! { name: "demo", version: "1", chain_id: 42431, };
/// let typed = Typed::<Proof>::new(&domain);
/// let digest = typed.digest(&Proof { challengeId: "abc".to_owned() });
/// assert_eq!(digest.len(), 32);
/// ```
pub struct Typed<T> {
    /// 0x1901 and the domain's hash.
    prefix: [u8; 34],
    kind: B256,
    message: PhantomData<fn(&T)>,
}

impl<T: SolStruct> Typed<T> {
    /// Messages of this kind in a domain.
    #[must_use]
    pub fn new(domain: &Eip712Domain) -> Self {
        let mut prefix = [0x19; 34];
        prefix[1] = 0x01;
        prefix[2..].copy_from_slice(domain.separator().as_slice());
        Self {
            prefix,
            kind: keccak256(T::eip712_encode_type().as_bytes()),
            message: PhantomData,
        }
    }

    /// The hash of the domain.
    #[must_use]
    pub fn separator(&self) -> B256 {
        B256::from_slice(&self.prefix[2..])
    }

    /// What is signed.
    #[must_use]
    pub fn digest(&self, message: &T) -> B256 {
        let mut body = Keccak256::new();
        body.update(self.kind);
        body.update(message.eip712_encode_data());
        let mut whole = [0; 66];
        whole[..34].copy_from_slice(&self.prefix);
        whole[34..].copy_from_slice(body.finalize().as_slice());
        keccak256(whole)
    }
}

impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};
    use alloy_sol_types::{eip712_domain, sol};

    use super::*;
    use crate::Signature;

    sol! {
        struct Person { string name; address wallet; }
        struct Mail { Person from; Person to; string contents; }
    }

    /// The example of EIP-712 itself.
    #[test]
    fn the_example_of_the_standard() {
        let domain = eip712_domain! {
            name: "Ether Mail",
            version: "1",
            chain_id: 1,
            verifying_contract: address!("0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"),
        };
        let cow = address!("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826");
        let mail = Mail {
            from: Person {
                name: "Cow".into(),
                wallet: cow,
            },
            to: Person {
                name: "Bob".into(),
                wallet: address!("0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"),
            },
            contents: "Hello, Bob!".into(),
        };
        let typed = Typed::<Mail>::new(&domain);
        assert_eq!(
            typed.separator(),
            b256!("0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f")
        );
        let digest = typed.digest(&mail);
        assert_eq!(
            digest,
            b256!("0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")
        );
        assert_eq!(digest, mail.eip712_signing_hash(&domain));
        let signature = alloy_primitives::hex!(
            "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
            "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562" "1c"
        );
        assert_eq!(
            Signature::parse(&signature).unwrap().recover(digest),
            Ok(cow)
        );
    }
}
