//! `farthing wallet keys grant`: a new key, within limits that the chain keeps.
//!
//! The key is written to its wallet first, and the chain is told of it then. A process that dies in
//! between leaves a wallet that can spend nothing: the same command takes it up again.

use farthing::{
    clock::SystemClock,
    core::{payment::Moved, port::clock::Clock},
    evm::{Address, Node},
    tempo::{
        Network, Token,
        keychain::{self, KeyState},
    },
};
use serde_json::json;

use super::{
    args::{Grant, per},
    call,
};
use crate::{
    error::{Error, as_json},
    exit::Exit,
    keystore::{
        Access, Cost, Draft, Keystore, KeystoreError, Kind, Passphrases, SecretKey, SpendLimit,
        Wallet,
    },
    networks::{self, CallError, ChainError},
    screen::{self, Paint},
    signer::{self, Signer},
    wallet::put,
};

pub(super) async fn run(asked: &Grant, keystore: &Keystore) -> Result<Exit, Error> {
    let signer = Signer::of(keystore, asked.wallet.as_ref())?;
    let account = root(&signer)?;
    let network = networks::one(keystore, &asked.on)?;
    if asked.key_type == Kind::Ed25519 {
        return Err(Error::Usage {
            what: "an Ed25519 key signs on no chain".to_owned(),
            next: "choose another --key-type, or leave it out",
        });
    }
    let unfinished = match keystore.has(&asked.name) {
        true => Some(unfinished(asked, keystore, account, &network)?),
        false => None,
    };
    let key = match &unfinished {
        Some(_) => None,
        None => Some(SecretKey::random(asked.key_type)?),
    };
    let access = match (&unfinished, &key) {
        (Some(wallet), _) => wallet.access.clone(),
        (None, Some(key)) => Some(terms(asked, account, &network, key)?),
        (None, None) => None,
    };
    let access = access.ok_or(KeystoreError::NoKey)?;
    let kind = unfinished
        .as_ref()
        .map_or(asked.key_type, |wallet| wallet.kind);
    let node = networks::connect(&network).await?;
    if unfinished.is_some() && is_there(&node, &access).await? {
        return Err(KeystoreError::Exists(asked.name.clone()).into());
    }

    let fee_token = networks::fee_token(&network, &node, account).await?;
    let data = keychain::authorize(&access.authorization(kind));
    let planned = call::plan(&node, account, data, &fee_token).await;
    let planned = planned.map_err(ChainError::from)?;
    confirm(
        asked,
        &signer,
        &network,
        &access,
        &fee_token.currency().display(planned.fee),
    )?;
    if let Some(key) = &key {
        keep(asked, keystore, key, &access)?;
    }
    let keys = signer::unlock(keystore, asked.wallet.as_ref())?;
    let root = keys.chain.ok_or_else(|| signer.no_address())?;
    let done = planned.send(&node, &root).await.map_err(ChainError::from)?;
    let fee = fee_token.currency().display(done.fee);
    if asked.json {
        return put(json!({
            "wallet": asked.name.to_string(),
            "access": access,
            "network": network.name(),
            "moneyMoved": as_json(Moved::No),
            "transaction": done.hash.to_string(),
            "fee": { "amount": done.fee, "price": fee, "token": fee_token.symbol.as_str() },
        }));
    }
    put(access.key)?;
    screen::tell(format!("is granted by {}, for a fee of {fee}", done.hash));
    screen::hint(format!(
        "farthing pay --wallet {}; or give {} and its passphrase to whoever is to spend",
        asked.name,
        keystore.file(&asked.name).display(),
    ));
    Ok(Exit::Done)
}

/// The account whose own key the wallet has: an access key grants nothing.
pub(super) fn root(signer: &Signer) -> Result<Address, Error> {
    if signer.access.is_some() {
        return Err(Error::Usage {
            what: format!(
                "{} has an access key, which can let nobody spend",
                signer.told
            ),
            next: "name the wallet whose money it is with --wallet",
        });
    }
    Ok(signer.address()?)
}

