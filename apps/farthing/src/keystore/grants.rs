//! What the keystore's wallets let other keys spend, in a file beside them: a key's wallet may be
//! taken elsewhere, and its owner still wants to see it and revoke it.

use serde::{Deserialize, Serialize};

use super::{Access, Keystore, KeystoreError, VERSION, WalletName, disk, parse};

const GRANTS: &str = "grants.json";

/// Keys that are remembered; the oldest are forgotten first.
const MOST: usize = 64;

/// A key that may spend a part of what a wallet has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Granted {
    /// What its wallet was called when it was made.
    pub(crate) name: String,
    pub(crate) access: Access,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Grants {
    version: u32,
    grants: Vec<Granted>,
}

impl Keystore {
    /// The keys that were granted here, the oldest first.
    pub(crate) fn grants(&self) -> Result<Vec<Granted>, KeystoreError> {
        let path = self.folder()?.join(GRANTS);
        match disk::read_if_there(&path)? {
            Some(text) => parse::<Grants>(&path, &text).map(|grants| grants.grants),
            None => Ok(Vec::new()),
        }
    }

    /// Remembers a key that is granted.
    pub(crate) fn remember(&self, name: &WalletName, access: &Access) -> Result<(), KeystoreError> {
        let mut grants = self.grants()?;
        grants.retain(|granted| granted.access.key != access.key);
        grants.push(Granted {
            name: name.to_string(),
            access: access.clone(),
        });
        let first = grants.len().saturating_sub(MOST);
        let path = self.make_folder()?.join(GRANTS);
        let file = Grants {
            version: VERSION,
            grants: grants.split_off(first),
        };
        disk::replace(&path, &disk::json(&file))
            .map_err(|source| KeystoreError::Write { path, source })
    }
}
