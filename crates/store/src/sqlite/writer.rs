//! The thread that writes.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, atomic::Ordering},
};

use farthing_core::port::backend::{Batch, Commit, StoreError};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    Shared,
    apply::Group,
    error::{Failure, Refused},
    names::Names,
    schema, sql,
    stats::SqliteStats,
};

type Answer = Result<Commit, StoreError>;

/// A batch that waits, and who waits for it.
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl Job {
    /// Whoever asked may be gone; the batch was carried out all the same.
    fn answer(self, answer: Answer) {
        let _ = self.answer.send(answer);
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Dropped after an error that it may not have come through unharmed.
    connection: Option<Connection>,
    names: Names,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, connection: Connection) -> Self {
        Self {
            shared,
            connection: Some(connection),
            names: Names::default(),
        }
    }

    pub(super) fn run(mut self) {
        let _last_words = LastWords(Arc::clone(&self.shared));
        // One that came alone is not made to wait for company. Where several come, all that come while
        // others have the core share one flush.
        let mut several = false;
        while let Some(jobs) = self.shared.writes.take_all(several) {
            several = jobs.len() > 1;
            self.group(jobs);
        }
        // Whichever connection closes last would do this, but of two that close at once neither
        // may be the last. Nothing is lost where it fails: the journal stays beside the file.
        if let Some(connection) = &self.connection {
            let _ = connection.query_row(sql::CHECKPOINT, [], |_| Ok(()));
        }
    }

    fn group(&mut self, jobs: VecDeque<Job>) {
        match self.attempt(&jobs) {
            Ok(answers) => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    job.answer(answer);
                }
            }
            Err(failure) if jobs.len() > 1 && failure.may_be_one_batch() => {
                for job in jobs {
                    self.group(VecDeque::from([job]));
                }
            }
            Err(failure) => {
                for job in jobs {
                    job.answer(Err(failure.error()));
                }
            }
        }
    }

    /// All jobs in one transaction. Nothing is said to anybody before it is durable, not even a
    /// conflict: what it conflicts with may be a neighbour.
    fn attempt(&mut self, jobs: &VecDeque<Job>) -> Result<Vec<Answer>, Failure> {
        let mut names = mem::take(&mut self.names);
        let outcome = self
            .connection()
            .and_then(|conn| transact(conn, &mut names, jobs));
        match &outcome {
            Ok(answers) => {
                self.names = names;
                self.shared.counters.add(count(jobs, answers));
            }
            Err(failure) => self.recover(failure),
        }
        outcome
    }

    fn recover(&mut self, failure: &Failure) {
        if let Some(connection) = self.connection.take()
            && failure.spares_the_connection()
            && (connection.is_autocommit() || connection.execute_batch(sql::ROLLBACK).is_ok())
        {
            self.connection = Some(connection);
        }
        if failure.in_doubt() {
            self.shared.undecided.store(true, Ordering::Release);
            // Best now, before anybody is told to read again; else before the next group.
            let _ = self.connection();
        }
    }

    /// The connection, opened anew where it was lost, with nothing undecided behind it.
    fn connection(&mut self) -> Result<&Connection, Failure> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::reopen(&self.shared.options).map_err(Failure::before_commit)?,
        };
        if self.shared.undecided.load(Ordering::Acquire) {
            decide(&connection).map_err(Failure::before_commit)?;
            self.shared.undecided.store(false, Ordering::Release);
        }
        Ok(self.connection.insert(connection))
    }
}

/// Ends what a failed COMMIT left open. Its frames may be whole in the journal though nobody sees
/// them, and a crash would bring them back after somebody read that they are not there. The next
/// commit goes where they are: one that changes nothing decides it.
fn decide(connection: &Connection) -> rusqlite::Result<()> {
    let schema: u32 = connection.query_row(sql::SCHEMA, [], |row| row.get(0))?;
    connection.execute_batch(sql::BEGIN)?;
    connection.pragma_update(None, "user_version", schema)?;
    connection.execute_batch(sql::COMMIT)
}

fn transact(
    connection: &Connection,
    names: &mut Names,
    jobs: &VecDeque<Job>,
) -> Result<Vec<Answer>, Failure> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]);
    // The lock comes first, so that what guards read stays true until the end.
    run(sql::BEGIN).map_err(Failure::before_commit)?;
    schema::refuse_newer(connection)?;
    let mut group = Group::new(connection, names);
    let apply_all = || -> rusqlite::Result<Vec<Answer>> {
        let answers = jobs.iter().map(|job| group.apply(&job.batch));
        let answers = answers.collect::<Result<_, _>>()?;
        group.finish()?;
        Ok(answers)
    };
    let answers = apply_all().map_err(Failure::before_commit)?;
    run(sql::COMMIT).map_err(Failure::at_commit)?;
    Ok(answers)
}

fn count(jobs: &VecDeque<Job>, answers: &[Answer]) -> SqliteStats {
    let mut stats = SqliteStats::default();
    for (job, answer) in jobs.iter().zip(answers) {
        match answer {
            Ok(Commit::Committed) => {
                stats.committed += 1;
                stats.groups |= u64::from(!job.batch.writes.is_empty());
            }
            Ok(Commit::Conflict(_)) => stats.conflicts += 1,
            Err(_) => {}
        }
    }
    stats
}

/// When the thread ends, even by a panic, nobody waits for it any longer.
struct LastWords(Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        for job in self.0.writes.abandon() {
            job.answer(Err(Refused::Closed.into()));
        }
    }
}
