//! Discovery documents: what is read of prices is written as something that reads the same.
#![no_main]

use farthing_core::noun::discovery::{Document, PaymentInfo, ServiceInfo};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(document) = Document::parse(data) else {
        return;
    };
    let prices = document.operations.iter();
    for price in prices.filter_map(|operation| operation.payment.as_ref()?.as_ref().ok()) {
        let written = serde_json::to_value(price).expect("prices are made of texts and JSON");
        assert_eq!(PaymentInfo::from_json(&written).as_ref(), Ok(price));
    }
    if let Some(Ok(service)) = &document.service {
        let written = serde_json::to_value(service).expect("a service is made of texts and JSON");
        assert_eq!(ServiceInfo::from_json(&written).as_ref(), Ok(service));
    }
});
