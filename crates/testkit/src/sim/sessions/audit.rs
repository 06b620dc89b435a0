//! Whether what must hold of a channel holds of the row in the store.

use std::collections::HashMap;

use farthing_core::{
    domain::claims::COUNTERS,
    intent::session::Standing,
    port::backend::{Key, Partition, Range},
    value::Amount,
};

use super::{
    process::{CHARGES, Process},
    world::{Fate, World, id, load, sum},
};
use crate::sim::world::now;

/// After every action.
pub(super) fn quick(world: &mut World) -> Result<(), String> {
    let is_there = now(world.channels.load(&id())).map_err(|error| error.to_string())?;
    let mut processes = world.processes.iter();
    world.is_forgotten |= is_there.is_none() && processes.any(Process::forgets);
    if world.is_forgotten {
        return is_over(world);
    }
    let held = load(&world.channels)?;
    let channel = held.channel();
    let is = channel.balance();
    let claimed = sum(is.spent, is.reserved);
    if !(is.unsure <= is.spent && claimed <= is.accepted && is.accepted <= is.deposit) {
        return Err(format!("the balance is {is:?}"));
    }
    if is.accepted < world.accepted {
        return Err(format!(
            "{} was told to be accepted: {is:?}",
            world.accepted
        ));
    }
    if let Some(was) = &world.last {
        let before = was.balance();
        let falls = is.accepted < before.accepted
            || is.deposit < before.deposit
            || is.settled < before.settled
            || channel.sure() < was.sure();
        if falls {
            return Err(format!("{before:?} became {is:?}"));
        }
    }
    if channel.standing() != Standing::Closed {
        let sure = channel.sure();
        let mut processes = world.processes.iter();
        let is_ending = processes.any(Process::ends_left_over);
        if !is_ending && sure > sum(world.delivered, world.made_sure) {
            let (delivered, made) = (world.delivered, world.made_sure);
            return Err(format!(
                "{sure} is sure; {delivered} was delivered, {made} left over"
            ));
        }
        if !world.rail.is_over() && world.rail.settled > sure.units() {
            return Err(format!(
                "{} is paid out, and {sure} is sure",
                world.rail.settled
            ));
        }
        if channel.exposure() > channel.granted() {
            return Err(format!("more is unsettled than granted: {channel:?}"));
        }
    }
    world.last = Some(channel.clone());
    Ok(())
}

/// Now and then: what is spent is what was charged, to the unit.
pub(super) fn whole(world: &World) -> Result<(), String> {
    if world.is_forgotten {
        return is_over(world);
    }
    let held = load(&world.channels)?;
    let charges = charges(world)?;
    let charged = charges
        .values()
        .fold(Amount::ZERO, |all, price| sum(all, *price));
    let spent = held.channel().balance().spent;
    if charged != spent {
        return Err(format!("{spent} is spent, and {charged} was charged"));
    }
    for (number, request) in world.requests.iter().enumerate() {
        let charge = charges.get(&number);
        let is_right = match request.fate {
            Fate::Asked | Fate::Failing | Fate::LeftOver => true,
            Fate::Refused | Fate::TakenBack => charge.is_none(),
            Fate::Charged | Fate::Delivered => charge == Some(&request.price),
            Fate::TooLate => charge.is_some(),
        };
        if !is_right {
            return Err(format!(
                "request {number}, {request:?}, is charged {charge:?}"
            ));
        }
    }
    is_counted(world)
}

/// What is forgotten was over, and holds nothing.
fn is_over(world: &World) -> Result<(), String> {
    let exposed = now(world.channels.exposed(None, 10)).map_err(|error| error.to_string())?;
    let counted = counter(world, &world.caps.total_counter())?;
    let there = now(world.channels.load(&id())).map_err(|error| error.to_string())?;
    if !world.rail.is_over() || !exposed.is_empty() || counted > 0 || there.is_some() {
        return Err(format!(
            "what is forgotten is not over: {exposed:?}, {counted} is counted, {there:?}"
        ));
    }
    Ok(())
}

/// What is granted is counted.
fn is_counted(world: &World) -> Result<(), String> {
    let held = load(&world.channels)?;
    let exposed = now(world.channels.exposed(None, 10)).map_err(|error| error.to_string())?;
    let drawn = exposed.first().map_or(Amount::ZERO, |it| it.drawn);
    if held.channel().granted() > drawn {
        return Err(format!("{drawn} is drawn for {:?}", held.channel()));
    }
    let caps = &world.caps;
    for (key, cap) in [
        (caps.counter(), caps.per_payer),
        (caps.total_counter(), caps.in_total),
    ] {
        let counted = counter(world, &key)?;
        let is_drawn = caps
            .currency
            .worth(drawn)
            .map(|worth| worth.count().units());
        if is_drawn != Some(counted) || counted > cap.count().units() {
            return Err(format!(
                "{counted} is counted of {cap:?}, and {drawn} is drawn"
            ));
        }
    }
    Ok(())
}

fn counter(world: &World, key: &Key) -> Result<u128, String> {
    let row = now(world.store.get(&Partition::Store, COUNTERS, key));
    let row = row.map_err(|error| error.to_string())?;
    let count = row.and_then(|row| row.counter()).unwrap_or_default();
    u128::try_from(count).map_err(|_| format!("{count} is counted"))
}

/// What is charged, by request.
pub(super) fn charges(world: &World) -> Result<HashMap<usize, Amount>, String> {
    let range = Range {
        partition: Partition::Channel(id().to_key()),
        table: CHARGES,
        group: Key::from("all"),
        before: u64::MAX,
        after: None,
        newest_first: false,
        limit: farthing_core::bounds::PAGE,
    };
    let rows = now(world.store.range(range)).map_err(|error| error.to_string())?;
    let read = rows.iter().map(|row| {
        let number = row.place.as_ref().map_or(0, |place| place.at);
        let price: [u8; 16] = row.value.as_slice().try_into().map_err(|_| "no price")?;
        let number = usize::try_from(number).map_err(|_| "no number")?;
        Ok::<_, &str>((number, Amount::new(u128::from_be_bytes(price))))
    });
    read.collect::<Result<_, _>>().map_err(str::to_owned)
}
