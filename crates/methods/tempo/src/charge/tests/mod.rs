//! Calls and logs, matched with legs.

mod calls;
mod fixture;
mod logs;
