//! The operator's view of the books: balances and statements.

use std::{fmt, sync::Arc};

use farthing_core::{
    bounds,
    port::backend::{Backend, Key, Partition, Range, StoreError, Table},
    value::{Amount, CurrencyCode},
};

use crate::{
    account::Account,
    books::{BALANCES, HELD},
    currency::Currencies,
    entry::{ENTRIES, Entry, Holder},
    transfer::TransferId,
};

/// The accounts of a ledger, in the store that its payments are in.
///
/// Whoever has this can create money, so it stays with the operator: nothing here is reached from
/// a request.
#[derive(Clone)]
pub struct Accounts {
    pub(crate) backend: Arc<dyn Backend>,
    currencies: Currencies,
}

/// What an account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What may be spent.
    pub available: Amount,
    /// What is set aside for payments that are not settled.
    pub held: Amount,
}

/// Why an operation on accounts was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The ledger does not count this currency.
    #[error("the ledger has no currency {0}")]
    Currency(CurrencyCode),
    /// Nothing would move.
    #[error("an amount of nothing moves nothing")]
    Zero,
    /// The account has too little. What is held does not count.
    #[error("the account has less than {0}")]
    Short(Amount),
    /// The ledger would hold more than it can count.
    #[error("the ledger cannot count this much")]
    Overflow,
    /// The id was used for another account, currency or amount.
    #[error("the transfer {0} was made before, and was another one")]
    Reused(TransferId),
    /// The store failed. After [`StoreError::InDoubt`], repeat with the same id.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// The accounts in a backend, counted in these currencies.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, currencies: Currencies) -> Self {
        Self {
            backend,
            currencies,
        }
    }

    /// What an account has. One that was never paid has nothing.
    ///
    /// The two numbers are read one after the other: while payments are going on they may be of
    /// two moments.
    ///
    /// # Errors
    /// When the currency is unknown or the store fails.
    pub async fn balance(
        &self,
        account: &Account,
        currency: &CurrencyCode,
    ) -> Result<Balance, LedgerError> {
        let key = Holder::from(account).key(self.known(currency)?);
        Ok(Balance {
            available: amount(self.counter(BALANCES, &key).await?)?,
            held: amount(self.counter(HELD, &key).await?)?,
        })
    }

    /// What moved on an account, the newest first, going on after the last entry of the page
    /// before. At most [`bounds::PAGE`] entries.
    ///
    /// # Errors
    /// When the currency is unknown or the store fails.
    pub async fn statement(
        &self,
        account: &Account,
        currency: &CurrencyCode,
        after: Option<&Entry>,
        limit: usize,
    ) -> Result<Vec<Entry>, LedgerError> {
        let group = Holder::from(account).key(self.known(currency)?);
        self.entries(group, after, limit).await
    }

    /// What was put in and paid out, over all accounts, the newest first, going on after the last
    /// entry of the page before. At most [`bounds::PAGE`] entries; the counterparty of each is the
    /// account. An account that was only ever paid by others stands in none.
    ///
    /// # Errors
    /// When the currency is unknown or the store fails.
    pub async fn fundings(
        &self,
        currency: &CurrencyCode,
        after: Option<&Entry>,
        limit: usize,
    ) -> Result<Vec<Entry>, LedgerError> {
        let group = Holder::Operator.key(self.known(currency)?);
        self.entries(group, after, limit).await
    }

    /// Everything these accounts have, less what the operator put in: zero where they are all the
    /// accounts there are and nobody pays meanwhile. Anything else is an error in the books.
    ///
    /// # Errors
    /// When the currency is unknown or the store fails.
    pub async fn total(
        &self,
        currency: &CurrencyCode,
        accounts: &[Account],
    ) -> Result<i128, LedgerError> {
        let equity = Holder::Operator.key(self.known(currency)?);
        let mut total = self.counter(BALANCES, &equity).await?;
        for account in accounts {
            let key = Holder::from(account).key(currency);
            total += self.counter(BALANCES, &key).await? + self.counter(HELD, &key).await?;
        }
        Ok(total)
    }

    async fn entries(
        &self,
        group: Key,
        after: Option<&Entry>,
        limit: usize,
    ) -> Result<Vec<Entry>, LedgerError> {
        let range = Range {
            partition: Partition::Store,
            table: ENTRIES,
            group,
            before: u64::MAX,
            after: after.map(|entry| (entry.at.as_millis(), entry.key())),
            newest_first: true,
            limit: limit.min(bounds::PAGE),
        };
        let rows = self.backend.range(range).await?;
        Ok(rows.iter().map(Entry::read).collect::<Result<_, _>>()?)
    }

    async fn counter(&self, table: Table, key: &Key) -> Result<i128, StoreError> {
        match self.backend.get(&Partition::Store, table, key).await? {
            Some(row) => row.counter().ok_or_else(damaged),
            None => Ok(0),
        }
    }

    pub(crate) fn known<'a>(
        &self,
        currency: &'a CurrencyCode,
    ) -> Result<&'a CurrencyCode, LedgerError> {
        match self.currencies.find(currency) {
            Some(_) => Ok(currency),
            None => Err(LedgerError::Currency(currency.clone())),
        }
    }
}

fn amount(counter: i128) -> Result<Amount, StoreError> {
    u128::try_from(counter)
        .map(Amount::new)
        .map_err(|_| damaged())
}

fn damaged() -> StoreError {
    StoreError::Corrupt("a balance is no amount".into())
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts")
    }
}
