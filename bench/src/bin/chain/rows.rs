//! The rows: what is charged, beside what is only sent.

use std::{
    collections::HashSet,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use farthing::{
    evm::{Node, TxHash, request},
    tempo::AccountKey,
};
use farthing_bench::line::{Line, median};
use farthing_testkit::chain::Mining;
use tokio::task::JoinSet;

use crate::{Failed, market::Market, raw};

/// A block.
const BLOCK: Duration = Duration::from_secs(1);

/// What is to be measured, and how long.
pub(crate) struct Wanted {
    pub(crate) charges: usize,
    pub(crate) many: usize,
    pub(crate) filter: Option<String>,
}

impl Wanted {
    fn has(&self, name: &str) -> bool {
        self.filter
            .as_deref()
            .is_none_or(|part| name.contains(part))
    }

    /// Whether nothing but these rows is wanted.
    fn is_about(&self, rows: &str) -> bool {
        let filter = self.filter.as_deref();
        filter.is_some_and(|part| part.starts_with(rows))
    }
}

/// Runs the rows that are wanted and shows each as it is done.
pub(crate) async fn run(wanted: &Wanted, mut show: impl FnMut(&Line)) -> Result<(), Failed> {
    if wanted.has("tempo_charge_automine") {
        let market = Market::open(Mining::Automatic).await?;
        let measured = one_by_one(&market, wanted.charges).await?;
        let (ours, raw) = (median_of(&measured.ours), median_of(&measured.raw));
        show(&Line::less(
            "tempo_charge_automine",
            ours,
            raw,
            "raw send",
            "ms",
            None,
        ));
    }
    if wanted.has("tempo_settle") {
        crate::settling::run(50, &mut show).await?;
    }
    if wanted.is_about("tempo_settle") {
        return Ok(());
    }
    let market = Market::open(Mining::Every(BLOCK)).await?;
    if wanted.has("tempo_charge_block") {
        let measured = one_by_one(&market, wanted.charges).await?;
        let (ours, raw) = (median_of(&measured.ours), median_of(&measured.raw));
        show(&Line::less(
            "tempo_charge_block",
            ours,
            raw,
            "raw send",
            "ms",
            None,
        ));
        let block = BLOCK.as_secs_f64() * 1e3;
        let worst = measured.ours.iter().copied().fold(0.0, f64::max);
        show(&Line::alone(
            "tempo_charge_block_over",
            worst - block,
            "ms",
            100.0,
        ));
        show(&Line::alone(
            "tempo_round_trips_seller",
            measured.seller,
            "a charge",
            2.0,
        ));
        show(&Line::alone(
            "tempo_round_trips_buyer",
            measured.buyer,
            "a charge",
            1.0,
        ));
    }
    for (name, payers) in [
        ("tempo_many_one_payer", 1),
        ("tempo_many_payers", wanted.many),
    ] {
        if wanted.has(name) {
            let (ours, raw) = together(&market, wanted.many, payers).await?;
            show(&Line::more(name, ours, raw, "raw sends", "a block", None));
        }
    }
    Ok(())
}

/// What one charge after the other took, in milliseconds, and how often the chain was asked.
struct Measured {
    ours: Vec<f64>,
    raw: Vec<f64>,
    seller: f64,
    buyer: f64,
}

async fn one_by_one(market: &Market, charges: usize) -> Result<Measured, Failed> {
    let mut keys = market.keys(2).await?.into_iter();
    let (one, other) = keys.next().zip(keys.next()).ok_or("two keys")?;
    let (buyers_node, raw_node) = (market.another_node().await?, market.another_node().await?);
    let buyer = market.buyer(one, buyers_node.clone())?;
    let sender = AccountKey::from(other);
    // The first finds connections and tables empty, and is not counted.
    buyer.charge().await?;
    raw::send(&raw_node, &sender, 0).await?;
    let asked = || (market.node.round_trips(), buyers_node.round_trips());
    let before = asked();
    let mut ours = Vec::with_capacity(charges);
    for _ in 0..charges {
        ours.push(timed(buyer.charge()).await?);
    }
    let after = asked();
    let mut raw = Vec::with_capacity(charges);
    for number in 0..charges {
        raw.push(timed(raw::send(&raw_node, &sender, number as u64 + 1)).await?);
    }
    let each = |before: u64, after: u64| (after - before) as f64 / charges as f64;
    Ok(Measured {
        ours,
        raw,
        seller: each(before.0, after.0),
        buyer: each(before.1, after.1),
    })
}

/// Charges at the same time, by so many payers: how many come to a block, of ours and of those only sent.
async fn together(market: &Market, many: usize, payers: usize) -> Result<(f64, f64), Failed> {
    let keys = market.keys(payers).await?;
    let node = market.another_node().await?;
    let mut buyers = Vec::with_capacity(payers);
    for key in keys {
        buyers.push(market.buyer(key, node.clone())?);
    }
    let mut charges = JoinSet::new();
    for number in 0..many {
        let buyer = Arc::clone(&buyers[number % payers]);
        charges.spawn(async move { buyer.charge().await });
    }
    let ours = all(charges).await?;
    let mut sends = JoinSet::new();
    let senders: Vec<_> = market
        .keys(payers)
        .await?
        .into_iter()
        .map(AccountKey::from)
        .collect();
    let senders = Arc::new(senders);
    for number in 0..many {
        let (node, senders) = (node.clone(), Arc::clone(&senders));
        let number_of_all = number as u64 + (1 << 32);
        sends
            .spawn(async move { raw::send(&node, &senders[number % payers], number_of_all).await });
    }
    let raw = all(sends).await?;
    Ok((a_block(&node, &ours).await?, a_block(&node, &raw).await?))
}

/// Every one of them has to succeed.
async fn all(mut tasks: JoinSet<Result<TxHash, Failed>>) -> Result<Vec<TxHash>, Failed> {
    let mut hashes = Vec::with_capacity(tasks.len());
    while let Some(done) = tasks.join_next().await {
        hashes.push(done??);
    }
    Ok(hashes)
}

/// How many of these transactions there are in a block, on average.
async fn a_block(node: &Node, hashes: &[TxHash]) -> Result<f64, Failed> {
    let asked: Vec<_> = hashes.iter().copied().map(request::receipt).collect();
    let mut blocks = HashSet::new();
    for receipt in node.ask_all(&asked).await? {
        let receipt = receipt?.ok_or("a payment is in no block")?;
        blocks.insert(receipt.block_number());
    }
    Ok(hashes.len() as f64 / blocks.len() as f64)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
async fn timed(work: impl Future<Output = Result<TxHash, Failed>>) -> Result<f64, Failed> {
    let begun = Instant::now();
    work.await?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

fn median_of(times: &[f64]) -> f64 {
    median(times.iter().copied())
}
