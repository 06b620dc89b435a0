//! Requests that are repeated under an `Idempotency-Key`.
//!
//! The row of a call lies beside its channel and is written with the charge. A request that is refused
//! by the channel may be one that was charged before, so the row is looked for when a step fails: when
//! none does, the row's guard finds it, and that saves a read.

use std::sync::Arc;

use bytes::Bytes;
use farthing_core::{
    domain::{
        calls::{Call, CallState, HeldCall, Repeat},
        channels::{ChannelError, Rows, Step},
    },
    intent::session::{Rule, Voucher},
    value::{Amount, Fingerprint, Timestamp},
};
use http::Response;

use super::{
    Live, Sessions,
    admit::{Halt, halt},
    seat::Spent,
};
use crate::{
    fingerprint,
    gate::{Asked, Gate, restore},
    refused::Refused,
};

/// What a repeated request gets.
pub(super) enum Began {
    /// What it was answered before, and how much that used.
    Served((Response<Bytes>, u64)),
    /// Another run of its handler, which is not charged.
    Again(Spent, HeldCall),
}

/// A request under a key.
pub(super) struct Keyed {
    /// The key, within what its payer sent.
    key: Fingerprint,
    call: Call,
    /// The voucher it came with, and what is asked of it.
    voucher: (Voucher, Rule),
}

impl Keyed {
    /// What makes a request the same when it comes again, where it has a key.
    pub(super) fn of(
        asked: &Asked,
        live: &Live,
        price: Amount,
        voucher: (&Voucher, Rule),
    ) -> Option<Self> {
        let key = asked.idempotency()?;
        let call = Call {
            whole: asked.whole_fingerprint(),
            price,
            metered: Amount::ZERO,
            units: u64::from(!price.is_zero()),
            attempts: 1,
            state: CallState::Charged {
                until: asked.served_until(),
            },
            forget_at: asked.remembered_until(),
        };
        Some(Self {
            key: fingerprint::of_idempotency(live.terms().payer.as_str(), key),
            call,
            voucher: (voucher.0.clone(), voucher.1),
        })
    }

    /// The row that its charge writes.
    pub(super) fn begin(&self, now: Timestamp) -> (HeldCall, Rows) {
        HeldCall::begin(&self.key, self.call.clone(), now)
    }
}

impl Gate {
    /// What a request gets that has a key and was refused by its channel: the refusal, or what the
    /// same request was charged for before.
    pub(super) async fn repeated(
        &self,
        asked: &Asked,
        live: &Arc<Live>,
        keyed: Keyed,
        error: ChannelError,
    ) -> Result<Began, Halt> {
        let sessions = self.sessions().ok_or(Refused::Internal)?;
        let calls = sessions.calls();
        let now = asked.now();
        if let ChannelError::Store(_) = &error {
            return Err(halt(error, live));
        }
        if let ChannelError::Short(_) = &error {
            // The rows of this channel take all the room they may. What is over makes some, and the
            // same request is then taken again.
            let made = calls.make_room(live.id(), now).await;
            made.map_err(Refused::Store)?;
            return Err(Refused::Overloaded.into());
        }
        let found = calls.find(live.id(), &keyed.key).await;
        let Some(held) = found.map_err(Refused::Store)? else {
            return Err(halt(error, live));
        };
        let may_run_again = asked.may_run_again();
        match held.call().repeat(&keyed.call.whole, now, may_run_again) {
            Repeat::Answer(answer) => {
                let units = held.call().units;
                Ok(Began::Served((restore(answer), units)))
            }
            Repeat::InFlight(_) => Err(Refused::IdempotencyInFlight.into()),
            Repeat::Mismatch | Repeat::Over => Err(Refused::IdempotencyMismatch.into()),
            Repeat::Again => serve_again(asked, live, &held, keyed.voucher).await,
        }
    }
}

/// Takes over a call that was charged, and whose owner is gone or has no answer of it. What was charged
/// for it is not charged again; its voucher is taken for what may come on top.
async fn serve_again(
    asked: &Asked,
    live: &Arc<Live>,
    held: &HeldCall,
    (voucher, rule): (Voucher, Rule),
) -> Result<Began, Halt> {
    if !asked.route.is_ready() {
        return Err(Refused::NotReady.into());
    }
    let (next, (guards, writes)) = held.again(asked.served_until(), asked.now());
    let taken = live
        .step(move |channel| {
            // One that is not good here is not needed here either.
            let added = channel
                .accept(&voucher, rule)
                .map_or(Amount::ZERO, |it| it.added);
            let taken = (channel.balance(), added);
            Ok(Step::to(taken).with(guards.clone(), writes.clone()))
        })
        .await;
    match taken {
        Ok((balance, added)) => {
            live.tell_voucher(added);
            let Call { price, metered, .. } = *held.call();
            // One that was served has said so of its price.
            let is_open = matches!(held.call().state, CallState::Charged { .. });
            let spent = Spent {
                price,
                open: if is_open { price } else { Amount::ZERO },
                credit: metered,
                units: u64::from(!price.is_zero()),
                balance,
            };
            Ok(Began::Again(spent, next))
        }
        Err(ChannelError::Guarded(_)) => Err(Refused::IdempotencyInFlight.into()),
        Err(error) => Err(halt(error, live)),
    }
}

impl Sessions {
    /// The calls of its channels.
    pub(super) const fn calls(&self) -> &farthing_core::domain::calls::Calls {
        &self.calls
    }
}
