//! What holds after every action, whatever is under way.

use std::collections::{HashMap, HashSet};

use farthing_core::{
    domain::{
        claims::{COUNTERS, Held},
        credit,
        receipts::Kept,
    },
    payment::{Answer, Moved, Payment, SettlePolicy, State},
    port::backend::{Key, Partition},
    value::ChallengeId,
};

use super::{
    purchase::Purchase,
    world::{
        Books, FLIGHT_COUNTER, FUNDS, IN_FLIGHT, PRICE, SPENT_COUNTER, World, buyer, dollar,
        fake_dollar, now, seller,
    },
};
use crate::method::{self, account};

/// Checks everything.
pub(super) fn check(world: &World) -> Result<(), String> {
    let all = world.books.all();
    let receipts = world.books.receipts();
    receipts_are_true(world, &receipts)?;
    let mut challenges = HashSet::new();
    for held in &all {
        let payment = &held.record;
        if !challenges.insert(&payment.challenge) {
            return Err(format!("{} is claimed twice", payment.challenge));
        }
        check_payment(world, held, &receipts).map_err(|what| format!("{what}: {payment:?}"))?;
    }
    what_moved_is_known(world, &all, &receipts)?;
    ledger_balances(&world.books, &all, &receipts)?;
    rail_balances(&world.books)?;
    credit_is_bounded(world, &all)?;
    counters(&world.books, &all, &receipts)
}

fn purchase<'a>(world: &'a World, challenge: &ChallengeId) -> Result<&'a Purchase, String> {
    let mut purchases = world.purchases.iter();
    let found = purchases.find(|purchase| purchase.challenge == *challenge);
    found
        .map(|purchase| &**purchase)
        .ok_or_else(|| format!("nobody bought {challenge}"))
}

/// Money is never invented, and never settled twice: a receipt is of one challenge, and of an
/// effect that the rail confirmed under this reference.
fn receipts_are_true(world: &World, receipts: &[Kept]) -> Result<(), String> {
    let mut seen = HashSet::new();
    for kept in receipts {
        let challenge = challenge(kept).ok_or("a receipt names no challenge")?;
        if !seen.insert(challenge.clone()) {
            return Err(format!("{challenge} was settled twice"));
        }
        let purchase = purchase(world, &challenge)?;
        if kept.amount != purchase.amount {
            return Err(format!("{challenge} was receipted for {}", kept.amount));
        }
        if let Some(nonce) = &purchase.nonce {
            let moved = world.books.rail.moved(nonce);
            let moved = moved.filter(|transfer| transfer.memo == challenge.as_str());
            let reference = kept.receipt.reference().as_str();
            if moved.is_none_or(|transfer| transfer.reference != reference) {
                let truth = world.books.rail.truth();
                return Err(format!(
                    "the receipt {kept:?} for {challenge} is of nothing that moved: {truth:?}"
                ));
            }
        }
    }
    Ok(())
}

fn challenge(kept: &Kept) -> Option<ChallengeId> {
    let id = kept.receipt.extra().get("challengeId")?.as_str()?;
    ChallengeId::new(id).ok()
}

fn check_payment(
    world: &World,
    held: &Held<Payment>,
    receipts: &[Kept],
) -> Result<(), &'static str> {
    let payment = &held.record;
    let purchase = purchase(world, &payment.challenge).map_err(|_| "nobody bought it")?;
    let receipted = receipts.iter().any(|kept| kept.payment == payment.id);
    let moved = payment.state.moved();
    if receipted != (moved == Moved::Yes) {
        return Err("its state and its receipts disagree");
    }
    if (moved == Moved::Yes) != payment.reference.is_some() {
        return Err("its state and its reference disagree");
    }
    if let Some(nonce) = &purchase.nonce {
        let transfer = world.books.rail.moved(nonce);
        let truly = transfer.is_some_and(|transfer| transfer.memo == payment.challenge.as_str());
        match moved {
            Moved::No if truly => return Err("the rail moved what the store says did not move"),
            Moved::Yes if !truly => return Err("the rail did not move what the store says moved"),
            _ => {}
        }
        let journaled = now(world.books.payments.journaled(payment))
            .map_err(|_| "its journal cannot be read")?
            .is_some();
        if moved == Moved::Unknown && !journaled {
            return Err("it may be under way, and the journal does not say what was sent");
        }
        let is_over = payment.state.is_final() || payment.state == State::Defaulted;
        if (is_over || moved == Moved::Yes) && journaled {
            return Err("its outcome is final, and the journal still has it");
        }
    }
    let was_read = purchase.reads() > 0 || world.parts.handler.was_empty(payment.id);
    if payment.state == State::Delivered && !was_read {
        return Err("it counts as delivered, and nobody read it");
    }
    let runs = world.parts.handler.runs(payment.id);
    let most = if purchase.sold.rerunnable {
        u32::from(Payment::ATTEMPTS)
    } else {
        1
    };
    if runs > most {
        return Err("its handler ran too often");
    }
    let on_credit =
        purchase.may_be_on_credit() && (payment.answer == Answer::Unserved || is_lent(payment));
    if payment.policy == SettlePolicy::First && runs > 0 && moved != Moved::Yes && !on_credit {
        return Err("its handler ran before anything moved");
    }
    if payment.answer == Answer::None && purchase.reads() > 0 {
        return Err("it was delivered without an answer");
    }
    Ok(())
}

