//! Fixed numbers of bytes in JSON: `0x` and hexadecimal digits in any case, written in small letters
//! (draft, "Hexadecimal Values").

use farthing_evm::{Address, B256};
use serde::{Deserialize, Deserializer, de::Error};

/// Reads 32 bytes. `None` where it is something else.
pub(super) fn word(text: &str) -> Option<B256> {
    if !text.starts_with("0x") {
        return None;
    }
    text.parse().ok()
}

pub(super) fn read_address<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    let text = String::deserialize(from)?;
    crate::token::address(&text).map_err(D::Error::custom)
}

pub(super) fn read_word<'de, D: Deserializer<'de>>(from: D) -> Result<B256, D::Error> {
    let text = String::deserialize(from)?;
    word(&text).ok_or_else(|| D::Error::custom("32 bytes are 0x and 64 hexadecimal digits"))
}
