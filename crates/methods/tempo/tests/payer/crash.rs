//! The client dies at each of its writes, on a real chain: the seller is paid once, to the unit.

use std::sync::Arc;

use farthing_core::{memory::MemoryBackend, payment::Moved, port::backend::Backend};
use farthing_tempo::{Mode, PayerOptions};
use farthing_testkit::faulty::{Faulty, When};
use serde_json::json;

use crate::market::{LEASE, Market, PATH, PAYEE, PRICE, account, generous, key, route};

/// The client dies at a write, the same request is made by a new process, and then cleaned up. The
/// seller is paid so often, and serves as often.
async fn check(mode: Mode, write: u64, when: When, paid: u64) {
    let what = format!("{mode:?}: {when:?} write {write}");
    let name = format!("payer: death, {what}");
    let open = Market::open(&name, route(json!({})), |_| {});
    let Some(market) = open.await else {
        return;
    };
    let (payer_before, payee_before) = balances(&market).await;
    let options = || PayerOptions {
        mode,
        ..PayerOptions::default()
    };
    let (store, faults) = Faulty::new(MemoryBackend::new());
    let store: Arc<dyn Backend> = Arc::new(store);
    let payer = market.payer_with(key(0), options());
    let dying = market.client_on(store.clone(), payer, generous());
    let held = faults.hold_commit(write, when);
    let call = tokio::spawn(dying.get(&market.url).send());
    held.reached().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    drop(dying);
    market.clock.advance(LEASE);

    let payer = market.payer_with(key(0), options());
    let restarted = market.client_on(store, payer, generous());
    let answer = restarted.get(&market.url).send().await;
    let settling = if mode == Mode::Pull { 3 } else { 4 };
    if (write, when) == (settling, When::Before) {
        // The answer had come, and died with the client: the seller delivers it no second time, and
        // nothing is paid for it again.
        let lost = answer.unwrap_err();
        assert_eq!(lost.moved(), Moved::Yes, "{what}: {lost:?}");
    } else {
        assert_eq!(answer.unwrap().text().await.unwrap(), "sunny", "{what}");
    }
    market.clock.advance(LEASE);
    restarted.resume().await.unwrap();
    assert!(
        restarted.pending(None, 10).await.unwrap().is_empty(),
        "{what}"
    );

    let (payer_after, payee_after) = balances(&market).await;
    assert_eq!(payee_after - payee_before, paid * PRICE, "{what}");
    let receipts = restarted.receipts().list(None, 10).await.unwrap();
    let receipts = receipts.iter().map(|kept| kept.receipt.reference().clone());
    let unreceipted = restarted.unreceipted(None, 10).await.unwrap();
    let unreceipted = unreceipted
        .into_iter()
        .filter_map(|payment| payment.reference);
    let all: Vec<_> = receipts.chain(unreceipted).collect();
    let mut fees = 0;
    for reference in &all {
        fees += market.fee(reference.as_str()).await;
    }
    assert_eq!(all.len() as u64, paid, "{what}");
    assert_eq!(payer_before - payer_after, paid * PRICE + fees, "{what}");
}

async fn balances(market: &Market) -> (u64, u64) {
    let payer = market.balance(PATH, account(0)).await;
    (payer, market.balance(PATH, PAYEE).await)
}

#[tokio::test]
async fn it_dies_while_the_seller_is_to_send() {
    for write in 1..=3 {
        check(Mode::Pull, write, When::Before, 1).await;
    }
    for (write, paid) in [(1, 1), (2, 1), (3, 2)] {
        check(Mode::Pull, write, When::After, paid).await;
    }
}

#[tokio::test]
async fn it_dies_while_it_is_to_send_itself() {
    for write in 1..=4 {
        check(Mode::Push, write, When::Before, 1).await;
    }
    for (write, paid) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
        check(Mode::Push, write, When::After, paid).await;
    }
}

/// Nobody comes back in time: what was signed is dead by the chain's word, the budget has it back, and
/// the next request pays anew.
#[tokio::test]
async fn what_nobody_sent_in_time_is_given_back() {
    for mode in [Mode::Pull, Mode::Push] {
        let open = Market::open("payer: too late", route(json!({})), |_| {});
        let Some(market) = open.await else {
            return;
        };
        let before = market.balance(PATH, PAYEE).await;
        let (store, faults) = Faulty::new(MemoryBackend::new());
        let store: Arc<dyn Backend> = Arc::new(store);
        let options = || PayerOptions {
            mode,
            ..PayerOptions::default()
        };
        let payer = market.payer_with(key(0), options());
        let dying = market.client_on(store.clone(), payer, generous());
        let held = faults.hold_commit(2, When::After);
        let call = tokio::spawn(dying.request(reqwest::Method::POST, &market.url).send());
        held.reached().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        market.later(std::time::Duration::from_secs(60)).await;
        let payer = market.payer_with(key(0), options());
        let restarted = market.client_on(store, payer, generous());
        let request = restarted.request(reqwest::Method::POST, &market.url);
        let response = request.send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "sunny");
        assert!(restarted.pending(None, 10).await.unwrap().is_empty());
        assert_eq!(market.balance(PATH, PAYEE).await - before, PRICE);
        let used = market.used(&restarted).await;
        let fee = response_fee(&restarted).await;
        assert_eq!(used, u128::from(PRICE) + fee, "{mode:?}");
    }
}

async fn response_fee(client: &farthing_client::Client) -> u128 {
    let kept = client.receipts().list(None, 1).await.unwrap();
    let payment = client.payment(kept[0].payment).await.unwrap().unwrap();
    payment.fee.unwrap().amount.units()
}
