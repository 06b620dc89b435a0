//! `challenge.parse`, `challenge.format` and `challenge.id`.

use farthing_core::{
    binding::{Binder, Secrets},
    header::www_authenticate,
    noun::{Challenge, Request},
    value::{ChallengeId, Secret},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Answer, Failure, fail, header, or, read};

/// A challenge with its request decoded, as the suite writes it.
#[derive(Deserialize)]
pub(crate) struct Object {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) rest: Unbound,
}

/// The same without its id.
#[derive(Deserialize)]
pub(crate) struct Unbound {
    pub(crate) realm: String,
    pub(crate) method: String,
    pub(crate) intent: String,
    pub(crate) request: Value,
    pub(crate) expires: Option<String>,
    description: Option<String>,
    digest: Option<String>,
    opaque: Option<String>,
    header: Option<String>,
}

impl Object {
    pub(crate) fn into_challenge(self, kind: &'static str) -> Result<Challenge, Failure> {
        let id = ChallengeId::new(self.id).map_err(or(kind))?;
        self.rest.into_challenge(id, kind)
    }
}

impl Unbound {
    fn into_challenge(self, id: ChallengeId, kind: &'static str) -> Result<Challenge, Failure> {
        let name = |text: Option<String>| text.as_deref().map(str::parse).transpose();
        Ok(Challenge {
            id,
            realm: self.realm.parse().map_err(or(kind))?,
            method: self.method.parse().map_err(or(kind))?,
            intent: self.intent.parse().map_err(or(kind))?,
            request: request(&self.request, kind)?,
            expires: self
                .expires
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(or(kind))?,
            description: name(self.description).map_err(or(kind))?,
            digest: self
                .digest
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(or(kind))?,
            opaque: self
                .opaque
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(or(kind))?,
            header: self
                .header
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(or(kind))?,
        })
    }
}

/// A request given as an object, or as the text of the wire.
pub(crate) fn request(value: &Value, kind: &'static str) -> Result<Request, Failure> {
    match value {
        Value::String(encoded) => Request::parse(encoded).map_err(or(kind)),
        object => Request::new(object).map_err(or(kind)),
    }
}

/// A challenge as the suite writes it.
pub(crate) fn object(challenge: &Challenge) -> Result<Value, serde_json::Error> {
    let mut object = serde_json::to_value(challenge)?;
    object["request"] = challenge.request.value();
    Ok(object)
}

pub(crate) fn parse(input: &str) -> Answer {
    let kind = "parse_error";
    let mut challenges = www_authenticate::parse([header(input)?]).into_iter();
    let first = challenges.next();
    let challenge = first
        .ok_or_else(|| fail(kind, "no challenge of the Payment scheme"))?
        .map_err(or(kind))?;
    object(&challenge).map_err(or(kind))
}

pub(crate) fn format(input: &str) -> Answer {
    let kind = "format_error";
    let challenge = read::<Object>(input, kind)?.into_challenge(kind)?;
    Ok(json!({ "header": www_authenticate::format(&challenge) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bind {
    secret_key: String,
    #[serde(flatten)]
    challenge: Unbound,
}

pub(crate) fn id(input: &str) -> Answer {
    let kind = "generation_error";
    let input: Bind = read(input, kind)?;
    let secrets = Secrets::new(&Secret::new(input.secret_key)).map_err(or(kind))?;
    // The id is not among what it binds, so any will do until it is known.
    let unbound = ChallengeId::new("unbound").map_err(or(kind))?;
    let challenge = input.challenge.into_challenge(unbound, kind)?;
    let slots = challenge.slots().map_err(or(kind))?;
    Ok(json!({ "id": Binder::new(secrets).id(&slots).as_str() }))
}
