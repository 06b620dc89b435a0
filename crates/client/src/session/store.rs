//! The purses of a store: every step of one is a compare-and-set.

use std::sync::Arc;

use farthing_core::{
    bounds,
    domain::claims::{
        COUNTERS, Change, ChangeError, Claim, Claimed, Claims, Debit, Debts, Held, Record as _,
    },
    encoding::base64url,
    port::{
        backend::{Backend, Key, Partition, Range, StoreError, Table, Write},
        session_payer::Locking,
    },
    value::{Amount, ClaimKey, Did, MethodId, PaymentId, Realm, Secret, Timestamp, Worth},
};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::purse::{LIVE, Purse, Stage};

/// A purse as it was read, with the version that a step has to find.
pub(super) type HeldPurse = Held<Purse>;

const LOCKINGS: Table = Table::new("client.lockings");

/// The purses of a store.
#[derive(Clone, Debug)]
pub(crate) struct Purses {
    claims: Claims<Purse>,
}

/// What a new purse led to.
pub(super) enum Begun {
    /// It is ours to open.
    New(Box<HeldPurse>),
    /// There is one of this scope.
    Exists,
}

/// What locks value: the signed transaction, until the rail has it or proves that it never will.
#[derive(Clone)]
pub(super) struct KeptLocking {
    pub(super) transaction: Secret,
    pub(super) payload: Option<Box<RawValue>>,
    pub(super) amount: Amount,
    /// When it can no longer be taken.
    pub(super) valid_until: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    transaction: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    amount: Amount,
    valid_until: Timestamp,
}

/// Which of the two transactions of a purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Opening,
    TopUp,
}

impl Purses {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            claims: Claims::new(backend),
        }
    }

    /// Begins a purse, unless its scope has one.
    pub(super) async fn begin(&self, purse: Purse) -> Result<Begun, StoreError> {
        let claim = Claim {
            id: purse.id.to_key(),
            keys: vec![scope_key(&purse.scope)],
            record: purse,
            debits: Vec::new(),
            guards: Vec::new(),
            effect: Vec::new(),
            debts: Debts::Keep,
        };
        Ok(match self.claims.claim(claim).await? {
            Claimed::New(held) => Begun::New(Box::new(held)),
            _ => Begun::Exists,
        })
    }

    /// Keeps a channel that was found. It pays nothing, so its scope stays free. What its rail does not
    /// show is its seller's word alone, and counts in nothing that others may lock.
    pub(super) async fn adopt(&self, mut purse: Purse, is_shown: bool) -> Result<(), StoreError> {
        let unlocked = Purse {
            locks: Some(Amount::ZERO),
            stage: Stage::Lost,
            ..purse.clone()
        };
        purse.locks = Some(Amount::ZERO);
        let by = match is_shown {
            true => purse.recount(&unlocked),
            false => 0,
        };
        let symbol = purse.symbol.clone();
        let claim = Claim {
            id: purse.id.to_key(),
            keys: Vec::new(),
            record: purse,
            debits: Vec::new(),
            guards: Vec::new(),
            effect: vec![lock(&symbol, by, None)],
            debts: Debts::Keep,
        };
        let _ = self.claims.claim(claim).await?;
        Ok(())
    }

    /// Takes a step from what was read, or finds that somebody was faster. The budgets of the step
    /// are charged with it, and for good: `fees` alone can be given back, until the next step that
    /// charges. What it locks more or less is counted with it: [`ChangeError::Short`] where that is more
    /// than may be.
    pub(super) async fn step(
        &self,
        held: HeldPurse,
        mut step: Step,
    ) -> Result<HeldPurse, ChangeError> {
        let by = step.purse.recount(&held.record);
        if by != 0 {
            let most = step.lock_up_to.filter(|_| by > 0);
            step.writes.push(lock(&step.purse.symbol, by, most));
        }
        let free = match step.frees {
            true => vec![scope_key(&step.purse.scope)],
            false => Vec::new(),
        };
        let change = Change {
            debts: step.debts,
            debits: step.debits,
            free,
            writes: step.writes,
            ..Change::to(step.purse)
        };
        self.claims.take_over_with(held, change).await
    }

    /// Removes a purse that nothing was signed for.
    pub(super) async fn forget(&self, held: HeldPurse) -> Result<(), ChangeError> {
        self.claims.forget(held, Vec::new()).await
    }

    /// How much is locked in all channels in a unit.
    pub(super) async fn locked(&self, symbol: &str) -> Result<Worth, StoreError> {
        let (backend, key) = (self.claims.backend(), lock_key(symbol));
        let Some(row) = backend.get(&Partition::Store, COUNTERS, &key).await? else {
            return Ok(Worth::ZERO);
        };
        let count = row.counter();
        let count =
            count.ok_or_else(|| StoreError::Corrupt("what is locked is no number".into()))?;
        Ok(Worth::counted(count.max(0).unsigned_abs()))
    }

    pub(super) async fn load(&self, id: PaymentId) -> Result<Option<HeldPurse>, StoreError> {
        self.claims.load(&id.to_key()).await
    }

    /// The purse that pays offers of a scope.
    pub(super) async fn of(&self, scope: &str) -> Result<Option<HeldPurse>, StoreError> {
        self.claims.find(&scope_key(scope)).await
    }

    pub(super) async fn locking(
        &self,
        id: PaymentId,
        which: Which,
    ) -> Result<Option<KeptLocking>, StoreError> {
        let key = locking_key(id, which);
        let backend = self.claims.backend();
        let Some(row) = backend.get(&Partition::Store, LOCKINGS, &key).await? else {
            return Ok(None);
        };
        let stored: Stored =
            serde_json::from_slice(&row.value).map_err(|e| StoreError::Corrupt(e.into()))?;
        let bytes = base64url::decode(&stored.transaction)
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        Ok(Some(KeptLocking {
            transaction: Secret::new(bytes),
            payload: stored.payload,
            amount: stored.amount,
            valid_until: stored.valid_until,
        }))
    }

    /// Those in which money may be locked, or those that ended, the oldest first.
    pub(super) async fn list(
        &self,
        group: &str,
        after: Option<&Purse>,
        limit: usize,
    ) -> Result<Vec<HeldPurse>, StoreError> {
        let range = Range {
            partition: Partition::Store,
            table: Purse::TABLE,
            group: Key::from(group),
            before: u64::MAX,
            after: after.map(|last| (last.at.as_millis(), last.id.to_key())),
            newest_first: false,
            limit: limit.min(bounds::PAGE),
        };
        let rows = self.claims.backend().range(range).await?;
        rows.into_iter().map(Held::read).collect()
    }

    /// All in which money may be locked.
    pub(super) async fn live(&self) -> Result<Vec<HeldPurse>, StoreError> {
        let mut all = Vec::new();
        loop {
            let last = all.last().map(|held: &HeldPurse| held.record.clone());
            let page = self.list(LIVE, last.as_ref(), bounds::PAGE).await?;
            let more = page.len() == bounds::PAGE;
            all.extend(page);
            if !more {
                return Ok(all);
            }
        }
    }
}

