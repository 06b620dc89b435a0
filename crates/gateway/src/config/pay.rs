//! How a gateway is paid, and where it keeps that.

use std::path::PathBuf;

use farthing::ledger::Account;

use super::{SecretFrom, SessionPay, TempoPay};

/// The ways to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pay {
    /// The ledger in the gateway's own store.
    pub ledger: Option<LedgerPay>,
    /// Stablecoins on Tempo.
    pub tempo: Option<TempoPay>,
    /// What holds for sessions, on whatever rail.
    pub session: SessionPay,
    /// The secret that challenges are signed with. Without one it is made once, beside the store.
    pub secret: Option<SecretFrom>,
}

/// Paid on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerPay {
    /// The account of the seller.
    pub account: Account,
    /// Whether channels are kept in its books.
    pub session: bool,
}

impl Pay {
    /// Whether requests can be paid for out of channels.
    #[must_use]
    pub fn takes_sessions(&self) -> bool {
        let on_chain = self
            .tempo
            .as_ref()
            .is_some_and(|tempo| tempo.session.is_some());
        on_chain || self.ledger.as_ref().is_some_and(|ledger| ledger.session)
    }
}

/// Where payments are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Store {
    /// One SQLite file.
    Sqlite(PathBuf),
}
