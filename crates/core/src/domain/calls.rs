//! Calls: what makes a request that is repeated on a channel the same request.
//!
//! A request with an `Idempotency-Key` leaves a row in its channel's partition, written in the batch
//! that charges it: there is no moment in which one is there without the other. Who repeats the
//! request finds the row and is not charged. Once it is served, the row holds the answer.
//!
//! ```text
//! begin ──▶ charged ──served──▶ served, with its answer where that is small
//!              │ └─ its owner died: taken over, and served again without a charge
//!              ├──metered──▶ charged: what its handler charges is noted with each charge
//!              └──unserved──▶ no row: the charge is taken back in the same batch
//! ```
//!
//! What a channel may hold of such rows is bounded in bytes. Where there is no room, the ones that
//! would be forgotten next are forgotten now: see [`Calls::make_room`].

use std::sync::Arc;

use super::{
    channels::Rows,
    responses::{self, Stored},
};
use crate::{
    bounds,
    encoding::packed::{Packer, UnpackError, Unpacker},
    intent::session::ChannelId,
    port::backend::{
        Backend, Batch, Commit, Guard, Key, Partition, Place, Range, Row, StoreError, Table, Write,
    },
    value::{Amount, Fingerprint, Timestamp},
};

pub(super) const CALLS: Table = Table::new("core.calls");
/// How many bytes the rows of a channel take.
pub(super) const ROOM: Table = Table::new("core.call_room");
pub(super) const USED: &str = "used";
const EXPIRING: &str = "expiring";
const FORM: u8 = 1;

/// What a row counts for beside its answer.
const ROW: usize = 256;
/// How often one call is served at the most.
const ATTEMPTS: u8 = 3;
/// How often room is made anew where others change the same rows.
const TRIES: usize = 8;

/// A request under an idempotency key, as its channel's partition keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The fingerprint of the whole request. Another request under the same key is no repetition.
    pub whole: Fingerprint,
    /// What was charged for it before it was served.
    pub price: Amount,
    /// What was charged for it beyond that, while it was served. Whoever serves it again has so much
    /// paid.
    pub metered: Amount,
    /// What is told about it: what it used.
    pub units: u64,
    /// How often it was served, the first time included.
    pub attempts: u8,
    /// How far it is.
    pub state: CallState,
    /// When it is forgotten.
    pub forget_at: Timestamp,
}

/// How far a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallState {
    /// It is charged and being served, by its owner until this time.
    Charged {
        /// Until when.
        until: Timestamp,
    },
    /// It was served. The answer is kept where it was small enough.
    Served(Option<Stored>),
}

/// A call as it was read or written, by one of those who may change it.
#[derive(Clone, Debug)]
pub struct HeldCall {
    key: Key,
    call: Call,
    fence: u64,
}

/// What a request that is repeated gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The answer of the first time.
    Answer(Stored),
    /// Another run of the handler, which is not charged: see [`HeldCall::again`].
    Again,
    /// It is being served, until this time at the latest.
    InFlight(Timestamp),
    /// The key belongs to another request.
    Mismatch,
    /// It was charged, and its answer cannot be had again.
    Over,
}

impl Call {
    /// What this request gets. `may_run_again` says whether its handler may run twice.
    #[must_use]
    pub fn repeat(&self, whole: &Fingerprint, now: Timestamp, may_run_again: bool) -> Repeat {
        if self.whole != *whole {
            return Repeat::Mismatch;
        }
        match &self.state {
            CallState::Charged { until } if *until > now => Repeat::InFlight(*until),
            CallState::Served(Some(answer)) => Repeat::Answer(answer.clone()),
            CallState::Charged { .. } | CallState::Served(None) => {
                if may_run_again && self.attempts < ATTEMPTS {
                    Repeat::Again
                } else {
                    Repeat::Over
                }
            }
        }
    }

    fn put(&self, key: &Key, fence: u64) -> Write {
        Write::Put {
            table: CALLS,
            key: key.clone(),
            value: self.pack(),
            fence,
            place: Some(Place {
                group: Key::from(EXPIRING),
                at: self.forget_at.as_millis(),
            }),
        }
    }

