//! `farthing ledger`: the accounts of a seller's ledger, and money in and out.

mod args;

use std::{path::Path, sync::Arc};

use farthing::{
    clock::SystemClock,
    core::{
        port::{backend::Backend, clock::Clock},
        value::{Currency, Did, Timestamp},
    },
    ledger::{
        Account, Accounts, Balance, Currencies, Entry, Funded, Funding, Kind, LedgerError, Side,
        TransferId,
    },
};
use serde_json::{Value, json};

use super::{OperatorError, PAGE, Store, put};
use crate::{
    error::Error,
    exit::Exit,
    keystore::random_name,
    screen::{self, Paint, clean},
};

pub(crate) use args::Args;
use args::{History, Transfer};

/// The ledger of a store, as its operator sees it.
struct Ledger {
    accounts: Accounts,
    currencies: Currencies,
    store: Store,
}

pub(crate) async fn run(command: Args) -> Result<Exit, Error> {
    let at = match &command {
        Args::Deposit(it) | Args::Withdraw(it) => &it.store,
        Args::Balance { store, .. } | Args::Accounts { store, .. } => store,
        Args::History(history) => &history.store,
    };
    let store = at.open()?;
    let currencies = Currencies::default();
    let ledger = Ledger {
        accounts: Accounts::new(store.backend(), currencies.clone()),
        currencies,
        store,
    };
    let done = match command {
        Args::Deposit(transfer) => ledger.fund(transfer, Kind::Deposit).await,
        Args::Withdraw(transfer) => ledger.fund(transfer, Kind::Withdrawal).await,
        Args::Balance { account, json, .. } => {
            balance(ledger.store.backend(), &ledger.store.path, &account, json).await
        }
        Args::Accounts { limit, json, .. } => ledger.list(limit.into(), json).await,
        Args::History(history) => ledger.history(&history).await,
    };
    ledger.store.file.close().await;
    done
}

/// Shows what an account has in a store, in each currency.
pub(crate) async fn balance(
    store: Arc<dyn Backend>,
    path: &Path,
    account: &Account,
    json: bool,
) -> Result<Exit, Error> {
    let currencies = Currencies::default();
    let accounts = Accounts::new(store, currencies.clone());
    let mut balances = Vec::new();
    for currency in currencies.iter() {
        let balance = accounts.balance(account, &currency.code).await?;
        balances.push((currency, balance));
    }
    if json {
        let balances = balances.iter().map(|(currency, it)| told(currency, *it));
        return put(json!({
            "account": account.to_string(),
            "store": path.display().to_string(),
            "balances": balances.collect::<Vec<_>>(),
        }));
    }
    for (currency, Balance { available, held }) in balances {
        put(currency.display(available))?;
        if !held.is_zero() {
            screen::tell(format!(
                "and {} held for payments under way",
                currency.display(held)
            ));
        }
    }
    Ok(Exit::Done)
}

impl Ledger {
    async fn fund(&self, transfer: Transfer, kind: Kind) -> Result<Exit, Error> {
        let Transfer {
            account,
            amount: price,
            id,
            json,
            ..
        } = transfer;
        let unit = price.unit().as_str();
        let mut known = self.currencies.iter();
        let currency = known.find(|currency| *currency.symbol == *unit);
        let currency = currency.ok_or_else(|| Error::Usage {
            what: format!("the ledger counts no {unit}"),
            next: "write the amount in dollars, for example '$5'",
        })?;
        let amount = price.in_currency(currency)?;
        let is_ours = id.is_none();
        let id = match id {
            Some(id) => id,
            None => TransferId::new(random_name()?).expect("base64url is visible ASCII"),
        };
        let funding = Funding {
            id: id.clone(),
            account: account.clone(),
            currency: currency.code.clone(),
            amount,
            at: SystemClock.now(),
        };
        let funded = match kind {
            Kind::Withdrawal => self.accounts.withdraw(&funding).await,
            _ => self.accounts.deposit(&funding).await,
        };
        let funded = funded.map_err(|source| match source {
            LedgerError::Short(_) => OperatorError::Short(currency.display(amount)),
            source => OperatorError::Funding {
                id: id.clone(),
                source,
            },
        })?;
        let balance = self.accounts.balance(&account, &currency.code).await?;
        let is_new = funded == Funded::Now;
        if json {
            let mut told = told(currency, balance);
            told["account"] = json!(account.to_string());
            told["store"] = json!(self.store.told());
            told["id"] = json!(id);
            told["kind"] = json!(kind);
            told["amount"] = json!(amount);
            told["booked"] = json!(if is_new { "now" } else { "before" });
            return put(told);
        }
        let what = match (kind, is_new) {
            (Kind::Withdrawal, true) => "withdrawn",
            (Kind::Withdrawal, false) => "withdrawn before",
            (_, true) => "deposited",
            (_, false) => "deposited before",
        };
        let rows = [
            (what, currency.display(amount)),
            ("account", account.to_string()),
            ("has now", currency.display(balance.available)),
            ("id", id.to_string()),
        ];
        put(screen::rows(Paint::for_stdout(), 0, &rows))?;
        if is_ours {
            screen::hint("the same --id is booked once, however often it is repeated");
        }
        Ok(Exit::Done)
    }

