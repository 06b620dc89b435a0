//! Keys, fences and who may change what.

use std::sync::Arc;

use farthing_core::{
    domain::{
        claims::{Change, ChangeError, Claimed},
        payments::Payments,
    },
    payment::{Event, State},
    port::backend::{Backend, Guard, Key, Table, Write},
    value::ClaimKey,
};
use tokio::task::JoinSet;

use super::{NOW, after, change, claim, claimed, counted, debit, load, payment, stepped, text};

const ROWS: Table = Table::new("suite.rows");

fn put(name: &str) -> Write {
    Write::Put {
        table: ROWS,
        key: Key::from(name),
        value: vec![1],
        fence: 0,
        place: None,
    }
}

fn add(name: &str, delta: i128, max: i128) -> Write {
    Write::Add {
        table: ROWS,
        key: Key::from(name),
        delta,
        min: 0,
        max,
    }
}

async fn is_there(store: &Arc<dyn Backend>, name: &str) -> bool {
    let partition = farthing_core::port::backend::Partition::Store;
    let key = Key::from(name);
    let row = store.get(&partition, ROWS, &key).await;
    row.expect("a healthy store answers").is_some()
}

/// However many present it at once, one of them gets it, and the others are told who is first.
pub async fn two_hundred_tasks_race_one_credential_and_one_wins(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let key = ClaimKey::challenge(&payment(0).challenge);
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let (payments, key) = (payments.clone(), key.clone());
        tasks.spawn(async move {
            let mut claim = claim(payment(number));
            claim.keys = vec![key];
            let id = claim.id.clone();
            (id, payments.claims().claim(claim).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended.expect("no racer panics") {
            (id, Ok(Claimed::New(_))) => winners.push(id),
            (_, Ok(Claimed::Taken(taken))) => assert_eq!(taken, key),
            (_, other) => unreachable!("a race has no third way: {other:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let found = payments.claims().find(&key).await;
    let found = found.expect("a healthy store answers");
    assert_eq!(found.map(|held| held.id().clone()), winners.pop());
    let due = payments.due(after(3600), 1000).await;
    assert_eq!(due.expect("a healthy store answers").len(), 1);
}

/// One key of a set is taken: the others stay free, no counter moves, no row is written.
pub async fn a_claim_with_one_taken_key_writes_nothing(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let mut first = claim(payment(1));
    first.keys.push(text("proof:fake:n1"));
    drop(claimed(&payments, first).await);
    let mut second = claim(payment(2));
    second.keys.push(text("proof:fake:n2"));
    second.keys.push(text("proof:fake:n1"));
    second.debits.push(debit("exposure", 5, 100, true));
    second.effect.push(put("effect"));
    let free = second.keys[..2].to_vec();
    match payments.claims().claim(second).await {
        Ok(Claimed::Taken(key)) => assert_eq!(key, text("proof:fake:n1")),
        other => unreachable!("a key was taken: {other:?}"),
    }
    for key in &free {
        let found = payments.claims().find(key).await;
        assert!(found.expect("a healthy store answers").is_none(), "{key:?}");
    }
    assert!(load(&payments, &payment(2)).await.is_none());
    assert_eq!(counted(&store, "exposure").await, 0);
    assert!(!is_there(&store, "effect").await);
}

/// A caller has to know which of its guards, debits or additions did not hold.
pub async fn a_claim_names_what_it_failed_on(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let mut guarded = claim(payment(1));
    for name in ["absent", "present"] {
        guarded.guards.push(match name {
            "absent" => Guard::Absent {
                table: ROWS,
                key: Key::from(name),
            },
            _ => Guard::Version {
                table: ROWS,
                key: Key::from(name),
                version: 1,
            },
        });
    }
    let ended = payments.claims().claim(guarded).await;
    assert!(matches!(ended, Ok(Claimed::Guarded(1))), "{ended:?}");

    let mut over = claim(payment(1));
    over.debits.push(debit("a", 1, 10, false));
    over.debits.push(debit("b", 11, 10, false));
    let ended = payments.claims().claim(over).await;
    let Ok(Claimed::Exceeded(which)) = ended else {
        unreachable!("a debit is over its limit: {ended:?}");
    };
    assert_eq!(&*which.counter, "b");

    let mut short = claim(payment(1));
    short.debits.push(debit("a", 1, 10, false));
    short.effect = vec![put("row"), add("balance", -1, 10)];
    let ended = payments.claims().claim(short).await;
    assert!(matches!(ended, Ok(Claimed::Short(1))), "{ended:?}");
}

/// The same for a change.
pub async fn a_change_names_the_write_that_fell_short(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let held = claimed(&payments, claim(payment(1))).await;
    let ended = payments
        .claims()
        .change(
            held.clone(),
            Change {
                writes: vec![put("row"), add("balance", 11, 10)],
                ..Change::to(stepped(&held.record, Event::Send))
            },
        )
        .await;
    assert!(matches!(ended, Err(ChangeError::Short(1))), "{ended:?}");
    assert!(!is_there(&store, "row").await);
    let there = load(&payments, &held.record).await;
    assert_eq!(there.map(|held| held.record.state), Some(State::Claimed));
}

/// A process that slept through its lease finds that its work is another's.
pub async fn a_stale_owner_is_refused_after_a_thaw(store: Arc<dyn Backend>) {
    let payments = Payments::new(Arc::clone(&store));
    let mut first = claim(payment(1));
    first.debits.push(debit("exposure", 5, 100, false));
    let frozen = claimed(&payments, first).await;
    let seen = load(&payments, &frozen.record).await;
    let seen = seen.expect("it was claimed");
    let record = seen.record.clone();
    let owner = payments.claims().take_over(seen, record).await;
    let owner = owner.expect("nobody moved it meanwhile");
    assert!(owner.fence() > frozen.fence());
    let tried = payments
        .claims()
        .change(
            frozen.clone(),
            Change {
                debts: farthing_core::domain::claims::Debts::Release,
                free: frozen.keys().to_vec(),
                writes: vec![put("row")],
                ..Change::to(stepped(&frozen.record, Event::Send))
            },
        )
        .await;
    assert!(matches!(tried, Err(ChangeError::Stale)), "{tried:?}");
    let renewed = payments.renew(frozen.clone(), after(99)).await;
    assert!(matches!(renewed, Err(ChangeError::Stale)), "{renewed:?}");
    assert!(!is_there(&store, "row").await);
    assert_eq!(counted(&store, "exposure").await, 5);
    let found = payments.claims().find(&frozen.keys()[0]).await;
    assert!(found.expect("a healthy store answers").is_some());
    let sent = Change::to(stepped(&owner.record, Event::Send));
    let now = change(&payments, owner, sent).await;
    assert_eq!(now.record.state, State::Sent);
}

/// A takeover is decided on what was read; if the owner has gone on since, it was wrong.
pub async fn taking_over_is_refused_while_the_owner_goes_on(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let owner = claimed(&payments, claim(payment(1))).await;
    let seen = load(&payments, &owner.record).await;
    let seen = seen.expect("it was claimed");
    let owner = payments.renew(owner, after(60)).await;
    let owner = owner.expect("the owner goes on");
    let record = seen.record.clone();
    let tried = payments.claims().take_over(seen, record).await;
    assert!(matches!(tried, Err(ChangeError::Stale)), "{tried:?}");
    let sent = Change::to(stepped(&owner.record, Event::Send));
    change(&payments, owner, sent).await;
}

/// Of many that find a lease run out, one becomes the owner.
pub async fn one_of_many_takes_over(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let held = claimed(&payments, claim(payment(1))).await;
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (payments, held) = (payments.clone(), held.clone());
        tasks.spawn(async move {
            let record = held.record.clone();
            payments.claims().take_over(held, record).await.is_ok()
        });
    }
    let took = tasks.join_all().await;
    assert_eq!(took.into_iter().filter(|took| *took).count(), 1);
}

/// After that the credential is as if it had never been seen, so it is done late.
pub async fn forgetting_frees_the_keys(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let held = claimed(&payments, claim(payment(1))).await;
    let keys = held.keys().to_vec();
    let forgotten = payments.claims().forget(held, Vec::new()).await;
    assert!(forgotten.is_ok(), "{forgotten:?}");
    assert!(load(&payments, &payment(1)).await.is_none());
    let mut again = claim(payment(2));
    again.keys = keys;
    drop(claimed(&payments, again).await);
}

/// What was read may be forgotten only if it is still so.
pub async fn forgetting_is_refused_once_the_record_moved_on(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let held = claimed(&payments, claim(payment(1))).await;
    let seen = held.clone();
    drop(payments.renew(held, after(60)).await);
    let forgotten = payments.claims().forget(seen, Vec::new()).await;
    assert!(
        matches!(forgotten, Err(ChangeError::Stale)),
        "{forgotten:?}"
    );
    assert!(load(&payments, &payment(1)).await.is_some());
}

/// A key that was freed early and claimed by another is not freed again by its first holder.
pub async fn a_freed_key_belongs_to_its_next_holder(store: Arc<dyn Backend>) {
    let payments = Payments::new(store);
    let key = text("idempotency:k");
    let mut first = claim(payment(1));
    first.keys.push(key.clone());
    let first = claimed(&payments, first).await;
    let mut next = stepped(&first.record, Event::Void);
    next.lease_until = NOW;
    let voided = Change {
        free: vec![key.clone()],
        ..Change::to(next)
    };
    let first = change(&payments, first, voided).await;
    let mut second = claim(payment(2));
    second.keys.push(key.clone());
    let second = claimed(&payments, second).await;
    // Freeing it once more, and forgetting, are about a key that is not the first one's any more.
    let again = Change {
        free: vec![key.clone()],
        ..Change::to(first.record.clone())
    };
    let first = change(&payments, first, again).await;
    let forgotten = payments.claims().forget(first, Vec::new()).await;
    assert!(forgotten.is_ok(), "{forgotten:?}");
    let found = payments.claims().find(&key).await;
    let found = found.expect("a healthy store answers");
    assert_eq!(
        found.map(|held| held.id().clone()),
        Some(second.id().clone())
    );
}
