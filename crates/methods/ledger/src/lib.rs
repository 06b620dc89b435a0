//! The ledger rail: accounts and transfers kept in the seller's own store.
//!
//! A buyer's account is a `did:key`. The operator credits it with money received elsewhere, the
//! buyer pays by signing, and a payment is a few rows, written in the same batch as the payment's
//! state. There is no chain and no processor, so a charge can be a millionth of a dollar.
//!
//! ```
//! use std::sync::Arc;
//! use farthing_core::{memory::MemoryBackend, value::{Amount, CurrencyCode, Timestamp}};
//! use farthing_ledger::{AccountKey, Accounts, Currencies, Funding, KeyType, TransferId};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let accounts = Accounts::new(Arc::new(MemoryBackend::new()), Currencies::default());
//! let buyer = AccountKey::from_seed(KeyType::Ed25519, [7; 32])?;
//! let dollar = CurrencyCode::new("usd6")?;
//! let deposit = Funding {
//!     id: TransferId::new("invoice-17")?,
//!     account: buyer.account().clone(),
//!     currency: dollar.clone(),
//!     amount: Amount::new(5_000_000),
//!     at: Timestamp::from_secs(1_800_000_000),
//! };
//! accounts.deposit(&deposit).await?;
//! // Not sure whether it went through? The same id never counts twice.
//! accounts.deposit(&deposit).await?;
//! let balance = accounts.balance(buyer.account(), &dollar).await?;
//! assert_eq!(balance.available.to_decimal(6), "5");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Ledger`] is the seller's side of charges, [`LedgerPayer`] the buyer's; [`LedgerSessions`] and
//! [`LedgerSessionPayer`] those of sessions. The crate is also the worked
//! example of a method; `docs/writing-a-method.md` walks through it.

mod account;
mod accounts;
mod authorization;
mod books;
mod currency;
mod entry;
mod funding;
mod key;
mod ledger;
mod payer;
mod session;
mod transfer;

pub use account::{Account, AccountError};
pub use accounts::{Accounts, Balance, LedgerError};
pub use authorization::Authorization;
pub use currency::{Currencies, CurrencyError, method};
pub use entry::{Entry, Kind, Side};
pub use funding::{Funded, Funding};
pub use key::{AccountKey, KeyError, KeyType};
pub use ledger::Ledger;
pub use payer::LedgerPayer;
pub use session::{
    ChannelDescriptor, ChannelLock, LedgerSessionPayer, LedgerSessions, Salt, voucher_text,
};
pub use transfer::{TransferId, TransferIdError};

/// The guide's examples, run with the others.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/writing-a-method.md")]
struct Guide;

/// The page's example.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/ledger.md")]
struct Page;
