//! What a person sees of wallets on a chain, letter by letter.

use farthing::server::Route;

use super::world::Market;
use crate::screens::{check, screen};

const TO: &str = "0x4242424242424242424242424242424242424242";

#[test]
fn a_wallet_on_a_chain() {
    let Some(market) = Market::open("the screens of a chain") else {
        return;
    };
    let url = market.shop(Route::priced("$0.002").unwrap(), |_| {});
    let home = market.machine.path("");
    let hide = [(home.to_str().unwrap(), "HOME/")];
    let mut shown = String::new();
    for args in [
        &["networks", "list"][..],
        &["wallet", "create"],
        &["wallet", "list"],
        &["wallet", "balance"],
        &["wallet", "fund"],
        &["wallet", "balance"],
        &["wallet", "fund", "--network", "tempo"],
        &["wallet", "send", TO, "$5"],
        &[
            "wallet", "send", TO, "$5", "--yes", "--id", "rent", "--memo", "july",
        ],
        &[
            "wallet", "send", TO, "$5", "--yes", "--id", "rent", "--memo", "july",
        ],
        &["wallet", "send", TO, "$6", "--yes", "--id", "rent"],
        &["wallet", "send", TO, "$500", "--yes", "--id", "more"],
        &["wallet", "keys", "list"],
        &[
            "wallet",
            "keys",
            "grant",
            "agent",
            "--limit",
            "$1 per day",
            "--recipient",
            TO,
            "-y",
        ],
        &["wallet", "keys", "list", "--wallet", "default"],
        &[
            "wallet", "keys", "revoke", "agent", "--wallet", "default", "-y",
        ],
        &[
            "wallet", "keys", "revoke", "agent", "--wallet", "default", "-y",
        ],
        &["wallet", "keys", "list", "--wallet", "default"],
        &["pay", &url, "--dry-run", "--wallet", "default"],
        &["pay", &url, "--yes", "--wallet", "default"],
        &[
            "pay",
            &url,
            "--yes",
            "--wallet",
            "default",
            "--network",
            "moderato",
        ],
        &["receipts", "list"],
        &["wallet", "history", "--wallet", "default"],
        &["wallet", "budget"],
    ] {
        shown += &screen(args, &market.run(args), &hide);
    }
    // How many there were is not ours to say: one is made a second.
    let lines = shown.lines().map(|line| match line.strip_prefix("block ") {
        Some(_) => "block N\n".to_owned(),
        None => format!("{line}\n"),
    });
    check("chain.txt", &lines.collect::<String>());
}
