//! What is checked in belongs together: sources, code and interfaces.

use std::{collections::BTreeSet, fs, path::Path};

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::{SolEventInterface, SolInterface};
use farthing_contracts::{
    Artifact, CHANNEL_RESERVE, CONTEXT_SLOT, TEMPO_STREAM_CHANNEL, TEST_DOLLAR,
};
use serde_json::Value;

const ALL: [Artifact; 3] = [TEMPO_STREAM_CHANNEL, CHANNEL_RESERVE, TEST_DOLLAR];

/// The longest code a chain takes (EIP-170).
const LONGEST: usize = 24_576;

fn metadata(artifact: &Artifact) -> Value {
    serde_json::from_str(artifact.metadata).unwrap()
}

/// Without the compiler: its digests of the sources are compared with the files.
#[test]
fn the_code_is_of_these_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for artifact in ALL {
        let metadata = metadata(&artifact);
        let sources = metadata["sources"].as_object().unwrap();
        assert!(sources.contains_key(&format!("{}.sol", artifact.name)));
        for (name, source) in sources {
            let digest = keccak256(fs::read(folder.join(name)).unwrap()).to_string();
            let hint = format!("{name} changed: run `cargo xtask contracts`");
            assert_eq!(source["keccak256"], digest, "{hint}");
        }
        assert_eq!(metadata["settings"]["optimizer"]["enabled"], true);
        assert_eq!(metadata["settings"]["viaIR"], true);
    }
}

#[test]
fn the_code_can_be_deployed_and_can_be_put() {
    for artifact in ALL {
        let runtime = artifact.runtime.strip_prefix("0x").unwrap();
        assert!(artifact.creation.ends_with(runtime), "{}", artifact.name);
        assert!(runtime.len() / 2 <= LONGEST, "{}", artifact.name);
    }
    // Nothing is known only when it is deployed: what runs is what was compiled.
    let slot = CONTEXT_SLOT.to_string();
    assert!(CHANNEL_RESERVE.runtime.contains(&slot[2..]));
}

/// The types of a list of parameters, as a signature has them.
fn types(parameters: &Value) -> String {
    let one = |parameter: &Value| match parameter["type"].as_str().unwrap() {
        tuple if tuple.starts_with("tuple") => {
            format!("({}){}", types(&parameter["components"]), &tuple[5..])
        }
        plain => plain.to_owned(),
    };
    let all: Vec<String> = parameters.as_array().unwrap().iter().map(one).collect();
    all.join(",")
}

/// The hashes of the signatures of one kind.
fn signatures(artifact: &Artifact, kind: &str) -> BTreeSet<B256> {
    let metadata = metadata(artifact);
    let all = metadata["output"]["abi"].as_array().unwrap().iter();
    all.filter(|entry| entry["type"] == kind)
        .map(|entry| {
            let name = entry["name"].as_str().unwrap();
            keccak256(format!("{name}({})", types(&entry["inputs"])))
        })
        .collect()
}

fn check<C: SolInterface, E: SolEventInterface, X: SolInterface>(
    artifact: &Artifact,
    events: &[B256],
) {
    let selectors = |kind| -> BTreeSet<[u8; 4]> {
        let all = signatures(artifact, kind).into_iter();
        all.map(|hash| hash[..4].try_into().unwrap()).collect()
    };
    assert_eq!(
        selectors("function"),
        C::selectors().collect(),
        "{}",
        artifact.name
    );
    assert_eq!(
        selectors("error"),
        X::selectors().collect(),
        "{}",
        artifact.name
    );
    assert_eq!(E::COUNT, events.len());
    assert_eq!(
        signatures(artifact, "event"),
        events.iter().copied().collect()
    );
}

#[test]
fn the_interfaces_are_the_compilers() {
    use farthing_contracts::abi::{
        ChannelReserve::{ChannelReserveCalls, ChannelReserveErrors, ChannelReserveEvents},
        TempoStreamChannel::{
            TempoStreamChannelCalls, TempoStreamChannelErrors, TempoStreamChannelEvents,
        },
        TestDollar::{TestDollarCalls, TestDollarErrors, TestDollarEvents},
    };
    fn hashes(all: &[[u8; 32]]) -> Vec<B256> {
        all.iter().copied().map(B256::from).collect()
    }
    check::<TempoStreamChannelCalls, TempoStreamChannelEvents, TempoStreamChannelErrors>(
        &TEMPO_STREAM_CHANNEL,
        &hashes(TempoStreamChannelEvents::SELECTORS),
    );
    check::<ChannelReserveCalls, ChannelReserveEvents, ChannelReserveErrors>(
        &CHANNEL_RESERVE,
        &hashes(ChannelReserveEvents::SELECTORS),
    );
    check::<TestDollarCalls, TestDollarEvents, TestDollarErrors>(
        &TEST_DOLLAR,
        &hashes(TestDollarEvents::SELECTORS),
    );
}
