//! Sessions on the ledger: deposits set aside in the seller's own books, and vouchers that say how
//! much of one may be taken.
//!
//! | | payer's balance | payer's held | payee's balance | statement |
//! |---|---|---|---|---|
//! | open, top-up | − | + | | |
//! | settle | | − | + | two entries |
//! | close | + what is left | − | + | two entries |
//!
//! So what is locked in channels is part of what is held, the sum over all accounts stays what was
//! put in, and a statement shows what was paid. Each step is one batch in the store's partition,
//! together with the row of each channel, under the name of what was signed or of the job: repeated,
//! it is found done.
//!
//! **Closing.** On a chain a payer can leave without its seller, after a wait. On a ledger the seller
//! keeps the books, and a payer that distrusts it has lost already. So nothing here is asked behind
//! the seller's back: a payer leaves by its signed `close`, which the server takes at any time, and
//! what was not spent is back on its account in the same batch.
//!
//! By the second protocol: a close captures what was spent, and its voucher may say more.

mod descriptor;
mod escrow;
mod forget;
mod payer;
mod payload;
mod row;
mod seller;
mod settle;
mod signed;

pub use descriptor::{ChannelDescriptor, Salt};
pub use payer::LedgerSessionPayer;
pub use seller::LedgerSessions;
pub use signed::{ChannelLock, voucher_text};
