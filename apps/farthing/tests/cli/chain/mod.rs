//! Wallets on a chain, from outside: balances to the unit, as the chain has them.

mod fund;
mod inspect;
mod keys;
mod networks;
mod pay;
mod screens;
mod send;
mod world;