    fn pack(&self) -> Vec<u8> {
        // Taken apart, so that a new field cannot be left out.
        let Self {
            whole,
            price,
            metered,
            units,
            attempts,
            state,
            forget_at,
        } = self;
        let mut out = Packer::new(FORM, 64);
        out.array(&whole.0);
        out.amount(*price);
        out.amount(*metered);
        out.number(*units);
        out.byte(*attempts);
        out.time(*forget_at);
        match state {
            CallState::Charged { until } => {
                out.byte(0);
                out.time(*until);
            }
            CallState::Served(None) => out.byte(1),
            CallState::Served(Some(answer)) => {
                out.byte(2);
                out.bytes(&responses::encode(answer));
            }
        }
        out.finish()
    }

    fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        let mut from = Unpacker::new(bytes, FORM)?;
        let call = Self {
            whole: Fingerprint(from.array()?),
            price: from.amount()?,
            metered: from.amount()?,
            units: from.number(u64::MAX)?,
            attempts: from.byte()?,
            forget_at: from.time()?,
            state: match from.byte()? {
                0 => CallState::Charged {
                    until: from.time()?,
                },
                1 => CallState::Served(None),
                2 => {
                    let answer = responses::decode(from.bytes()?);
                    CallState::Served(Some(answer.ok_or(UnpackError::CutShort)?))
                }
                _ => return Err(UnpackError::Code("state")),
            },
        };
        from.end()?;
        Ok(call)
    }

    /// What it counts for.
    fn size(&self) -> i128 {
        let answer = match &self.state {
            CallState::Served(Some(answer)) => answer.size(),
            _ => 0,
        };
        i128::try_from(ROW + answer).unwrap_or(i128::MAX)
    }
}

impl HeldCall {
    /// What it is.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// Begins a call that nobody else began, for the batch that charges it. Guard 0 fails where
    /// somebody did: [`Calls::find`] then finds it. Write 0 fails where there is no room.
    #[must_use]
    pub fn begin(key: &Fingerprint, call: Call, now: Timestamp) -> (Self, Rows) {
        let held = Self {
            key: Key::from(&key.0[..]),
            fence: now.as_millis(),
            call,
        };
        let guard = Guard::Absent {
            table: CALLS,
            key: held.key.clone(),
        };
        let writes = vec![used(held.call.size()), held.call.put(&held.key, held.fence)];
        (held, (vec![guard], writes))
    }

    /// Notes what was charged for it in all while it is served, for the batch that charges that or
    /// takes it back. Guard 0 fails where somebody took it over.
    #[must_use]
    pub fn metered(&self, metered: Amount, now: Timestamp) -> (Self, Rows) {
        let call = Call {
            metered,
            ..self.call.clone()
        };
        self.change(call, now)
    }

    /// The same, of which the next write says that it used so many units.
    #[must_use]
    pub const fn using(mut self, units: u64) -> Self {
        self.call.units = units;
        self
    }

    /// The same, of which the next write says that so much was charged while it was served.
    #[must_use]
    pub const fn having(mut self, metered: Amount) -> Self {
        self.call.metered = metered;
        self
    }

    /// Takes the call over from an owner whose time is over, to be served until a later time and
    /// charged nothing. Guard 0 fails where somebody else did so before, or the former owner came to
    /// its end after all.
    #[must_use]
    pub fn again(&self, until: Timestamp, now: Timestamp) -> (Self, Rows) {
        let call = Call {
            attempts: self.call.attempts.saturating_add(1),
            state: CallState::Charged { until },
            ..self.call.clone()
        };
        self.change(call, now)
    }

    /// Goes on serving until a later time. Guard 0 fails where somebody took it over.
    #[must_use]
    pub fn renew(&self, until: Timestamp, now: Timestamp) -> (Self, Rows) {
        let state = CallState::Charged { until };
        let call = Call {
            state,
            ..self.call.clone()
        };
        self.change(call, now)
    }

