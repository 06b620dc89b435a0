//! A gateway that is paid on a chain, and killed over it.

use std::{fs, os::unix::process::ExitStatusExt, thread, time::Duration};

use farthing_testkit::chain::Mining;

use crate::{
    Gateway, Upstream, ask,
    market::{Market, PATH_USD, PAYEE, address},
    world::Machine,
};

/// A gateway's file on this chain, listening there.
fn file(market: &Market, upstream: &Upstream, listen: &str) -> String {
    format!(
        "site = \"127.0.0.1\"\nlisten = \"{listen}\"\nto = \"{}\"\n\
         [pay.tempo]\nnetwork = {{ name = \"dev\", chain_id = 1337 }}\n\
         rpc = \"{}\"\nrecipient = \"{PAYEE:#x}\"\n[routes]\n\"GET /paid\" = \"$0.002\"\n",
        upstream.url(),
        market.chain.url(),
    )
}

fn start(machine: Machine, market: &Market, upstream: &Upstream, listen: &str) -> Gateway {
    let text = file(market, upstream, listen);
    fs::write(machine.path("farthing.toml"), text).unwrap();
    Gateway::start(machine, &[])
}

#[test]
fn a_gateway_is_paid_on_the_chain_to_the_unit() {
    let Some((market, wallet)) = Market::with_wallet("gateway process: paid on Tempo") else {
        return;
    };
    let upstream = Upstream::open();
    let mut gateway = start(Machine::new(), &market, &upstream, "127.0.0.1:0");
    assert!(gateway.ready["account"].is_null(), "{}", gateway.ready);
    assert_eq!(address(&gateway.ready["tempo"]["recipient"]), PAYEE);
    assert_eq!(gateway.ready["tempo"]["rpc"][0], market.chain.url());
    let url = format!("{}/paid", gateway.says("url"));
    let mut left = 100_000_000;
    for times in 1..=2 {
        let before = market.balance(PATH_USD, wallet);
        assert_eq!(before, left);
        let answer = market.json(&["pay", &url, "--yes"]);
        assert_eq!(answer["body"], "ok", "{answer}");
        left = market.balance(PATH_USD, wallet);
        let fee = before - 2_000 - left;
        assert!((1..50_000).contains(&fee), "{fee}: {answer}");
        assert_eq!(market.balance(PATH_USD, PAYEE), 2_000 * times);
    }
    assert_eq!(upstream.asked(), 2);
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));
}

/// The transaction is with the node and in no block; the gateway is killed, and then the block comes.
#[test]
fn a_gateway_that_was_killed_over_a_payment_is_paid_once_and_serves_it() {
    let test = "gateway process: killed over a payment on Tempo";
    let Some(market) = Market::mining(test, Mining::Manual) else {
        return;
    };
    let made = market.run(&["wallet", "create", "--json"]).ends(0).json();
    market.give(address(&made["address"]), 1_000_000);
    let upstream = Upstream::open();
    let mut gateway = start(Machine::new(), &market, &upstream, "127.0.0.1:0");
    let (at, url) = (gateway.address(), format!("{}/paid", gateway.says("url")));
    thread::scope(|scope| {
        let paying = scope.spawn(|| market.run(&["pay", &url, "--yes", "-s"]));
        // The node has it.
        while market.waiting() == 0 {
            thread::yield_now();
        }
        gateway.signal("KILL");
        assert_eq!(gateway.ended().signal(), Some(9));
        assert_eq!(paying.join().unwrap().code, 6, "nobody knows yet");
    });
    assert_eq!(upstream.asked(), 0);
    market.mine();
    assert_eq!(market.balance(PATH_USD, PAYEE), 2_000);

    let machine = std::mem::replace(&mut gateway.machine, Machine::new());
    let again = start(machine, &market, &upstream, &at.to_string());
    // The same command presents the same payment, and signs no other. It is answered once the dead
    // gateway's lease on it is over.
    let answer = loop {
        let answer = market.run(&["pay", &url, "--yes", "-s"]);
        match answer.code {
            0 => break answer,
            // It was paid, and its answer is still to come.
            5 | 6 => thread::sleep(Duration::from_millis(500)),
            _ => panic!("{answer:?}"),
        }
    };
    assert_eq!(answer.text().trim_end(), "ok");
    assert_eq!((upstream.asked(), market.waiting()), (1, 0));
    market.mine();
    assert_eq!(market.balance(PATH_USD, PAYEE), 2_000);
    assert!(ask(again.address(), "/paid").starts_with("HTTP/1.1 402 "));
}
