//! The last part of the walk: a text that is paid for by the word while it streams, out of one channel.

use std::sync::Arc;

use farthing::{
    client::{Client, CloseHow, Closing, Policy, UseSessions},
    clock::SystemClock,
    core::{encoding::sse::Reader, memory::MemoryBackend, value::Amount},
    ledger::LedgerSessionPayer,
};

use super::{Demo, shop::WORD, show, walk};
use crate::{
    buyer,
    error::Error,
    keystore::{KeystoreError, WalletName},
    screen::{self, Paint},
    signer,
};

/// How wide a word is shown.
const WIDTH: usize = 12;

pub(super) async fn walk(demo: &Demo) -> Result<(), Error> {
    let paint = Paint::for_stdout();
    let put = |text: String| screen::data(text).map_err(Error::System);
    let money = demo.shop.rail.money()?;
    let word = WORD
        .parse()
        .ok()
        .and_then(|price: farthing::core::value::Price| price.in_currency(&money).ok());
    let word = word.ok_or(Error::Demo("its word has no price"))?;
    let before = demo.shop.rail.balances().await?;

    let client = client(demo)?;
    let mut answer = client.get(demo.at("/rhyme")).send().await?;
    let heading = show::heading(4, "A text that is paid for by the word", paint);
    let asked = show::exchange(
        "GET /rhyme",
        "one voucher for each word",
        answer.status(),
        paint,
    );
    put(format!("{heading}\n\n{asked}\n"))?;
    let bill = answer.bill().cloned();
    let bill = bill.ok_or(Error::Demo("its stream cost nothing"))?;
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

    let deposit = close(&client).await?;
    let after = demo.shop.rail.balances().await?;
    let rows = [
        ("locked", money.display(deposit)),
        ("spent", money.display(cost)),
        (
            "returned",
            money.display(deposit.checked_sub(cost).unwrap_or_default()),
        ),
    ];
    put(format!("\n{}\n", screen::rows(paint, 3, &rows)))?;
    put(show::moved(&money, before, after, Amount::ZERO, paint))?;
    walk::check(before, after, cost, Amount::ZERO)
}

/// A client of the demo's wallet for this part alone: its channel ends with it.
fn client(demo: &Demo) -> Result<Client, Error> {
    let wallet = signer::unlock(&demo.buyer, Some(&WalletName::default_name()))?;
    let key = wallet.ledger.ok_or(KeystoreError::NoKey)?;
    let most = || "$0.05".parse().expect("it is a price");
    let limits = Policy::new()
        .max_per_request(most())
        .max_deposit(most())
        .sessions(UseSessions::Always);
    let client = Client::builder()
        .session_payer(Arc::new(LedgerSessionPayer::new(key)))
        .policy(limits)
        .backend(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(SystemClock))
        .http(buyer::http().no_proxy());
    Ok(client.build()?)
}

/// Closes the channel, and says what was locked in it.
async fn close(client: &Client) -> Result<Amount, Error> {
    let purses = client.sessions().list(None, 1).await?;
    let purse = purses
        .first()
        .ok_or(Error::Demo("its stream had no channel"))?;
    match client
        .sessions()
        .close(purse.id, CloseHow::Together)
        .await?
    {
        Closing::Closed(purse) => Ok(purse.deposit),
        _ => Err(Error::Demo("its channel was not closed")),
    }
}
