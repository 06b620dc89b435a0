//! Several pieces of work on one channel in one write.
//!
//! A write waits for the disk, and a channel is written by one at a time: so requests that come while
//! one is being written wait, and whoever is next takes them all. Each is answered by itself: one
//! that is refused changes nothing and does not hurt the others, and one whose rows do not hold is
//! the only one that learns of it.

use std::{borrow::Borrow, fmt, sync::Arc};

use super::{Caps, ChannelError, Channels, Held, Purchase, Step, TRIES};
use crate::{
    intent::session::{Admitted, Channel, Refused},
    port::backend::{Guard, StoreError, Write},
    value::{Amount, Timestamp},
};

/// Rows of the channel's partition that go with a piece of work: what has to hold, and what is then
/// written.
pub type Rows = (Vec<Guard>, Vec<Write>);

/// A piece of work on a channel. It keeps what it led to until it is asked for it.
pub trait Work: Send {
    /// Takes it on a copy of the channel. It is taken anew each time somebody got ahead, so it must
    /// have no effect of its own.
    ///
    /// `is_full` says that no more can be drawn for it: what is unbacked then is refused for good.
    ///
    /// # Errors
    /// When the channel refuses it; after [`Refused::Unbacked`] more is drawn, and it is taken again.
    fn take(&mut self, channel: &mut Channel, is_full: bool) -> Result<Rows, Refused>;

    /// It came to nothing, whatever it led to before.
    fn fail(&mut self, error: ChannelError);
}

/// A step of anybody's, as a piece of work.
#[derive(Debug)]
pub struct Stepping<T, F> {
    step: F,
    outcome: Option<Result<T, ChannelError>>,
}

impl<T, F> Stepping<T, F>
where
    F: FnMut(&mut Channel) -> Result<Step<T>, Refused>,
{
    /// A step that was not taken yet.
    pub const fn new(step: F) -> Self {
        Self {
            step,
            outcome: None,
        }
    }

    /// What it led to.
    ///
    /// # Errors
    /// When it was not taken, or nobody knows.
    pub fn into_outcome(self) -> Result<T, ChannelError> {
        self.outcome.unwrap_or_else(nobody_knows)
    }
}

impl<T: Send, F> Work for Stepping<T, F>
where
    F: FnMut(&mut Channel) -> Result<Step<T>, Refused> + Send,
{
    fn take(&mut self, channel: &mut Channel, is_full: bool) -> Result<Rows, Refused> {
        let taken = (self.step)(channel).map_err(|refused| match refused {
            Refused::Unbacked { .. } if is_full => Refused::ExposureFull,
            other => other,
        });
        let (outcome, rows) = taken?.into_parts();
        self.outcome = Some(Ok(outcome));
        Ok(rows)
    }

    fn fail(&mut self, error: ChannelError) {
        self.outcome = Some(Err(error));
    }
}

/// A request's voucher and its price, as a piece of work.
#[derive(Debug)]
pub struct Buying<P = Purchase> {
    purchase: P,
    outcome: Option<Result<Admitted, ChannelError>>,
}

impl<P: Borrow<Purchase>> Buying<P> {
    /// A purchase that was not made yet.
    pub const fn new(purchase: P) -> Self {
        Self {
            purchase,
            outcome: None,
        }
    }

    /// What it led to.
    ///
    /// # Errors
    /// When it was not made, or nobody knows.
    pub fn into_outcome(self) -> Result<Admitted, ChannelError> {
        self.outcome.unwrap_or_else(nobody_knows)
    }
}