/// Whether it counts against the limits of credit for what was served, or may have been.
fn is_lent(payment: &Payment) -> bool {
    matches!(payment.state, State::Credited | State::Defaulted)
}

/// Never paid and lost: what the rail moved is a payment that says so, or that will ask.
fn what_moved_is_known(
    world: &World,
    all: &[Held<Payment>],
    receipts: &[Kept],
) -> Result<(), String> {
    let states: HashMap<_, _> = all
        .iter()
        .map(|held| (held.record.challenge.as_str(), held.record.state))
        .collect();
    let receipted: HashSet<_> = receipts.iter().filter_map(challenge).collect();
    for transfer in world.books.rail.truth().moved.values() {
        let is_receipted = receipted
            .iter()
            .any(|challenge| challenge.as_str() == transfer.memo);
        let asks = states
            .get(transfer.memo.as_str())
            .is_some_and(|state| state.moved() == Moved::Unknown);
        if !is_receipted && !asks {
            return Err(format!("{} moved, and nobody knows", transfer.memo));
        }
    }
    Ok(())
}

/// To the unit, on both sides, with what is held.
fn ledger_balances(books: &Books, all: &[Held<Payment>], receipts: &[Kept]) -> Result<(), String> {
    let settled = receipts.iter().filter(|kept| kept.currency == dollar());
    let settled = settled.count() as u128 * PRICE;
    let open = all.iter().filter(|held| {
        held.record.currency == dollar()
            && matches!(held.record.state, State::Claimed | State::Answered)
    });
    let open = open.count() as u128 * PRICE;
    let of = |key: farthing_ledger::AccountKey| {
        let balance = now(books.accounts.balance(key.account(), &dollar()));
        balance.map_err(|error| error.to_string())
    };
    let (buyer, seller) = (of(buyer())?, of(seller())?);
    let has = (
        buyer.available.units(),
        buyer.held.units(),
        seller.available.units(),
        seller.held.units(),
    );
    let expected = (FUNDS - settled - open, open, settled, 0);
    if has != expected {
        return Err(format!(
            "the ledger has {has:?}, and should have {expected:?}"
        ));
    }
    Ok(())
}

fn rail_balances(books: &Books) -> Result<(), String> {
    let truth = books.rail.truth();
    let moved = truth.moved.len() as u128 * PRICE;
    let of = |name| truth.balance(account(name).as_str());
    let has = (of("buyer"), of("seller"));
    if has != (FUNDS - moved, moved) {
        return Err(format!("the rail has {has:?}, and {moved} moved"));
    }
    Ok(())
}

/// What was served and is not paid for is no more than the limits say, and each of it is counted.
fn credit_is_bounded(world: &World, all: &[Held<Payment>]) -> Result<(), String> {
    let lent = all.iter().filter(|held| is_lent(&held.record));
    let (lent, uncounted): (Vec<_>, Vec<_>) = lent.partition(|held| {
        let debits = held.debits().iter();
        debits.filter(|debit| credit::is_of_credit(debit)).count() == 2
    });
    if let Some(held) = uncounted.first() {
        return Err(format!("its credit is not counted: {:?}", held.record));
    }
    if lent.len() > 2 {
        return Err(format!(
            "{} payments are on credit, of at most 2",
            lent.len()
        ));
    }
    let reserved = all.iter().flat_map(Held::debits);
    let reserved = reserved.filter(|debit| credit::is_of_credit(debit));
    let reserved: u128 = reserved.map(|debit| debit.amount.units()).sum();
    let buyer = account("buyer");
    let mut counted = 0;
    for whose in [None, Some(&buyer)] {
        let amount = now(credit::outstanding(&world.books.store, "USD", whose));
        counted += amount.map_err(|error| error.to_string())?.units();
    }
    if counted != reserved {
        return Err(format!("{counted} is counted on credit, and {reserved} is"));
    }
    match world.books.rail.truth().late {
        0 => Ok(()),
        late => Err(format!("{late} were sent after their time")),
    }
}

/// Limits come before money: what is counted is what is in flight and what was spent.
fn counters(books: &Books, all: &[Held<Payment>], receipts: &[Kept]) -> Result<(), String> {
    let counted = |name: &str| {
        let row = now(books
            .store
            .get(&Partition::Store, COUNTERS, &Key::from(name)));
        let row = row.map_err(|error| error.to_string())?;
        Ok::<_, String>(row.and_then(|row| row.counter()).unwrap_or_default())
    };
    let reserved = |name: &str| -> u128 {
        let debits = all.iter().flat_map(Held::debits);
        debits
            .filter(|debit| &*debit.counter == name)
            .map(|debit| debit.amount.units())
            .sum()
    };
    let flight = counted(FLIGHT_COUNTER)?;
    if flight != reserved(FLIGHT_COUNTER).cast_signed() || flight > IN_FLIGHT.cast_signed() {
        return Err(format!(
            "{flight} is counted in flight, and {} is, of at most {IN_FLIGHT}",
            reserved(FLIGHT_COUNTER)
        ));
    }
    let spent = receipts.iter().filter(|kept| {
        kept.currency == fake_dollar() && kept.receipt.method() == &method::method()
    });
    let spent = spent.count() as u128 * PRICE + reserved(SPENT_COUNTER);
    if counted(SPENT_COUNTER)? != spent.cast_signed() {
        return Err(format!(
            "{} is counted as spent, and {spent} is",
            counted(SPENT_COUNTER)?
        ));
    }
    Ok(())
}
