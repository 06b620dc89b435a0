//! What a chain and a payer's transaction say of channels: calls, events, and a channel's details.
#![no_main]

use farthing_core::{intent::session::Protocol, value::Amount};
use farthing_evm::{Address, B256, Bytes, ChainId, Log};
use farthing_fuzz::text;
use farthing_tempo::session::{
    ChannelEvent, Escrow, TempoChannel, approve, channel_id, is_approval, open, read_channel_id,
    read_open, read_signature, read_top_up,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

fuzz_target!(|data: &[u8]| {
    let chain = ChainId::new(1337).expect("a chain");
    let first = Escrow {
        chain,
        contract: Address::repeat_byte(0xe5),
        protocol: Protocol::V1,
    };
    for escrow in [first, Escrow::reserve(chain)] {
        if let Some(opened) = read_open(escrow.protocol, data) {
            let again = open(&escrow, &opened).expect("what was read has room");
            assert_eq!(*again.input, *data, "there is one way to write it");
        }
        if let Some(top_up) = read_top_up(&escrow, data) {
            assert!(top_up.additional <= escrow.protocol.most());
        }
        let amount = Amount::new(u128::from(data.first().copied().unwrap_or_default()));
        let call = approve(Address::repeat_byte(1), &escrow, amount);
        assert_eq!(is_approval(data, &escrow, amount), *call.input == *data);
    }
    let _ = read_signature(data);
    // Topics, then data.
    let (topics, rest) = data.as_chunks::<32>();
    let count = topics.len().min(4);
    let values = [topics[count..].as_flattened(), rest].concat();
    let log = json!({
        "address": first.contract,
        "topics": topics[..count].iter().map(B256::from).collect::<Vec<_>>(),
        "data": Bytes::from(values),
        "logIndex": "0x0",
    });
    let log: Log = serde_json::from_value(log).expect("it is a log");
    let _ = ChannelEvent::read(&log);

    let Some(text) = text(data) else { return };
    if let Some(id) = read_channel_id(text) {
        assert_eq!(read_channel_id(channel_id(id).as_str()), Some(id));
    }
    let Ok(details) = serde_json::from_str::<Map<String, Value>>(text) else {
        return;
    };
    if let Ok(channel) = TempoChannel::read(&details) {
        let again = TempoChannel::read(&channel.details());
        assert_eq!(again.expect("what was read is written").id(), channel.id());
    }
});
