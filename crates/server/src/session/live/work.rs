//! What is done to a channel, as the line that combines it sees it.

use farthing_core::{
    domain::channels::{ChannelError, Purchase, Step},
    intent::session::{Admitted, Channel, Refused},
    port::backend::{Guard, Write},
    value::Amount,
};

/// Rows that are written with a step, and what has to hold for it.
pub(super) type Rows = (Vec<Guard>, Vec<Write>);

/// A piece of work on a channel. It is taken on a copy, as often as it has to be.
pub(super) trait Work: Send {
    /// Takes it. What is refused changes nothing. `is_full` says that nothing more can be drawn for
    /// the channel at the moment.
    fn take(&mut self, channel: &mut Channel, is_full: bool) -> Taken;

    /// It came to an end without what [`take`](Self::take) led to.
    fn fail(&mut self, error: ChannelError);
}

/// What taking a piece of work led to.
pub(super) enum Taken {
    /// It is taken, and these rows go with it.
    Whole(Rows),
    /// It is refused.
    Refused,
    /// So much has to be drawn for it in all.
    Unbacked(Amount),
}

/// A step of anybody's.
pub(super) struct Stepping<T, F> {
    step: F,
    outcome: Option<Result<T, ChannelError>>,
}

impl<T, F> Stepping<T, F> {
    pub(super) const fn new(step: F) -> Self {
        Self {
            step,
            outcome: None,
        }
    }
}

impl<T, F> Work for Stepping<T, F>
where
    T: Send,
    F: FnMut(&mut Channel) -> Result<Step<T>, Refused> + Send,
{
    fn take(&mut self, channel: &mut Channel, is_full: bool) -> Taken {
        match (self.step)(channel) {
            Ok(step) => {
                let (outcome, rows) = step.into_parts();
                self.outcome = Some(Ok(outcome));
                Taken::Whole(rows)
            }
            Err(Refused::Unbacked { needs }) if !is_full => Taken::Unbacked(needs),
            Err(refused) => {
                self.fail(full(refused).into());
                Taken::Refused
            }
        }
    }

    fn fail(&mut self, error: ChannelError) {
        self.outcome = Some(Err(error));
    }
}

impl<T, F> Outcome for Stepping<T, F> {
    type Value = T;

    fn outcome(self) -> Option<Result<T, ChannelError>> {
        self.outcome
    }
}

/// Work that led to something.
pub(super) trait Outcome {
    type Value;

    fn outcome(self) -> Option<Result<Self::Value, ChannelError>>;
}

/// A request's voucher and its price.
pub(super) struct Buying {
    purchase: Purchase,
    outcome: Option<Result<Admitted, ChannelError>>,
}

impl Buying {
    pub(super) const fn new(purchase: Purchase) -> Self {
        Self {
            purchase,
            outcome: None,
        }
    }
}

impl Work for Buying {
    fn take(&mut self, channel: &mut Channel, is_full: bool) -> Taken {
        let Purchase {
            voucher,
            least,
            price,
            guards,
            writes,
        } = &self.purchase;
        let mut admitted = match channel.accept_and_charge(voucher.as_ref(), *least, *price) {
            Ok(admitted) => admitted,
            Err(refused) => {
                self.fail(refused.into());
                return Taken::Refused;
            }
        };
        match admitted.charge {
            Err(Refused::Unbacked { needs }) if !is_full => return Taken::Unbacked(needs),
            charge => admitted.charge = charge.map_err(full),
        }
        self.outcome = Some(Ok(admitted));
        Taken::Whole(match admitted.charge {
            Ok(_) => (guards.clone(), writes.clone()),
            // The voucher is kept all the same.
            Err(_) => (Vec::new(), Vec::new()),
        })
    }

    fn fail(&mut self, error: ChannelError) {
        self.outcome = Some(Err(error));
    }
}

impl Outcome for Buying {
    type Value = Admitted;

    fn outcome(self) -> Option<Result<Admitted, ChannelError>> {
        self.outcome
    }
}

/// What was not drawn for want of room.
const fn full(refused: Refused) -> Refused {
    match refused {
        Refused::Unbacked { .. } => Refused::ExposureFull,
        other => other,
    }
}
