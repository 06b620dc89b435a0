//! What is sent to a rail to fund a channel, and how its answer is written down.

use farthing_core::{
    domain::{
        channels::{ChannelError, Opened},
        claims::{Change, ChangeError, Debts, Held},
        fundings::{FundingRecord, FundingState, Fundings},
        settlements::Wish,
    },
    intent::session::{Channel, OnChain, Refused, Seen},
    port::{
        method::{Outcome, Refusal},
        session::{FundOrder, Session},
    },
    value::{Amount, ClaimKey, Secret},
};

use super::{Funded, NotFunded};
use crate::{abort, event::What, gate::seal, session::till::Till};

impl Till {
    /// Goes on with a funding that is known: tells its outcome, or asks the rail for one.
    pub(super) async fn go_on(
        &self,
        rail: &dyn Session,
        held: Held<FundingRecord>,
    ) -> Result<Funded, NotFunded> {
        match held.record.state {
            FundingState::Failed => Err(NotFunded::Failed(Box::new(held.record))),
            FundingState::Done => self.funded(&held.record).await,
            _ if held.record.is_leased(self.now()) => {
                Err(NotFunded::Unsettled(Box::new(held.record)))
            }
            _ => self.resume(rail, held).await,
        }
    }

    /// Takes a funding over whose owner's time is over, and goes on where it stopped.
    pub(super) async fn resume(
        &self,
        rail: &dyn Session,
        held: Held<FundingRecord>,
    ) -> Result<Funded, NotFunded> {
        let record = FundingRecord {
            lease_until: self.now().saturating_add(self.0.options.lease),
            ..held.record.clone()
        };
        let held = self.0.fundings.claims().take_over(held, record).await;
        let held = held.map_err(not_changed)?;
        if held.record.state == FundingState::Moved {
            return self.book(rail, held).await;
        }
        let sealed = self.0.fundings.journaled(held.record.id).await?;
        let id = held.record.id;
        let effect = sealed
            .map(|sealed| seal::open_for(&self.0.secrets, id.as_bytes(), &sealed))
            .transpose()?;
        self.send(rail, held, effect.as_ref()).await
    }

    /// Hands a journaled funding to its rail, and takes the channel into the books. It may have been
    /// sent before.
    pub(super) async fn send(
        &self,
        rail: &dyn Session,
        held: Held<FundingRecord>,
        effect: Option<&Secret>,
    ) -> Result<Funded, NotFunded> {
        let nothing = Secret::new([]);
        let order = FundOrder {
            channel: &held.record.channel,
            terms: &held.record.terms,
            effect: effect.unwrap_or(&nothing),
        };
        let asking = tokio::time::timeout(self.0.options.rail_deadline, rail.fund(order));
        let outcome = asking.await.unwrap_or_else(|late| Outcome::Unknown {
            source: Some(late.into()),
        });
        abort::point("funding-sent");
        let (change, refusal) = self.note(&held.record, outcome)?;
        let held = self.write(held, change).await?;
        abort::point("funding-moved");
        match held.record.state {
            FundingState::Moved => self.book(rail, held).await,
            FundingState::Failed => {
                let FundingRecord { channel, terms, .. } = &held.record;
                self.tell(channel, terms, What::NotFunded);
                Err(refusal.map_or_else(
                    || NotFunded::Failed(Box::new(held.record.clone())),
                    NotFunded::Method,
                ))
            }
            _ => Err(NotFunded::Unsettled(Box::new(held.record))),
        }
    }

    /// What a rail's answer changes, and why it refused.
    fn note(
        &self,
        record: &FundingRecord,
        outcome: Outcome,
    ) -> Result<(Change<FundingRecord>, Option<Refusal>), NotFunded> {
        let (now, mut next) = (self.now(), record.clone());
        next.asked = next.asked.saturating_add(1);
        let (mut debts, mut lost, mut free, mut refused) = (Debts::Keep, false, Vec::new(), None);
        match outcome {
            Outcome::Settled { reference, at, .. } => {
                next.state = FundingState::Moved;
                next.reference = Some(reference);
                next.settled_at = Some(at);
                next.lease_until = now.saturating_add(self.0.options.lease);
                debts = Debts::Settle;
            }
            Outcome::Refused(refusal) => {
                let cause = refusal.source.as_ref().map(tracing::field::display);
                tracing::info!(channel = %record.channel, cause, "the rail refused to fund a channel: {refusal}");
                next.state = FundingState::Failed;
                next.refused = Some(refusal.public.as_ref().into());
                next.problem = Some(refusal.kind().spec().uri.into());
                next.lease_until = now;
                (debts, lost) = (Debts::Release, refusal.at_cost);
                // Nothing was opened, so another transaction may open the channel yet.
                free.extend(opening(record));
                refused = Some(refusal);
            }
            Outcome::Pending { ask_after } => {
                next.state = FundingState::Pending;
                next.lease_until = now.saturating_add(ask_after);
            }
            Outcome::Unknown { source } => {
                let cause = source.as_ref().map(tracing::field::display);
                tracing::warn!(channel = %record.channel, cause, "the rail gave no answer about a channel's funding");
                next.state = FundingState::Unknown;
                next.lease_until = now.saturating_add(self.ask_again(record.asked));
            }
            _ => return Err(NotFunded::Internal),
        }
        let mut change = Change {
            debts,
            lost,
            free,
            ..Change::to(next)
        };
        if debts != Debts::Keep {
            change.writes.push(Fundings::erase(record.id));
        }
        Ok((change, refused))
    }