/// A step of a purse.
pub(super) struct Step {
    pub(super) purse: Purse,
    pub(super) debts: Debts,
    pub(super) debits: Vec<Debit>,
    pub(super) writes: Vec<Write>,
    /// How much may be locked in all channels with it, where it locks more.
    pub(super) lock_up_to: Option<Worth>,
    /// Whether its scope is free for another purse from now on.
    pub(super) frees: bool,
}

impl Step {
    /// A step that charges nothing.
    pub(super) const fn to(purse: Purse) -> Self {
        Self {
            purse,
            debts: Debts::Keep,
            debits: Vec::new(),
            writes: Vec::new(),
            lock_up_to: None,
            frees: false,
        }
    }
}

/// The write that counts what is locked more or less.
fn lock(symbol: &str, by: i128, up_to: Option<Worth>) -> Write {
    let most = up_to.and_then(|most| most.count().to_delta());
    Write::Add {
        table: COUNTERS,
        key: lock_key(symbol),
        delta: by,
        min: i128::MIN,
        max: most.unwrap_or(i128::MAX),
    }
}

/// As the counters of budgets are, in parts of a unit, which several currencies may have.
fn lock_key(symbol: &str) -> Key {
    Key::from(&*format!("locked {symbol}"))
}

/// The write that keeps what locks value.
pub(super) fn keep_locking(
    id: PaymentId,
    which: Which,
    locking: &Locking,
    amount: Amount,
) -> Result<Write, StoreError> {
    let stored = Stored {
        transaction: base64url::encode(locking.transaction.expose()),
        payload: locking.payload.clone(),
        amount,
        valid_until: locking.valid_until,
    };
    Ok(Write::Put {
        table: LOCKINGS,
        key: locking_key(id, which),
        value: serde_json::to_vec(&stored).map_err(|error| StoreError::Corrupt(error.into()))?,
        fence: 0,
        place: None,
    })
}

/// The write that erases it.
pub(super) fn erase_locking(id: PaymentId, which: Which) -> Write {
    Write::Delete {
        table: LOCKINGS,
        key: locking_key(id, which),
    }
}

fn locking_key(id: PaymentId, which: Which) -> Key {
    let mut key = id.as_bytes().to_vec();
    key.push(match which {
        Which::Opening => b'o',
        Which::TopUp => b't',
    });
    Key::new(key)
}

/// A scope is of any length, so it stands hashed.
fn scope_key(scope: &str) -> ClaimKey {
    let hash = base64url::encode(digest(&SHA256, scope.as_bytes()).as_ref());
    ClaimKey::new(format!("scope:{hash}")).expect("a hash is no longer than a key")
}

/// The scope as it is kept: one method's is never another's, nor one payer's, nor one realm's, for a
/// seller serves from a channel in the realm it was opened for.
pub(super) fn full_scope(method: &MethodId, payer: &Did, realm: &Realm, scope: &str) -> Box<str> {
    format!("{method} {payer} {realm} {scope}").into()
}
