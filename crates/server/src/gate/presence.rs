//! Who else serves this store: gates that could not read one another's challenges must not share
//! it.
//!
//! A buyer may be offered a challenge by one process and pay at another. Where the two have no
//! secret in common, each refuses what the other issued. So every gate leaves a row with the names
//! of its secrets, good for a minute, and looks at the rows of the others before it starts.

use std::time::Duration;

use farthing_core::{
    bounds,
    port::backend::{Batch, Key, Partition, Place, Range, StoreError, Table, Write},
    value::Timestamp,
};

use super::{Gate, SetupError};

const GATES: Table = Table::new("server.gates");
const LIVE: &str = "live";
const GOOD_FOR: Duration = Duration::from_secs(60);

impl Gate {
    /// Announces the gate at its store. Call it before the first request; call
    /// [`keep_reconciling`](Gate::keep_reconciling), which renews it, afterwards.
    ///
    /// # Errors
    /// When another gate on this store shares none of our challenge secrets, or the store fails.
    /// A gate that was killed is remembered for a minute.
    pub async fn start(&self) -> Result<(), SetupError> {
        self.announce().await?;
        let ours = self.secret_names();
        let range = Range {
            partition: Partition::Store,
            table: GATES,
            group: Key::from(LIVE),
            before: u64::MAX,
            after: Some((self.now().as_millis(), Key::from(""))),
            newest_first: false,
            limit: bounds::PAGE,
        };
        let rows = self.0.payments.claims().backend().range(range).await?;
        let disjoint = rows.iter().any(|row| {
            let theirs = String::from_utf8_lossy(&row.value);
            !theirs
                .split(' ')
                .any(|name| ours.split(' ').any(|our| our == name))
        });
        if disjoint {
            self.depart().await?;
            return Err(SetupError::DisjointSecrets);
        }
        Ok(())
    }

    /// Writes our row, good for another minute.
    pub(super) async fn announce(&self) -> Result<(), StoreError> {
        let until: Timestamp = self.now().saturating_add(GOOD_FOR);
        self.write_presence(Write::Put {
            table: GATES,
            key: self.presence_key(),
            value: self.secret_names().into_bytes(),
            fence: 0,
            place: Some(Place {
                group: Key::from(LIVE),
                at: until.as_millis(),
            }),
        })
        .await
    }

    /// Removes our row.
    pub(super) async fn depart(&self) -> Result<(), StoreError> {
        self.write_presence(Write::Delete {
            table: GATES,
            key: self.presence_key(),
        })
        .await
    }

    async fn write_presence(&self, write: Write) -> Result<(), StoreError> {
        let mut batch = Batch::new(Partition::Store);
        batch.writes.push(write);
        let committed = self.0.payments.claims().backend().commit(batch).await?;
        // Without guards there is nothing to conflict on.
        let _ = committed;
        Ok(())
    }

    fn presence_key(&self) -> Key {
        Key::from(&self.0.instance.0[..])
    }

    fn secret_names(&self) -> String {
        let names: Vec<String> = self
            .0
            .binder
            .secrets()
            .fingerprints()
            .map(|name| name.to_string())
            .collect();
        names.join(" ")
    }
}
