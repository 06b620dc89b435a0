//! `farthing wallet balance`: what a wallet has, on a chain or in a seller's store.

use std::path::PathBuf;

use farthing::{
    core::value::Amount,
    evm::Address,
    tempo::{Network, Token, tip20},
};
use serde_json::json;

use super::{args::Balance, put};
use crate::{
    buyer,
    error::Error,
    exit::Exit,
    keystore::Keystore,
    networks,
    operator::ledger,
    screen::{self, Paint},
    signer::Signer,
};

pub(super) async fn run(asked: &Balance, keystore: &Keystore) -> Result<Exit, Error> {
    let signer = Signer::of(keystore, asked.wallet.as_ref())?;
    match store(asked, &signer, keystore)? {
        Some(store) => {
            let account = signer.account()?;
            let backend = buyer::open_existing(&store)?;
            let done = ledger::balance(backend.clone(), &store, account, asked.json).await;
            backend.close().await;
            done
        }
        None => on_chain(asked, signer.address()?, keystore).await,
    }
}

/// The seller's store that is meant, where it is one. A ledger's balances are rows of it: where it is
/// on this machine it can be read, and otherwise only the seller knows.
fn store(asked: &Balance, signer: &Signer, keystore: &Keystore) -> Result<Option<PathBuf>, Error> {
    let named = asked
        .store
        .clone()
        .filter(|path| !path.as_os_str().is_empty());
    let on_chain = asked.on.is_said() || asked.token.is_some();
    if named.is_some() || on_chain {
        return Ok(named.filter(|_| !on_chain));
    }
    if keystore.networks()?.default.is_some() && signer.holder.address.is_some() {
        return Ok(None);
    }
    match keystore.marker()? {
        Some(demo) => Ok(Some(demo.store)),
        None if signer.holder.address.is_some() => Ok(None),
        None => Err(Error::NoBalance),
    }
}

async fn on_chain(asked: &Balance, account: Address, keystore: &Keystore) -> Result<Exit, Error> {
    let network = networks::one(keystore, &asked.on)?;
    let tokens = match &asked.token {
        Some(name) => vec![networks::token(&network, Some(name))?.into_owned()],
        None => network.tokens().to_vec(),
    };
    let node = networks::connect(&network).await?;
    let addresses: Vec<_> = tokens.iter().map(|token| token.address).collect();
    let amounts = tip20::balances(&node, &addresses, account).await;
    let amounts = networks::read(&network, amounts)?;
    let found: Vec<(Token, Amount)> = tokens.into_iter().zip(amounts).collect();
    show(asked, &network, account, &found)
}

fn show(
    asked: &Balance,
    network: &Network,
    account: Address,
    found: &[(Token, Amount)],
) -> Result<Exit, Error> {
    let (name, chain) = (network.name(), network.chain());
    if asked.json {
        let balances = found.iter().map(|(token, amount)| {
            let mut told = networks::token_json(token);
            told["amount"] = json!(amount);
            told["balance"] = json!(token.currency().display(*amount));
            told
        });
        return put(json!({
            "address": account.to_string(),
            "network": name,
            "chainId": chain,
            "balances": balances.collect::<Vec<_>>(),
        }));
    }
    screen::tell(format!("{account} on {name}, chain {chain}"));
    // One that was named is told even where there is none of it.
    let is_shown = |amount: &Amount| asked.token.is_some() || !amount.is_zero();
    let rows: Vec<_> = found
        .iter()
        .filter(|(_, amount)| is_shown(amount))
        .map(|(token, amount)| {
            [
                token.symbol.to_string(),
                token.currency().display(*amount),
                token.address.to_string(),
            ]
        })
        .collect();
    if rows.is_empty() {
        put(network.token().currency().display(Amount::ZERO))?;
        screen::hint("farthing wallet fund, for how money gets there");
        return Ok(Exit::Done);
    }
    put(screen::table(
        Paint::for_stdout(),
        ["TOKEN", "BALANCE", "CONTRACT"],
        &rows,
    ))
}
