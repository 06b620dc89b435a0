//! Streams of plain bytes.

use std::time::Duration;

use farthing_core::value::Amount;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;

use crate::{
    buyer::{Buyer, receipt},
    shop::{PRICE, Shop},
};

fn takes_trailers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("te", HeaderValue::from_static("trailers"));
    headers
}

#[tokio::test]
async fn the_last_receipt_is_a_trailer_for_who_reads_them() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let answer = buyer.get_with("/plain?text=abc", 100, takes_trailers());
    let answer = answer.await;
    assert_eq!(answer.headers()["trailer"], "payment-receipt");
    let whole = answer.into_body().collect().await.unwrap();
    let last = receipt(whole.trailers().unwrap());
    assert_eq!((last.units, last.spent), (Some(3), Amount::new(9)));
    assert_eq!(whole.to_bytes(), "abc");

    let answer = buyer.get("/plain?text=abc", 100).await;
    assert!(!answer.headers().contains_key("trailer"));
    let whole = answer.into_body().collect().await.unwrap();
    assert!(whole.trailers().is_none());
    shop.comes_to(&buyer.id(), 18).await;
}

#[tokio::test]
async fn what_is_cut_never_looks_whole() {
    let shop = Shop::waiting(Duration::from_millis(50)).await;
    let buyer = Buyer::with(&shop, 1).await;
    for headers in [takes_trailers(), HeaderMap::new()] {
        let before = shop.books(&buyer.id()).await.spent.units();
        let answer = buyer.get_with("/plain?text=abc", before + PRICE, headers);
        let read = answer.await.into_body().collect().await;
        assert!(read.is_err(), "{read:?}");
        shop.comes_to(&buyer.id(), before + PRICE).await;
    }
}

#[tokio::test]
async fn a_pause_is_silent_and_ends_with_a_voucher() {
    let shop = Shop::open().await;
    let buyer = Buyer::with(&shop, 1).await;
    let mut body = buyer.get("/plain?text=ab", 3).await.into_body();
    let first = body.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "a");
    buyer.pay(6).await;
    let second = body.frame().await.unwrap().unwrap();
    assert_eq!(second.into_data().unwrap(), "b");
    assert!(body.frame().await.is_none());
    shop.comes_to(&buyer.id(), 6).await;
}
