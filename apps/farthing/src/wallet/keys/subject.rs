//! The key that is to be granted, and what it may do.

use farthing::{
    clock::SystemClock,
    core::port::clock::Clock,
    evm::Address,
    tempo::{Network, Token},
};

use super::args::Grant;
use crate::{
    error::Error,
    keystore::{Access, Keystore, KeystoreError, Kind, SecretKey, SpendLimit},
    networks,
};

/// The key that is to be granted, and what it may do.
pub(super) struct Subject {
    /// The key itself, where it is new; one that a grant left unfinished is in its wallet.
    pub(super) key: Option<SecretKey>,
    pub(super) kind: Kind,
    pub(super) access: Access,
}

impl Subject {
    /// A new key, or the one of a grant that was left unfinished.
    pub(super) fn of(
        asked: &Grant,
        keystore: &Keystore,
        account: Address,
        network: &Network,
    ) -> Result<Self, Error> {
        if asked.key_type == Kind::Ed25519 {
            return Err(Error::Usage {
                what: "an Ed25519 key signs on no chain".to_owned(),
                next: "choose another --key-type, or leave it out",
            });
        }
        let key = SecretKey::random(asked.key_type)?;
        let signer = key.signer().map_err(|_| KeystoreError::NoKey)?;
        let access = terms(asked, account, network, signer.address())?;
        if keystore.has(&asked.name) {
            return unfinished(asked, keystore, &access);
        }
        Ok(Self {
            key: Some(key),
            kind: asked.key_type,
            access,
        })
    }
}

/// A wallet of the name whose key was to be granted with the same terms; when it ends is as it was
/// said the first time.
fn unfinished(asked: &Grant, keystore: &Keystore, access: &Access) -> Result<Subject, Error> {
    let wallet = keystore.wallet(Some(&asked.name))?;
    let is_it = |kept: &Access| {
        let same = Access {
            key: kept.key,
            expires: kept.expires,
            ..access.clone()
        };
        *kept == same
    };
    match wallet.access {
        Some(kept) if is_it(&kept) => Ok(Subject {
            key: None,
            kind: wallet.kind,
            access: kept,
        }),
        _ => Err(KeystoreError::Exists(asked.name.clone()).into()),
    }
}

fn terms(
    asked: &Grant,
    account: Address,
    network: &Network,
    key: Address,
) -> Result<Access, Error> {
    let mut tokens: Vec<Token> = Vec::new();
    for name in &asked.token {
        let token = networks::token(network, Some(name))?.into_owned();
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    if tokens.is_empty() {
        tokens.push(network.token().clone());
    }
    let limits = tokens.iter().map(|token| {
        Ok(SpendLimit {
            token: token.address,
            amount: networks::amount(&asked.limit.price, token)?,
            every: asked.limit.every,
        })
    });
    // The chain refuses a list in which somebody stands twice.
    let mut recipients = asked.recipient.clone();
    recipients.sort_unstable();
    recipients.dedup();
    let until = SystemClock.now().saturating_add(asked.expires.0);
    Ok(Access {
        account,
        chain: network.chain(),
        key,
        expires: until.whole_secs(),
        limits: limits.collect::<Result<_, Error>>()?,
        recipients,
    })
}
