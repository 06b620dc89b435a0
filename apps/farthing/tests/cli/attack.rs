//! Servers that attack the one who pays.

use crate::{
    shop::{Shop, answer},
    world::Machine,
};

#[test]
fn a_body_without_an_end_fills_no_memory() {
    let piece = "x".repeat(65 << 20);
    let shop = Shop::open(move |_, _| {
        // Its length is not told, and the connection's end is its end.
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{piece}")
    });
    let run = Machine::new().with("FARTHING_KEY", "07".repeat(32)).run(&[
        "pay",
        &shop.url(),
        "--json",
        "--yes",
    ]);
    let told = run.json();
    assert_eq!(told["moneyMoved"], false, "{told}");
    assert!(told["message"].as_str().unwrap().contains("too large"));
}

#[test]
fn a_proxy_never_stands_before_loopback() {
    let shop = Shop::open(|_, _| answer("200 OK", "", "from the shop"));
    let proxy = Shop::open(|_, _| answer("200 OK", "", "from the proxy"));
    let mut machine = Machine::new().with("FARTHING_KEY", "07".repeat(32));
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        machine = machine.with(name, proxy.url());
    }
    let run = machine.run(&["pay", &shop.url(), "--yes"]);
    assert_eq!(run.text(), "from the shop");
}
