//! Tables by number: a name would be most of a small row.

use farthing_core::port::backend::Table;
use rusqlite::{Connection, OptionalExtension as _};

use super::sql;

/// The numbers of table names that are known to be committed, or written in this transaction. A
/// program has a dozen tables, and names differ in length or early: looking is faster than hashing.
#[derive(Default)]
pub(super) struct Names(Vec<(Table, u16)>);

impl Names {
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        table: Table,
    ) -> rusqlite::Result<Option<u16>> {
        if let Some((_, id)) = self.0.iter().find(|(known, _)| *known == table) {
            return Ok(Some(*id));
        }
        let mut statement = connection.prepare_cached(sql::FIND_NAME)?;
        let id = statement
            .query_row([table.name()], |row| row.get(0))
            .optional()?;
        self.0.extend(id.map(|id| (table, id)));
        Ok(id)
    }

    pub(super) fn add(&mut self, connection: &Connection, table: Table) -> rusqlite::Result<u16> {
        if let Some(id) = self.find(connection, table)? {
            return Ok(id);
        }
        let mut statement = connection.prepare_cached(sql::ADD_NAME)?;
        let id = statement.query_row([table.name()], |row| row.get(0))?;
        self.0.push((table, id));
        Ok(id)
    }

    /// To be called when a transaction is rolled back: it may have taken names with it.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
