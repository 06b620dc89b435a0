//! What is not as it should be, over HTTP, where the chain has the last word.

use alloy_primitives::{U256, uint};
use farthing_core::{intent::session::Protocol, value::Amount};
use farthing_evm::{Address, ChainId, Signature};
use farthing_tempo::session::{Escrow, Vouchers};
use farthing_testkit::process;
use serde_json::Value;

use crate::{
    market::{Market, url},
    raw::Raw,
    shop::{PRICE, WORD, WORDS, key},
};

const BOTH: [Protocol; 2] = [Protocol::V1, Protocol::V2];

/// The order of the curve.
const ORDER: U256 = uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);

fn sign(raw: &Raw, at: &Escrow, cumulative: u128, account: usize) -> Signature {
    let digest = Vouchers::of(at).digest(raw.channel().id(), Amount::new(cumulative));
    key(account).sign(digest.unwrap())
}

/// Each form in which a signature may come.
fn forms(signature: &Signature) -> Vec<Vec<u8>> {
    let whole = signature.to_bytes().to_vec();
    let flipped = u8::from(!signature.y_is_odd());
    let with_end = |end: u8| {
        let mut bytes = whole.clone();
        bytes[64] = end;
        bytes
    };
    let compact = |parity: u8| {
        let mut bytes = whole.clone();
        bytes[32] |= parity << 7;
        bytes.truncate(64);
        bytes
    };
    vec![
        whole.clone(),
        with_end(1 - flipped),
        with_end(27 + flipped),
        with_end(flipped),
        compact(1 - flipped),
        compact(flipped),
    ]
}

