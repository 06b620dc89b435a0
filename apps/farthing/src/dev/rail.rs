//! What the demo is paid on: a ledger in the shop's own store, or a chain of its own.

use std::sync::Arc;

use farthing::{
    clock::SystemClock,
    core::{
        port::{backend::Backend, clock::Clock, method::Charge, session::Session},
        value::{Amount, Currency, CurrencyCode, Reference},
    },
    evm::Address,
    ledger::{Account, Accounts, Currencies, Funding, Ledger, LedgerSessions, TransferId},
    tempo::{Token, session::TempoSession},
};

use super::chain::Chain;
use crate::{error::Error, keystore::Keystore};

/// What the demo's wallet begins with: $10.
const FUNDS: Amount = Amount::new(10_000_000);

/// What the seller on a chain begins with: $1.
const FLOAT: Amount = Amount::new(1_000_000);

/// Who pays whom, and where.
pub(super) enum Rail {
    Ledger {
        accounts: Accounts,
        buyer: Account,
        seller: Account,
    },
    Chain {
        chain: Box<Chain>,
        buyer: Address,
        seller: Address,
        sessions: Arc<TempoSession>,
    },
}

/// What the buyer and the seller have.
#[derive(Clone, Copy)]
pub(super) struct Balances {
    pub(super) buyer: Amount,
    pub(super) seller: Amount,
}

/// What the rail took for itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Fees {
    pub(super) buyer: Amount,
    pub(super) seller: Amount,
}

impl Rail {
    /// Accounts in a store.
    pub(super) fn ledger(backend: Arc<dyn Backend>, buyer: Account, seller: Account) -> Self {
        Self::Ledger {
            accounts: Accounts::new(backend, Currencies::default()),
            buyer,
            seller,
        }
    }

    /// The payment method of the shop.
    pub(super) fn method(&self) -> Result<Arc<dyn Charge>, Error> {
        Ok(match self {
            Self::Ledger { seller, .. } => Arc::new(Ledger::new(seller.clone())),
            Self::Chain { chain, seller, .. } => Arc::new(chain.method(*seller)?),
        })
    }

    /// The channels of the shop.
    pub(super) fn sessions(&self, backend: Arc<dyn Backend>) -> Arc<dyn Session> {
        match self {
            Self::Ledger { seller, .. } => {
                let ledger = Ledger::new(seller.clone());
                let clock = Arc::new(SystemClock);
                Arc::new(LedgerSessions::new(ledger, backend, clock))
            }
            Self::Chain { sessions, .. } => sessions.clone(),
        }
    }

    /// Puts the demo's money into the wallet, once.
    pub(super) async fn fund(&self, keystore: &Keystore) -> Result<(), Error> {
        match self {
            Self::Ledger {
                accounts, buyer, ..
            } => {
                let funding = Funding {
                    id: TransferId::new("demo-funds").expect("it is visible ASCII"),
                    account: buyer.clone(),
                    currency: dollar(),
                    amount: FUNDS,
                    at: SystemClock.now(),
                };
                accounts.deposit(&funding).await?;
                Ok(())
            }
            Self::Chain {
                chain,
                buyer,
                seller,
                ..
            } => {
                chain.fund(*buyer, FUNDS, keystore).await?;
                // Who closes channels on a chain pays the fee of it.
                chain.fund(*seller, FLOAT, keystore).await
            }
        }
    }

    pub(super) async fn balances(&self) -> Result<Balances, Error> {
        Ok(match self {
            Self::Ledger {
                accounts,
                buyer,
                seller,
            } => Balances {
                buyer: accounts.balance(buyer, &dollar()).await?.available,
                seller: accounts.balance(seller, &dollar()).await?.available,
            },
            Self::Chain {
                chain,
                buyer,
                seller,
                ..
            } => Balances {
                buyer: chain.balance(*buyer).await?,
                seller: chain.balance(*seller).await?,
            },
        })
    }

    /// What the rail took for a transaction.
    pub(super) async fn fee(&self, reference: Option<&Reference>) -> Result<Amount, Error> {
        let Self::Chain { chain, .. } = self else {
            return Ok(Amount::ZERO);
        };
        let hash = reference.and_then(|reference| reference.as_str().parse().ok());
        let hash = hash.ok_or(Error::Demo("the receipt names no transaction"))?;
        chain.fee(hash).await
    }

    /// What is counted.
    pub(super) fn currencies(&self) -> Vec<Currency> {
        match self {
            Self::Ledger { .. } => Currencies::default().iter().cloned().collect(),
            Self::Chain { chain, .. } => {
                let tokens = chain.network().tokens().iter();
                tokens.map(Token::currency).collect()
            }
        }
    }

    /// The demo's money, by the name it has beside its amounts.
    pub(super) fn money(&self) -> Result<Currency, Error> {
        match self {
            Self::Ledger { .. } => {
                let currencies = Currencies::default();
                let found = currencies.iter().find(|currency| currency.code == dollar());
                found
                    .cloned()
                    .ok_or(Error::Demo("its ledger has no dollar"))
            }
            Self::Chain { chain, .. } => Ok(Currency {
                symbol: chain.token().symbol.as_str().into(),
                ..chain.token().currency()
            }),
        }
    }

    /// Who pays.
    pub(super) fn payer(&self) -> String {
        match self {
            Self::Ledger { buyer, .. } => buyer.to_string(),
            Self::Chain { buyer, .. } => buyer.to_string(),
        }
    }

    /// The chain, where there is one.
    pub(super) fn chain(&self) -> Option<&Chain> {
        match self {
            Self::Ledger { .. } => None,
            Self::Chain { chain, .. } => Some(chain),
        }
    }
}

fn dollar() -> CurrencyCode {
    CurrencyCode::new("usd6").expect("it is a currency of the ledger")
}
