//! What is broken of the channels that a client pays out of.

use super::Mutant;

const PURSES: &[&str] = &["--package=farthing-client", "--test=session"];

pub(super) const PURSE: &[Mutant] = &[
    Mutant {
        name: "a purse: a voucher leaves that no budget counted",
        file: "crates/client/src/session/count.rs",
        find: "false => self.debits(host, &currency, charged, now).await?,",
        replace: "false => Vec::new(),",
        killers: &[PURSES],
    },
    Mutant {
        name: "a purse: a receipt from before the charge says that it was free",
        file: "crates/client/src/session/keeper.rs",
        find: "false => more(told.spent, cost).max(purse.due()),",
        replace: "false => less(told.spent, less(cost, cost)),",
        killers: &[PURSES],
    },
    Mutant {
        name: "a purse: what was never taken stays in the budgets",
        file: "crates/client/src/session/mend.rs",
        find: "writes.extend(booked::give_back(&mut purse));",
        replace: "let _ = booked::give_back(&mut purse);",
        killers: &[PURSES],
    },
    Mutant {
        name: "a purse: a seller frees budgets by what it says that it took",
        file: "crates/client/src/session/close.rs",
        find: "spent.max(held.record.sure()).min(held.record.signed)",
        replace: "spent.min(held.record.signed)",
        killers: &[PURSES],
    },
    Mutant {
        name: "a purse: an opening is given up while it may be booked",
        file: "crates/client/src/session/mend.rs",
        find: "if self.clock.now() < kept.valid_until.saturating_add(CLOCKS) {",
        replace: "if self.clock.now() < kept.valid_until && CLOCKS.is_zero() {",
        killers: &[PURSES],
    },
    Mutant {
        name: "a purse: the step is not weighed",
        file: "crates/client/src/session/offer.rs",
        find: "request.amount.max(least),",
        replace: "request.amount.max(least.min(Amount::ZERO)),",
        killers: &[PURSES],
    },
    Mutant {
        name: "a purse: a said top-up is erased",
        file: "crates/client/src/session/top_up.rs",
        find: "writes.clear();",
        replace: "writes.truncate(1);",
        killers: &[PURSES],
    },
    Mutant {
        name: "a purse: what a blind seller says counts",
        file: "crates/client/src/session/recover.rs",
        find: "let is_shown = sight != Sight::Blind;",
        replace: "let is_shown = true;",
        killers: &[PURSES],
    },
];
