//! The reconciler: what other owners left behind, finished or given up.
//!
//! It takes a payment over only when the lease of its owner ran out, and with a higher fence. It
//! decides on evidence: what was sent is asked of the rail until the rail says what became of it.

use std::time::Duration;

use farthing_core::{
    bounds,
    domain::{
        claims::{Change, Held},
        hours,
    },
    payment::{Answer, Event, Payment, State},
    port::backend::{Batch, Partition, StoreError},
    value::Timestamp,
};

use tokio::task::{JoinError, JoinSet};

use super::{
    Gate,
    claim::Stop,
    settle::{After, advance},
};

/// What a round of reconciliation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciled {
    /// Payments that were looked at.
    pub looked_at: usize,
    /// Payments that came into another state.
    pub moved_on: usize,
    /// Final payments that were forgotten.
    pub forgotten: usize,
    /// Payments that somebody else took, or that could not be decided yet.
    pub left: usize,
}

/// How many payments a round looks after at the same time.
const AT_ONCE: usize = 64;

/// How long a counter of an hour or a day is kept after it.
const COUNTERS: Duration = Duration::from_secs(24 * 60 * 60);

enum Step {
    MovedOn,
    Forgotten,
    Left,
}

impl Reconciled {
    fn count(&mut self, ended: Result<Result<Step, Stop>, JoinError>) {
        match ended {
            Ok(Ok(Step::MovedOn)) => self.moved_on += 1,
            Ok(Ok(Step::Forgotten)) => self.forgotten += 1,
            Ok(Ok(Step::Left) | Err(_)) => self.left += 1,
            Err(error) => {
                tracing::error!("a payment could not be reconciled: {error}");
                self.left += 1;
            }
        }
    }
}

impl Gate {
    /// Looks once at every payment that is due.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn reconcile(&self) -> Result<Reconciled, StoreError> {
        let mut done = Reconciled::default();
        let now = self.now();
        // A rail that does not answer holds up the payments that wait for it, and no others.
        let mut under_way = JoinSet::new();
        let mut due = self.0.payments.due(now, bounds::PAGE).await?;
        loop {
            let last = due.last().filter(|_| due.len() == bounds::PAGE).cloned();
            for held in due {
                done.looked_at += 1;
                if under_way.len() >= AT_ONCE
                    && let Some(ended) = under_way.join_next().await
                {
                    done.count(ended);
                }
                let gate = self.clone();
                under_way.spawn(async move { gate.settle_due(held).await });
            }
            // A page of payments that cannot be decided must not hide those behind it.
            let Some(last) = last else { break };
            due = self.0.payments.due_after(now, &last, bounds::PAGE).await?;
        }
        while let Some(ended) = under_way.join_next().await {
            done.count(ended);
        }
        if let Some(sessions) = self.sessions() {
            done.moved_on += sessions.till().reconcile_fundings().await?;
        }
        let writes = self.0.responses.expired(self.now(), bounds::PAGE).await?;
        if !writes.is_empty() {
            let batch = Batch {
                writes,
                ..Batch::new(Partition::Store)
            };
            let _ = self.0.payments.claims().backend().commit(batch).await?;
        }
        let claims = self.0.payments.claims();
        let _ = hours::forget(claims.backend(), self.now(), COUNTERS, bounds::PAGE).await?;
        Ok(done)
    }

    /// Reconciles again and again until the gate drains. Spawn it once a process.
    ///
    /// `every` is how long a payment may lie about; a few seconds, and less than half a minute,
    /// because the gate's row at its store is renewed with each round. Where the gate keeps channels, it
    /// also watches their rails and settles what was spent.
    pub async fn keep_reconciling(self, every: Duration) {
        let keeping = async {
            if let Some(sessions) = self.sessions() {
                sessions.till().keep().await;
            }
        };
        tokio::join!(self.keep_reconciling_payments(every), keeping);
    }

    async fn keep_reconciling_payments(&self, every: Duration) {
        while !self.0.work.is_closed() {
            if let Err(error) = self.reconcile().await {
                tracing::warn!("the reconciler could not read the store: {error}");
            }
            if let Err(error) = self.announce().await {
                tracing::warn!("the gate could not renew its row: {error}");
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn settle_due(&self, held: Held<Payment>) -> Result<Step, Stop> {
        let now = self.now();
        let payment = &held.record;
        if payment.is_leased(now) {
            return Ok(Step::Left);
        }
        match payment.state {
            State::Claimed => {
                let charge = self.charge(payment)?;
                let held = self.take_over(held, None).await?;
                self.void(held, Some(&*charge), Vec::new()).await?;
                Ok(Step::MovedOn)
            }
            State::Answered => self.finish_answered(held, now).await,
            State::Sent | State::Pending | State::Unknown | State::Credited => {
                let charge = self.charge(payment)?;
                let held = self.take_over(held, None).await?;
                let held = self
                    .resume_settlement(held, &*charge, After::Nothing)
                    .await?;
                self.put_down(held).await?;
                Ok(Step::MovedOn)
            }
            State::Settled => self.finish_settled_due(held, now).await,
            State::Delivered
            | State::Failed
            | State::Voided
            | State::Refunded
            | State::WrittenOff => {
                let forgotten = self.0.payments.claims().forget(held, Vec::new()).await;
                Ok(if forgotten.is_ok() {
                    Step::Forgotten
                } else {
                    Step::Left
                })
            }
            _ => Ok(Step::Left),
        }
    }

    /// A held answer: settled if it is stored and the proof is still good, else given up.
    async fn finish_answered(&self, held: Held<Payment>, now: Timestamp) -> Result<Step, Stop> {
        let charge = self.charge(&held.record)?;
        let stored = held.record.answer == Answer::Stored;
        let held = self.take_over(held, None).await?;
        let sendable = now < held.record.proof_until && !held.record.is_too_late(now);
        if stored && sendable {
            let held = self
                .resume_settlement(held, &*charge, After::Nothing)
                .await?;
            self.put_down(held).await?;
        } else {
            self.void(held, Some(&*charge), Vec::new()).await?;
        }
        Ok(Step::MovedOn)
    }

    /// A settled payment whose delivery nobody works on: it waits to be presented again, and is
    /// owed when the time for that is over.
    async fn finish_settled_due(&self, held: Held<Payment>, now: Timestamp) -> Result<Step, Stop> {
        if !held.record.is_deliverable(now) {
            self.owe(held).await?;
            return Ok(Step::MovedOn);
        }
        if held.record.lease_until > Timestamp::EPOCH {
            let held = self.take_over(held, None).await?;
            self.put_down(held).await?;
            return Ok(Step::MovedOn);
        }
        Ok(Step::Left)
    }

    /// Ends our own lease: whoever comes next may go on at once.
    async fn put_down(&self, held: Held<Payment>) -> Result<(), Stop> {
        if held.record.state.is_final() {
            return Ok(());
        }
        let (now, mut record) = (self.now(), held.record.clone());
        record.lease_until = Timestamp::EPOCH;
        if record.state == State::Settled && !record.is_deliverable(now) {
            advance(&mut record, Event::Owe, now)?;
        }
        self.write(held, Change::to(record)).await.map(drop)
    }
}