    /// Ends it: it was served. The answer is kept for those who repeat it; none where it is too
    /// large, or a stream. Guard 0 fails where somebody took it over; write 0 where there is no room
    /// for the answer.
    #[must_use]
    pub fn served(&self, answer: Option<Stored>, now: Timestamp) -> (Self, Rows) {
        let state = CallState::Served(answer);
        let call = Call {
            state,
            ..self.call.clone()
        };
        self.change(call, now)
    }

    /// Ends it as if it had never been, for the batch that takes its charge back. Guard 0 fails where
    /// somebody took it over.
    #[must_use]
    pub fn unserved(&self) -> Rows {
        (vec![self.fence()], self.erase())
    }

    fn change(&self, call: Call, now: Timestamp) -> (Self, Rows) {
        let next = Self {
            key: self.key.clone(),
            fence: now.as_millis().max(self.fence + 1),
            call,
        };
        let grown = next.call.size() - self.call.size();
        let writes = vec![used(grown), next.call.put(&next.key, next.fence)];
        (next, (vec![self.fence()], writes))
    }

    fn fence(&self) -> Guard {
        Guard::Fence {
            table: CALLS,
            key: self.key.clone(),
            fence: self.fence,
        }
    }

    fn erase(&self) -> Vec<Write> {
        let erase = Write::Delete {
            table: CALLS,
            key: self.key.clone(),
        };
        vec![used(-self.call.size()), erase]
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let call = Call::unpack(&row.value);
        Ok(Self {
            key: row.key.clone(),
            call: call.map_err(|error| StoreError::Corrupt(error.into()))?,
            fence: row.fence,
        })
    }

    /// Whether it is worth its room less than another: it is over, or nobody works on it.
    const fn may_go(&self, now: Timestamp) -> bool {
        match self.call.state {
            CallState::Charged { until } => until.as_millis() <= now.as_millis(),
            CallState::Served(_) => true,
        }
    }
}

/// The calls of the channels of a store.
#[derive(Clone)]
pub struct Calls {
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calls")
    }
}

impl Calls {
    /// Calls kept in a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Finds a call by the hash of its idempotency key.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(
        &self,
        channel: &ChannelId,
        key: &Fingerprint,
    ) -> Result<Option<HeldCall>, StoreError> {
        let (partition, key) = (partition(channel), Key::from(&key.0[..]));
        let row = self.backend.get(&partition, CALLS, &key).await?;
        row.as_ref().map(HeldCall::read).transpose()
    }

    /// Forgets the calls of a channel whose time is over: at most a page of them. Answers how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget(&self, channel: &ChannelId, now: Timestamp) -> Result<usize, StoreError> {
        let expired = self.oldest(channel, now.as_millis()).await?;
        self.erase(channel, expired).await
    }

    /// Until when one of the calls of a channel is promised to be remembered, at the latest; `None` where
    /// there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn promised(&self, channel: &ChannelId) -> Result<Option<Timestamp>, StoreError> {
        let range = Range {
            newest_first: true,
            limit: 1,
            ..expiring(channel, u64::MAX)
        };
        let rows = self.backend.range(range).await?;
        let last = rows.first().and_then(|row| row.place.as_ref());
        Ok(last.map(|place| Timestamp::from_millis(place.at)))
    }

    /// Makes room for more calls of a channel: forgets those whose time is over, or else the quarter
    /// of a page that would be forgotten next. One that is being served stays. Whether there is any
    /// more room.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn make_room(&self, channel: &ChannelId, now: Timestamp) -> Result<bool, StoreError> {
        for _ in 0..TRIES {
            let calls = self.oldest(channel, u64::MAX).await?;
            let expired = calls.iter().filter(|held| held.call.forget_at <= now);
            let most = expired.count().max(calls.len().div_ceil(4));
            let calls = calls.into_iter().filter(|held| held.may_go(now));
            let calls: Vec<HeldCall> = calls.take(most).collect();
            if calls.is_empty() {
                return Ok(false);
            }
            if self.erase(channel, calls).await? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets all calls of a channel that is forgotten itself.
    pub(super) async fn forget_all(&self, channel: &ChannelId) -> Result<(), StoreError> {
        loop {
            let calls = self.oldest(channel, u64::MAX).await?;
            if calls.is_empty() {
                return Ok(());
            }
            self.erase(channel, calls).await?;
        }
    }

    /// The calls that are forgotten next, of those that are before a time.
    async fn oldest(&self, channel: &ChannelId, before: u64) -> Result<Vec<HeldCall>, StoreError> {
        let rows = self.backend.range(expiring(channel, before)).await?;
        rows.iter().map(HeldCall::read).collect()
    }

    /// Erases calls, all or, where one was changed meanwhile, none.
    async fn erase(&self, channel: &ChannelId, calls: Vec<HeldCall>) -> Result<usize, StoreError> {
        if calls.is_empty() {
            return Ok(0);
        }
        let mut batch = Batch::new(partition(channel));
        for held in &calls {
            batch.guards.push(held.fence());
            batch.writes.extend(held.erase());
        }
        match self.backend.commit(batch).await? {
            Commit::Committed => Ok(calls.len()),
            Commit::Conflict(_) => Ok(0),
        }
    }
}

