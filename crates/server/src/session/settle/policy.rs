//! When a channel is settled, and with what.
//!
//! What is handed in is never more than what was spent: [`Channel::to_settle`] and
//! [`Channel::closing`] see to that. What is decided here is when.

use std::time::Duration;

use farthing_core::{
    domain::settlements::Wish,
    intent::session::{Channel, Protocol, Standing},
    port::session::Handing,
    value::{Amount, Price, Timestamp},
};

/// When what was spent is settled, and unused channels are closed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SettleOptions {
    /// A channel that has so much unsettled is settled. Where only a close can take it, it is closed:
    /// once it was not used for `idle`, or is unsettled for `age`. Less than that stays open, unless
    /// somebody is refused because too much is unsettled.
    pub amount: Price,
    /// One that has anything unsettled for so long is settled.
    pub age: Duration,
    /// One that has anything unsettled and was not used for so long is settled.
    pub idle: Duration,
    /// All that is unsettled is settled so often, at whole multiples of it since 1970: a day is
    /// midnight in UTC.
    pub schedule: Option<Duration>,
    /// A channel that was not used for so long is closed; it may take up to twice as long. `None`
    /// leaves it open.
    pub close_unused: Option<Duration>,
    /// How often it is looked for what is due.
    pub every: Duration,
    /// The longest that a request can take to be served. What was charged for one that nobody
    /// finished counts as served after that.
    pub serve_within: Duration,
    /// How long a channel that is being closed waits for the requests that are being served: from when
    /// the close was asked for, or, where this process serves none, from when the channel was last used.
    /// It does not wait for a process that is [gone](crate::session::TillOptions::alive).
    pub close_patience: Duration,
}

impl Default for SettleOptions {
    fn default() -> Self {
        Self {
            amount: "$1".parse().expect("a default is a price"),
            age: Duration::from_secs(60 * 60),
            idle: Duration::from_secs(10 * 60),
            schedule: None,
            close_unused: Some(Duration::from_secs(30 * 24 * 60 * 60)),
            every: Duration::from_secs(5),
            serve_within: Duration::from_secs(15 * 60),
            close_patience: Duration::from_secs(60),
        }
    }
}

impl SettleOptions {
    /// Whether a settler can work by them.
    pub(in crate::session) fn check(&self) -> Result<(), &'static str> {
        let is_none = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
        if self.every.is_zero() {
            Err("a settler that never rests does nothing else")
        } else if self.age.is_zero() || self.idle.is_zero() {
            Err("what is settled as soon as it is spent needs no session")
        } else if is_none(self.schedule) || is_none(self.close_unused) {
            Err("a schedule or a time of disuse is none")
        } else {
            Ok(())
        }
    }

    /// How long what is exposed may lie unchanged before it is looked at.
    pub(super) fn rest(&self) -> Duration {
        self.age.min(self.idle)
    }
}

/// What is done with a channel now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// This is handed in.
    Hand(Handing),
    /// It has to be stopped before it can be closed.
    Stop,
    /// Nothing yet, and it is looked at again then.
    Wait(Timestamp),
    /// Nothing.
    Nothing,
    /// It is over.
    Over,
}

/// What is wanted of a channel, and since when.
pub(super) type Wanted = Option<(Wish, Timestamp)>;

/// What may be in flight on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InFlight {
    /// This process is serving something out of it.
    Here,
    /// Only others may be, and whatever they are was charged at this time at the latest.
    Elsewhere(Timestamp),
    /// Nobody is: who may have been is gone.
    Nowhere,
}

/// What only a close can take of a channel: by the second protocol, what was spent below a voucher that
/// was signed for more. Where a voucher can be settled, that comes first.
pub(super) fn only_a_close_takes(channel: &Channel) -> Amount {
    let goes_on = channel.standing() == Standing::Open && channel.to_settle().is_none();
    match goes_on && channel.protocol() == Protocol::V2 {
        true => unsettled(channel.closing().capture, channel.balance().settled),
        false => Amount::ZERO,
    }
}