/// A channel is closed with the one voucher that it was paid by, in whatever form that came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_in_any_form_of_a_signature_is_paid_out_by_the_chain() {
    for protocol in BOTH {
        let Some(market) = Market::open("forms of signatures over HTTP", protocol).await else {
            return;
        };
        let shop = market.shop(0);
        let page = url(shop.address(), "/paid");
        let mut paid = 0;
        for form in 0..6 {
            let raw = Raw::open(&market, &page, 5_000).await;
            let escrow = market.escrow;
            let bytes = &forms(&sign(&raw, &escrow, PRICE, 0))[form];
            let answer = raw.buy(&page, &raw.with_signature(PRICE, bytes)).await;
            assert_eq!((answer.status, &*answer.body), (200, "sunny"), "{form}");
            let closed = market.post(&shop, &format!("/close/{}", raw.id())).await;
            assert_eq!(closed, "closed", "{protocol:?}, form {form}");
            paid += PRICE;
            assert_eq!(market.paid().await, paid, "{protocol:?}, form {form}");
        }
        market.drain(shop).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_not_be_paid_out_buys_nothing() {
    for protocol in BOTH {
        let Some(market) = Market::open("bad vouchers over HTTP", protocol).await else {
            return;
        };
        let shop = market.shop(0);
        let page = url(shop.address(), "/paid");
        let (raw, other) = (
            Raw::open(&market, &page, 5_000).await,
            Raw::open(&market, &page, 5_000).await,
        );
        let (here, next) = (market.escrow, 3 * PRICE);
        let answer = raw.buy(&page, &raw.voucher(2 * PRICE)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let good = sign(&raw, &here, next, 0);
        let mut high = good.to_bytes();
        let s = U256::from_be_bytes(good.s().0);
        high[32..64].copy_from_slice(&(ORDER - s).to_be_bytes::<32>());
        high[64] = 27 + u8::from(!good.y_is_odd());
        let at = |contract: Address, chain: u64| Escrow {
            contract,
            chain: ChainId::new(chain).unwrap(),
            ..here
        };
        let elsewhere = at(Address::repeat_byte(9), here.chain.get());
        let another_chain = at(here.contract, 42_431);
        let said = |signature: Signature| raw.with_signature(next, &signature.to_bytes());
        let bad: Vec<(&str, Value)> = vec![
            ("high s", raw.with_signature(next, &high)),
            ("another key", said(sign(&raw, &here, next, 3))),
            ("another amount", said(sign(&raw, &here, next + 1, 0))),
            ("another channel", said(sign(&other, &here, next, 0))),
            ("another contract", said(sign(&raw, &elsewhere, next, 0))),
            ("another chain", said(sign(&raw, &another_chain, next, 0))),
            ("63 bytes", raw.with_signature(next, &high[..63])),
            ("lower", raw.voucher(PRICE)),
            ("above the deposit", raw.voucher(5_001)),
        ];
        let before = market.books(raw.id()).await.balance();
        for (what, payload) in &bad {
            let answer = raw.buy(&page, payload).await;
            assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
            assert!(!answer.has_receipt, "{what}");
            assert_ne!(answer.body, "sunny", "{what}");
            let kind = answer.kind();
            assert!(!kind.is_empty(), "{what}: {answer:?}");
        }
        let after = market.books(raw.id()).await.balance();
        assert_eq!(
            (after.accepted, after.spent, after.deposit),
            (before.accepted, before.spent, before.deposit)
        );
        assert_eq!(process::runs(market.dir.path()), 1);
        // The equal one is charged from what it left: one request, and no second.
        let equal = raw.voucher(2 * PRICE);
        let answer = raw.buy(&page, &equal).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = raw.buy(&page, &equal).await;
        let found = (answer.status, answer.kind());
        assert_eq!(found, (402, "session/insufficient-balance".to_owned()));
        assert!(answer.body.contains("requiredTopUp"), "{answer:?}");
        let closed = market.post(&shop, &format!("/close/{}", raw.id())).await;
        assert_eq!(closed, "closed");
        assert_eq!(market.paid().await, 2 * PRICE);
        market.drain(shop).await;
    }
}

/// A channel is closed with what was spent, however much was signed. By the first protocol a voucher moves all that
/// it says, so one that says more is not handed in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signed_and_not_spent_goes_back() {
    for protocol in BOTH {
        let Some(market) = Market::open("a voucher ahead", protocol).await else {
            return;
        };
        let shop = market.shop(0);
        let page = url(shop.address(), "/paid");
        let had = market.has(key(0).address()).await;
        let raw = Raw::open(&market, &page, 5_000).await;
        let answer = raw.buy(&page, &raw.voucher(10 * PRICE)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let closed = market.post(&shop, &format!("/close/{}", raw.id())).await;
        assert_eq!(closed, "closed");
        let due = match protocol {
            Protocol::V1 => 0,
            Protocol::V2 => PRICE,
        };
        assert_eq!(market.paid().await, due, "{protocol:?}");
        assert_eq!(had - market.has(key(0).address()).await, due);
        let lost = market.books(raw.id()).await.lost();
        assert_eq!(lost.units(), PRICE - due, "{protocol:?}");
        market.drain(shop).await;
    }
}

/// Fifty requests with it, at two processes over one file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_voucher_for_one_unit_buys_one_request_at_two_servers() {
    for protocol in BOTH {
        let Some(market) = Market::open("fifty requests with one voucher", protocol).await else {
            return;
        };
        let shops = [market.shop(0), market.shop(0)];
        let pages = [0, 1].map(|at: usize| url(shops[at].address(), "/paid"));
        let raw = Raw::open(&market, &pages[0], 5_000).await;
        let voucher = raw.voucher(PRICE);
        let all = (0..50).map(|at| raw.buy(&pages[at % 2], &voucher));
        let answers = futures_util::future::join_all(all).await;
        let (served, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(served.len(), 1, "{served:?}");
        assert!(served[0].has_receipt);
        for answer in refused {
            let found = (answer.status, answer.kind());
            assert_eq!(found, (402, "session/insufficient-balance".to_owned()));
        }
        assert_eq!(process::runs(market.dir.path()), 1);
        let [one, other] = shops;
        let closed = market.post(&other, &format!("/close/{}", raw.id())).await;
        assert_eq!(closed, "closed");
        assert_eq!(market.paid().await, PRICE);
        market.drain(one).await;
        market.drain(other).await;
    }
}

/// Whoever stole a credential shows it again while the owner streams: it buys nothing that the owner did not
/// sign for, and the owner gets every word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thief_gets_nothing_while_the_owner_streams() {
    for protocol in BOTH {
        let Some(market) = Market::open("a thief", protocol).await else {
            return;
        };
        let shop = market.shop(0);
        let (page, words) = (url(shop.address(), "/paid"), url(shop.address(), "/words"));
        let raw = Raw::open(&market, &page, 5_000).await;
        assert_eq!(raw.protocol(), protocol);
        let mut stolen = raw.voucher(10 * WORD);
        let mut stream = raw.stream(&words, &stolen).await;
        assert_eq!(stream.status(), 200);
        let (mut text, mut signed) = (String::new(), 10);
        while let Some(piece) = stream.chunk().await.unwrap() {
            text.push_str(std::str::from_utf8(&piece).unwrap());
            let paused = text.matches("event: payment-need-voucher").count();
            if paused < signed / 10 || signed >= WORDS {
                continue;
            }
            // It waits, and everything that was signed is spent.
            for place in [&page, &words] {
                for _ in 0..5 {
                    let answer = raw.buy(place, &stolen).await;
                    let found = (answer.status, answer.kind());
                    assert_eq!(found, (402, "session/insufficient-balance".to_owned()));
                }
            }
            signed += 10;
            stolen = raw.voucher(signed as u128 * WORD);
            let handed_in = raw.manage(&words, &stolen).await;
            assert_eq!(handed_in.status, 204, "{handed_in:?}");
        }
        for word in 0..WORDS {
            let line = format!("data: {word}\n");
            assert!(text.contains(&line), "{word} is missing: {text}");
        }
        assert!(!text.contains("incomplete"), "{text}");
        assert_eq!(process::runs(market.dir.path()), 0, "the thief was served");
        let balance = market.books(raw.id()).await.balance();
        let due = WORDS as u128 * WORD;
        assert_eq!(
            (balance.spent.units(), balance.accepted.units()),
            (due, due)
        );
        let closed = market.post(&shop, &format!("/close/{}", raw.id())).await;
        assert_eq!(closed, "closed");
        assert_eq!(market.paid().await, due);
        market.drain(shop).await;
    }
}

/// An opening that is not what it says is not sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_of_something_else_is_never_sent() {
    for protocol in BOTH {
        let Some(market) = Market::open("bad openings over HTTP", protocol).await else {
            return;
        };
        let shop = market.shop(0);
        let page = url(shop.address(), "/paid");
        let had = market.has(key(0).address()).await;
        let (raw, opening) = Raw::signed(&market, &page, 5_000).await;
        let (_, other) = Raw::signed(&market, &page, 5_000).await;
        let swapped = |name: &str, value: Value| {
            let mut payload = opening.clone();
            payload[name] = value;
            payload
        };
        let mut bad = vec![
            swapped("transaction", other["transaction"].clone()),
            swapped("channelId", other["channelId"].clone()),
            swapped("signature", other["signature"].clone()),
            swapped("cumulativeAmount", "5001".into()),
        ];
        if protocol == Protocol::V2 {
            let mut salted = opening["descriptor"].clone();
            salted["salt"] = format!("0x{}", "77".repeat(32)).into();
            bad.push(swapped("descriptor", salted));
            bad.push(swapped("descriptor", other["descriptor"].clone()));
        }
        for payload in &bad {
            let answer = raw.manage(&page, payload).await;
            assert!((400..500).contains(&answer.status), "{answer:?}");
            assert!(!answer.has_receipt, "{answer:?}");
        }
        assert_eq!(
            market.has(key(0).address()).await,
            had,
            "something was sent"
        );
        // As it was signed it is good, and the same again is the same channel.
        for _ in 0..2 {
            let answer = raw.manage(&page, &opening).await;
            assert_eq!(answer.status, 204, "{answer:?}");
            assert_eq!(had - market.has(key(0).address()).await, 5_000);
        }
        market.drain(shop).await;
    }
}
