//! What breaks a seller's channels on Tempo.

use super::Mutant;

const SELLER: &[&str] = &["--package=farthing-tempo", "--test=session"];

pub(super) const TEMPO_SESSIONS: &[Mutant] = &[
    Mutant {
        name: "a channel on Tempo: a descriptor need not hash to its channel",
        file: "crates/methods/tempo/src/session/server/hashed.rs",
        find: "Ok(channel) if channel.id() == id => {",
        replace: "Ok(channel) if !channel.id().is_zero() => {",
        killers: &[SELLER],
    },
    Mutant {
        name: "a channel on Tempo: of a known channel any descriptor is taken",
        file: "crates/methods/tempo/src/session/server/hashed.rs",
        find: "known.id() == id && *known.origin() == origin && known.escrow() == escrow",
        replace: "known.id() == id",
        killers: &[SELLER],
    },
    Mutant {
        name: "a channel on Tempo: one that pays somebody else is opened",
        file: "crates/methods/tempo/src/session/server/check.rs",
        find: "if open.payee != demand.recipient {",
        replace: "if open.payee.is_zero() {",
        killers: &[SELLER],
    },
    Mutant {
        name: "a channel on Tempo: anything may stand before an opening",
        file: "crates/methods/tempo/src/session/server/shape.rs",
        find: "Some(call) if !fits(call) => Err(self.wrong(\"another call before it\")),",
        replace: "Some(call) if !fits(call) => Ok(()),",
        killers: &[SELLER],
    },
    Mutant {
        name: "a channel on Tempo: a signature goes to the chain with any parity",
        file: "crates/methods/tempo/src/session/voucher.rs",
        find: ".find(|it| it.recover(digest) == Ok(signer))",
        replace: ".find(|it| it.recover(digest).is_ok() && !signer.is_zero())",
        killers: &[SELLER],
    },
    Mutant {
        name: "a channel on Tempo: a receipt without its event opens it",
        file: "crates/methods/tempo/src/session/server/fund.rs",
        find: "if !underway.is_done(receipt) {",
        replace: "if underway.is_done(receipt) && receipt.logs.is_empty() {",
        killers: &[SELLER],
    },
    Mutant {
        name: "a channel on Tempo: a receipt without its event settles it",
        file: "crates/methods/tempo/src/session/server/settle.rs",
        find: "items.iter().find(|item| !item.is_done(receipt))",
        replace: "items.iter().find(|item| item.is_done(receipt) && receipt.logs.is_empty())",
        killers: &[SELLER],
    },
    Mutant {
        name: "a channel on Tempo: one whose opening may still come is over",
        file: "crates/methods/tempo/src/session/ended.rs",
        find: "before.is_none_or(|before| block.time().as_secs() >= before)",
        replace: "before.is_none_or(|before| block.time().as_secs() >= before || before > 0)",
        killers: &[SELLER],
    },
    Mutant {
        name: "a channel on Tempo: what happens to it is asked of its payers' side",
        file: "crates/methods/tempo/src/session/server/look.rs",
        find: "topics: vec![None, None, None, Some(payee)],",
        replace: "topics: vec![None, None, Some(payee)],",
        killers: &[SELLER],
    },
];
