//! A gateway's file: whatever it holds, it is read or each mistake has a place.
#![no_main]

use std::path::Path;

use farthing_fuzz::round_trip;
use farthing_gateway::{
    config::{Config, RuleKey},
    routes::Table,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match Config::from_bytes(Path::new("farthing.toml"), data) {
        Ok(config) => {
            let keys = config.rules.iter().map(|rule| rule.key.clone());
            keys.clone()
                .for_each(|key| round_trip::<RuleKey>(&key.to_string()));
            assert!(Table::new(keys.map(|key| (key, ()))).is_ok());
        }
        Err(findings) => {
            assert!(!findings.is_empty() && findings.len() <= 128);
            for finding in findings {
                let told = finding.to_string();
                assert!(
                    !told.contains(|c: char| c.is_control() && c != '\n'),
                    "{told:?}"
                );
            }
        }
    }
});
