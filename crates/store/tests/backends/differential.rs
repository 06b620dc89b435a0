//! Random batches on both backends at once: whatever one answers, the other has to answer.

use farthing_core::{
    memory::MemoryBackend,
    port::backend::{Backend, Batch, Guard, Key, Partition, Place, Range, Table, Write},
};

use crate::{ROWS, fresh};

const TABLES: [Table; 2] = [ROWS, Table::new("suite.other")];

/// xorshift64*: enough to mix, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn table(&mut self) -> Table {
        TABLES[usize::from(self.below(2) == 1)]
    }

    fn partition(&mut self) -> Partition {
        match self.below(3) {
            0 => Partition::Channel(self.key()),
            _ => Partition::Store,
        }
    }

    /// One of few keys, so that they meet.
    fn key(&mut self) -> Key {
        let keys: [&[u8]; 5] = [b"", b"a", b"a\0", b"n", b"\xff"];
        let at = self.below(keys.len() as u64);
        Key::from(keys[usize::try_from(at).unwrap()])
    }

    fn place(&mut self) -> Option<Place> {
        let at = [0, 1, 2, i64::MAX as u64, 1 << 63, u64::MAX][self.below(6) as usize];
        (self.below(3) > 0).then(|| Place {
            group: self.key(),
            at,
        })
    }

    fn guard(&mut self) -> Guard {
        let (table, key) = (self.table(), self.key());
        match self.below(3) {
            0 => Guard::Absent { table, key },
            1 => Guard::Version {
                table,
                key,
                version: 1 + self.below(3),
            },
            _ => Guard::Fence {
                table,
                key,
                fence: self.below(2),
            },
        }
    }

    fn write(&mut self) -> Write {
        let (table, key) = (self.table(), self.key());
        match self.below(8) {
            0 | 1 => {
                let value = vec![7; self.below(3) as usize];
                Write::Put {
                    table,
                    key,
                    value,
                    fence: self.below(2),
                    place: self.place(),
                }
            }
            2 | 3 => Write::Delete { table, key },
            4 => Write::Append {
                table,
                group: key,
                value: vec![1],
            },
            _ => {
                let delta = i128::from(self.below(9)) - 4;
                Write::Add {
                    table,
                    key,
                    delta,
                    min: -4,
                    max: 6,
                }
            }
        }
    }

    fn batch(&mut self) -> Batch {
        Batch {
            partition: self.partition(),
            guards: (0..self.below(4) / 2).map(|_| self.guard()).collect(),
            writes: (0..self.below(5)).map(|_| self.write()).collect(),
        }
    }

    fn range(&mut self) -> Range {
        Range {
            partition: self.partition(),
            table: self.table(),
            group: self.key(),
            before: [1, 2, 1 << 63, u64::MAX][self.below(4) as usize],
            after: self.place().map(|place| (place.at, place.group)),
            newest_first: self.below(2) == 0,
            limit: self.below(6) as usize,
        }
    }
}

#[tokio::test]
async fn sqlite_and_memory_answer_alike() {
    for seed in 1..=8 {
        let mut dice = Dice(seed);
        let (sqlite, _dir) = fresh();
        let memory = MemoryBackend::new();
        for step in 0..400 {
            let batch = dice.batch();
            let what = format!("seed {seed}, step {step}: {batch:?}");
            let answers = (
                memory.commit(batch.clone()).await,
                sqlite.commit(batch).await,
            );
            match answers {
                (Ok(one), Ok(other)) => assert_eq!(one, other, "{what}"),
                (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string(), "{what}"),
                differing => panic!("{what}: {differing:?}"),
            }
            let (partition, table, key) = (dice.partition(), dice.table(), dice.key());
            let one = memory.get(&partition, table, &key).await.unwrap();
            assert_eq!(
                one,
                sqlite.get(&partition, table, &key).await.unwrap(),
                "{what}"
            );
            let range = dice.range();
            let one = memory.range(range.clone()).await.unwrap();
            assert_eq!(
                one,
                sqlite.range(range.clone()).await.unwrap(),
                "{what}\n{range:?}"
            );
        }
        let stats = sqlite.stats();
        assert!(
            stats.committed > 100 && stats.conflicts > 50,
            "the dice are loaded: {stats:?}"
        );
    }
}
