//! Our side of a comparison.

use farthing_core::{
    binding::raw,
    header::{authorization, payment_receipt, www_authenticate},
};

use crate::{
    peer::{Adapter, Answer},
    values::{Kind, Noun},
};
use serde_json::Value;

/// Farthing, as one that is compared.
#[derive(Debug)]
pub struct Ours;

/// Reads a header as the noun of a kind.
///
/// # Errors
/// With what our reader says.
pub fn parse(kind: Kind, wire: &[u8]) -> Result<Noun, String> {
    match kind {
        Kind::Challenge => {
            let mut read = www_authenticate::parse([wire]);
            match (read.pop(), read.len()) {
                (None, _) => Err("no challenge of the Payment scheme".to_owned()),
                (Some(one), 0) => one.map(|one| Noun::Challenge(one.into())).map_err(say),
                (Some(_), _) => Err("several challenges".to_owned()),
            }
        }
        Kind::Credential => {
            let read = authorization::parse(wire).map_err(say)?;
            // A payload is its method's to read, which reads it as JSON.
            serde_json::from_str::<Value>(read.payload.get()).map_err(say)?;
            Ok(Noun::Credential(read.into()))
        }
        Kind::Receipt => payment_receipt::parse(wire)
            .map(|read| Noun::Receipt(read.into()))
            .map_err(say),
    }
}

/// Writes a noun as a header.
#[must_use]
pub fn format(noun: &Noun) -> Vec<u8> {
    let text = match noun {
        Noun::Challenge(challenge) => www_authenticate::format(challenge),
        Noun::Credential(credential) => authorization::format(credential),
        Noun::Receipt(receipt) => payment_receipt::format(receipt),
    };
    text.into_bytes()
}

/// The id of a challenge under a secret; nothing for other nouns.
#[must_use]
pub fn id(noun: &Noun, secret: &str) -> Option<String> {
    let Noun::Challenge(challenge) = noun else {
        return None;
    };
    let slots = challenge.slots().ok()?;
    Some(
        raw::challenge_id(secret.as_bytes(), &slots)
            .as_str()
            .to_owned(),
    )
}

fn say(error: impl std::error::Error) -> String {
    error.to_string()
}

impl Adapter for Ours {
    fn name(&self) -> &'static str {
        "farthing"
    }

    fn parse(&mut self, kind: Kind, wire: &[u8]) -> Answer<Value> {
        parse(kind, wire).map(|noun| noun.form())
    }

    fn format(&mut self, noun: &Noun) -> Answer<Vec<u8>> {
        Ok(format(noun))
    }

    fn id(&mut self, noun: &Noun, secret: &str) -> Answer<String> {
        id(noun, secret).ok_or_else(|| "no challenge".to_owned())
    }
}