    async fn list(&self, limit: usize, json: bool) -> Result<Exit, Error> {
        let mut listed = Vec::new();
        let mut is_all = true;
        for currency in self.currencies.iter() {
            let (found, is_whole) = self.funded(currency, limit).await?;
            is_all &= is_whole;
            for did in found {
                // What stands in the books was an account when it was written.
                let Ok(account) = Account::parse(did.as_str()) else {
                    continue;
                };
                let balance = self.accounts.balance(&account, &currency.code).await?;
                listed.push((account, currency, balance));
            }
        }
        if json {
            let accounts = listed.iter().map(|(account, currency, balance)| {
                let mut told = told(currency, *balance);
                told["account"] = json!(account.to_string());
                told
            });
            return put(json!({
                "store": self.store.told(),
                "accounts": accounts.collect::<Vec<_>>(),
                "all": is_all,
            }));
        }
        if listed.is_empty() {
            screen::tell("no account was funded yet");
            screen::hint("farthing ledger deposit ACCOUNT '$5' --store FILE");
            return Ok(Exit::Done);
        }
        let rows: Vec<_> = listed
            .iter()
            .map(|(account, currency, balance)| {
                [
                    currency.display(balance.available),
                    currency.display(balance.held),
                    account.to_string(),
                ]
            })
            .collect();
        let head = ["AVAILABLE", "HELD", "ACCOUNT"];
        put(screen::table(Paint::for_stdout(), head, &rows))?;
        if !is_all {
            screen::hint("there are more: --limit shows them");
        }
        Ok(Exit::Done)
    }

    /// The accounts that were funded in a currency, the latest first, each once; and whether they
    /// are all.
    async fn funded(&self, currency: &Currency, limit: usize) -> Result<(Vec<Did>, bool), Error> {
        let mut found: Vec<Did> = Vec::new();
        let mut last: Option<Entry> = None;
        loop {
            let page = self.accounts.fundings(&currency.code, last.as_ref(), PAGE);
            let page = page.await?;
            for did in page.iter().filter_map(|entry| entry.counterparty.as_ref()) {
                if found.contains(did) {
                    continue;
                }
                if found.len() == limit {
                    return Ok((found, false));
                }
                found.push(did.clone());
            }
            match page.into_iter().last() {
                Some(entry) => last = Some(entry),
                None => return Ok((found, true)),
            }
        }
    }

    async fn history(&self, history: &History) -> Result<Exit, Error> {
        let since = history.since.map(|when| when.at(SystemClock.now()));
        let since = since.unwrap_or(Timestamp::EPOCH);
        let mut entries = Vec::new();
        for currency in self.currencies.iter() {
            let found = self.entries(&history.account, currency, since, history.limit.into());
            entries.extend(found.await?.into_iter().map(|entry| (currency, entry)));
        }
        if history.json {
            let entries = entries.iter().map(|(currency, entry)| {
                json!({
                    "transfer": entry.transfer,
                    "at": entry.at,
                    "kind": entry.kind,
                    "side": entry.side,
                    "amount": entry.amount,
                    "currency": currency.code,
                    "decimals": currency.decimals,
                    "counterparty": entry.counterparty,
                })
            });
            return put(json!({
                "account": history.account.to_string(),
                "store": self.store.told(),
                "entries": entries.collect::<Vec<_>>(),
            }));
        }
        if entries.is_empty() {
            screen::tell("nothing moved");
            return Ok(Exit::Done);
        }
        let is_full = entries.len() >= history.limit.into();
        let rows: Vec<_> = entries.iter().map(row).collect();
        let head = ["AT", "KIND", "AMOUNT", "TRANSFER"];
        put(screen::table(Paint::for_stdout(), head, &rows))?;
        if is_full {
            screen::hint("there may be more: --limit shows them");
        }
        Ok(Exit::Done)
    }

    async fn entries(
        &self,
        account: &Account,
        currency: &Currency,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        while entries.len() < limit {
            let most = PAGE.min(limit - entries.len());
            let page = self
                .accounts
                .statement(account, &currency.code, entries.last(), most)
                .await?;
            let is_last = page.len() < most;
            let before = entries.len();
            entries.extend(page.into_iter().take_while(|entry| entry.at >= since));
            if is_last || entries.len() < before + most {
                break;
            }
        }
        Ok(entries)
    }
}

fn row((currency, entry): &(&Currency, Entry)) -> [String; 4] {
    let sign = match entry.side {
        Side::In => '+',
        Side::Out => '-',
    };
    let kind = match entry.kind {
        Kind::Payment => "payment",
        Kind::Refund => "refund",
        Kind::Deposit => "deposit",
        Kind::Withdrawal => "withdrawal",
        _ => "other",
    };
    [
        entry.at.whole_secs().to_string(),
        kind.to_owned(),
        format!("{sign}{}", currency.display(entry.amount)),
        clean(entry.transfer.as_str()).into_owned(),
    ]
}

fn told(currency: &Currency, balance: Balance) -> Value {
    json!({
        "method": currency.rail,
        "currency": currency.code,
        "decimals": currency.decimals,
        "symbol": currency.symbol,
        "available": balance.available,
        "held": balance.held,
    })
}