impl<P: Borrow<Purchase> + Send> Work for Buying<P> {
    fn take(&mut self, channel: &mut Channel, is_full: bool) -> Result<Rows, Refused> {
        let Purchase {
            voucher,
            rule,
            price,
            guards,
            writes,
        } = self.purchase.borrow();
        let mut admitted = channel.accept_and_charge(voucher.as_ref(), *rule, *price)?;
        let mut rows = Rows::default();
        match admitted.charge {
            Ok(_) => rows = (guards.clone(), writes.clone()),
            Err(refused @ Refused::Unbacked { .. }) if !is_full => return Err(refused),
            Err(Refused::Unbacked { .. }) => admitted.charge = Err(Refused::ExposureFull),
            // The voucher is kept all the same.
            Err(_) => {}
        }
        self.outcome = Some(Ok(admitted));
        Ok(rows)
    }

    fn fail(&mut self, error: ChannelError) {
        self.outcome = Some(Err(error));
    }
}

impl Channels {
    /// Takes several pieces of work, in their order, in as few writes as they need: one, where the
    /// grant covers them and their rows do not meet. Durable when it returns.
    ///
    /// `served` is what was [served](Channel::served) since the channel was written last, and rides on
    /// the first write there is. Answers how much of it must not be said again: all or nothing. What may
    /// have been written is not said twice, or it would end what was charged for others; if it was not
    /// written, it stays unsure until the channel is [idle](Channels::end_left_over).
    pub async fn apply(
        &self,
        held: &mut Held,
        now: Timestamp,
        served: Amount,
        mut works: Vec<&mut dyn Work>,
        caps: &Caps,
    ) -> Amount {
        let (mut written, mut drawn, mut full_from) = (Amount::ZERO, None, None);
        for _ in 0..TRIES + works.len() {
            if works.is_empty() {
                return written;
            }
            let unwritten = served.checked_sub(written).unwrap_or_default();
            let mut round = Round::default();
            let update = self.update(held, now, |channel| {
                round = Round::default();
                if let Some((number, amount)) = drawn {
                    // One that is outdated backs nothing, and a charge then says that it needs more.
                    let _is_current = channel.grant(number, amount);
                }
                channel.served(unwritten);
                for (at, work) in works.iter_mut().enumerate() {
                    round.take(at, &mut **work, channel, full_from);
                }
                let guards = std::mem::take(&mut round.guards);
                Ok(Step::to(()).with(guards, std::mem::take(&mut round.writes)))
            });
            match update.await {
                Ok(()) => {
                    written = served;
                    works = keep(works, |at| round.again.contains(&at));
                    let Some(needs) = round.needs else { continue };
                    match self.draw(held, needs, caps, now).await {
                        Ok(Some(enough)) => drawn = Some(enough),
                        Ok(None) => full_from = Some(needs),
                        Err(error) => return fail(works, error, written),
                    }
                }
                Err(error) => {
                    if matches!(&error, ChannelError::Store(error) if error.in_doubt()) {
                        written = served;
                    }
                    let Some((culprit, error)) = round.culprit(&error) else {
                        return fail(works, error, written);
                    };
                    works[culprit].fail(error);
                    works = keep(works, |at| at != culprit);
                }
            }
        }
        fail(works, ChannelError::Contended, written)
    }
}

/// What one write takes.
#[derive(Default)]
struct Round {
    guards: Vec<Guard>,
    writes: Vec<Write>,
    /// Whose rows begin where: the work, its first guard, its first write.
    rows: Vec<(usize, usize, usize)>,
    /// Which come again.
    again: Vec<usize>,
    /// What the channel has to be granted for the first of those.
    needs: Option<Amount>,
}

impl Round {
    fn take(
        &mut self,
        at: usize,
        work: &mut dyn Work,
        channel: &mut Channel,
        full_from: Option<Amount>,
    ) {
        let mut next = channel.clone();
        let mut taken = work.take(&mut next, false);
        if let Err(Refused::Unbacked { needs }) = taken {
            if full_from.is_none_or(|full| needs < full) {
                self.needs.get_or_insert(needs);
                self.again.push(at);
                return;
            }
            next = channel.clone();
            taken = work.take(&mut next, true);
        }
        match taken {
            // What the other writes is there in the next round.
            Ok((guards, _)) if self.meets(&guards) => self.again.push(at),
            Ok((guards, writes)) => {
                *channel = next;
                if !guards.is_empty() || !writes.is_empty() {
                    self.rows.push((at, self.guards.len(), self.writes.len()));
                    self.guards.extend(guards);
                    self.writes.extend(writes);
                }
            }
            Err(refused) => work.fail(refused.into()),
        }
    }

