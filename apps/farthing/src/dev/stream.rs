//! The last part of the walk: a text that is paid for by the word while it streams, out of one channel.

use farthing::{
    client::{Client, CloseHow, Closing, Policy, Purse, UseSessions},
    core::{
        encoding::sse::Reader,
        value::{Amount, Price, Reference},
    },
};

use super::{Demo, rail::Fees, shop::WORD, show, walk};
use crate::{
    buyer::{Buyer, Rails},
    error::Error,
    keystore::WalletName,
    screen::{self, Paint},
};

/// How wide a word is shown.
const WIDTH: usize = 12;

pub(super) async fn walk(demo: &Demo) -> Result<(), Error> {
    let paint = Paint::for_stdout();
    let put = |text: String| screen::data(text).map_err(Error::System);
    let money = demo.shop.rail.money()?;
    let before = demo.shop.rail.balances().await?;

    let buyer = buyer(demo)?;
    let client = buyer.client(None)?;
    let mut answer = client.get(demo.at("/rhyme")).send().await?;
    let heading = show::heading(4, "A text that is paid for by the word", paint);
    let asked = show::exchange(
        "GET /rhyme",
        "one voucher for each word",
        answer.status(),
        paint,
    );
    put(format!("{heading}\n\n{asked}\n"))?;
    let opened = answer
        .receipt()
        .and_then(|receipt| receipt.extra().get("txHash"));
    let opened = opened.and_then(|hash| Reference::new(hash.as_str()?).ok());
    let bill = answer.bill().cloned();
    let bill = bill.ok_or(Error::Demo("its stream cost nothing"))?;
    let word: Option<Price> = WORD.parse().ok();
    let word = word.and_then(|price| price.in_currency(bill.currency()).ok());
    let word = word.ok_or(Error::Demo("its word has no price"))?;
    let (mut reader, mut cost) = (Reader::default(), Amount::ZERO);
    while let Some(bytes) = answer.chunk().await? {
        let events = reader.push(&bytes);
        for event in events.map_err(|_| Error::Demo("its stream cannot be read"))? {
            cost = cost
                .checked_add(word)
                .ok_or(Error::Demo("its word has no price"))?;
            put(format!("   {:WIDTH$}  {}", event.data, money.display(cost)))?;
        }
    }
    if bill.cost() != cost {
        return Err(Error::Demo("its stream cost something else than its words"));
    }

    let closed = close(&client).await?;
    buyer.close().await;
    let deposit = closed.deposit;
    let after = demo.shop.rail.balances().await?;
    let fees = Fees {
        buyer: demo.shop.rail.fee(opened.as_ref()).await?,
        seller: demo.shop.rail.fee(closed.reference.as_ref()).await?,
    };
    let rows = [
        ("locked", money.display(deposit)),
        ("spent", money.display(cost)),
        (
            "returned",
            money.display(deposit.checked_sub(cost).unwrap_or_default()),
        ),
    ];
    put(format!("\n{}\n", screen::rows(paint, 3, &rows)))?;
    put(show::moved(&money, before, after, fees, paint))?;
    walk::check(before, after, cost, fees)
}

/// The demo's wallet, for this part alone: its channel ends with it.
fn buyer(demo: &Demo) -> Result<Buyer, Error> {
    let most = || "$0.05".parse().expect("it is a price");
    let limits = Policy::new()
        .max_per_request(most())
        .max_deposit(most())
        .sessions(UseSessions::Always);
    let name = WalletName::default_name();
    Buyer::new(&demo.buyer, Some(&name), limits, Rails::of(&demo.buyer)?)
}

/// Closes the channel.
async fn close(client: &Client) -> Result<Box<Purse>, Error> {
    let purses = client.sessions().list(None, 1).await?;
    let purse = purses
        .first()
        .ok_or(Error::Demo("its stream had no channel"))?;
    match client
        .sessions()
        .close(purse.id, CloseHow::Together)
        .await?
    {
        Closing::Closed(purse) => Ok(purse),
        _ => Err(Error::Demo("its channel was not closed")),
    }
}
