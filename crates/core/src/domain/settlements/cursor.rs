//! Cursors: how far somebody came with what only goes forward, such as the blocks of a rail whose
//! news was taken in.

use super::{Settlements, packed, put, read};
use crate::port::backend::{Guard, Key, Partition, StoreError, Table};

const CURSORS: Table = Table::new("core.rail_cursors");
const FORM: u8 = 1;

impl Settlements {
    /// How far the cursor of a name is; `None` before the first time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn cursor(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let key = Key::from(name);
        let row = self.backend.get(&Partition::Store, CURSORS, &key).await?;
        row.map(|row| read(&row, FORM, |from| from.number(u64::MAX)))
            .transpose()
    }

    /// Moves it on. It never goes back: whoever is behind does again what another did.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn move_cursor(&self, name: &str, to: u64) -> Result<(), StoreError> {
        let key = Key::from(name);
        loop {
            let row = self.backend.get(&Partition::Store, CURSORS, &key).await?;
            let guard = match &row {
                None => Guard::Absent {
                    table: CURSORS,
                    key: key.clone(),
                },
                Some(row) if read(row, FORM, |from| from.number(u64::MAX))? >= to => return Ok(()),
                Some(row) => super::as_read(CURSORS, row),
            };
            let value = packed(FORM, |out| out.number(to));
            let write = put(CURSORS, key.clone(), value, None);
            if self.commit(vec![guard], vec![write]).await? {
                return Ok(());
            }
        }
    }
}
