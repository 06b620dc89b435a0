//! `farthing wallet fund`: test money where a network has it, and else where money is sent to.

use std::{sync::Arc, time::Duration};

use farthing::{
    clock::SystemClock,
    core::value::Amount,
    evm::{Address, Node, Outbox, SigningKey, TxHash, request},
    tempo::{
        AccountKey, MAINNET, MODERATO, Network,
        tip20::{self, Standing, TransferOptions, TransferOrder, Transfers},
    },
};
use serde_json::json;

use super::{args::Fund, put};
use crate::{
    buyer,
    error::Error,
    exit::Exit,
    keystore::{Keystore, KeystoreError, random_name},
    networks::{self, ChainError, Unmade},
    screen,
    signer::Signer,
};

/// The key of the account that a development chain starts with, which every tutorial prints.
const FAUCET: [u8; 32] = [
    0xac, 0x09, 0x74, 0xbe, 0xc3, 0x9a, 0x17, 0xe3, 0x6b, 0xa4, 0xa6, 0xb4, 0xd2, 0x38, 0xff, 0x94,
    0x4b, 0xac, 0xb4, 0x78, 0xcb, 0xed, 0x5e, 0xfc, 0xae, 0x78, 0x4d, 0x7b, 0xf4, 0xf2, 0xff, 0x80,
];

/// What a development chain gives at once: a hundred dollars.
const GIFT: Amount = Amount::new(100_000_000);

/// How long a faucet's transactions are waited for, and how often they are looked for.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn run(fund: &Fund, keystore: &Keystore) -> Result<Exit, Error> {
    let signer = Signer::of(keystore, fund.wallet.as_ref())?;
    let account = signer.address()?;
    let network = networks::one(keystore, &fund.on)?;
    if network.chain().get() == MAINNET {
        return told(fund, &network, account, &[]);
    }
    let node = networks::connect(&network).await?;
    let sent = if network.has_faucet() {
        let sent = tip20::fund(&network, &node, account).await;
        let sent = networks::read(&network, sent)?;
        wait(&node, &sent).await;
        sent
    } else {
        vec![give(&network, node, account, GIFT, keystore).await?]
    };
    told(fund, &network, account, &sent)
}

/// Gives from the account that a development chain starts with.
pub(crate) async fn give(
    network: &Network,
    node: Node,
    account: Address,
    amount: Amount,
    keystore: &Keystore,
) -> Result<TxHash, Error> {
    let faucet = SigningKey::from_bytes(FAUCET).map_err(|_| KeystoreError::NoKey)?;
    let store = buyer::open(keystore.database()?)?;
    let outbox = Outbox::new(store.clone());
    let token = network.token();
    let order = TransferOrder {
        token: token.address,
        recipient: account,
        amount,
        memo: None,
        fee_token: token.address,
    };
    let options = TransferOptions::default();
    let (key, clock) = (AccountKey::from(faucet), Arc::new(SystemClock));
    let transfers = Transfers::new(node, outbox, key, clock, options);
    let id = random_name()?;
    let done = async {
        match transfers.send(id.as_bytes(), &order).await? {
            Standing::Waiting { hash } => {
                let standing = transfers.finish(id.as_bytes(), PATIENCE).await?;
                Ok(standing.unwrap_or(Standing::Waiting { hash }))
            }
            standing => Ok(standing),
        }
    }
    .await;
    store.close().await;
    match done {
        Ok(Standing::Done { hash, .. }) => Ok(hash),
        Ok(_) => Err(ChainError::Ungiven(network.name().to_owned()).into()),
        Err(source) => Err(ChainError::Transfer(Box::new(Unmade {
            id,
            source,
            tokens: vec![token.clone()],
        }))
        .into()),
    }
}

/// Waits until a faucet's transactions are in a block, for a while: nothing depends on it but what
/// the next command shows.
async fn wait(node: &Node, sent: &[TxHash]) {
    let asked: Vec<_> = sent.iter().copied().map(request::receipt).collect();
    let arrived = async {
        loop {
            let answers = node.ask_all(&asked).await.unwrap_or_default();
            if answers.len() == asked.len() && answers.iter().all(|it| matches!(it, Ok(Some(_)))) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, arrived).await;
}

fn told(fund: &Fund, network: &Network, account: Address, sent: &[TxHash]) -> Result<Exit, Error> {
    let (name, chain) = (network.name(), network.chain());
    if fund.json {
        let sent: Vec<_> = sent.iter().map(ToString::to_string).collect();
        return put(json!({
            "address": account.to_string(),
            "network": name,
            "chainId": chain,
            "funded": !sent.is_empty(),
            "transactions": sent,
        }));
    }
    if !sent.is_empty() {
        put(account)?;
        screen::tell(format!("has test money on {name}, chain {chain}"));
        for hash in sent {
            screen::tell(format!("by {hash}"));
        }
        screen::hint(match &fund.on.network {
            Some(name) => format!("farthing wallet balance --network {}", screen::clean(name)),
            None => "farthing wallet balance".to_owned(),
        });
        return Ok(Exit::Done);
    }
    put(account)?;
    let symbols: Vec<_> = network
        .tokens()
        .iter()
        .map(|token| token.symbol.as_str())
        .collect();
    screen::tell(format!(
        "send {} to this address on {name}, chain {chain}: this network's money is real, and nobody \
         gives it away",
        symbols.join(", or "),
    ));
    if network.chain().get() != MODERATO {
        screen::hint("farthing wallet fund --network moderato, for test money");
    }
    Ok(Exit::Done)
}