    /// Looks at the channel and takes it into the books, once the rail has what funds it.
    async fn book(
        &self,
        rail: &dyn Session,
        held: Held<FundingRecord>,
    ) -> Result<Funded, NotFunded> {
        let FundingRecord { channel, terms, .. } = &held.record;
        let asked = [(channel.clone(), terms.clone())];
        let seen = match self.within(rail.look(&asked)).await {
            Ok(seen) => seen.into_iter().next().flatten(),
            Err(refusal) => {
                tracing::warn!(%channel, "a channel that was funded could not be looked at: {refusal}");
                None
            }
        };
        // A node that is behind shows less than it will.
        let Some(seen) = seen.filter(|seen| shows(seen, held.record.least)) else {
            return self.look_again(held).await;
        };
        match self.take_in_funded(&held.record, seen).await {
            Ok(()) => {}
            // It is over before it began. What was locked is the payer's.
            Err(ChannelError::Refused(Refused::Closed | Refused::CloseRequested)) => {}
            Err(ChannelError::Refused(refused)) => {
                tracing::error!(%channel, "the rail shows a channel that cannot be: {refused}");
                return self.look_again(held).await;
            }
            Err(error) => return Err(error.into()),
        }
        abort::point("funding-booked");
        let record = FundingRecord {
            state: FundingState::Done,
            lease_until: self.now(),
            ..held.record.clone()
        };
        let held = self.write(held, Change::to(record)).await?;
        abort::point("funding-done");
        let FundingRecord {
            channel,
            terms,
            amount,
            reference,
            opens,
            ..
        } = &held.record;
        let (amount, reference) = (*amount, reference.clone());
        let what = match opens {
            true => What::Opened { amount, reference },
            false => What::ToppedUp { amount, reference },
        };
        self.tell(channel, terms, what);
        self.funded(&held.record).await
    }

    async fn take_in_funded(&self, record: &FundingRecord, seen: Seen) -> Result<(), ChannelError> {
        let FundingRecord { channel, terms, .. } = record;
        if record.opens {
            let opened = Channel::open(record.protocol, seen)?;
            let now = self.now();
            let books = &self.0.channels;
            if let Opened::New(_) = books.open(channel, terms, opened, now).await? {
                if let Some(unused) = self.0.options.settle.close_unused {
                    let due = now.saturating_add(unused);
                    let wish = Wish::CloseIfIdle(Amount::ZERO);
                    let wanted = &self.0.settlements;
                    wanted
                        .want(&terms.method, channel, wish, (now, due))
                        .await?;
                }
                return Ok(());
            }
        }
        self.observe(channel, terms, seen, None).await?;
        Ok(())
    }

    /// Leaves a funding that moved to be looked at again.
    async fn look_again(&self, held: Held<FundingRecord>) -> Result<Funded, NotFunded> {
        let mut record = held.record.clone();
        record.lease_until = self.now().saturating_add(self.ask_again(record.asked));
        record.asked = record.asked.saturating_add(1);
        let held = self.write(held, Change::to(record)).await?;
        Err(NotFunded::Unsettled(Box::new(held.record)))
    }

    /// The outcome of a funding that is done.
    async fn funded(&self, record: &FundingRecord) -> Result<Funded, NotFunded> {
        let terms = self.0.channels.terms(&record.channel).await?;
        Ok(Funded {
            channel: record.channel.clone(),
            terms: terms.ok_or(NotFunded::Ended)?,
            reference: record.reference.clone(),
        })
    }

    async fn write(
        &self,
        held: Held<FundingRecord>,
        change: Change<FundingRecord>,
    ) -> Result<Held<FundingRecord>, NotFunded> {
        let written = self.0.fundings.claims().change(held, change).await;
        written.map_err(not_changed)
    }
}

/// Whether the rail shows what was locked.
fn shows(seen: &Seen, least: Amount) -> bool {
    match seen.state {
        OnChain::Open { deposit, .. } => deposit >= least,
        OnChain::Finalized { .. } => true,
    }
}

fn opening(record: &FundingRecord) -> Option<ClaimKey> {
    record
        .opens
        .then(|| super::opening_name(&record.terms.method, &record.channel))
}

fn not_changed(error: ChangeError) -> NotFunded {
    match error {
        ChangeError::Stale => NotFunded::InFlight,
        ChangeError::Store(error) => NotFunded::Store(error),
        _ => NotFunded::Internal,
    }
}
