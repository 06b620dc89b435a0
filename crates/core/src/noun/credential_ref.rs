//! A credential as the server reads it: parsed once, borrowing from the decoded header.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Challenge, Credential, Request, RequestError, Source, credential::is_object};
use crate::{
    binding::{SlotError, SlotTexts, Slots},
    bounds,
    encoding::{
        base64url::Base64UrlError,
        json::{self, JsonError},
    },
    value::{ChallengeId, Did, TextError, TimestampError},
};

/// A credential that borrows from the buffer its header was decoded into.
///
/// Its JSON is well formed and what the scheme requires is there. The texts of the echoed
/// challenge are not checked before [`slots`](Self::slots); whether we issued it, only the
/// [`Binder`](crate::binding::Binder) knows.
pub struct CredentialRef<'a> {
    id: Cow<'a, str>,
    realm: Cow<'a, str>,
    method: Cow<'a, str>,
    intent: Cow<'a, str>,
    request: Cow<'a, str>,
    expires: Option<Cow<'a, str>>,
    description: Option<Cow<'a, str>>,
    digest: Option<Cow<'a, str>>,
    opaque: Option<Cow<'a, str>>,
    header: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    payload: &'a RawValue,
}

/// Why a header value is no credential. It holds no piece of the value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// It is not of the `Payment` scheme.
    #[error("no credential of the Payment scheme")]
    Scheme,
    /// It is larger than [`bounds::CREDENTIAL`].
    #[error("the credential is larger than {} bytes", bounds::CREDENTIAL)]
    TooLarge,
    /// It is not base64url.
    #[error("the credential is {0}")]
    Encoding(#[from] Base64UrlError),
    /// It is not UTF-8.
    #[error("the credential is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// It is not JSON of the right shape.
    #[error("the credential is {0}")]
    Json(#[from] JsonError),
    /// A field is missing.
    #[error("the credential has no {0}")]
    Missing(&'static str),
    /// A name in it breaks its grammar.
    #[error("the credential has {0}")]
    Name(#[from] TextError),
    /// A text of the echoed challenge breaks its grammar.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The echoed time is none.
    #[error("the credential's expires is {0}")]
    Expires(#[from] TimestampError),
    /// The echoed request is none.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl<'a> CredentialRef<'a> {
    /// Reads the decoded JSON of a credential.
    ///
    /// # Errors
    /// When it is not JSON of the right shape, or lacks a required field.
    pub fn from_json(json: &'a str) -> Result<Self, CredentialError> {
        json::check_depth(json)?;
        let wire: Wire<'_> =
            serde_json::from_str(json).map_err(|error| JsonError::malformed(&error))?;
        let echo = wire
            .challenge
            .ok_or(CredentialError::Missing("challenge"))?;
        let required =
            |text: Option<Cow<'a, str>>, name| text.ok_or(CredentialError::Missing(name));
        let credential = Self {
            id: required(echo.id, "challenge.id")?,
            realm: required(echo.realm, "challenge.realm")?,
            method: required(echo.method, "challenge.method")?,
            intent: required(echo.intent, "challenge.intent")?,
            request: required(echo.request, "challenge.request")?,
            expires: echo.expires,
            description: echo.description,
            digest: echo.digest,
            opaque: echo.opaque,
            header: echo.header,
            source: wire.source,
            payload: wire.payload.ok_or(CredentialError::Missing("payload"))?,
        };
        if credential.id.is_empty() {
            return Err(CredentialError::Missing("challenge.id"));
        }
        if !is_object(credential.payload) {
            return Err(JsonError::NotAnObject.into());
        }
        Ok(credential)
    }

    /// The id of the echoed challenge, as the credential has it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id as a value.
    ///
    /// # Errors
    /// When it can be nobody's challenge id.
    pub fn challenge_id(&self) -> Result<ChallengeId, TextError> {
        ChallengeId::new(&*self.id)
    }

    /// What the challenge's id must bind, each text checked by its grammar. This comes before any
    /// HMAC: a `|` in one slot would stand for the end of it.
    ///
    /// # Errors
    /// When a text breaks its grammar.
    pub fn slots(&self) -> Result<Slots<'_>, SlotError> {
        Slots::check(SlotTexts {
            realm: &self.realm,
            method: &self.method,
            intent: &self.intent,
            request: &self.request,
            expires: self.expires.as_deref(),
            digest: self.digest.as_deref(),
            header: self.header.as_deref(),
            opaque: self.opaque.as_deref(),
        })
    }

    /// Who says to pay, where it is a DID. It proves nothing by itself.
    #[must_use]
    pub fn did(&self) -> Option<Did> {
        Did::new(self.source.as_deref()?).ok()
    }

    /// Who says to pay, as written.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// The method's proof, a JSON object.
    #[must_use]
    pub const fn payload(&self) -> &'a RawValue {
        self.payload
    }

    /// The same credential with texts of its own, every one checked.
    ///
    /// # Errors
    /// When a text breaks its grammar.
    pub fn to_owned(&self) -> Result<Credential, CredentialError> {
        let option = |text: &Option<Cow<'a, str>>| text.as_deref().map(Box::<str>::from);
        let challenge = Challenge {
            id: self.id.parse()?,
            realm: self.realm.parse()?,
            method: self.method.parse()?,
            intent: self.intent.parse()?,
            request: Request::parse(&self.request)?,
            expires: self.expires.as_deref().map(str::parse).transpose()?,
            description: option(&self.description)
                // As in a challenge: an empty one is none.
                .filter(|text| !text.is_empty())
                .map(super::Description::new)
                .transpose()?,
            digest: option(&self.digest)
                .map(super::DigestText::new)
                .transpose()?,
            opaque: option(&self.opaque)
                .map(super::OpaqueText::new)
                .transpose()?,
            header: option(&self.header)
                .map(super::CredentialHeader::new)
                .transpose()?,
        };
        Ok(Credential {
            challenge,
            payload: self.payload.to_owned(),
            source: option(&self.source).map(Source::new).transpose()?,
        })
    }
}

impl fmt::Debug for CredentialRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialRef")
            .field("challenge", &self.id)
            .field("method", &self.method)
            .field("intent", &self.intent)
            .finish_non_exhaustive()
    }
}

