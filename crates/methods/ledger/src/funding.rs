//! Money in and out, by the operator's word that it was received or paid elsewhere.

use farthing_core::{
    port::backend::{Batch, Commit, Guard, Partition, StoreError, Which, Write},
    value::{Amount, CurrencyCode, Timestamp},
};

use crate::{
    account::Account,
    accounts::{Accounts, LedgerError},
    books::{BALANCES, MOST, delta},
    entry::{ENTRIES, Entry, Holder, Kind, Side, Transfer},
    transfer::TransferId,
};

/// Money that comes in or goes out, by the operator's word that it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    /// The operator's id of it. A repeated one is done once.
    pub id: TransferId,
    /// Whose balance changes.
    pub account: Account,
    /// The currency.
    pub currency: CurrencyCode,
    /// How much.
    pub amount: Amount,
    /// When it happened.
    pub at: Timestamp,
}

/// What became of a deposit or a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Funded {
    /// It is done.
    Now,
    /// It was done before, under the same id.
    Before,
}

impl Accounts {
    /// Credits an account with money that the operator received.
    ///
    /// # Errors
    /// When the currency is unknown, the amount is nothing or too much, the id was used for
    /// another deposit, or the store fails.
    pub async fn deposit(&self, funding: &Funding) -> Result<Funded, LedgerError> {
        let (from, to) = (Holder::Operator, Holder::from(&funding.account));
        self.fund(funding, Kind::Deposit, from, to).await
    }

    /// Debits an account for money that the operator pays out. What is held cannot be withdrawn.
    ///
    /// # Errors
    /// As [`Accounts::deposit`], and when the account has too little.
    pub async fn withdraw(&self, funding: &Funding) -> Result<Funded, LedgerError> {
        let (from, to) = (Holder::from(&funding.account), Holder::Operator);
        self.fund(funding, Kind::Withdrawal, from, to).await
    }

    async fn fund(
        &self,
        funding: &Funding,
        kind: Kind,
        from: Holder<'_>,
        to: Holder<'_>,
    ) -> Result<Funded, LedgerError> {
        let currency = self.known(&funding.currency)?;
        let Funding { id, amount, at, .. } = funding;
        if amount.is_zero() {
            return Err(LedgerError::Zero);
        }
        let transfer = Transfer {
            id: id.clone(),
            kind,
            from,
            to,
            currency,
            amount: *amount,
            at: *at,
        };
        let mut batch = Batch::new(Partition::Store);
        let key = transfer.key(Side::In);
        batch.guards.push(Guard::Absent {
            table: ENTRIES,
            key,
        });
        batch.writes.push(book(from, &transfer, -1));
        batch.writes.push(book(to, &transfer, 1));
        batch.writes.extend(transfer.entries());
        match self.backend.commit(batch).await? {
            Commit::Committed => Ok(Funded::Now),
            Commit::Conflict(Which::Guard(_)) => self.same_as_before(&transfer).await,
            Commit::Conflict(Which::Write(_)) if kind == Kind::Withdrawal => {
                Err(LedgerError::Short(*amount))
            }
            Commit::Conflict(Which::Write(_)) => Err(LedgerError::Overflow),
        }
    }

    /// Whether the transfer that has this id already is the one that is asked for. The time may
    /// differ: a retry is later.
    async fn same_as_before(&self, transfer: &Transfer<'_>) -> Result<Funded, LedgerError> {
        for side in [Side::In, Side::Out] {
            let key = transfer.key(side);
            let row = self.backend.get(&Partition::Store, ENTRIES, &key).await?;
            let row = row.ok_or_else(|| StoreError::Corrupt("an entry went missing".into()))?;
            let group = row.place.as_ref().map(|place| &place.group);
            let same = group == Some(&transfer.place(side).group)
                && Entry::read(&row)?.amount == transfer.amount;
            if !same {
                return Err(LedgerError::Reused(transfer.id.clone()));
            }
        }
        Ok(Funded::Before)
    }
}

/// An account never falls below nothing; the operator's balance is never above it.
fn book(holder: Holder<'_>, transfer: &Transfer<'_>, sign: i128) -> Write {
    let (min, max) = match holder {
        Holder::Account(_) => (0, MOST),
        Holder::Operator => (-MOST, 0),
    };
    Write::Add {
        table: BALANCES,
        key: holder.key(transfer.currency),
        delta: delta(transfer.amount, sign),
        min,
        max,
    }
}
