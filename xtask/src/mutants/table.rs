//! The mutants: edits that break a guarantee, and the tests that have to notice.
//!
//! An edit's text stands exactly once in its file, which `tidy` checks, so that code that moves on
//! takes its mutant with it.

mod promises;
mod purses;
mod sessions;
mod tempo_sessions;
mod till;

/// Every mutant.
pub(crate) fn mutants() -> impl Iterator<Item = &'static Mutant> {
    PAYMENTS
        .iter()
        .chain(sessions::SESSIONS)
        .chain(tempo_sessions::TEMPO_SESSIONS)
        .chain(till::TILL)
        .chain(purses::PURSE)
        .chain(promises::PROMISES)
}

/// One edit, and the tests that are run against it.
#[derive(Debug)]
pub(crate) struct Mutant {
    /// What is broken.
    pub(crate) name: &'static str,
    /// The file, from the root.
    pub(crate) file: &'static str,
    /// What stands there.
    pub(crate) find: &'static str,
    /// What stands there instead.
    pub(crate) replace: &'static str,
    /// What is run, one after the other until one fails: arguments of `cargo nextest run`.
    pub(crate) killers: &'static [&'static [&'static str]],
}

const LIFE: &[&str] = &["--package=farthing-server", "--test=life"];
const BINDING: &[&str] = &["--package=farthing-server", "--test=binding"];
const OUTCOMES: &[&str] = &["--package=farthing-server", "--test=outcomes"];
const CREDIT: &[&str] = &["--package=farthing-server", "--test=credit"];
const WINDOW: &[&str] = &["--package=farthing-server", "--test=window"];
const DOMAIN: &[&str] = &["--package=farthing-testkit", "--test=domain"];
const SIM: &[&str] = &["--package=farthing-testkit", "--test=sim"];
const HELD: &[&str] = &["--package=farthing-server", "--test=held"];
const STORE: &[&str] = &["--package=farthing-store", "--test=backends"];
const CRASH: &[&str] = &[
    "--package=farthing-server",
    "--features=abort-points",
    "--test=crash",
];

const UNITS: &[&str] = &["--package=farthing-client", "--test=units"];
const ERRAND: &[&str] = &["--package=farthing-client", "--test=errand"];
const TEMPO_PAYER: &[&str] = &["--package=farthing-tempo", "--test=payer"];
const DISCOVERY: &[&str] = &["--package=farthing-server", "--test=discovery"];
const PACKED: &[&str] = &["--package=farthing-core", "--test=packed"];
const SCHEMA: &[&str] = &["--package=farthing-store", "--lib"];
const ROUTES: &[&str] = &["--package=farthing-gateway", "--test=routes"];
const DOOR: &[&str] = &["--package=farthing-gateway", "--test=door"];
const UPSTREAM: &[&str] = &["--package=farthing-gateway", "--test=upstream"];
const SERVE: &[&str] = &["--package=farthing-gateway", "--test=serve"];
const TEMPO: &[&str] = &["--package=farthing-tempo", "--lib"];
const TIP20: &[&str] = &["--package=farthing-tempo", "--test=tip20"];
const TRANSACTION: &[&str] = &["--package=farthing-tempo", "--test=transaction"];
const CHARGE: &[&str] = &["--package=farthing-tempo", "--test=charge"];

const CLAIMS: &str = "crates/core/src/domain/claims.rs";
const STEPS: &str = "crates/server/src/gate/steps.rs";
const KNOWN: &str = "crates/server/src/gate/known.rs";
const CREDITS: &str = "crates/core/src/domain/credit.rs";
const CLAIM: &str = "crates/server/src/gate/claim.rs";
const SETTLE: &str = "crates/server/src/gate/settle.rs";
const PERMIT: &str = "crates/server/src/gate/charged.rs";

/// A new mutant is one more row.
const PAYMENTS: &[Mutant] = &[
    Mutant {
        name: "every challenge is ours: the HMAC is not compared",
        file: "crates/core/src/binding/id.rs",
        find: "difference.ct_eq(&0).into()",
        replace: "difference.ct_eq(&difference).into()",
        killers: &[BINDING],
    },
    Mutant {
        name: "no challenge expires",
        file: STEPS,
        find: "if expires.saturating_add(self.charge.prepaid_grace()) <= asked.now {",
        replace: "if expires == Timestamp::EPOCH {",
        killers: &[BINDING],
    },
    Mutant {
        name: "a challenge is good for any request: the route binding is not compared",
        file: STEPS,
        find: "if opaque.binding != asked.binding() {",
        replace: "if opaque.binding == asked.binding() && false {",
        killers: &[BINDING],
    },
    Mutant {
        name: "a claim is not exclusive: its keys may be held",
        file: CLAIMS,
        find: "            batch.guards.push(Guard::Absent {
                table: R::KEYS,
                key: key.to_key(),
            });",
        replace: "",
        killers: &[DOMAIN, LIFE],
    },
    Mutant {
        name: "a stale owner may go on: the fence is not checked",
        file: CLAIMS,
        find: "let (guard, fence) = (held.fence_guard(), held.fence);",
        replace: "let (guard, fence) = (
            Guard::Absent { table: R::TABLE, key: Key::from(\"\") },
            held.fence,
        );",
        killers: &[DOMAIN],
    },
    Mutant {
        name: "a takeover does not look whether the owner went on",
        file: CLAIMS,
        find: "let (guard, fence) = (held.version_guard(), held.fence + 1);",
        replace: "let (guard, fence) = (
            Guard::Absent { table: R::TABLE, key: Key::from(\"\") },
            held.fence + 1,
        );",
        killers: &[DOMAIN],
    },
    Mutant {
        name: "nothing is journaled before it is sent, settling first",
        file: CLAIM,
        find: "claim.effect.extend(journal(secrets, payment, effect)?);",
        replace: "let _ = journal(secrets, payment, effect)?;",
        killers: &[SIM, CRASH],
    },
    Mutant {
        name: "nothing is journaled before it is sent, settling after",
        file: PERMIT,
        find: "writes.extend(entry.map_err(Refused::Store)?);",
        replace: "let _ = entry.map_err(Refused::Store)?;",
        killers: &[SIM, CRASH],
    },
    Mutant {
        name: "nothing is reserved: debits are written down and not counted",
        file: CLAIMS,
        find: "batch.writes.extend(envelope.debits.iter().map(reserve));",
        replace: "let _ = reserve;",
        killers: &[DOMAIN],
    },
    Mutant {
        name: "a debit is given back each time, not once",
        file: CLAIMS,
        find: "Debts::Release => self.debits.drain(..).flat_map(|d| give_back(&d)).collect(),",
        replace: "Debts::Release => self.debits.iter().flat_map(give_back).collect(),",
        killers: &[DOMAIN],
    },
    Mutant {
        name: "a counter in memory has no upper bound",
        file: "crates/core/src/memory/space.rs",
        find: ".filter(|sum| (min..=max).contains(sum));",
        replace: ".filter(|sum| (min..=max.max(i128::MAX)).contains(sum));",
        killers: &[DOMAIN],
    },
    Mutant {
        name: "a counter in SQLite has no lower bound",
        file: "crates/store/src/sqlite/apply.rs",
        find: ".filter(|sum| (min..=max).contains(&sum));",
        replace: ".filter(|sum| sum <= max || min > max);",
        killers: &[STORE],
    },
    Mutant {
        name: "whoever knows a challenge has its answer: the proof is not compared",
        file: KNOWN,
        find: "&& proof.is_none_or(|proof| proof == payment.proof);",
        replace: "&& proof.is_none_or(|proof| proof.0.len() == payment.proof.0.len());",
        killers: &[HELD],
    },
    Mutant {
        name: "work that is under way is taken over: the lease is not looked at",
        file: KNOWN,
        find: "_ if payment.is_leased(asked.now) => about(Refused::InFlight, payment),",
        replace: "",
        killers: &[HELD],
    },
    Mutant {
        name: "the receipt is not kept with the settlement",
        file: SETTLE,
        find: "writes.push(keep_receipt(record).map_err(Refused::Store)?);",
        replace: "let _ = keep_receipt(record).map_err(Refused::Store)?;",
        killers: &[SIM],
    },
    Mutant {
        name: "what was held is not given back when a payment is given up",
        file: SETTLE,
        find: "writes.extend(books.writes(Booking::Release, &record));",
        replace: "let _ = books.writes(Booking::Release, &record);",
        killers: &[LIFE, SIM],
    },
    Mutant {
        name: "a refusal of the rail is taken for a settlement's doubt: its debits stay",
        file: SETTLE,
        find: "State::Failed => debts = Debts::Release,",
        replace: "State::Failed => debts = Debts::Keep,",
        killers: &[OUTCOMES, SIM],
    },
    Mutant {
        name: "on credit: what all payers get together has no end",
        file: CREDITS,
        find: "debit(counter(&self.unit, None), self.in_total)",
        replace: "debit(counter(&self.unit, None), Amount::new(u128::MAX >> 2))",
        killers: &[CREDIT],
    },
    Mutant {
        name: "on credit: who never paid gets more",
        file: SETTLE,
        find: "State::Defaulted => debts = Debts::Default,",
        replace: "State::Defaulted => debts = Debts::Release,",
        killers: &[CREDIT, SIM],
    },
    Mutant {
        name: "on credit: what did not arrive was never served",
        file: "crates/core/src/payment/state.rs",
        find: "(Credited, Event::Refuse) => Defaulted,",
        replace: "(Credited, Event::Refuse) => Failed,",
        killers: &[CREDIT, SIM],
    },
    Mutant {
        name: "on credit: a rail that says nothing is as good as one that took the payment",
        file: SETTLE,
        find: "advance(record, Event::Lose, now)?;",
        replace: "advance(record, Event::Postpone, now)?; if after == After::Lend { advance(record, Event::Lend, now)?; }",
        killers: &[CREDIT, SIM],
    },
    Mutant {
        name: "in time: an answer that can no longer be paid for is sent for all the same",
        file: PERMIT,
        find: "Gathered::Served(_) if self.held.record.is_too_late(now) => {",
        replace: "Gathered::Served(_) if self.held.record.is_too_late(now) && false => {",
        killers: &[WINDOW, SIM],
    },
    Mutant {
        name: "in time: what is too late is sent for the first time",
        file: SETTLE,
        find: "if is_new && !payment.is_too_late(self.now()) {",
        replace: "if is_new {",
        killers: &[WINDOW, SIM],
    },
    Mutant {
        name: "in time: a handler is begun whose answer cannot be paid for",
        file: CLAIM,
        find: "let serving = if first { Duration::ZERO } else { LEAST_TIME };",
        replace: "let serving = if first { Duration::ZERO } else { Duration::ZERO };",
        killers: &[WINDOW],
    },
    Mutant {
        name: "a stored answer may be followed by another run",
        file: "crates/core/src/payment/record.rs",
        find: "Answer::Stored | Answer::Delivered => false,",
        replace: "Answer::Stored | Answer::Delivered => true,",
        killers: &[&["--package=farthing-testkit", "--test=payment"]],
    },
    Mutant {
        name: "an answer is dropped by age while the rail has yet to confirm its payment",
        file: PERMIT,
        find: "(None, Rail::Outside(_)) => Timestamp::FAR,",
        replace: "(None, Rail::Outside(_)) => payment.proof_until,",
        killers: &[HELD],
    },
    Mutant {
        name: "a lease begins before the proof is checked",
        file: CLAIM,
        find: "lease_until: self.now().saturating_add(self.0.options.lease),",
        replace: "lease_until: asked.now.saturating_add(self.0.options.lease),",
        killers: &[HELD],
    },
    Mutant {
        name: "what is paid needs a second place among the payments at once",
        file: CLAIM,
        find: "                drop(slot);",
        replace: "                let _keep = slot;",
        killers: &[HELD],
    },
    Mutant {
        name: "any idempotency key fetches a used credential's answer",
        file: KNOWN,
        find: "Some(key) => payment.idempotency == Some(print(key)),",
        replace: "Some(key) => payment.idempotency.is_some() || Some(print(key)).is_none(),",
        killers: &[LIFE],
    },
    Mutant {
        name: "a discovery document tells the price of the broadest route",
        file: "crates/server/src/discovery/paths.rs",
        find: "breadth(*one)
                .cmp(breadth(*other))",
        replace: "breadth(*other)
                .cmp(breadth(*one))",
        killers: &[DISCOVERY],
    },
    Mutant {
        name: "a packed record may go on behind its end",
        file: "crates/core/src/encoding/packed.rs",
        find: "if self.rest.is_empty() {",
        replace: "if self.rest.is_empty() || true {",
        killers: &[PACKED],
    },
    Mutant {
        name: "a migration of the store is committed step by step",
        file: "crates/store/src/sqlite/schema.rs",
        find: "connection.execute_batch(migration)?;",
        replace: "connection.execute_batch(migration)?;
            connection.execute_batch(sql::COMMIT)?;
            connection.execute_batch(sql::BEGIN)?;",
        killers: &[SCHEMA],
    },
    Mutant {
        name: "a store that a newer program migrated is gone on with",
        file: "crates/store/src/sqlite/schema.rs",
        find: "if found > known {",
        replace: "if found > known && false {",
        killers: &[STORE],
    },
    Mutant {
        name: "gateway: an escaped dot gets through the door",
        file: "crates/gateway/src/door/path.rs",
        find: "        b'.' => Err(DoorRefusal::Path(\"has an escaped dot\")),
",
        replace: "",
        killers: &[DOOR],
    },
    Mutant {
        name: "gateway: a path that can be read in two ways falls to the rule it is written for",
        file: "crates/gateway/src/routes/mod.rs",
        find: "if self.odd || is_odd(path) {",
        replace: "if self.odd && is_odd(\"\") {",
        killers: &[ROUTES, DOOR],
    },
    Mutant {
        name: "gateway: challenges of the service behind are passed on",
        file: "crates/gateway/src/forward/response_head.rs",
        find: "    without_payment(headers);
    for name",
        replace: "    for name",
        killers: &[UPSTREAM],
    },
    Mutant {
        name: "gateway: half an answer looks whole",
        file: "crates/gateway/src/forward/upstream_body.rs",
        find: "Err(UpstreamBodyError::Broken(error))",
        replace: "let _ = error;
                        Ok(Frame::data(Bytes::new()))",
        killers: &[UPSTREAM],
    },
    Mutant {
        name: "gateway: a service that is down is sold",
        file: "crates/gateway/src/forward/health.rs",
        find: "self.unreachable.load(Ordering::Relaxed) >= IN_A_ROW",
        replace: "self.unreachable.load(Ordering::Relaxed) == u32::MAX",
        killers: &[UPSTREAM],
    },
    Mutant {
        name: "gateway: a former gate is drained while requests may turn to it",
        file: "crates/gateway/src/serve/mod.rs",
        find: "while till.strong_count() > 0 {",
        replace: "while till.strong_count() == usize::MAX {",
        killers: &[SERVE],
    },
    Mutant {
        name: "on Tempo: a transfer with a memo counts twice",
        file: "crates/methods/tempo/src/charge/logs.rs",
        find: "        plain.swap_remove(twin);\n",
        replace: "        let _ = twin;\n",
        killers: &[TEMPO],
    },
    Mutant {
        name: "on Tempo: the memo of any challenge of the realm will do",
        file: "crates/methods/tempo/src/charge/memo.rs",
        find: "\n            && bytes[25..] == self.challenge",
        replace: "",
        killers: &[TEMPO],
    },
    Mutant {
        name: "on Tempo: a log of any token counts",
        file: "crates/methods/tempo/src/charge/logs.rs",
        find: "        if log.address != legs.token() {\n            continue;\n        }\n",
        replace: "",
        killers: &[TEMPO],
    },
    Mutant {
        name: "on Tempo: bytes of a second spelling are read",
        file: "crates/methods/tempo/src/transaction/read.rs",
        find: "        if !is_same(bytes, &rewritten) {\n",
        replace: "        if bytes.is_empty() && !is_same(bytes, &rewritten) {\n",
        killers: &[TRANSACTION],
    },
    Mutant {
        name: "on Tempo: a transfer that waits is signed anew",
        file: "crates/methods/tempo/src/tip20/transfers.rs",
        find: "Standing::Waiting { .. } => return self.hand_over(&kept).await,",
        replace: "Standing::Waiting { .. } => self.outbox.forget(&entry).await?,",
        killers: &[TIP20],
    },
    Mutant {
        name: "a buyer's budget: each token has a budget of its own",
        file: "crates/client/src/pay.rs",
        find: "let debit = budget.debit(worth, now);",
        replace: "let debit = farthing_core::domain::claims::Debit {
                counter: budget.former_counter(currency, now),
                ..budget.debit(worth, now)
            };",
        killers: &[UNITS],
    },
    Mutant {
        name: "a buyer's budget: what older programs counted is forgotten",
        file: "crates/client/src/pay.rs",
        find: "            self.budgets.fold(budget, &former, now).await?;\n",
        replace: "            let _ = former;\n",
        killers: &[UNITS],
    },
    Mutant {
        name: "a buyer's budget: a fee that was taken for nothing is given back",
        file: "crates/client/src/outgoing/book.rs",
        find: "if loss == Loss::Fee {",
        replace: "if loss == Loss::Fee && writes.is_empty() {",
        killers: &[ERRAND],
    },
    Mutant {
        name: "a buyer's errand: one that is done is done again",
        file: "crates/client/src/errand.rs",
        find: "let credential = credential.without_errand();",
        replace: "let credential = credential.clone();",
        killers: &[ERRAND],
    },
    Mutant {
        name: "paying on Tempo: our clock says that a payment is dead",
        file: "crates/methods/tempo/src/payer/search.rs",
        find: "        if latest.time() < end {\n            return Ok(Resolved::Unknown);\n        }\n    }",
        replace: "    }",
        killers: &[TEMPO_PAYER],
    },
    Mutant {
        name: "paying on Tempo: any payment with the memo is ours",
        file: "crates/methods/tempo/src/payer/search.rs",
        find: "sent.max_fee_per_gas.is_none_or(|max| max == price)",
        replace: "sent.max_fee_per_gas.is_none_or(|max| max >= price || max < price)",
        killers: &[TEMPO_PAYER],
    },
    Mutant {
        name: "paid on Tempo: what is signed twice is two payments",
        file: "crates/methods/tempo/src/server/mod.rs",
        find: "keys: vec![self.key(\"tx\", whole.hash())?, self.key(\"signed\", identity)?],",
        replace: "keys: vec![self.key(\"tx\", whole.hash())?, self.key(\"signed\", whole.hash().max(identity))?],",
        killers: &[CHARGE],
    },
    Mutant {
        name: "paid on Tempo: a hash pays whoever presents it",
        file: "crates/methods/tempo/src/server/push.rs",
        find: "match_logs(&self.receipt.logs, payer, legs)",
        replace: "match_logs(&self.receipt.logs, self.receipt.from.max(payer).min(self.receipt.from), legs)",
        killers: &[CHARGE],
    },
    Mutant {
        name: "paid on Tempo: a receipt without the payment counts",
        file: "crates/methods/tempo/src/server/settle.rs",
        find: "            return contradiction(transfer.watched.hash, mismatch);\n",
        replace: "            let _ = contradiction(transfer.watched.hash, mismatch);\n",
        killers: &[CHARGE],
    },
    Mutant {
        name: "paid on Tempo: a sponsor lends without an end",
        file: "crates/methods/tempo/src/server/mod.rs",
        find: "debits(self.node.chain(), sponsor, &pull, has, now)\n",
        replace: "debits(self.node.chain(), sponsor, &pull, has, now).split_off(2)\n",
        killers: &[CHARGE],
    },
    Mutant {
        name: "paid on Tempo: a fee that was lost is given back",
        file: SETTLE,
        find: "lost = refusal.at_cost;",
        replace: "lost = false;",
        killers: &[CHARGE],
    },
    Mutant {
        name: "paid on Tempo: a sponsor runs dry",
        file: "crates/methods/tempo/src/server/preflight.rs",
        find: "let floor = sponsor.fees_in_flight;",
        replace: "let floor = Amount::ZERO;",
        killers: &[CHARGE],
    },
    Mutant {
        name: "paid on Tempo: what the buyer sent is voided like a promise",
        file: "crates/methods/tempo/src/server/mod.rs",
        find: "            prepaid: true,\n",
        replace: "            prepaid: false,\n",
        killers: &[CHARGE],
    },
];
