//! Farthing against the protocol's SDK from crates.io, `mpp`.

use farthing_interop::{
    peer::{Adapter, Answer},
    values::{Kind, Noun},
};
use mpp::{
    Base64UrlJson, MppError, PaymentChallenge, PaymentCredential, Receipt,
    compute_challenge_id_with_header, format_authorization, format_receipt,
    format_www_authenticate, parse_authorization, parse_receipt, parse_www_authenticate_all_bytes,
};
use serde_json::Value;

/// The SDK, as one that is compared.
#[derive(Debug)]
pub struct Mpp;

impl Adapter for Mpp {
    fn name(&self) -> &'static str {
        "mpp"
    }

    fn parse(&mut self, kind: Kind, wire: &[u8]) -> Answer<Value> {
        // What is not text is no header of credentials or receipts to it.
        let text = || std::str::from_utf8(wire).map_err(|_| "not text".to_owned());
        let mut form = match kind {
            Kind::Challenge => {
                let mut read = parse_www_authenticate_all_bytes([wire]);
                match (read.pop(), read.len()) {
                    (None, _) => return Err("no challenge".to_owned()),
                    (Some(one), 0) => json(&one.map_err(say)?),
                    (Some(_), _) => return Err("several challenges".to_owned()),
                }
            }
            Kind::Credential => json(&parse_authorization(text()?).map_err(say)?),
            Kind::Receipt => json(&parse_receipt(text()?).map_err(say)?),
        };
        match kind {
            Kind::Challenge => decode(&mut form)?,
            Kind::Credential => decode(&mut form["challenge"])?,
            Kind::Receipt => {}
        }
        Ok(form)
    }

    fn format(&mut self, noun: &Noun) -> Answer<Vec<u8>> {
        let mut form = noun.form();
        let text = match noun.kind() {
            Kind::Challenge => format_www_authenticate(&challenge(form)?),
            Kind::Credential => {
                encode(&mut form["challenge"])?;
                format_authorization(&read::<PaymentCredential>(form)?)
            }
            Kind::Receipt => format_receipt(&read::<Receipt>(form)?),
        };
        text.map(String::into_bytes).map_err(say)
    }

    fn id(&mut self, noun: &Noun, secret: &str) -> Answer<String> {
        let challenge = challenge(noun.form())?;
        Ok(compute_challenge_id_with_header(
            secret,
            &challenge.realm,
            challenge.method.as_str(),
            challenge.intent.as_str(),
            challenge.request.raw(),
            challenge.expires.as_deref(),
            challenge.digest.as_deref(),
            challenge.opaque.as_ref().map(Base64UrlJson::raw),
            challenge.header.as_deref(),
        ))
    }
}

fn challenge(mut form: Value) -> Answer<PaymentChallenge> {
    encode(&mut form)?;
    read(form)
}

/// Puts the object inside in the place of the request's text.
fn decode(challenge: &mut Value) -> Answer<()> {
    let request = Base64UrlJson::from_raw(challenge["request"].as_str().unwrap_or_default());
    challenge["request"] = request.decode_value().map_err(say)?;
    Ok(())
}

/// The other way.
fn encode(challenge: &mut Value) -> Answer<()> {
    let request = Base64UrlJson::from_value(&challenge["request"]).map_err(say)?;
    challenge["request"] = request.raw().into();
    Ok(())
}

fn json(noun: &impl serde::Serialize) -> Value {
    serde_json::to_value(noun).expect("what was read can be written")
}

fn read<T: serde::de::DeserializeOwned>(form: Value) -> Answer<T> {
    serde_json::from_value(form).map_err(|error| error.to_string())
}

fn say(error: MppError) -> String {
    error.to_string()
}