    /// Whether guards are about rows that are written in this round: they are asked about what was
    /// there before all of it.
    fn meets(&self, guards: &[Guard]) -> bool {
        guards.iter().any(|guard| {
            let (Guard::Absent { table, key }
            | Guard::Version { table, key, .. }
            | Guard::Fence { table, key, .. }) = guard;
            self.writes.iter().any(|write| match write {
                Write::Put {
                    table: written,
                    key: row,
                    ..
                }
                | Write::Delete {
                    table: written,
                    key: row,
                }
                | Write::Add {
                    table: written,
                    key: row,
                    ..
                } => row == key && written == table,
                // Its key is known when it is written.
                Write::Append { table: written, .. } => written == table,
            })
        })
    }

    /// Whose rows did not hold, with what that one is told.
    fn culprit(&self, error: &ChannelError) -> Option<(usize, ChannelError)> {
        let mut from_last = self.rows.iter().rev();
        match error {
            ChannelError::Guarded(at) => {
                let (work, first, _) = from_last.find(|(_, first, _)| first <= at)?;
                Some((*work, ChannelError::Guarded(at - first)))
            }
            ChannelError::Short(at) => {
                let (work, _, first) = from_last.find(|(_, _, first)| first <= at)?;
                Some((*work, ChannelError::Short(at - first)))
            }
            _ => None,
        }
    }
}

fn keep(works: Vec<&mut dyn Work>, stays: impl Fn(usize) -> bool) -> Vec<&mut dyn Work> {
    let numbered = works.into_iter().enumerate();
    numbered
        .filter(|(at, _)| stays(*at))
        .map(|(_, work)| work)
        .collect()
}

/// Tells all of them of one error.
fn fail(works: Vec<&mut dyn Work>, error: ChannelError, written: Amount) -> Amount {
    let error = match error {
        ChannelError::Store(error) => Err(Arc::new(error)),
        other => Ok(other),
    };
    for work in works {
        work.fail(match &error {
            Ok(ChannelError::Unknown) => ChannelError::Unknown,
            Ok(ChannelError::Leased { until }) => ChannelError::Leased { until: *until },
            Ok(ChannelError::Refused(refused)) => (*refused).into(),
            Ok(ChannelError::Guarded(at)) => ChannelError::Guarded(*at),
            Ok(ChannelError::Short(at)) => ChannelError::Short(*at),
            Ok(ChannelError::Contended | ChannelError::Store(_)) => ChannelError::Contended,
            Err(error) => again(error).into(),
        });
    }
    written
}

/// The same error for one more of those whom it befell.
fn again(error: &Arc<StoreError>) -> StoreError {
    let told = Box::new(Told(Arc::clone(error)));
    match &**error {
        StoreError::Full(_) => StoreError::Full(told),
        StoreError::Busy(_) => StoreError::Busy(told),
        StoreError::Unavailable(_) => StoreError::Unavailable(told),
        StoreError::InDoubt(_) => StoreError::InDoubt(told),
        StoreError::Corrupt(_) => StoreError::Corrupt(told),
        StoreError::Schema { found, known } => StoreError::Schema {
            found: *found,
            known: *known,
        },
    }
}

/// A store's error that befell several.
#[derive(Debug)]
struct Told(Arc<StoreError>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Told {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

fn nobody_knows<T>() -> Result<T, ChannelError> {
    Err(StoreError::InDoubt("whoever was to write the channel went away".into()).into())
}
