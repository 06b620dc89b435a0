//! Statements, found once for a group of batches.

use rusqlite::{CachedStatement, Connection};

use super::sql;

/// What a batch does to one row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    State,
    Counter,
    Put,
    Move,
    Change,
    Exchange,
    Delete,
    Count,
    Number,
    Append,
}

/// As many as there are verbs.
const VERBS: usize = 10;

impl Verb {
    const fn sql(self) -> &'static str {
        match self {
            Self::State => sql::STATE,
            Self::Counter => sql::COUNTER,
            Self::Put => sql::PUT,
            Self::Move => sql::MOVE,
            Self::Change => sql::CHANGE,
            Self::Exchange => sql::EXCHANGE,
            Self::Delete => sql::DELETE,
            Self::Count => sql::COUNT,
            Self::Number => sql::NUMBER,
            Self::Append => sql::APPEND,
        }
    }
}

/// The statements of a connection that were needed so far. They go back to its cache.
pub(super) struct Statements<'a> {
    connection: &'a Connection,
    found: [Option<CachedStatement<'a>>; VERBS],
}

impl<'a> Statements<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            found: [const { None }; VERBS],
        }
    }

    pub(super) fn of(&mut self, verb: Verb) -> rusqlite::Result<&mut CachedStatement<'a>> {
        let place = &mut self.found[verb as usize];
        match place {
            Some(statement) => Ok(statement),
            empty => Ok(empty.insert(self.connection.prepare_cached(verb.sql())?)),
        }
    }
}
