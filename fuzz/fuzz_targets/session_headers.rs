//! What travels of a session beside its payloads: snapshots, receipts, what is needed, requests.
#![no_main]

use farthing_core::{
    bounds,
    encoding::base64url,
    header::payment_session::{
        channel_to_header, parse_channel, parse_snapshot, snapshot_to_header,
    },
    intent::session::{ChannelId, SessionRequest},
    noun::{
        Receipt,
        problem::Problem,
        session::{NeedVoucher, SessionReceipt, Snapshot},
    },
};
use farthing_fuzz::{round_trip, text};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    if let Ok(snapshot) = parse_snapshot(data) {
        assert!(data.trim_ascii().len() <= bounds::SNAPSHOT);
        let again = parse_snapshot(snapshot_to_header(&snapshot));
        // What is written may be longer than what was read, by the escapes of JSON.
        if again.is_ok() || snapshot_to_header(&snapshot).len() <= bounds::SNAPSHOT {
            assert_eq!(again.expect("what was read is written"), snapshot);
        }
    }
    if let Ok(value) = HeaderValue::from_bytes(data)
        && let Ok(id) = parse_channel(&value)
    {
        assert_eq!(parse_channel(&channel_to_header(&id)), Ok(id));
    }
    let Some(text) = text(data) else { return };
    round_trip::<ChannelId>(text);
    // JSON as it is, so that the fuzzer need not find out about base64 first.
    if let Ok(snapshot) = Snapshot::from_header_text(base64url::encode(text)) {
        assert_eq!(
            Snapshot::from_value(&snapshot.to_value()).expect("what was read is written"),
            snapshot
        );
    }
    if let Ok(need) = NeedVoucher::parse(text) {
        assert!(text.len() <= bounds::NEED_VOUCHER);
        assert_eq!(NeedVoucher::parse(&need.to_json()).ok(), Some(need));
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return;
    };
    if let Ok(request) = serde_json::from_value::<SessionRequest>(value.clone()) {
        let written = serde_json::to_value(&request).expect("a request is JSON");
        let again = serde_json::from_value::<SessionRequest>(written);
        assert_eq!(again.expect("what was read is written"), request);
        let _ = (request.protocol(), request.min_voucher_delta());
    }
    if let Ok(receipt) = serde_json::from_value::<Receipt>(value)
        && let Ok(session) = SessionReceipt::read(&receipt)
    {
        let again = SessionReceipt::read(&session.to_receipt());
        assert_eq!(again.expect("what was read is written"), session);
    }
    if let Ok(problem) = Problem::parse(data, 402) {
        let _ = NeedVoucher::from_problem(&problem);
    }
});
