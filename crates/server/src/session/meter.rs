//! The meter: what a handler charges by, where what a request costs is known only while it is
//! served.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use farthing_core::{
    domain::channels::{ChannelError, Purchase, Rows, Step},
    intent::session::{Balance, Channel, ChannelId, Need, Refused, Rule},
    noun::{
        Receipt,
        session::{Cut, SessionReceipt},
    },
    port::clock::Clock,
    value::{Amount, ChallengeId},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Live, StreamPlace, Till};

mod error;
mod reserved;
mod row;
mod wait;

pub use error::MeterError;
pub use reserved::Reserved;
pub(super) use row::CallRow;
pub(super) use wait::Wait;

/// Charges the channel of the request it came with, by the unit of its route.
///
/// What is charged is durable when the call returns, so it is charged before what it pays for is
/// delivered. Where the balance is out, a charge waits for a voucher, which may come with any other
/// request to the gate. A handler that fails takes back what it charged.
///
/// ```
/// use farthing_server::session::{Meter, MeterError};
///
/// async fn translate(meter: Meter) -> Result<String, MeterError> {
///     let text = "sunny, with a chance of rain";
///     meter.charge(text.split(' ').count() as u64).await?;
///     Ok(text.to_owned())
/// }
/// ```
#[derive(Clone)]
pub struct Meter(Arc<Inner>);

/// What a meter charges, and by what.
pub(crate) struct Tariff {
    /// What is charged.
    pub(crate) live: Arc<Live>,
    /// What a unit costs.
    pub(crate) price: Amount,
    /// The challenge that the request answered.
    pub(crate) challenge: ChallengeId,
    /// The units that were charged before the handler ran. Whoever charged them ends them.
    pub(crate) paid: u64,
    /// What was charged for the same request when it was served before. So much is delivered without
    /// a charge.
    pub(crate) credit: Amount,
    /// Where what is charged is noted, of a request that may be repeated under its key.
    pub(crate) row: Option<CallRow>,
    /// How long a charge waits for a voucher.
    pub(crate) within: Duration,
    /// Whether the buyer reads trailers.
    pub(crate) takes_trailers: bool,
    /// Who knows whether the rail is heard of.
    pub(crate) till: Option<Till>,
    pub(crate) closing: CancellationToken,
    pub(crate) work: TaskTracker,
    pub(crate) clock: Arc<dyn Clock>,
}

struct Inner {
    tariff: Tariff,
    /// As long as somebody has it, something may be in flight.
    _serving: Arc<()>,
    tally: Mutex<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    /// What was used, with what was charged before.
    units: u64,
    /// What was charged before and is not used up.
    credit: Amount,
    /// What the handler charged, and nobody ended yet.
    open: Amount,
    /// Whether the answer was served, once that is known.
    served: bool,
    /// The challenge that was answered last, where it is another one than at first.
    challenge: Option<ChallengeId>,
    /// Where a stream is charged: its number on the channel, once something was charged for it.
    stream: Option<Option<u64>>,
}

/// What came of trying to charge.
#[derive(Debug)]
pub(super) enum Tried<T> {
    Done(T),
    /// The balance does not cover it.
    Short(Need),
    /// The seller can settle no more: it holds as much as it may, or its rail is silent.
    Full,
}

/// What was paid: what is there now, and how much of it was charged. The rest was on credit.
#[derive(Debug)]
pub(super) struct Paid<T> {
    pub(super) outcome: T,
    pub(super) charged: Amount,
}

impl Meter {
    pub(crate) fn new(tariff: Tariff) -> Self {
        let tally = Tally {
            units: tariff.paid,
            credit: tariff.credit,
            ..Tally::default()
        };
        Self(Arc::new(Inner {
            _serving: tariff.live.serving(),
            tariff,
            tally: Mutex::new(tally),
        }))
    }

    /// Charges units, and waits for a voucher where the balance is out, for as long as the route
    /// lets it. Durable when it returns.
    ///
    /// Dropping the future gives up the wait. A charge that was under way by then is taken back with
    /// the request, or counts as served with it.
    ///
    /// # Errors
    /// When nothing was charged. Nothing more can be served for pay then; the handler should stop.
    pub async fn charge(&self, units: u64) -> Result<Balance, MeterError> {
        let price = self.cost(units)?;
        let mut wait = None;
        loop {
            let meter = self.clone();
            let tried = self.detached(async move {
                let tried = meter.pay(price).await?;
                if let Tried::Done(paid) = &tried {
                    meter.note(units, paid.charged);
                }
                Ok(tried)
            });
            match tried.await? {
                Tried::Done(paid) => return Ok(paid.outcome),
                tried => Wait::on(&mut wait, self, price, &tried).await?,
            }
        }
    }

    /// How many units were charged for this request, with those charged before its handler ran.
    #[must_use]
    pub fn spent_units(&self) -> u64 {
        self.tally().units
    }

