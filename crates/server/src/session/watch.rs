//! The watcher: what happens to channels on their rail, taken into their books.
//!
//! It follows a rail from block to block and looks at the channels that something happened to, so
//! that no voucher costs a question. The block up to which everything was taken in is kept, and a
//! process that begins goes on from there: what happened while nobody watched is found before
//! anything is served.
//!
//! What is in the store if the process dies after each step:
//!
//! | step | in the store | what becomes of it |
//! |---|---|---|
//! | the news is told | the former block | the same news is told again |
//! | a channel's books are written | the end, or the request to close | an end is written down when the channel is looked at again; the news is told again |
//! | its end is written down | what was lost is added up, once | its exposure is given back when the channel is looked at again |
//! | its exposure is given back | nothing of it is open | |
//! | all channels of the news | the former block | the same news is told again, and changes nothing |
//!
//! Taking in the same twice changes nothing, and what was seen in an earlier block undoes nothing.

use std::time::Duration;

use farthing_core::{
    domain::{
        channels::{ChannelError, Exposed},
        settlements::{End, Wish},
    },
    intent::session::{Channel, ChannelId, OnChain, Refused, Seen, Standing, Terms},
    port::{
        backend::StoreError,
        session::{News, Session},
    },
    value::{MethodId, Reference},
};

use super::{
    silence::{DeafError, Silent},
    till::{RailStep, Till, stored},
};
use crate::{abort, event::What};

/// How many channels are looked at together.
pub(super) const LOOK: usize = 100;

/// Blocks in which nothing happened to us: so often, their end is kept all the same.
const KEEP_EACH: u64 = 64;

/// A round in which nothing could be asked is followed by the next after this.
const BREATH: Duration = Duration::from_millis(200);

/// What a round of watching found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watched {
    /// The newest block.
    pub block: u64,
    /// Channels of ours that were looked at.
    pub looked_at: usize,
}

impl Till {
    /// Looks once for what happened on a rail, and at everything that may have money on it where
    /// this process has not looked before.
    ///
    /// # Errors
    /// When the rail does not answer, or the store fails. Nothing is passed over then: the next
    /// round begins at the same block.
    pub async fn look_around(&self, method: &MethodId) -> Result<Watched, DeafError> {
        let desk = self.desk(method).ok_or(Silent::NoRail)?;
        let _only = desk.hearing.looking.lock().await;
        let rail = &*desk.rail;
        let (since, mut watched) = match desk.hearing.block() {
            Some(block) => (Some(block), Watched::default()),
            None => self.catch_up(method, rail).await?,
        };
        let news = self.news(rail, since).await?;
        watched.looked_at += self.take_in(rail, &news).await?;
        watched.block = news.block;
        let is_far = since.is_none_or(|since| news.block / KEEP_EACH != since / KEEP_EACH);
        if is_far || !news.channels.is_empty() {
            let (settlements, name) = (&self.0.settlements, cursor(method));
            settlements.move_cursor(&name, news.block).await?;
        }
        desk.hearing.note(news.block, news.at, self.now());
        Ok(watched)
    }

    pub(super) async fn keep_watching(&self, method: &MethodId) {
        let Some(desk) = self.desk(method) else {
            return;
        };
        let mut was_silent = false;
        while !self.0.stop.is_cancelled() {
            if let Err(error) = self.look_around(method).await {
                tracing::warn!(%method, "the rail could not be watched: {error}");
                tokio::time::sleep(BREATH).await;
            }
            let silent = self.heard(method);
            if silent.is_err() != was_silent {
                was_silent = silent.is_err();
                self.tell_of_silence(method, silent.err());
                desk.settler.nudge();
            }
            tokio::select! {
                () = desk.rail.wait_for_news() => {}
                () = self.0.stop.cancelled() => {}
            }
        }
    }

    /// What everything begins with: all channels that have something unsettled, or that are in
    /// memory, are looked at. What is missed by that is news since the block that was kept.
    async fn catch_up(
        &self,
        method: &MethodId,
        rail: &dyn Session,
    ) -> Result<(Option<u64>, Watched), DeafError> {
        let kept = self.0.settlements.cursor(&cursor(method)).await?;
        let since = match kept {
            Some(block) => block,
            // Taken before anything is looked at, so that nothing lies between the two.
            None => self.news(rail, None).await?.block,
        };
        let mut looked_at = self.look_at(rail, self.in_memory(method)).await?;
        let mut last: Option<Exposed> = None;
        loop {
            let page = self.0.channels.exposed(last.as_ref(), LOOK).await?;
            let ids = page.iter().map(|exposed| exposed.id.clone()).collect();
            looked_at += self.look_at(rail, ids).await?;
            last = page.last().cloned();
            if page.len() < LOOK {
                break;
            }
        }
        if kept.is_none() {
            looked_at += self.look_at_all(rail).await?;
        }
        let watched = Watched {
            block: since,
            looked_at,
        };
        Ok((Some(since), watched))
    }

    /// Where nobody has watched before, nobody knows which channels something happened to.
    async fn look_at_all(&self, rail: &dyn Session) -> Result<usize, DeafError> {
        let (mut looked_at, mut last) = (0, None);
        loop {
            let page = self.0.channels.list(last.as_ref(), LOOK).await?;
            let ids = page.iter().map(|listed| listed.id.clone()).collect();
            looked_at += self.look_at(rail, ids).await?;
            last = page.last().cloned();
            if page.len() < LOOK {
                return Ok(looked_at);
            }
        }
    }

    fn in_memory(&self, method: &MethodId) -> Vec<ChannelId> {
        let mut ids = Vec::new();
        if let Some(memory) = &self.0.memory {
            memory.each(&mut |id, terms, _| {
                if terms.method == *method {
                    ids.push(id.clone());
                }
            });
        }
        ids
    }

