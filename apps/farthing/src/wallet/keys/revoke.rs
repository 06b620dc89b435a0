//! `farthing wallet keys revoke`: a key that can spend nothing any more.

use farthing::{
    clock::SystemClock,
    core::{payment::Moved, port::clock::Clock},
    evm::Address,
    tempo::{
        keychain::{self, KeyState},
        token,
    },
};
use serde_json::json;

use super::{args::Revoke, call, grant, list};
use crate::{
    error::{Error, as_json},
    exit::Exit,
    keystore::Keystore,
    networks,
    screen::{self, Paint},
    signer::{self, Signer},
    wallet::put,
};

pub(super) async fn run(asked: &Revoke, keystore: &Keystore) -> Result<Exit, Error> {
    let signer = Signer::of(keystore, asked.wallet.as_ref())?;
    let account = grant::root(&signer)?;
    let network = networks::one(keystore, &asked.on)?;
    let key = named(asked, keystore, account)?;
    let node = networks::connect(&network).await?;
    let state = call::state(&node, account, key).await;
    match state.map_err(grant::failed)? {
        KeyState::Active { .. } => {}
        KeyState::Revoked => return told(asked, key, None),
        KeyState::Unknown => {
            return Err(Error::Usage {
                what: format!(
                    "{key} was never granted for {account} on {}",
                    network.name()
                ),
                next: "see `farthing wallet keys list`",
            });
        }
    }
    let fee_token = networks::fee_token(&network, &node, account).await?;
    let (data, now) = (keychain::revoke(key), SystemClock.now());
    let planned = call::plan(&node, account, data, &fee_token, now).await;
    let planned = planned.map_err(grant::failed)?;
    let display = |amount| fee_token.currency().display(amount);
    if !asked.json {
        let rows = [
            ("revoke", asked.key.clone()),
            ("key", key.to_string()),
            ("from", format!("{}, {account}", signer.told)),
            (
                "on",
                format!("{}, chain {}", network.name(), network.chain()),
            ),
            ("fee", format!("at the most {}", display(planned.fee))),
        ];
        screen::tell(screen::rows(Paint::for_stderr(), 2, &rows));
    }
    grant::ask(asked.yes, "Revoke it, for good? [y/N] ", "the revocation")?;
    let keys = signer::unlock(keystore, asked.wallet.as_ref())?;
    let root = keys.chain.ok_or_else(|| signer.no_address())?;
    let done = planned.send(&node, &root).await.map_err(grant::failed)?;
    let fee = json!({
        "amount": done.fee,
        "price": display(done.fee),
        "token": fee_token.symbol.as_str(),
    });
    told(asked, key, Some((done.hash.to_string(), fee)))
}

/// The key of a wallet, or one that is named by its address.
fn named(asked: &Revoke, keystore: &Keystore, account: Address) -> Result<Address, Error> {
    if let Ok(key) = token::address(&asked.key) {
        return Ok(key);
    }
    let known = list::known(keystore, |access| access.account == account)?;
    let found = known.into_iter().rev().find(|(name, _)| *name == asked.key);
    found
        .map(|(_, access)| access.key)
        .ok_or_else(|| Error::Usage {
            what: format!(
                "no key of this account is called {}",
                screen::clean(&asked.key)
            ),
            next: "see `farthing wallet keys list`",
        })
}

/// What was done now, or before.
fn told(
    asked: &Revoke,
    key: Address,
    done: Option<(String, serde_json::Value)>,
) -> Result<Exit, Error> {
    if asked.json {
        let (transaction, fee) = done.unzip();
        return put(json!({
            "key": key.to_string(),
            "state": "revoked",
            "moneyMoved": as_json(Moved::No),
            "transaction": transaction,
            "fee": fee,
        }));
    }
    put(key)?;
    match done {
        Some((hash, fee)) => {
            let fee = fee["price"].as_str().unwrap_or_default().to_owned();
            screen::tell(format!("is revoked by {hash}, for a fee of {fee}"));
        }
        None => screen::tell("was revoked before"),
    }
    Ok(Exit::Done)
}
