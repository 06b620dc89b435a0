//! `farthing wallet keys list`: the keys that were granted, and how the chain has them.

use farthing::{
    clock::SystemClock,
    core::{
        port::clock::Clock,
        value::{Amount, Timestamp},
    },
    evm::{At, CallRequest, Node, U256, request},
    tempo::{
        Network,
        keychain::{self, KeyState, Remaining},
    },
};
use serde_json::{Value, json};

use super::{args::List, call, grant};
use crate::{
    error::Error,
    exit::Exit,
    keystore::{Access, Keystore},
    networks,
    screen::{self, Paint},
    signer::Signer,
    wallet::put,
};

/// A key, as the keystore remembers it and the chain has it.
struct Listed {
    name: String,
    access: Access,
    state: KeyState,
    /// What is left of each limit.
    left: Vec<Remaining>,
}

pub(super) async fn run(asked: &List, keystore: &Keystore) -> Result<Exit, Error> {
    let signer = Signer::of(keystore, asked.wallet.as_ref())?;
    let account = signer.address()?;
    let network = networks::one(keystore, &asked.on)?;
    let known = known(keystore, |access| {
        access.account == account && access.chain == network.chain()
    })?;
    let mut listed = Vec::new();
    if !known.is_empty() {
        let node = networks::connect(&network).await?;
        for (name, access) in known {
            listed.push(look(&node, name, access).await?);
        }
    }
    if asked.json {
        return put(json!({
            "address": account.to_string(),
            "network": network.name(),
            "chainId": network.chain(),
            "keys": listed.iter().map(|key| object(key, &network)).collect::<Vec<_>>(),
        }));
    }
    if listed.is_empty() {
        screen::tell(format!(
            "no keys were granted for {account} on {}",
            network.name()
        ));
        screen::hint("farthing wallet keys grant NAME --limit '$5 per day'");
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = listed.iter().flat_map(|key| rows(key, &network)).collect();
    let head = ["NAME", "STATE", "LIMIT", "LEFT", "UNTIL", "FOR", "KEY"];
    put(screen::table(Paint::for_stdout(), head, &rows))
}

/// The keys that this keystore granted or has wallets of, the oldest first.
pub(super) fn known(
    keystore: &Keystore,
    is_meant: impl Fn(&Access) -> bool,
) -> Result<Vec<(String, Access)>, Error> {
    let mut known: Vec<(String, Access)> = Vec::new();
    let granted = keystore.grants()?.into_iter();
    known.extend(granted.map(|granted| (granted.name, granted.access)));
    for wallet in keystore.wallets()? {
        if let Some(access) = wallet.access {
            known.retain(|(_, other)| other.key != access.key);
            known.push((wallet.name.to_string(), access));
        }
    }
    known.retain(|(_, access)| is_meant(access));
    Ok(known)
}

async fn look(node: &Node, name: String, access: Access) -> Result<Listed, Error> {
    let state = call::state(node, access.account, access.key).await;
    let state = state.map_err(grant::failed)?;
    let asked: Vec<_> = access
        .limits
        .iter()
        .map(|limit| {
            let call = CallRequest {
                to: keychain::ADDRESS,
                data: keychain::ask_remaining(access.account, access.key, limit.token),
                ..CallRequest::default()
            };
            request::call(&call, At::Latest)
        })
        .collect();
    let answers = node.ask_all(&asked).await;
    let mut left = Vec::new();
    for answer in answers.map_err(|error| grant::failed(error.into()))? {
        let answer = answer.map_err(|error| grant::failed(error.into()))?;
        let remaining = keychain::read_remaining(&answer);
        left.push(remaining.map_err(|error| grant::failed(error.into()))?);
    }
    Ok(Listed {
        name,
        access,
        state,
        left,
    })
}

/// What the chain says of a key. One whose time is over stays as it was there, and can spend nothing.
fn state(key: &Listed) -> &'static str {
    match key.state {
        KeyState::Unknown => "not granted",
        KeyState::Active { .. } if key.access.expires <= SystemClock.now() => "ended",
        KeyState::Active { .. } => "active",
        KeyState::Revoked => "revoked",
    }
}

/// One line for each limit; what is the key's stands on the first.
fn rows(key: &Listed, network: &Network) -> Vec<[String; 7]> {
    let recipients: Vec<_> = key
        .access
        .recipients
        .iter()
        .map(ToString::to_string)
        .collect();
    let whom = if recipients.is_empty() {
        "anybody".to_owned()
    } else {
        recipients.join(", ")
    };
    let limits = key.access.limits.iter().zip(&key.left).enumerate();
    limits
        .map(|(at, (limit, left))| {
            let once = |text: String| if at == 0 { text } else { String::new() };
            let amount = amount(left.amount);
            let left = network.token_at(limit.token).map_or_else(
                || amount.to_string(),
                |token| token.currency().display(amount),
            );
            [
                once(key.name.clone()),
                once(state(key).to_owned()),
                grant::told(limit, network),
                left,
                once(key.access.expires.to_string()),
                once(whom.clone()),
                once(key.access.key.to_string()),
            ]
        })
        .collect()
}

fn object(key: &Listed, network: &Network) -> Value {
    let limits = key
        .access
        .limits
        .iter()
        .zip(&key.left)
        .map(|(limit, left)| {
            let token = network.token_at(limit.token);
            json!({
                "token": limit.token.to_string(),
                "symbol": token.map(|token| token.symbol.as_str()),
                "decimals": token.map(|token| token.decimals),
                "amount": limit.amount,
                "every": limit.every,
                "left": amount(left.amount),
                "renews": left.renews.map(Timestamp::from_secs),
            })
        });
    json!({
        "name": key.name,
        "key": key.access.key.to_string(),
        "state": state(key),
        "expires": key.access.expires,
        "limits": limits.collect::<Vec<_>>(),
        "recipients": key.access.recipients.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn amount(units: U256) -> Amount {
    Amount::new(u128::try_from(units).unwrap_or(u128::MAX))
}