    async fn news(&self, rail: &dyn Session, since: Option<u64>) -> Result<News, DeafError> {
        let news = self.within(rail.news(since)).await;
        news.map_err(DeafError::Rail)
    }

    async fn take_in(&self, rail: &dyn Session, news: &News) -> Result<usize, DeafError> {
        if news.channels.is_empty() {
            return Ok(0);
        }
        self.look_at(rail, news.channels.clone()).await
    }

    /// Looks at those channels that are ours and on this rail, and takes in what is seen.
    async fn look_at(&self, rail: &dyn Session, ids: Vec<ChannelId>) -> Result<usize, DeafError> {
        let mut ours = Vec::new();
        for id in ids {
            if let Some(terms) = self.0.channels.terms(&id).await?
                && terms.method == *rail.method()
            {
                ours.push((id, terms));
            }
        }
        for page in ours.chunks(LOOK) {
            let seen = self
                .within(rail.look(page))
                .await
                .map_err(DeafError::Rail)?;
            for ((id, terms), seen) in page.iter().zip(seen) {
                let Some(seen) = seen else {
                    tracing::warn!(channel = %id, "the rail does not have a channel of ours");
                    continue;
                };
                if self.is_ours_to_tell(rail.method(), id, seen).await? {
                    continue;
                }
                self.observe(id, terms, seen, None).await?;
            }
        }
        Ok(ours.len())
    }

    /// Whether a channel ended that we have handed in ourselves, and the rail keeps nothing of what
    /// it paid out: then the settler knows, and anybody else would book it as lost.
    async fn is_ours_to_tell(
        &self,
        method: &MethodId,
        id: &ChannelId,
        seen: Seen,
    ) -> Result<bool, StoreError> {
        if seen.state != (OnChain::Finalized { settled: None }) {
            return Ok(false);
        }
        let mut last = None;
        loop {
            let jobs = self.0.settlements.jobs(method, last.as_ref()).await?;
            let items = jobs.iter().flat_map(|open| &open.job.items);
            if items.clone().any(|item| item.channel == *id) {
                return Ok(true);
            }
            last = jobs.last().cloned();
            if last.is_none() {
                return Ok(false);
            }
        }
    }

    /// Takes in what the rail says of a channel, and does what follows from it: a request to close
    /// is settled for at once, an end is written down and its exposure given back.
    ///
    /// # Errors
    /// When the store fails. What the rail says may contradict what it said before; that is told,
    /// and nothing is changed.
    pub(super) async fn observe(
        &self,
        id: &ChannelId,
        terms: &Terms,
        seen: Seen,
        reference: Option<Reference>,
    ) -> Result<Channel, StoreError> {
        let before = self.held(id).await.map_err(stored)?.channel().standing();
        match self.step(id, RailStep::Observe(seen)).await {
            Ok(()) => {}
            Err(ChannelError::Refused(Refused::Contradiction)) => {
                self.tell(id, terms, What::Contradicted);
            }
            Err(error) => return Err(stored(error)),
        }
        abort::point("observed");
        let channel = self.held(id).await.map_err(stored)?.channel().clone();
        match channel.standing() {
            Standing::CloseRequested(at) if before != Standing::CloseRequested(at) => {
                self.tell(id, terms, What::CloseRequested { at });
                let now = self.now();
                let want = &self.0.settlements;
                want.want(&terms.method, id, Wish::Settle, (now, now))
                    .await?;
                if let Some(desk) = self.desk(&terms.method) {
                    desk.settler.nudge();
                }
            }
            Standing::Closed => self.end(id, terms, &channel, reference).await?,
            _ => {}
        }
        Ok(channel)
    }

    /// Writes down how a channel ended, and gives back what was counted for it.
    pub(super) async fn end(
        &self,
        id: &ChannelId,
        terms: &Terms,
        channel: &Channel,
        reference: Option<Reference>,
    ) -> Result<(), StoreError> {
        let balance = channel.balance();
        let end = End {
            method: terms.method.clone(),
            currency: terms.currency.clone(),
            payer: terms.payer.clone(),
            at: self.now(),
            accepted: balance.accepted,
            spent: balance.spent,
            settled: balance.settled,
            lost: channel.lost(),
            reference: reference.clone(),
        };
        let is_new = self.0.settlements.end(id, &end).await?;
        abort::point("ended");
        self.give_back(id, terms).await.map_err(stored)?;
        // It is remembered for a while, for those who ask what became of it.
        let held = self.held(id).await.map_err(stored)?;
        let known = match is_new {
            true => None,
            false => self.0.settlements.ended(id).await?,
        };
        let ended_at = known.map_or(end.at, |known| known.at);
        let forget_at = ended_at.saturating_add(self.0.options.retention.channels);
        self.0.channels.retire(&held, forget_at).await?;
        if is_new {
            let (settled, lost) = (end.settled, end.lost);
            let ended = What::Ended {
                settled,
                lost,
                reference,
            };
            self.tell(id, terms, ended);
        }
        Ok(())
    }

    fn tell_of_silence(&self, method: &MethodId, silent: Option<Silent>) {
        match silent {
            Some(silent) => {
                tracing::error!(%method, "no session is served, and everything is settled that can be: {silent}");
            }
            None => tracing::info!(%method, "the rail is heard again"),
        }
        self.0.events.tell(|| crate::event::Event::Rail {
            method: method.clone(),
            is_silent: silent.is_some(),
        });
    }
}

/// The name of the cursor in a rail's blocks.
pub(super) fn cursor(method: &MethodId) -> String {
    format!("blocks {method}")
}
