//! The books are closed: everything is well again, every buyer comes back, and what is left is
//! what became of the payments.

use farthing_core::{
    domain::responses::{Responses, Slot},
    payment::State,
    port::clock::Clock as _,
};

use super::{Tally, action::Reading, audit, world::World, world::now};

/// Ends an episode.
pub(super) fn close(world: &mut World, tally: &mut Tally) -> Result<(), String> {
    world.heal();
    world.forget_scripts();
    world.correct_the_clock();
    world.turn(40);
    world.complaints()?;
    world.crash()?;
    settle_everything(world)?;
    every_buyer_comes_back(world)?;
    let closing = 20 * 60;
    world.shop.wait(&world.parts.clock, closing);
    for _ in 0..3 {
        world.reconcile(120);
        world.shop.wait(&world.parts.clock, 35);
    }
    world.complaints()?;
    audit::check(world)?;
    nothing_is_left(world, tally)
}

/// Every lease runs out and every rail is asked, until nobody is in doubt.
fn settle_everything(world: &mut World) -> Result<(), String> {
    for _ in 0..12 {
        world.shop.wait(&world.parts.clock, 65);
        world.reconcile(200);
        world.complaints()?;
        audit::check(world)?;
        let unsettled = |state| {
            matches!(
                state,
                State::Claimed
                    | State::Answered
                    | State::Sent
                    | State::Pending
                    | State::Unknown
                    | State::Credited
            )
        };
        if !world
            .books
            .all()
            .iter()
            .any(|held| unsettled(held.record.state))
        {
            return Ok(());
        }
    }
    Err("a payment is not settled, and nothing stands in its way".to_owned())
}

/// Whoever paid and was not served gets it now, if it can be had at all.
fn every_buyer_comes_back(world: &mut World) -> Result<(), String> {
    for purchase in world.purchases.clone() {
        let Some(held) = world.books.payment(&purchase) else {
            continue;
        };
        let can_be_had = held.record.is_deliverable(world.parts.clock.now());
        let before = purchase.whole_reads();
        world.present(&purchase, Reading::Whole);
        world.turn(60);
        world.complaints()?;
        if can_be_had && purchase.whole_reads() == before {
            return Err(format!("what was paid cannot be had: {:?}", held.record));
        }
        if !can_be_had && purchase.whole_reads() > before {
            return Err(format!("it was served once more: {:?}", held.record));
        }
    }
    Ok(())
}

fn nothing_is_left(world: &World, tally: &mut Tally) -> Result<(), String> {
    for purchase in &world.purchases {
        tally.signed += 1;
        let Some(held) = world.books.payment(purchase) else {
            tally.nothing += 1;
            continue;
        };
        let payment = &held.record;
        match payment.state {
            State::Delivered => tally.delivered += 1,
            State::Owed => tally.owed += 1,
            // Its debits stay; the audit counts them.
            State::Defaulted => {
                tally.defaulted += 1;
                continue;
            }
            State::Failed | State::Voided => tally.nothing += 1,
            _ => return Err(format!("this is left: {payment:?}")),
        }
        if !held.debits().is_empty() {
            return Err(format!("something is reserved for {payment:?}"));
        }
        let responses = Responses::new(world.books.store.clone());
        let kept = now(responses.get(Slot::Payment(payment.id)));
        let kept = kept.map_err(|error| error.to_string())?;
        if payment.state == State::Delivered && kept.is_some() {
            return Err(format!("the answer is still kept of {payment:?}"));
        }
    }
    tally.settled += world.books.receipts().len();
    tally.crashes += world.crashes;
    Ok(())
}