    /// What is there, as far as this process knows.
    #[must_use]
    pub fn balance(&self) -> Balance {
        self.0.tariff.live.last().balance
    }

    /// What units would cost beyond what was charged for the same request when it was served before.
    ///
    /// # Errors
    /// When so many cannot be priced.
    pub fn price_of(&self, units: u64) -> Result<Amount, MeterError> {
        Ok(self.uncredited(self.cost(units)?))
    }

    /// What a unit costs.
    #[must_use]
    pub fn unit_price(&self) -> Amount {
        self.0.tariff.price
    }

    /// The channel that is charged.
    #[must_use]
    pub fn channel(&self) -> &ChannelId {
        self.0.tariff.live.id()
    }

    /// Takes over what the handler charged and nobody ended: whoever calls says to the channel that
    /// it was served, or takes it back. What is charged later ends alike, when nobody has the meter
    /// any more.
    pub(crate) fn take_open(&self, served: bool) -> Amount {
        let mut tally = self.tally();
        tally.served = served;
        std::mem::take(&mut tally.open)
    }

    pub(super) fn tariff(&self) -> &Tariff {
        &self.0.tariff
    }

    /// What units cost.
    pub(super) fn cost(&self, units: u64) -> Result<Amount, MeterError> {
        let cost = self.0.tariff.price.checked_mul(units.into());
        cost.ok_or(MeterError::TooMany(units))
    }

    /// What of a price is beyond the credit, and has to be charged.
    pub(super) fn uncredited(&self, price: Amount) -> Amount {
        let credit = self.tally().credit;
        price.checked_sub(credit).unwrap_or_default()
    }

    /// Tries to charge an amount. Not to be dropped half-way.
    pub(super) async fn pay(&self, price: Amount) -> Result<Tried<Paid<Balance>>, MeterError> {
        // What is served while the rail is silent might never be settled.
        if !price.is_zero() && !self.is_heard() {
            return Ok(Tried::Full);
        }
        self.beyond_credit(price, |price, rows| self.purchase(price, rows))
            .await
    }

    /// Charges what of a price is beyond the credit, by a step that takes the rows of the call with it.
    pub(super) async fn beyond_credit<T, F>(
        &self,
        price: Amount,
        step: impl FnOnce(Amount, Rows) -> F,
    ) -> Result<Tried<Paid<T>>, MeterError>
    where
        F: Future<Output = Result<Tried<T>, MeterError>>,
    {
        let Some(row) = &self.tariff().row else {
            let tried = step(price, Rows::default()).await?;
            return Ok(tried.map(|outcome| Paid {
                outcome,
                charged: price,
            }));
        };
        let mut call = row.lock().await;
        let charged = self.uncredited(price);
        let (next, rows) = row::charged(call.as_ref(), charged, self.tariff().clock.now());
        let tried = step(charged, rows).await?;
        if let Tried::Done(_) = tried {
            let used = price.checked_sub(charged).unwrap_or_default();
            let mut tally = self.tally();
            tally.credit = tally.credit.checked_sub(used).unwrap_or_default();
            if next.is_some() {
                *call = next;
            }
        }
        Ok(tried.map(|outcome| Paid { outcome, charged }))
    }

    async fn purchase(
        &self,
        price: Amount,
        (guards, writes): Rows,
    ) -> Result<Tried<Balance>, MeterError> {
        if price.is_zero() {
            return Ok(Tried::Done(self.balance()));
        }
        let stream = self.tally().stream;
        if let Some(number) = stream {
            return self.purchase_piece(number, price, (guards, writes)).await;
        }
        let purchase = Purchase {
            voucher: None,
            rule: Rule::ANY,
            price,
            guards,
            writes,
        };
        let admitted = self.0.tariff.live.pay(purchase).await;
        match admitted.map_err(MeterError::of)?.charge {
            Ok(balance) => {
                // A request that pays counts against no allowance.
                self.0.tariff.live.give_back_voucher();
                Ok(Tried::Done(balance))
            }
            Err(Refused::Short(need)) => Ok(Tried::Short(need)),
            Err(Refused::ExposureFull) => Ok(Tried::Full),
            Err(refused) => Err(MeterError::of(refused.into())),
        }
    }

    /// Charges a piece of a stream, in the write that finds whether another stream began since, in
    /// whatever process.
    async fn purchase_piece(
        &self,
        number: Option<u64>,
        price: Amount,
        (guards, writes): Rows,
    ) -> Result<Tried<Balance>, MeterError> {
        let live = &self.0.tariff.live;
        let charge = move |channel: &mut Channel| {
            let number = channel.stream(number)?;
            let balance = channel.charge(price)?;
            Ok(Step::to((number, balance)).with(guards.clone(), writes.clone()))
        };
        match live.step(charge).await {
            Ok((number, balance)) => {
                self.tally().stream = Some(Some(number));
                live.tell_charged(price);
                live.give_back_voucher();
                Ok(Tried::Done(balance))
            }
            Err(ChannelError::Refused(Refused::Short(need))) => Ok(Tried::Short(need)),
            Err(ChannelError::Refused(Refused::ExposureFull)) => Ok(Tried::Full),
            Err(error) => Err(MeterError::of(error)),
        }
    }

