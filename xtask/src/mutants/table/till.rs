//! What is broken of the money of sessions: funding, watching, settling, closing.

use super::{DOMAIN, Mutant};

const RAIL: &[&str] = &["--package=farthing-server", "--test=session_rail"];
const SILENCE: &[&str] = &["--package=farthing-server", "--lib", "session::silence"];

pub(super) const TILL: &[Mutant] = &[
    Mutant {
        name: "the till: what is too little is sent all the same",
        file: "crates/server/src/session/fund/mod.rs",
        find: "if checked.amount < least {",
        replace: "if checked.amount.is_zero() {",
        killers: &[RAIL],
    },
    Mutant {
        name: "the till: a payer opens as many channels as it likes",
        file: "crates/server/src/session/fund/mod.rs",
        find: "debits.push(self.opening(&checked.terms, now));",
        replace: "let _ = self.opening(&checked.terms, now);",
        killers: &[RAIL],
    },
    Mutant {
        name: "the till: an end that we brought about is booked as a loss",
        file: "crates/server/src/session/settle/job.rs",
        find: "settled: Some(item.pays()),",
        replace: "settled: None,",
        killers: &[RAIL],
    },
    Mutant {
        name: "the till: a channel is handed in beside what is under way",
        file: "crates/server/src/session/settle/due.rs",
        find: "if busy.contains(&entry.channel) {",
        replace: "if busy.len() > bounds::PAGE {",
        killers: &[RAIL],
    },
    Mutant {
        name: "the till: a process begins with the newest block",
        file: "crates/server/src/session/watch.rs",
        find: "Some(block) => block,\n            // Taken",
        replace: "Some(_) => self.news(rail, None).await?.block,\n            // Taken",
        killers: &[RAIL],
    },
    Mutant {
        name: "the till: an old block that is told again is no silence",
        file: "crates/server/src/session/silence.rs",
        find: "let since = heard.at.min(heard.told_at);",
        replace: "let since = heard.told_at;",
        killers: &[SILENCE],
    },
    Mutant {
        name: "the till: a close does not wait for what is being served",
        file: "crates/server/src/session/settle/policy.rs",
        find: "patience.filter(|patience| now < *patience)",
        replace: "patience.filter(|_| false)",
        killers: &[RAIL],
    },
    Mutant {
        name: "the till: an end is counted by each who hears of it",
        file: "crates/core/src/domain/settlements/ends.rs",
        find: "if is_new {",
        replace: "if is_new || !end.lost.is_zero() {",
        killers: &[DOMAIN],
    },
    Mutant {
        name: "the till: a settler whose time is over hands in",
        file: "crates/core/src/domain/settlements/jobs.rs",
        find: "self.commit(vec![lease.guard()], vec![write])",
        replace: "self.commit(Vec::from_iter((lease.fence == 0).then(|| lease.guard())), vec![write])",
        killers: &[DOMAIN],
    },
    Mutant {
        name: "the till: how a channel ended is forgotten before the channel",
        file: "crates/server/src/session/prune.rs",
        find: "if self.0.channels.load(&past.channel).await?.is_none() {",
        replace: "if !past.channel.as_str().is_empty() {",
        killers: &[RAIL],
    },
    Mutant {
        name: "the till: a channel is forgotten while a call on it is promised",
        file: "crates/server/src/session/prune.rs",
        find: "promised.filter(|until| *until > self.now())",
        replace: "promised.filter(|_| false)",
        killers: &[RAIL],
    },
    Mutant {
        name: "a ledger: a channel with a salt of any age is opened",
        file: "crates/methods/ledger/src/session/seller.rs",
        find: "if opens && !channel.salt.fits(lock.valid_until) {",
        replace: "if opens && false {",
        killers: &[&["--package=farthing-ledger", "--test=ledger"]],
    },
    Mutant {
        name: "a stream: it goes on beside a newer one of another process",
        file: "crates/core/src/intent/session/channel.rs",
        find: "Some(_) => Err(Refused::Replaced),",
        replace: "Some(number) => Ok(number),",
        killers: &[&["--package=farthing-server", "--test=session_stream"]],
    },
    Mutant {
        name: "the till: an operator's till settles what is due",
        file: "crates/server/src/session/on_demand.rs",
        find: "(settle.age, settle.idle) = (NEVER, NEVER);",
        replace: "let _ = NEVER;",
        killers: &[RAIL],
    },
    Mutant {
        name: "the till: one process that is gone is all of them",
        file: "crates/core/src/domain/presence.rs",
        find: "others.clone().all(is_over)",
        replace: "others.clone().any(is_over)",
        killers: &[DOMAIN],
    },
];
