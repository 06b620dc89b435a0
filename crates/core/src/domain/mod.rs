//! The domain ports: the verbs of a payment, written once over the storage kernel.
//!
//! | port | what it keeps |
//! |---|---|
//! | [`claims`] | records held under unique keys, with fences and debits |
//! | [`payments`] | a seller's payments: claims, and what is due when |
//! | [`receipts`] | what was paid, for as long as the owner wants |
//! | [`responses`] | answers that wait for their delivery |
//! | [`budgets`] | bounded counters over time |
//! | [`credit`] | what is served before value is known to have moved |
//! | [`channels`] | a seller's channels: vouchers and spend, each atomic by itself |
//! | [`calls`] | what makes a request that is repeated on a channel the same request |
//! | [`fundings`] | what opens a channel or locks more in it, until the channel's books show it |
//! | [`settlements`] | what is handed in for channels, and how they ended |
//! | [`losses`] | what a rail takes although nothing moved, by the hour |
//! | [`hours`] | counters that are of an hour or a day, and are forgotten when it is over |
//! | [`leases`] | who does a piece of work at the moment |

pub mod budgets;
pub mod calls;
pub mod channels;
pub mod claims;
pub mod credit;
pub mod fundings;
pub mod hours;
pub mod leases;
pub mod losses;
pub mod payments;
pub mod presence;
pub mod receipts;
pub mod responses;
pub mod settlements;
