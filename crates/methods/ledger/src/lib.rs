//! The ledger rail: accounts and transfers kept in the seller's own store.