/// Decides what is done with a channel. `is_stuck` where what only a close can take of it has been
/// unsettled for too long.
pub(super) fn decide(
    channel: &Channel,
    (wanted, in_flight, is_stuck): (Wanted, InFlight, bool),
    now: Timestamp,
    grace: Duration,
    options: &SettleOptions,
) -> Decision {
    let settle = channel.to_settle().cloned().map(Handing::Settle);
    match (channel.standing(), wanted) {
        (Standing::Closed, _) => Decision::Over,
        (Standing::Closing, _) => {
            let asked = wanted.map_or(now, |(_, since)| since);
            let since = match in_flight {
                InFlight::Here => Some(asked),
                InFlight::Elsewhere(charged) => Some(asked.min(charged)),
                InFlight::Nowhere => None,
            };
            let patience = since.map(|since| since.saturating_add(options.close_patience));
            if let Some(patience) = patience.filter(|patience| now < *patience)
                && !channel.is_idle()
            {
                return Decision::Wait(patience.min(now.saturating_add(options.every)));
            }
            close(channel).map_or(Decision::Nothing, Decision::Hand)
        }
        (Standing::CloseRequested(at), _) => {
            if let Some(settle) = settle {
                return Decision::Hand(settle);
            }
            // Only a close gets what no voucher says exactly. Until it has to be, the payer may
            // take its request back.
            let closes_at = at.saturating_add(grace / 3);
            match (gains(channel), now >= closes_at) {
                (true, true) => Decision::Stop,
                (true, false) => Decision::Wait(closes_at),
                (false, _) => Decision::Nothing,
            }
        }
        (Standing::Open, Some((Wish::Close, since))) => {
            // Whoever wants it closed stops it right afterwards, or died before it did.
            let until = since.saturating_add(options.close_patience);
            match settle {
                Some(settle) => Decision::Hand(settle),
                None if now < until => Decision::Wait(until.min(now.saturating_add(options.every))),
                None => Decision::Nothing,
            }
        }
        (Standing::Open, Some((Wish::CloseIfIdle(spent), _))) => {
            if channel.balance().spent > spent {
                let unused = options.close_unused.unwrap_or(options.age);
                return Decision::Wait(now.saturating_add(unused));
            }
            // Stopped for nothing it would serve nobody.
            match can_close(channel) {
                true => Decision::Stop,
                false => Decision::Nothing,
            }
        }
        (Standing::Open, _) => match settle {
            Some(settle) => Decision::Hand(settle),
            None if is_stuck => Decision::Stop,
            None => Decision::Nothing,
        },
    }
}

/// What closes it; `None` where the rail needs a voucher for it and we have none. Then only its payer
/// can close it.
fn close(channel: &Channel) -> Option<Handing> {
    let closing = channel.closing();
    if closing.voucher.is_none() && channel.protocol() == Protocol::V1 {
        return None;
    }
    Some(Handing::Close {
        capture: closing.capture,
        voucher: closing.voucher.cloned(),
    })
}

/// Whether we can close it as it is.
pub(in crate::session) fn can_close(channel: &Channel) -> bool {
    close(channel).is_some()
}

/// Whether closing it would pay anything out.
fn gains(channel: &Channel) -> bool {
    channel.closing().capture > channel.balance().settled
}

/// How many channels go into one settlement with others that were as suspect as they: a fourth as
/// many for each time that one was refused, and in the end each by itself.
pub(super) fn together(limit: usize, refused: u32) -> usize {
    let shift = refused.saturating_mul(2).min(usize::BITS - 1);
    (limit >> shift).max(1)
}

/// What is unsettled of a balance.
pub(super) fn unsettled(spent: Amount, settled: Amount) -> Amount {
    spent.checked_sub(settled).unwrap_or_default()
}
