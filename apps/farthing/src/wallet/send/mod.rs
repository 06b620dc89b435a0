//! `farthing wallet send`: money from a wallet's account to another, once for an id.

mod args;
mod show;

use std::{sync::Arc, time::Duration};

use farthing::{
    clock::SystemClock,
    core::value::Amount,
    evm::{Address, Node, Outbox},
    ledger::TransferId,
    tempo::{
        AccountKey, Network, Token,
        tip20::{Standing, TransferError, TransferOptions, TransferOrder, Transfers},
    },
};

use crate::{
    buyer,
    error::Error,
    exit::Exit,
    keystore::{Keystore, random_name},
    networks::{self, ChainError, Unmade},
    screen::{self, Paint},
    signer::{self, Signer},
};

pub(crate) use args::{MemoText, Send, recipient};

/// How long a transfer is waited for. It is valid for less than half a minute, and then in a block
/// or dead.
const PATIENCE: Duration = Duration::from_secs(60);

/// A transfer that was asked for.
struct Asked<'a> {
    network: &'a Network,
    token: &'a Token,
    fee_token: &'a Token,
    order: TransferOrder,
    id: TransferId,
}

pub(super) async fn run(send: &Send, keystore: &Keystore) -> Result<Exit, Error> {
    let signer = Signer::of(keystore, send.wallet.as_ref())?;
    let account = signer.address()?;
    let network = networks::one(keystore, &send.on)?;
    let token = networks::token(&network, send.token.as_deref())?;
    let amount = networks::amount(&send.amount, &token)?;
    let id = match &send.id {
        Some(id) => id.clone(),
        None => TransferId::new(random_name()?).expect("base64url is visible ASCII"),
    };
    let store = buyer::open(keystore.database()?)?;
    let outbox = || Outbox::new(store.clone());
    let node = match networks::connect(&network).await {
        Ok(node) => node,
        Err(error) => {
            let unknown = unknown(&network, outbox(), account, &id).await;
            store.close().await;
            return Err(
                unknown.map_or(error.into(), |source| unmade(&id, source, &[&token]).into())
            );
        }
    };
    // The one that is sent, where fees can be paid in it.
    let fee_token = match token.pays_fees() {
        true => token.clone().into_owned(),
        false => match networks::fee_token(&network, &node, account).await {
            Ok(token) => token,
            Err(error) => {
                store.close().await;
                return Err(error.into());
            }
        },
    };
    let asked = Asked {
        network: &network,
        token: &token,
        fee_token: &fee_token,
        order: TransferOrder {
            token: token.address,
            recipient: send.to,
            amount,
            memo: send.memo.map(|memo| memo.0),
            fee_token: fee_token.address,
        },
        id,
    };
    let done = async {
        let judge = transfers(&node, outbox(), signer::onlooker(account)?);
        let is_new = asked.confirm(send, &signer, &judge).await?;
        let is_told = is_new && !send.json;
        let keys = signer::unlock(keystore, send.wallet.as_ref())?;
        let key = keys.chain.ok_or_else(|| signer.no_address())?;
        asked.send(&transfers(&node, outbox(), key), is_told).await
    }
    .await;
    store.close().await;
    asked.told(&signer, &done?, send.json)
}

/// Why nothing can be said of what was sent under an id before, where something was. Nobody is told then
/// that nothing moved, only because no node answers now.
async fn unknown(
    network: &Network,
    outbox: Outbox,
    account: Address,
    id: &TransferId,
) -> Option<TransferError> {
    let node = Node::new(network.node()).ok()?;
    let onlooker = signer::onlooker(account).ok()?;
    let judge = transfers(&node, outbox, onlooker);
    let status = judge.status(id.as_str().as_bytes()).await;
    status
        .err()
        .filter(|source| matches!(source, TransferError::Rpc(_)))
}

fn unmade(id: &TransferId, source: TransferError, tokens: &[&Token]) -> ChainError {
    ChainError::Transfer(Box::new(Unmade {
        id: id.to_string(),
        source,
        tokens: tokens.iter().map(|token| (*token).clone()).collect(),
    }))
}

fn transfers(node: &Node, outbox: Outbox, key: AccountKey) -> Transfers {
    let clock = Arc::new(SystemClock);
    Transfers::new(node.clone(), outbox, key, clock, TransferOptions::default())
}

impl Asked<'_> {
    /// Asks whoever sits there, and says whether it is new: what was sent before under the id is not
    /// asked about again.
    async fn confirm(
        &self,
        send: &Send,
        signer: &Signer,
        transfers: &Transfers,
    ) -> Result<bool, Error> {
        let status = transfers.status(self.id.as_str().as_bytes()).await;
        let status = status.map_err(|source| self.unmade(source))?;
        if status.is_some_and(|standing| !matches!(standing, Standing::Dead { .. })) {
            if !send.json {
                screen::tell(format!(
                    "{} was sent before; nothing is sent twice",
                    self.id
                ));
            }
            return Ok(false);
        }
        let fee = transfers.quote(&self.order).await;
        let fee = fee.map_err(|source| self.unmade(source))?;
        let paint = Paint::for_stderr();
        let mut rows = vec![
            ("send", paint.asks(self.amount())),
            (
                "token",
                format!("{}, {}", self.token.symbol, self.token.address),
            ),
            ("to", self.order.recipient.to_string()),
            ("from", format!("{}, {}", signer.told, transfers.account())),
            ("on", self.on()),
            ("fee", format!("at the most {}", self.fee(fee))),
        ];
        let memo = self.order.memo.as_ref();
        rows.extend(memo.map(|memo| ("memo", show::memo(memo))));
        if !send.json {
            screen::tell(screen::rows(paint, 2, &rows));
        }
        if send.yes {
            return Ok(true);
        }
        if !screen::can_ask() {
            return Err(Error::Usage {
                what: "there is no terminal to confirm the transfer at".to_owned(),
                next: "say with --yes that it is meant",
            });
        }
        let answer = screen::ask("Send it? [y/N] ").map_err(Error::System)?;
        if screen::is_yes(&answer) {
            Ok(true)
        } else {
            Err(Error::Declined)
        }
    }

    async fn send(&self, transfers: &Transfers, is_told: bool) -> Result<Standing, Error> {
        let id = self.id.as_str().as_bytes();
        if is_told {
            screen::tell(format!("sending, as {}", self.id));
        }
        let standing = transfers.send(id, &self.order).await;
        let standing = standing.map_err(|source| self.unmade(source))?;
        if standing.is_final() {
            return Ok(standing);
        }
        if is_told {
            screen::tell(format!(
                "sent as {}; waiting for its block",
                standing.hash()
            ));
        }
        // Whether it is in a block is not known where the chain does not tell: then it waits.
        match transfers.finish(id, PATIENCE).await {
            Ok(Some(standing)) => Ok(standing),
            _ => Ok(standing),
        }
    }

    fn amount(&self) -> String {
        self.token.currency().display(self.order.amount)
    }

    fn fee(&self, fee: Amount) -> String {
        let price = self.fee_token.currency().display(fee);
        format!("{price}, in {}", self.fee_token.symbol)
    }

    fn on(&self) -> String {
        format!("{}, chain {}", self.network.name(), self.network.chain())
    }

    fn unmade(&self, source: TransferError) -> ChainError {
        unmade(&self.id, source, &[self.token, self.fee_token])
    }
}
