//! What is broken of what the guide to sessions says to both sides ([docs/sessions.md]).
//!
//! [docs/sessions.md]: ../../../../docs/sessions.md

use super::{DOMAIN, Mutant};

const SESSION: &[&str] = &["--package=farthing-core", "--test=session"];
const SEATS: &[&str] = &["--package=farthing-server", "--test=session"];
const RAIL: &[&str] = &["--package=farthing-server", "--test=session_rail"];
const PURSES: &[&str] = &["--package=farthing-client", "--test=session"];
const LEDGER: &[&str] = &["--package=farthing-ledger", "--test=ledger"];
const PAYER: &[&str] = &["--package=farthing-tempo", "--test=session_payer"];

pub(super) const PROMISES: &[Mutant] = &[
    Mutant {
        name: "promised: an equal voucher buys for nothing",
        file: "crates/core/src/intent/session/channel.rs",
        find: "            charge: self.charge(price),",
        replace: "            charge: match voucher.added.is_zero() {
                true => Ok(self.balance()),
                false => self.charge(price),
            },",
        killers: &[SESSION],
    },
    Mutant {
        name: "promised: a close of the second protocol takes what was signed",
        file: "crates/core/src/intent/session/chain.rs",
        find: "(Some(_), Protocol::V2) => self.spent,",
        replace: "(Some(voucher), Protocol::V2) => voucher.cumulative(),",
        killers: &[SESSION],
    },
    Mutant {
        name: "promised: a request to close on the rail stops no service",
        file: "crates/core/src/intent/session/channel.rs",
        find: "Standing::CloseRequested(_) => Err(Refused::CloseRequested),",
        replace: "Standing::CloseRequested(_) => Ok(()),",
        killers: &[SESSION],
    },
    Mutant {
        name: "promised: by the first protocol a voucher may be as far ahead as the deposit",
        file: "crates/core/src/intent/session/rule.rs",
        find: "let most = more(needed, ahead.allowance);",
        replace: "let most = more(needed, ahead.allowance).max(self.deposit);",
        killers: &[SESSION],
    },
    Mutant {
        name: "promised: an idempotency key fetches what another request bought",
        file: "crates/core/src/domain/calls.rs",
        find: "if self.whole != *whole {",
        replace: "if self.whole != *whole && self.attempts == 0 {",
        killers: &[DOMAIN],
    },
    Mutant {
        name: "promised: only what a payer has unsettled is capped, and not all of it",
        file: "crates/core/src/domain/channels/exposure.rs",
        find: "add(self.total_counter(), self.in_total),",
        replace: "add(self.total_counter(), Worth::UNLIMITED),",
        killers: &[DOMAIN],
    },
    Mutant {
        name: "promised: a 402 tells of a channel to whoever can name it",
        file: "crates/server/src/session/admit.rs",
        find: "let voucher = live.check(&said).map_err(Refused::Method)?;",
        replace: "let voucher = live.check(&said).map_err(|error| Halt {
            refused: Refused::Method(error),
            about: Some(Arc::clone(&live)),
        })?;",
        killers: &[SEATS],
    },
    Mutant {
        name: "promised: a HEAD is charged",
        file: "crates/server/src/gate/asked.rs",
        find: "        if self.method == Method::HEAD {
            return false;
        }
",
        replace: "",
        killers: &[SEATS],
    },
    Mutant {
        name: "promised: vouchers that pay for nothing are not limited",
        file: "crates/server/src/session/live/mod.rs",
        find: "lock(&self.allowance).take(now)",
        replace: "lock(&self.allowance).take(now).or(Ok(()))",
        killers: &[SEATS],
    },
    Mutant {
        name: "promised: whoever names a channel closes it",
        file: "crates/server/src/session/close.rs",
        find: "let voucher = verifier.check(said)?;",
        replace: "let voucher = verifier.check(said).or_else(|refusal| {
            let protocol = farthing_core::intent::session::Protocol::V2;
            Voucher::new(protocol, said.cumulative, said.signature).map_err(|_| refusal)
        })?;",
        killers: &[RAIL, SEATS],
    },
    Mutant {
        name: "promised: a receipt that says more than was owed is believed",
        file: "crates/client/src/session/receipt.rs",
        find: "if said.spent <= allowed && said.accepted <= signed {",
        replace: "if said.accepted <= signed.max(said.spent).max(allowed) {",
        killers: &[PURSES],
    },
    Mutant {
        name: "promised: a channel in dispute goes on paying",
        file: "crates/client/src/session/count.rs",
        find: "if let Some(why) = &held.record.dispute {",
        replace: "if let Some(why) = held.record.dispute.as_ref().filter(|why| why.is_empty()) {",
        killers: &[PURSES],
    },
    Mutant {
        name: "promised: vouchers go ahead in a channel of the first protocol",
        file: "crates/client/src/session/count.rs",
        find: "if purse.protocol == Protocol::V2 {",
        replace: "if purse.protocol == Protocol::V2 || purse.protocol == Protocol::V1 {",
        killers: &[PURSES],
    },
    Mutant {
        name: "promised: a deposit has no bound but the budgets",
        file: "crates/client/src/session/lock.rs",
        find: "let mut most = cap.min(room);",
        replace: "let mut most = room;",
        killers: &[PURSES],
    },
    Mutant {
        name: "promised: a voucher on a ledger is good for any channel of its signer",
        file: "crates/methods/ledger/src/session/signed.rs",
        find: "format!(\"{VOUCHER}\\n{channel}\\n{cumulative}\\n{realm}\")",
        replace: "{
        let _ = channel;
        format!(\"{VOUCHER}\\n{cumulative}\\n{realm}\")
    }",
        killers: &[LEDGER],
    },
    Mutant {
        name: "promised: a buyer on Tempo locks in whatever contract a seller names",
        file: "crates/methods/tempo/src/session/payer/offer.rs",
        find: "escrow.protocol == protocol && named.is_none_or(|named| named == escrow.contract)",
        replace: "escrow.protocol == protocol && named.is_none_or(|named| !named.is_zero())",
        killers: &[PAYER],
    },
];
