//! Channels as a gateway's file has them.

use std::{num::NonZeroU32, sync::Arc};

use farthing::{
    core::port::session::Session,
    ledger::{Ledger, LedgerSessions},
    server::{
        RouteError,
        session::{Metering, SessionOptions},
    },
};

use super::till::Parts;
use crate::config::{CloseUnused, Pay, RuleSession, SessionPay, V1Ahead};

/// What keeps channels, the preferred one first.
pub(super) fn rails(
    pay: &Pay,
    on_chain: Option<Arc<dyn Session>>,
    parts: &Parts,
) -> Vec<Arc<dyn Session>> {
    let ledger = pay.ledger.as_ref().filter(|ledger| ledger.session);
    let ledger = ledger.map(|ledger| {
        let ledger = Ledger::new(ledger.account.clone());
        let (store, clock) = (Arc::clone(&parts.backend), Arc::clone(&parts.clock));
        Arc::new(LedgerSessions::new(ledger, store, clock)) as Arc<dyn Session>
    });
    on_chain.into_iter().chain(ledger).collect()
}

/// What a file says of sessions, over the defaults.
pub(super) fn options(said: &SessionPay) -> SessionOptions {
    let mut options = SessionOptions::default();
    options.min_deposit.clone_from(&said.min_deposit);
    if let Some((per_payer, in_total)) = said.exposure.clone() {
        // What is not said is counted in the same unit, and is no more than a payer may have.
        if per_payer.unit() != options.settle.amount.unit() {
            options.settle.amount = per_payer.clone();
            // Vouchers are ahead by requests alone.
            options.v1_ahead = None;
        }
        (options.exposure_per_payer, options.exposure_in_total) = (per_payer, in_total);
    }
    let settle = &mut options.settle;
    set(&mut settle.amount, said.settle.amount.clone());
    set(&mut settle.age, said.settle.age);
    set(&mut settle.idle, said.settle.idle);
    settle.schedule = said.settle.schedule;
    set(&mut settle.every, said.settle.every);
    set(&mut settle.serve_within, said.serve_within);
    set(&mut settle.close_patience, said.close_patience);
    match said.close_unused {
        Some(CloseUnused::After(time)) => settle.close_unused = Some(time),
        Some(CloseUnused::Never) => settle.close_unused = None,
        None => {}
    }
    set(&mut options.voucher_wait, said.voucher_wait);
    set(&mut options.challenge_lifetime, said.challenge);
    let number = |number: Option<u32>| number.and_then(NonZeroU32::new);
    set(
        &mut options.vouchers_per_second,
        number(said.vouchers_per_second),
    );
    set(&mut options.voucher_burst, number(said.voucher_burst));
    set(&mut options.openings_an_hour, said.openings_an_hour);
    set(&mut options.channels_in_memory, said.channels_in_memory);
    set(&mut options.fundings_at_once, said.fundings_at_once);
    set(&mut options.close_within, said.close_within);
    match &said.v1_ahead {
        Some(V1Ahead::By(price)) => options.v1_ahead = Some(price.clone()),
        Some(V1Ahead::Requests) => options.v1_ahead = None,
        None => {}
    }
    set(&mut options.v1_requests_ahead, said.v1_requests_ahead);
    let kept = &mut options.retention;
    set(&mut kept.channels, said.keep.channels);
    set(&mut kept.ends, said.keep.ends);
    set(&mut kept.settlements, said.keep.settlements);
    options
}

/// What a rule asks for out of a channel.
///
/// # Errors
/// When it cannot be asked.
pub(super) fn metering(said: &RuleSession) -> Result<Metering, RouteError> {
    let price = said.price.to_string();
    let mut metering = match said.usage.is_counted() {
        true => Metering::by_use(&price, &said.unit)?.estimate(said.covered()),
        false => Metering::per_request(&price)?,
    };
    if let Some(deposit) = &said.deposit {
        metering = metering.suggested_deposit(&deposit.to_string())?;
    }
    if let Some(delta) = &said.min_delta {
        metering = metering.min_delta(&delta.to_string())?;
    }
    if let Some(wait) = said.voucher_wait {
        metering = metering.voucher_within(wait);
    }
    Ok(metering)
}

fn set<T>(place: &mut T, said: Option<T>) {
    if let Some(value) = said {
        *place = value;
    }
}