/// A wallet of the name that is this account's access key, which the chain may not know yet.
fn unfinished(
    asked: &Grant,
    keystore: &Keystore,
    account: Address,
    network: &Network,
) -> Result<Wallet, Error> {
    let wallet = keystore.wallet(Some(&asked.name))?;
    let is_ours = wallet
        .access
        .as_ref()
        .is_some_and(|access| access.account == account && access.chain == network.chain());
    match is_ours {
        true => Ok(wallet),
        false => Err(KeystoreError::Exists(asked.name.clone()).into()),
    }
}

async fn is_there(node: &Node, access: &Access) -> Result<bool, Error> {
    let state = call::state(node, access.account, access.key).await;
    let state = state.map_err(ChainError::from)?;
    Ok(state != KeyState::Unknown)
}

fn terms(
    asked: &Grant,
    account: Address,
    network: &Network,
    key: &SecretKey,
) -> Result<Access, Error> {
    let mut tokens: Vec<Token> = Vec::new();
    let names = asked.token.iter().map(|name| Some(name.as_str()));
    let names: Vec<_> = match asked.token.as_slice() {
        [] => vec![None],
        _ => names.collect(),
    };
    for name in names {
        let token = networks::token(network, name)?.into_owned();
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    let limits = tokens.iter().map(|token| {
        Ok(SpendLimit {
            token: token.address,
            amount: asked.limit.price.in_currency(&token.currency())?,
            every: asked.limit.every,
        })
    });
    let limits = limits.collect::<Result<Vec<_>, Error>>()?;
    let key = key.signer().map_err(|_| KeystoreError::NoKey)?;
    Ok(Access {
        account,
        chain: network.chain(),
        key: key.address(),
        expires: SystemClock
            .now()
            .saturating_add(asked.expires.0)
            .whole_secs(),
        limits,
        recipients: asked.recipient.clone(),
    })
}

fn keep(asked: &Grant, keystore: &Keystore, key: &SecretKey, access: &Access) -> Result<(), Error> {
    let passphrase = Passphrases::of_this_run().for_new(keystore, &asked.name)?;
    let draft = Draft {
        name: &asked.name,
        key,
        access: Some(access.clone()),
        created: SystemClock.now().whole_secs(),
    };
    keystore.remember(&asked.name, access)?;
    keystore.keep(draft, &passphrase, Cost::PEOPLE)?;
    Ok(())
}

fn confirm(
    asked: &Grant,
    signer: &Signer,
    network: &Network,
    access: &Access,
    fee: &str,
) -> Result<(), Error> {
    let paint = Paint::for_stderr();
    let limits: Vec<_> = access
        .limits
        .iter()
        .map(|limit| told(limit, network))
        .collect();
    let recipients: Vec<_> = access.recipients.iter().map(ToString::to_string).collect();
    let rows = [
        ("may spend", paint.asks(limits.join(", and "))),
        (
            "for",
            if recipients.is_empty() {
                "anybody".to_owned()
            } else {
                recipients.join(", ")
            },
        ),
        ("until", access.expires.to_string()),
        ("from", format!("{}, {}", signer.told, access.account)),
        ("key", access.key.to_string()),
        (
            "on",
            format!("{}, chain {}", network.name(), network.chain()),
        ),
        ("fee", format!("at the most {fee}")),
    ];
    if !asked.json {
        screen::tell(screen::rows(paint, 2, &rows));
    }
    ask(asked.yes, "Grant it? [y/N] ", "the grant")
}

/// A limit as a person reads it.
pub(super) fn told(limit: &SpendLimit, network: &Network) -> String {
    let per = per(limit.every);
    match network.token_at(limit.token) {
        Some(token) => {
            let price = token.currency().display(limit.amount);
            format!("{price} {per} in {}", token.symbol)
        }
        None => format!("{} base units {per} of {}", limit.amount, limit.token),
    }
}

/// Asks whoever sits there; a program says that it means it.
pub(super) fn ask(yes: bool, question: &str, what: &str) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    if !screen::can_ask() {
        return Err(Error::Usage {
            what: format!("there is no terminal to confirm {what} at"),
            next: "say with --yes that it is meant",
        });
    }
    let answer = screen::ask(question).map_err(Error::System)?;
    if screen::is_yes(&answer) {
        Ok(())
    } else {
        Err(Error::Declined)
    }
}

/// The error of a call, as one of a command.
pub(super) fn failed(error: CallError) -> Error {
    ChainError::from(error).into()
}
