//! What the operator does: money in, money out, statements.

use farthing_core::{
    port::method::Booking,
    value::{Amount, CurrencyCode, Timestamp},
};
use farthing_ledger::{Entry, Funded, Funding, Kind, LedgerError, Side, TransferId};

use crate::{
    fixture::{NOW, dollar},
    world::World,
};

#[tokio::test]
async fn a_deposit_counts_once() {
    let world = World::new([0, 0]).await;
    let deposit = world.funding("invoice-17", 0, 500);
    assert_eq!(world.accounts.deposit(&deposit).await.unwrap(), Funded::Now);
    let later = Funding {
        at: Timestamp::from_secs(1_900_000_000),
        ..deposit.clone()
    };
    assert_eq!(
        world.accounts.deposit(&later).await.unwrap(),
        Funded::Before
    );
    assert_eq!(world.has(0).await, (500, 0));
    assert_eq!(world.total().await, 0);
}

#[tokio::test]
async fn a_deposit_races_with_itself_and_counts_once() {
    let world = World::new([0, 0]).await;
    let deposit = world.funding("invoice-17", 0, 500);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (accounts, deposit) = (world.accounts.clone(), deposit.clone());
        tasks.spawn(async move { accounts.deposit(&deposit).await.unwrap() });
    }
    let done = tasks.join_all().await;
    assert_eq!(
        done.iter().filter(|funded| **funded == Funded::Now).count(),
        1
    );
    assert_eq!(world.has(0).await, (500, 0));
}

#[tokio::test]
async fn an_id_stands_for_one_deposit() {
    let world = World::new([0, 0]).await;
    let deposit = world.funding("invoice-17", 0, 500);
    world.accounts.deposit(&deposit).await.unwrap();
    for other in [
        world.funding("invoice-17", 0, 501),
        world.funding("invoice-17", 1, 500),
    ] {
        let refused = world.accounts.deposit(&other).await;
        assert!(
            matches!(refused, Err(LedgerError::Reused(_))),
            "{refused:?}"
        );
    }
    assert_eq!((world.has(0).await, world.has(1).await), ((500, 0), (0, 0)));
}

#[tokio::test]
async fn a_withdrawal_takes_what_there_is_and_counts_once() {
    let world = World::new([500, 0]).await;
    let much = world
        .accounts
        .withdraw(&world.funding("bank-1", 0, 501))
        .await;
    assert!(matches!(much, Err(LedgerError::Short(_))), "{much:?}");
    let all = world.funding("bank-2", 0, 500);
    assert_eq!(world.accounts.withdraw(&all).await.unwrap(), Funded::Now);
    assert_eq!(world.accounts.withdraw(&all).await.unwrap(), Funded::Before);
    assert_eq!(world.has(0).await, (0, 0));
    assert_eq!(world.total().await, 0);
}

#[tokio::test]
async fn nothing_and_the_uncountable_are_refused() {
    let world = World::new([1, 0]).await;
    let nothing = world.accounts.deposit(&world.funding("a", 0, 0)).await;
    assert!(matches!(nothing, Err(LedgerError::Zero)), "{nothing:?}");
    for amount in [
        u128::MAX,
        i128::MAX.unsigned_abs(),
        i128::MAX.unsigned_abs() - 1,
    ] {
        // Each account could take the last of these, but the operator's balance could not.
        let refused = world.accounts.deposit(&world.funding("b", 1, amount)).await;
        assert!(matches!(refused, Err(LedgerError::Overflow)), "{refused:?}");
    }
    assert_eq!((world.has(0).await, world.has(1).await), ((1, 0), (0, 0)));
}

#[tokio::test]
async fn a_currency_the_ledger_does_not_count_is_refused() {
    let world = World::new([1, 0]).await;
    let cents = CurrencyCode::new("usd").unwrap();
    let deposit = Funding {
        currency: cents.clone(),
        ..world.funding("a", 0, 1)
    };
    assert!(matches!(
        world.accounts.deposit(&deposit).await,
        Err(LedgerError::Currency(_))
    ));
    let account = &world.people[0];
    assert!(world.accounts.balance(account, &cents).await.is_err());
    assert!(
        world
            .accounts
            .statement(account, &cents, None, 1)
            .await
            .is_err()
    );
    assert!(world.accounts.total(&cents, &[]).await.is_err());
}

#[tokio::test]
async fn a_statement_is_read_in_pages_newest_first() {
    let world = World::new([1000, 0]).await;
    for id in 0..7u32 {
        let mut payment = world.payment(id, 0, u128::from(id) + 1);
        // Two at each moment, so that a page also ends between two of the same.
        payment.claimed_at = Timestamp::from_secs(NOW.as_secs() + 1 + u64::from(id) / 2);
        world.claim(payment, Booking::Transfer).await.unwrap();
    }
    let whole = page(&world, None, 100).await;
    assert_eq!(whole.len(), 8);
    assert!(whole.windows(2).all(|pair| pair[0].at >= pair[1].at));
    let last = &whole[7];
    assert_eq!(
        (last.kind, last.side, last.amount),
        (Kind::Deposit, Side::In, Amount::new(1000))
    );
    assert_eq!(last.counterparty, None);

    let mut pages = page(&world, None, 3).await;
    while pages.len() < 8 {
        let next = page(&world, pages.last(), 3).await;
        assert!(!next.is_empty());
        pages.extend(next);
    }
    assert_eq!(pages, whole);
    assert!(page(&world, whole.last(), 3).await.is_empty());
}

async fn page(world: &World, after: Option<&Entry>, limit: usize) -> Vec<Entry> {
    let account = &world.people[0];
    world
        .accounts
        .statement(account, &dollar(), after, limit)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_put_in_is_listed_by_account() {
    let world = World::new([1000, 20]).await;
    let payment = world.payment(1, 0, 7);
    world.claim(payment, Booking::Transfer).await.unwrap();
    let mut last: Option<Entry> = None;
    let mut seen = Vec::new();
    loop {
        let page = world.accounts.fundings(&dollar(), last.as_ref(), 1).await;
        let Some(entry) = page.unwrap().pop() else {
            break;
        };
        seen.push((entry.counterparty.clone().unwrap(), entry.amount.units()));
        last = Some(entry);
    }
    seen.sort_by_key(|(_, units)| *units);
    let [rich, poor] = [&world.people[0], &world.people[1]].map(|one| one.did().clone());
    assert_eq!(
        seen,
        [(poor, 20), (rich, 1000)],
        "a payment puts nothing in"
    );
}

#[tokio::test]
async fn a_hole_in_the_books_shows_in_the_total() {
    let world = World::new([1000, 0]).await;
    assert_eq!(world.total().await, 0);
    let without = world
        .accounts
        .total(&dollar(), &world.people[1..])
        .await
        .unwrap();
    assert_eq!(without, -1000);
}

#[test]
fn an_id_is_visible_and_bounded() {
    assert!(TransferId::new("x".repeat(128)).is_ok());
    for bad in ["", "a b", "a\nb", "é", &"x".repeat(129)] {
        assert!(TransferId::new(bad).is_err(), "{bad:?}");
    }
    let id = TransferId::new("invoice-17").unwrap();
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(
        (&*json, serde_json::from_str(&json).ok()),
        (r#""invoice-17""#, Some(id))
    );
    assert!(serde_json::from_str::<TransferId>(r#""a b""#).is_err());
}