/// A text that borrows unless it holds escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a struct from a JSON object, and only from an object: the derived code would take an
/// array too. A repeated field is an error, an unknown one is ignored.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty => $read:ty, $from:expr;)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name<'a> {
            $($field: Option<$type>,)*
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(field_identifier)]
                #[allow(non_camel_case_types, reason = "the variants are the fields")]
                enum Key { $($field,)* #[serde(other)] Unknown }

                struct Object;
                impl<'de> Visitor<'de> for Object {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a JSON object")
                    }

                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut entries: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut object = $name::default();
                        $(let mut $field = false;)*
                        while let Some(key) = entries.next_key()? {
                            match key {
                                $(Key::$field => {
                                    if std::mem::replace(&mut $field, true) {
                                        return Err(A::Error::duplicate_field(stringify!($field)));
                                    }
                                    let value: Option<$read> = entries.next_value()?;
                                    object.$field = value.map($from);
                                })*
                                Key::Unknown => {
                                    entries.next_value::<IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(Object)
            }
        }
    };
}

object! {
    /// The credential on the wire.
    Wire {
        challenge: Echo<'a> => Echo<'de>, |echo| echo;
        source: Cow<'a, str> => Text<'de>, |text| text.0;
        payload: &'a RawValue => &'de RawValue, |raw| raw;
    }
}

object! {
    /// The echoed challenge on the wire.
    Echo {
        id: Cow<'a, str> => Text<'de>, |text| text.0;
        realm: Cow<'a, str> => Text<'de>, |text| text.0;
        method: Cow<'a, str> => Text<'de>, |text| text.0;
        intent: Cow<'a, str> => Text<'de>, |text| text.0;
        request: Cow<'a, str> => Text<'de>, |text| text.0;
        expires: Cow<'a, str> => Text<'de>, |text| text.0;
        description: Cow<'a, str> => Text<'de>, |text| text.0;
        digest: Cow<'a, str> => Text<'de>, |text| text.0;
        opaque: Cow<'a, str> => Text<'de>, |text| text.0;
        header: Cow<'a, str> => Text<'de>, |text| text.0;
    }
}