fn partition(channel: &ChannelId) -> Partition {
    Partition::Channel(channel.to_key())
}

/// A page of the calls of a channel that are forgotten before a time, the next first.
fn expiring(channel: &ChannelId, before: u64) -> Range {
    Range {
        partition: partition(channel),
        table: CALLS,
        group: Key::from(EXPIRING),
        before,
        after: None,
        newest_first: false,
        limit: bounds::CALL_PAGE,
    }
}

/// Counts bytes. What comes free is always taken.
fn used(delta: i128) -> Write {
    let most = i128::try_from(bounds::CALLS).unwrap_or(i128::MAX);
    Write::Add {
        table: ROOM,
        key: Key::from(USED),
        delta,
        min: 0,
        max: if delta > 0 { most } else { i128::MAX },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn answer() -> Stored {
        Stored {
            status: 200,
            headers: vec![("content-type".into(), b"text/plain".to_vec())],
            body: b"sunny".to_vec(),
        }
    }

    fn call(state: CallState) -> Call {
        Call {
            whole: Fingerprint([1; 32]),
            price: Amount::new(7),
            metered: Amount::new(2),
            units: 3,
            attempts: 1,
            state,
            forget_at: NOW,
        }
    }

    #[test]
    fn a_row_is_read_as_it_was_written_and_a_cut_one_is_damage() {
        for state in [
            CallState::Charged { until: NOW },
            CallState::Served(None),
            CallState::Served(Some(answer())),
        ] {
            let call = call(state);
            let bytes = call.pack();
            assert_eq!(Call::unpack(&bytes).unwrap(), call);
            for cut in 0..bytes.len() {
                assert!(Call::unpack(&bytes[..cut]).is_err(), "cut at {cut}");
            }
            assert!(Call::unpack(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn what_a_repeated_request_gets() {
        let same = Fingerprint([1; 32]);
        let later = NOW.saturating_add(std::time::Duration::from_secs(1));
        let check = |state: CallState, again, expect: Repeat| {
            assert_eq!(call(state.clone()).repeat(&same, NOW, again), expect);
            let other = Fingerprint([2; 32]);
            assert_eq!(call(state).repeat(&other, NOW, again), Repeat::Mismatch);
        };
        let served = CallState::Served(Some(answer()));
        check(served, false, Repeat::Answer(answer()));
        let charged = |until| CallState::Charged { until };
        check(charged(later), true, Repeat::InFlight(later));
        check(charged(NOW), true, Repeat::Again);
        check(charged(NOW), false, Repeat::Over);
        check(CallState::Served(None), true, Repeat::Again);
        check(CallState::Served(None), false, Repeat::Over);
        let mut often = call(CallState::Served(None));
        often.attempts = ATTEMPTS;
        assert_eq!(often.repeat(&same, NOW, true), Repeat::Over);
    }
}
