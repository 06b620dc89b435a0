//! Answers and receipts.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        receipts::{Kept, Receipts},
        responses::{Responses, Slot, Stored},
    },
    noun::Receipt,
    port::backend::{Backend, Batch, Commit, Partition, Write},
    value::{Fingerprint, Reference, Timestamp},
};

use super::{NOW, after, payment};

async fn write(store: &Arc<dyn Backend>, writes: Vec<Write>) {
    let batch = Batch {
        writes,
        ..Batch::new(Partition::Store)
    };
    let ended = store.commit(batch).await.expect("a healthy store answers");
    assert_eq!(ended, Commit::Committed);
}

fn answer(body: &str) -> Stored {
    Stored {
        status: 201,
        headers: vec![
            ("x-one".into(), vec![0xff, b'a']),
            ("x-one".into(), b"again".to_vec()),
        ],
        body: body.into(),
    }
}

/// Expired answers, and no others, are dropped.
pub async fn an_answer_is_kept_until_its_time(store: Arc<dyn Backend>) {
    let responses = Responses::new(Arc::clone(&store));
    let slots: Vec<_> = (1..=3).map(|n| Slot::Payment(payment(n).id)).collect();
    let writes = slots
        .iter()
        .zip([10, 20, 30])
        .map(|(slot, secs)| Responses::write(*slot, &answer("body"), after(secs)));
    write(&store, writes.collect()).await;
    let expired = async |now: Timestamp| {
        let expired = responses.expired(now, 100).await;
        expired.expect("a healthy store answers")
    };
    assert_eq!(expired(after(10)).await.len(), 0);
    let drop_two = expired(after(21)).await;
    assert_eq!(drop_two.len(), 2);
    write(&store, drop_two).await;
    for (slot, there) in slots.iter().zip([false, false, true]) {
        let found = responses.get(*slot).await.expect("a healthy store answers");
        assert_eq!(found, there.then(|| answer("body")), "{slot:?}");
    }
    write(&store, vec![Responses::erase(slots[2])]).await;
    assert_eq!(expired(Timestamp::FAR).await.len(), 0);
}

/// A payment's answer and one kept for an idempotency key are two, even of the same bytes.
pub async fn an_answer_is_kept_in_its_own_slot(store: Arc<dyn Backend>) {
    let responses = Responses::new(Arc::clone(&store));
    let mut print = [0; 32];
    print[..16].copy_from_slice(payment(1).id.as_bytes());
    let slots = [
        Slot::Payment(payment(1).id),
        Slot::Idempotency(Fingerprint(print)),
    ];
    for (slot, body) in slots.iter().zip(["paid", "again"]) {
        write(
            &store,
            vec![Responses::write(*slot, &answer(body), after(9))],
        )
        .await;
    }
    write(&store, vec![Responses::erase(slots[0])]).await;
    let gone = responses.get(slots[0]).await;
    assert_eq!(gone.expect("a healthy store answers"), None);
    let there = responses.get(slots[1]).await;
    assert_eq!(
        there.expect("a healthy store answers"),
        Some(answer("again"))
    );
}

/// Every receipt once, the newest first, also where several are of one moment.
pub async fn receipts_come_newest_first_and_page_on(store: Arc<dyn Backend>) {
    let receipts = Receipts::new(Arc::clone(&store));
    let kept: Vec<_> = (0..25u32)
        .map(|n| {
            let of = payment(n);
            let at = NOW.saturating_add(Duration::from_secs(u64::from(n / 4)));
            let reference = Reference::new(format!("ref-{n}")).expect("it is a reference");
            Kept {
                payment: of.id,
                amount: of.amount,
                currency: of.currency.clone(),
                payee: None,
                payer: of.payer.clone(),
                bought: "GET /weather".into(),
                at,
                receipt: Receipt::new(of.method.clone(), at, reference),
            }
        })
        .collect();
    for kept in &kept {
        let row = Receipts::write(kept).expect("a receipt can be written");
        // Written twice it is still one.
        write(&store, vec![row.clone()]).await;
        write(&store, vec![row]).await;
    }
    let mut seen: Vec<Kept> = Vec::new();
    loop {
        let page = receipts.list(seen.last(), 7).await;
        let page = page.expect("a healthy store answers");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 7);
        seen.extend(page);
    }
    assert_eq!(seen.len(), kept.len());
    assert!(seen.is_sorted_by_key(|kept| std::cmp::Reverse((kept.at, kept.payment))));
    // A stretch has its first moment and not its last: of two moments, the four of each.
    let moment = |n| NOW.saturating_add(Duration::from_secs(n));
    let mut stretch: Vec<Kept> = Vec::new();
    loop {
        let page = receipts
            .between(moment(2)..moment(4), stretch.last(), 3)
            .await;
        let page = page.expect("a healthy store answers");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        stretch.extend(page);
    }
    assert!(stretch.is_sorted_by_key(|kept| (kept.at, kept.payment)));
    let mut expect: Vec<_> = kept[8..16].to_vec();
    expect.sort_by_key(|kept| (kept.at, kept.payment));
    assert_eq!(stretch, expect);
    for kept in &kept {
        let found = receipts.get(kept.payment).await;
        assert_eq!(found.expect("a healthy store answers").as_ref(), Some(kept));
        assert!(seen.contains(kept));
    }
}
