//! npm's `mppx` and WebSockets that are paid for out of channels of the second protocol version: it with us, and we with
//! it, to the unit on both sides. Its form of messages is the one with `mpp`; ours speaks the other with itself too.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use farthing::{
    client::{Client, CloseHow, Closing, Error, Socket},
    core::{intent::session::Protocol, noun::socket::Form},
};
use farthing_interop::{
    chain::{BUYER, Mppx, PATH_USD, PAYEE, Rig},
    program,
    session_shop::{self, SessionShop, WORDS},
};
use farthing_testkit::peer;
use serde_json::Value;

/// What six words cost.
const COST: i128 = 600;

/// Where everything is locked.
const RESERVE: &str = "0x4d50500000000000000000000000000000000000";

async fn rig(test: &str) -> Option<Rig> {
    peer::or_skip(&format!("interop: {test}"), Rig::with_channels().await)
}

fn mppx<'a>(test: &str, rig: &'a Rig) -> Option<Mppx<'a>> {
    peer::or_skip(&format!("interop: {test}"), Mppx::on(rig))
}

fn over_socket(shop: &str) -> String {
    format!("{}/talk", shop.replacen("http", "ws", 1))
}

/// Its client reads two sockets out of one channel, and closes it. What is missing from the seller is the fee of
/// closing, exactly.
async fn it_talks(mppx: &Mppx<'_>, rig: &Rig, shop: &str) {
    let (before, locked) = (
        rig.dollars(PAYEE.address).await,
        rig.balance(PATH_USD, RESERVE).await,
    );
    let talk = over_socket(shop);
    let steps = ["socket", &talk, "socket", &talk, "close"];
    let seen = program::said(mppx.session_buyer(&steps)).await;
    for at in [0, 1] {
        let got = &seen["said"][at];
        let words = got["words"].as_array().unwrap();
        let words: Vec<_> = words.iter().map(Value::as_str).collect();
        assert_eq!(words, WORDS.map(Some), "{seen}");
        let receipts = got["receipts"].as_array().unwrap();
        let spent = (i128::try_from(at).unwrap() + 1) * COST;
        assert_eq!(
            receipts.last().unwrap()["spent"],
            spent.to_string(),
            "{seen}"
        );
    }
    assert_eq!(seen["cumulative"], (2 * COST).to_string(), "{seen}");
    let closed = &seen["said"][2]["receipt"];
    let fee = rig.fee(closed["txHash"].as_str().unwrap()).await;
    assert_eq!(
        rig.dollars(PAYEE.address).await - before,
        2 * COST - fee,
        "{seen}"
    );
    assert_eq!(rig.balance(PATH_USD, RESERVE).await, locked);
}

async fn read(mut socket: Socket) -> Result<i128, Error> {
    let mut words = Vec::new();
    while let Some(word) = socket.message().await? {
        words.push(word);
    }
    assert_eq!(words, WORDS);
    let bill = socket.close().await;
    assert_eq!((bill.trouble(), bill.cut()), (None, None));
    Ok(i128::try_from(bill.cost().units()).unwrap())
}

/// Our client reads two sockets out of one channel, and closes it.
async fn we_talk(client: &Client, rig: &Rig, (shop, form): (&str, Form), place: &str) {
    let (before, locked) = (
        rig.dollars(PAYEE.address).await,
        rig.balance(PATH_USD, place).await,
    );
    let mine = rig.balance(PATH_USD, BUYER.address).await;
    for _ in 0..2 {
        let socket = client.socket(over_socket(shop)).form(form).await.unwrap();
        assert_eq!(read(socket).await.unwrap(), COST);
    }
    let purses = client.sessions().list(None, 10).await.unwrap();
    assert_eq!(purses.len(), 1, "one channel is enough: {purses:?}");
    let purse = &purses[0];
    let counts = [purse.signed, purse.owed, purse.unsure].map(|it| it.units());
    assert_eq!(
        counts,
        [2 * COST.unsigned_abs(), 2 * COST.unsigned_abs(), 0]
    );

    let closing = client.sessions().close(purse.id, CloseHow::Together).await;
    let Ok(Closing::Closed(purse)) = closing else {
        unreachable!("{closing:?}")
    };
    assert_eq!(purse.paid_out.unwrap().units(), 2 * COST.unsigned_abs());
    assert_eq!(rig.balance(PATH_USD, place).await, locked);
    let fee = rig.fee(purse.reference.unwrap().as_str()).await;
    assert_eq!(rig.dollars(PAYEE.address).await - before, 2 * COST - fee);
    // What the buyer is short of is what it bought, and the fee of its opening.
    let paid = mine - rig.balance(PATH_USD, BUYER.address).await;
    let most = 2 * COST + i128::try_from(purse.fee.unwrap().amount.units()).unwrap();
    assert!(paid >= 2 * COST && paid <= most, "{paid}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_on_its_sockets() {
    let test = "mppx pays mppx on sockets";
    let Some(rig) = rig(test).await else { return };
    let Some(mppx) = mppx(test, &rig) else { return };
    let shop = mppx.session_shop().unwrap();
    it_talks(&mppx, &rig, shop.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_on_our_sockets() {
    let test = "mppx pays us on sockets";
    let Some(rig) = rig(test).await else { return };
    let Some(mppx) = mppx(test, &rig) else { return };
    let shop = SessionShop::open(&rig, Protocol::V2).await;
    it_talks(&mppx, &rig, &shop.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_pays_on_its_sockets() {
    let test = "we pay mppx on sockets";
    let Some(rig) = rig(test).await else { return };
    let Some(mppx) = mppx(test, &rig) else { return };
    let shop = mppx.session_shop().unwrap();
    let client = session_shop::client(&rig).await;
    we_talk(&client, &rig, (shop.url(), Form::Mpp), RESERVE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_pays_on_our_sockets() {
    let Some(rig) = rig("we pay us on sockets").await else {
        return;
    };
    for (protocol, place) in [(Protocol::V1, rig.escrow()), (Protocol::V2, RESERVE)] {
        for form in [Form::Mpp, Form::Type] {
            let shop = SessionShop::open(&rig, protocol).await;
            let client = session_shop::client(&rig).await;
            we_talk(&client, &rig, (&shop.url, form), place).await;
        }
    }
}
