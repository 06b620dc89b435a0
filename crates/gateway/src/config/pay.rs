//! How a gateway is paid, and where it keeps that.

use std::path::PathBuf;

use farthing::ledger::Account;

use super::{SecretFrom, TempoPay};

/// The ways to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pay {
    /// The ledger in the gateway's own store.
    pub ledger: Option<LedgerPay>,
    /// Stablecoins on Tempo.
    pub tempo: Option<TempoPay>,
    /// The secret that challenges are signed with. Without one it is made once, beside the store.
    pub secret: Option<SecretFrom>,
}

/// Paid on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerPay {
    /// The account of the seller.
    pub account: Account,
}

/// Where payments are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Store {
    /// One SQLite file.
    Sqlite(PathBuf),
}