    /// Begins a stream: what is charged from here on is for it, and no more once another one began.
    pub(super) fn begin_stream(&self) -> StreamPlace {
        self.tally().stream.get_or_insert_default();
        self.0.tariff.live.begin_stream()
    }

    /// Takes back what was charged and not delivered.
    pub(super) async fn take_back(&self, price: Amount) -> Result<(), MeterError> {
        if price.is_zero() {
            return Ok(());
        }
        let Tariff {
            live, row, clock, ..
        } = self.tariff();
        let taken = row::take_back(live, row.as_ref(), price, clock.now()).await;
        let taken = taken.map_err(MeterError::of)?;
        if taken < price {
            tracing::warn!(
                channel = %self.channel(), %price, %taken,
                "what was not delivered was settled before it could be taken back"
            );
        }
        Ok(())
    }

    /// Notes what was delivered: units that are used, and a charge that is earned.
    pub(super) fn delivered(&self, units: u64, price: Amount) {
        self.tally().units += units;
        self.0.tariff.live.served(price);
    }

    /// Writes down what was delivered, where a stream ends: nothing else may come on its channel for
    /// long, and until it is written nobody else can settle it.
    pub(super) async fn write_down(&self) {
        let live = &self.0.tariff.live;
        if !live.is_unwritten() {
            return;
        }
        if let Err(error) = live.step(|_| Ok(Step::to(()))).await {
            tracing::debug!(channel = %live.id(), "what was delivered is not written down: {error}");
        }
    }

    /// The challenge that was answered since: receipts are for that one.
    #[cfg(feature = "websocket")]
    pub(super) fn answer_to(&self, challenge: ChallengeId) {
        self.tally().challenge = Some(challenge);
    }

    /// The receipt as of now.
    pub(super) fn receipt(&self, cut: Option<Cut>) -> Receipt {
        let Tariff {
            live,
            challenge,
            clock,
            ..
        } = self.tariff();
        let balance = live.last().balance;
        let answered = self.tally().challenge.clone();
        let receipt = SessionReceipt {
            method: live.terms().method.clone(),
            at: clock.now(),
            challenge: answered.unwrap_or_else(|| challenge.clone()),
            channel: live.id().clone(),
            accepted: balance.accepted,
            spent: balance.spent,
            units: Some(self.spent_units()),
            transaction: None,
        };
        let receipt = receipt.to_receipt();
        cut.map_or(receipt.clone(), |cut| cut.say_in(receipt))
    }

    fn is_heard(&self) -> bool {
        let Tariff { till, live, .. } = self.tariff();
        let mut till = till.iter();
        till.all(|till| till.heard(&live.terms().method).is_ok())
    }

    fn note(&self, units: u64, price: Amount) {
        let mut tally = self.tally();
        tally.units += units;
        tally.open = tally.open.checked_add(price).unwrap_or(tally.open);
    }

    /// Does what must not stop half-way when its caller goes away.
    async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, MeterError>> + Send + 'static,
    ) -> Result<T, MeterError> {
        let done = self.0.tariff.work.spawn(work).await;
        // It ends without an outcome only with the runtime.
        done.unwrap_or(Err(MeterError::Stopping))
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tariff {
    /// Does what nobody waits for, in the gate's time. Without a runtime nothing can be done; what is
    /// left then ends as if the process had died.
    pub(super) fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.work.spawn_on(work, &runtime);
        }
    }

    /// Takes back what was charged, in the gate's time.
    pub(super) fn take_back_later(&self, price: Amount) {
        if price.is_zero() {
            return;
        }
        let (live, row, now) = (Arc::clone(&self.live), self.row.clone(), self.clock.now());
        let serving = live.serving();
        self.later(async move {
            if let Err(error) = row::take_back(&live, row.as_ref(), price, now).await {
                tracing::warn!(channel = %live.id(), %price, "what was not served could not be taken back: {error}");
            }
            drop(serving);
        });
    }
}

impl<T> Tried<T> {
    pub(super) fn map<U>(self, made: impl FnOnce(T) -> U) -> Tried<U> {
        match self {
            Self::Done(outcome) => Tried::Done(made(outcome)),
            Self::Short(need) => Tried::Short(need),
            Self::Full => Tried::Full,
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("channel", self.channel())
            .field("units", &self.spent_units())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    /// What was charged after the answer began, by whoever kept the meter.
    fn drop(&mut self) {
        let tally = self.tally.get_mut().unwrap_or_else(PoisonError::into_inner);
        if tally.served {
            self.tariff.live.served(tally.open);
        } else {
            self.tariff.take_back_later(tally.open);
        }
    }
}
