//! What was asked of the store and of a rail, as Prometheus reads it.

use super::{
    exposition::Exposition,
    rail::RailState,
    stored::{Counted, Stored},
};

/// What the store says.
pub(super) fn stored(text: &mut Exposition, stored: &Stored) {
    let families = [
        (
            &stored.owed,
            ["farthing_owed_payments", "farthing_owed_units"],
            "Payments owed in the store: made, and not served in time. No more than 1000 are counted.",
        ),
        (
            &stored.defaulted,
            ["farthing_defaulted_payments", "farthing_defaulted_units"],
            "Payments in the store that were served on credit and never paid. No more than 1000 are counted.",
        ),
    ];
    for (counted, names, help) in families {
        if let Some(counted) = counted {
            payments(text, counted, names, help);
        }
    }
    if let Some(undecided) = &stored.undecided {
        let name = "farthing_undecided_payments";
        text.gauge(
            name,
            "Payments in the store whose outcome the rail has not said, by state. No more than 1000 are counted.",
        );
        for (state, count) in undecided {
            text.sample(name, &[("state", state)], count);
        }
    }
    if !stored.credit.is_empty() {
        let name = "farthing_credit_units";
        text.gauge(
            name,
            "What is served on credit and not paid yet, and what never was and is not written off.",
        );
        for (unit, amount) in &stored.credit {
            text.sample(name, &[("unit", unit)], amount);
        }
    }
}

fn payments(text: &mut Exposition, counted: &Counted, names: [&str; 2], help: &str) {
    text.gauge(names[0], help);
    text.sample(names[0], &[], counted.payments);
    text.gauge(
        names[1],
        "What they come to, in base units of the currency.",
    );
    for (currency, units) in &counted.units {
        text.sample(names[1], &[("currency", currency.as_str())], units);
    }
}

/// How a rail outside is.
pub(super) fn rail(text: &mut Exposition, rail: &RailState) {
    let of = [("rail", rail.rail)];
    let name = "farthing_rail_up";
    text.gauge(name, "Whether a rail outside answers.");
    text.sample(name, &of, u8::from(rail.why.is_none()));
    if let Some((number, age)) = &rail.block {
        let name = "farthing_rail_block";
        text.gauge(name, "The newest block of a rail.");
        text.sample(name, &of, number);
        let name = "farthing_rail_block_age_seconds";
        text.gauge(name, "How old that block is by the clock of this machine.");
        text.sample(name, &of, age.as_secs_f64());
    }
    let name = "farthing_rail_round_trips_total";
    text.counter(name, "Exchanges of this process with a rail's endpoints.");
    text.sample(name, &of, rail.round_trips);
    let Some(sponsor) = &rail.sponsor else {
        return;
    };
    let name = "farthing_sponsor_balance_units";
    text.gauge(
        name,
        "What the account has that pays fees for buyers, in base units of the token.",
    );
    for (token, amount) in &sponsor.balances {
        text.sample(name, &[("token", token)], amount.units());
    }
    if let Some([payments, units]) = sponsor.in_flight {
        let name = "farthing_sponsor_in_flight";
        text.gauge(name, "Sponsored transactions under way.");
        text.sample(name, &[], payments);
        let name = "farthing_sponsor_in_flight_units";
        text.gauge(
            name,
            "What their fees may come to, in millionths of a dollar.",
        );
        text.sample(name, &[], units);
    }
}
