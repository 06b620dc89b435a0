//! The books are closed: everything is well again, repeated requests get what was charged, the channel
//! is closed on the rail, and nothing is left of it.

use std::time::Duration;

use farthing_core::{intent::session::Standing, value::Amount};

use super::{
    action::Chore,
    audit,
    process::IDLE,
    world::{Fate, World, id, load, sum},
};
use crate::sim::world::now;

/// Ends an episode.
pub(super) fn close(world: &mut World) -> Result<(), String> {
    let behind = std::mem::take(&mut world.behind);
    pass(world, behind);
    finish_what_is_under_way(world)?;
    world.crash(0);
    world.crash(1);
    if world.is_forgotten {
        // Whoever died over its last rows left them to the next.
        let forgotten = now(world.channels.forget(&id())).map_err(|error| error.to_string())?;
        audit::quick(world)?;
        return forgotten
            .then_some(())
            .ok_or_else(|| "it is not forgotten".to_owned());
    }
    pass(world, Duration::from_secs(31));
    repeat_what_is_left_over(world)?;
    close_on_the_rail(world)?;
    books_equal_the_rail(world)?;
    forget(world)
}

fn pass(world: &mut World, time: Duration) {
    world.now = world.now.saturating_add(time);
}

fn finish_what_is_under_way(world: &mut World) -> Result<(), String> {
    for at in [0, 1] {
        world.processes[at].faults.forget();
        world.run(at, 255)?;
        while !world.processes[at].serving.is_empty() {
            world.act(&super::Action::Serve {
                process: u8::from(at == 1),
                which: 0,
                well: true,
            })?;
            world.run(at, 255)?;
        }
        world.chore(at, Chore::Release);
        world.run(at, 255)?;
    }
    audit::quick(world)?;
    audit::whole(world)
}

/// What a request was charged when its process died is not charged again under its key.
fn repeat_what_is_left_over(world: &mut World) -> Result<(), String> {
    let left: Vec<(usize, u8)> = (world.requests.iter().enumerate())
        .filter(|(_, it)| it.fate == Fate::LeftOver)
        .filter_map(|(number, it)| Some((number, it.key?)))
        .collect();
    for (number, key) in left {
        let before = audit::charges(world)?;
        if !before.contains_key(&number) {
            continue;
        }
        let price = world.requests[number].price.units();
        let found = now(world
            .calls
            .find(&id(), &farthing_core::value::Fingerprint([key; 32])));
        if found.map_err(|error| error.to_string())?.is_none() {
            // It was forgotten in time.
            continue;
        }
        world.look(0);
        world.ask(0, None, price, Some(key));
        world.run(0, 255)?;
        while !world.processes[0].serving.is_empty() {
            world.act(&super::Action::Serve {
                process: 0,
                which: 0,
                well: true,
            })?;
            world.run(0, 255)?;
        }
        if audit::charges(world)? != before {
            return Err(format!("request {number} was charged again under its key"));
        }
    }
    audit::whole(world)
}

fn close_on_the_rail(world: &mut World) -> Result<(), String> {
    world.look(1);
    world.run(1, 255)?;
    world.close(1, true)?;
    world.run(1, 255)?;
    pass(world, IDLE);
    pass(world, Duration::from_secs(31));
    world.chore(1, Chore::EndLeftOver);
    world.run(1, 255)?;
    let held = load(&world.channels)?;
    let is_closed = held.channel().standing() == Standing::Closed;
    if !is_closed && !held.channel().is_idle() {
        return Err(format!("something is left over: {:?}", held.channel()));
    }
    world.close(1, false)?;
    if !world.rail.is_over() {
        // By the first protocol a channel without a voucher is its payer's to close.
        world.rail.request_close(world.now);
        pass(world, super::rail::GRACE);
        world.rail.withdraw(world.now);
    }
    for at in [0, 1] {
        world.look(at);
        world.run(at, 255)?;
        world.chore(at, Chore::GiveBack);
        world.run(at, 255)?;
    }
    audit::quick(world)?;
    audit::whole(world)
}

fn books_equal_the_rail(world: &World) -> Result<(), String> {
    let held = load(&world.channels)?;
    let channel = held.channel();
    let is = channel.balance();
    if channel.standing() != Standing::Closed || is.settled.units() != world.rail.settled {
        return Err(format!(
            "the rail paid out {}, and {channel:?}",
            world.rail.settled
        ));
    }
    if sum(is.settled, channel.lost()) != is.spent {
        return Err(format!("{} is lost of {is:?}", channel.lost()));
    }
    let may_lose = world.rail.is_withdrawn
        || world.rail.protocol == farthing_core::intent::session::Protocol::V1;
    if !may_lose && !channel.lost().is_zero() {
        return Err(format!(
            "{} is lost, and nothing stood in its way",
            channel.lost()
        ));
    }
    for (number, request) in world.requests.iter().enumerate() {
        let is_over = !matches!(request.fate, Fate::Asked | Fate::Charged | Fate::Failing);
        if !is_over {
            return Err(format!("request {number} is left: {request:?}"));
        }
    }
    Ok(())
}

fn forget(world: &World) -> Result<(), String> {
    let held = load(&world.channels)?;
    let text = |error: &dyn std::error::Error| error.to_string();
    let retired = now(world.channels.retire(&held, world.now)).map_err(|error| text(&error))?;
    let forgotten = now(world.channels.forget(&id())).map_err(|error| text(&error))?;
    let there = now(world.channels.load(&id())).map_err(|error| text(&error))?;
    let exposed = now(world.channels.exposed(None, 1)).map_err(|error| text(&error))?;
    let counted = exposed
        .iter()
        .fold(Amount::ZERO, |all, it| sum(all, it.drawn));
    if !retired || !forgotten || there.is_some() || !counted.is_zero() {
        return Err(format!("something is left of it: {there:?}, {exposed:?}"));
    }
    Ok(())
}
