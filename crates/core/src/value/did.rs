//! Decentralized identifiers, as far as the core needs them: well-formed names of payers.

use std::sync::Arc;

use super::{TextError, text};
use crate::bounds;

/// A decentralized identifier, `did:method:specific-id`, checked for its grammar only.
///
/// That the payer controls it is for a method to prove.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Did(Arc<str>);

/// Why a text is not a DID.
pub type DidError = TextError;

text::newtype!(Did, "a DID", check);

impl Did {
    /// The name of the DID method, for example `key` or `pkh`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.parts().0
    }

    /// What follows the method, for example a multibase key.
    #[must_use]
    pub fn specific_id(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0
            .strip_prefix("did:")
            .and_then(|rest| rest.split_once(':'))
            .unwrap_or_default()
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > bounds::NAME {
        return Err("it is too long");
    }
    let (method, id) = text
        .strip_prefix("did:")
        .and_then(|rest| rest.split_once(':'))
        .ok_or("it does not start with did:method:")?;
    let method_ok = !method.is_empty()
        && method
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let id_ok = !id.is_empty()
        && !id.ends_with(':')
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'%'));
    match (method_ok, id_ok) {
        (false, _) => Err("its method has other characters than a-z and 0-9"),
        (_, false) => Err("its id is empty or has characters a DID cannot have"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_dids_apart() {
        let did = Did::new("did:pkh:eip155:42431:0xabc").unwrap();
        assert_eq!(
            (did.method(), did.specific_id()),
            ("pkh", "eip155:42431:0xabc")
        );
        for bad in [
            "",
            "did:",
            "did:key",
            "did:key:",
            "did:KEY:z6",
            "key:z6",
            "did:key:a b",
            "did:key:a|b",
        ] {
            assert!(Did::new(bad).is_err(), "{bad:?}");
        }
    }
}
