//! `cargo xtask bench --peers`: the rows that another implementation has too, with it beside ours.
//!
//! The peer is `mpp` from crates.io, given a payment method as light as ours: an Ed25519 signature
//! over the challenge's id. It keeps no payments, checks no replay and moves no value, so where it
//! is compared with a paid request it does less than what it is compared with.

mod method;
mod session;

use std::{hint::black_box, process::ExitCode};

use axum::{Router, routing::get};
use farthing_bench::{
    command,
    measure::Side,
    rows::Peer,
    side::{
        app::PAID,
        ask::Ask,
        call::{Asks, alike, as_service, over_and_over, over_http, runtime},
    },
};
use method::{Shop, layer};
use tokio::runtime::{Builder, Runtime};
use mpp::{format_www_authenticate, parse_authorization};

fn main() -> ExitCode {
    command::main(&[
        Peer { row: "offer_402", make: offer },
        Peer { row: "offer_402_service", make: offer_service },
        Peer { row: "challenge_made", make: challenge },
        Peer { row: "credential_authenticated", make: credential },
        Peer { row: "ledger_paid_memory", make: paid },
        Peer { row: "voucher_verified", make: voucher },
        Peer { row: "session_paid_memory", make: session_paid },
    ])
}

fn priced(shop: &Shop) -> Router {
    const ANSWER: &str = "{\"city\":\"Ghent\",\"sky\":\"clear\",\"celsius\":21}";
    Router::new().route(PAID, get(|| async { ANSWER }).layer(layer(shop)))
}

fn offer() -> Side {
    over_http(runtime(), priced(&Shop::open()), alike(Ask::unpaid(PAID)), "402", 1)
}

fn offer_service() -> Side {
    as_service(runtime(), priced(&Shop::open()), alike(Ask::unpaid(PAID)), 402)
}

fn challenge() -> Side {
    let shop = Shop::open();
    over_and_over(move || {
        let text = format_www_authenticate(&black_box(&shop).challenge());
        black_box(text.expect("a challenge can be written"));
    })
}

fn credential() -> Side {
    let shop = Shop::open();
    let text = shop.credential();
    over_and_over(move || {
        let read = parse_authorization(black_box(&text)).expect("a credential");
        assert!(shop.is_ours(&read), "the challenge is ours");
    })
}

fn voucher() -> Side {
    let mut holds = session::Shop::open().check(&with_sockets());
    over_and_over(move || assert!(holds(), "a good signature verifies"))
}

fn session_paid() -> Side {
    let runtime = with_sockets();
    // Its client of the chain is made where a runtime is.
    let mut shop = {
        let _inside = runtime.enter();
        session::Shop::open()
    };
    shop.ask_once(&runtime);
    let app = shop.app();
    let asks: Asks = Box::new(move |runtime, count| {
        let mut ask = || Ask { path: PAID, authorization: Some(shop.credential(runtime)) };
        (0..count).map(|_| ask()).collect()
    });
    over_http(runtime, app, asks, "200", 1)
}

/// A runtime of one thread that can wait for sockets.
fn with_sockets() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("the system gives a runtime its poll")
}

fn paid() -> Side {
    let shop = Shop::open();
    let app = priced(&shop);
    let asks: Asks = Box::new(move |_, count| {
        let ask = || Ask { path: PAID, authorization: Some(shop.credential()) };
        std::iter::repeat_with(ask).take(count).collect()
    });
    over_http(runtime(), app, asks, "200", 1)
}
