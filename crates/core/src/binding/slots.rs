//! What a challenge's id binds.

use ring::hmac;

use crate::{
    bounds,
    encoding::base64url,
    noun::slot,
    value::{Timestamp, text},
};

/// The texts of a challenge, unchecked.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlotTexts<'a> {
    /// The realm.
    pub realm: &'a str,
    /// The method.
    pub method: &'a str,
    /// The intent.
    pub intent: &'a str,
    /// The request, base64url.
    pub request: &'a str,
    /// When it ends.
    pub expires: Option<&'a str>,
    /// The body's digest.
    pub digest: Option<&'a str>,
    /// The credential's header.
    pub header: Option<&'a str>,
    /// What the server wants to see again.
    pub opaque: Option<&'a str>,
}

/// The texts of a challenge, each of which passed its grammar: none can end its slot early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots<'a> {
    pub(super) realm: &'a str,
    pub(super) method: &'a str,
    pub(super) intent: &'a str,
    pub(super) request: &'a str,
    pub(super) expires: &'a str,
    pub(super) digest: &'a str,
    /// `None` where it is `Authorization`, said or unsaid.
    pub(super) header: Option<&'a str>,
    pub(super) opaque: &'a str,
    ends: Option<Timestamp>,
}

/// A text of a challenge breaks its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the challenge's {slot} is not well formed")]
pub struct SlotError {
    slot: &'static str,
}

impl SlotError {
    /// The name of the parameter.
    #[must_use]
    pub const fn slot(&self) -> &'static str {
        self.slot
    }
}

impl<'a> Slots<'a> {
    /// Checks every text by its grammar.
    ///
    /// # Errors
    /// When one breaks it.
    pub fn check(texts: SlotTexts<'a>) -> Result<Self, SlotError> {
        let fault = |slot| move |_| SlotError { slot };
        text::realm(texts.realm).map_err(fault("realm"))?;
        text::method(texts.method).map_err(fault("method"))?;
        text::intent(texts.intent).map_err(fault("intent"))?;
        let request_ok = (1..=bounds::REQUEST).contains(&texts.request.len())
            && base64url::is_alphabetic(texts.request);
        if !request_ok {
            return Err(SlotError { slot: "request" });
        }
        let ends = texts.expires.map(slot::expires).transpose();
        let ends = ends.map_err(|_| SlotError { slot: "expires" })?;
        let checked = |text: Option<&str>, check: fn(&str) -> Result<(), &'static str>, name| {
            text.map_or(Ok(()), check).map_err(fault(name))
        };
        checked(texts.digest, slot::digest, "digest")?;
        checked(texts.header, slot::header_token, "header")?;
        checked(texts.opaque, slot::opaque, "opaque")?;
        Ok(Self {
            realm: texts.realm,
            method: texts.method,
            intent: texts.intent,
            request: texts.request,
            expires: texts.expires.unwrap_or_default(),
            digest: texts.digest.unwrap_or_default(),
            header: texts.header.filter(|name| !slot::is_default_header(name)),
            opaque: texts.opaque.unwrap_or_default(),
            ends,
        })
    }

    /// The realm.
    #[must_use]
    pub const fn realm(&self) -> &'a str {
        self.realm
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// The intent.
    #[must_use]
    pub const fn intent(&self) -> &'a str {
        self.intent
    }

    /// The request, base64url.
    #[must_use]
    pub const fn request(&self) -> &'a str {
        self.request
    }

    /// When the challenge ends, if it does.
    #[must_use]
    pub const fn expires(&self) -> Option<Timestamp> {
        self.ends
    }

    /// Whether the challenge ended. One without an end never does.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.ends.is_some_and(|end| end <= now)
    }

    /// The body's digest, where the challenge is for a body.
    #[must_use]
    pub fn digest(&self) -> Option<&'a str> {
        Some(self.digest).filter(|text| !text.is_empty())
    }

    /// The header the credential belongs in, where it is not `Authorization`.
    #[must_use]
    pub const fn header(&self) -> Option<&'a str> {
        self.header
    }

    /// What the server wanted to see again.
    #[must_use]
    pub fn opaque(&self) -> Option<&'a str> {
        Some(self.opaque).filter(|text| !text.is_empty())
    }

    /// Writes the slots up to the request, with the delimiter behind it.
    pub(super) fn write_head(&self, mac: &mut hmac::Context) {
        for slot in [self.realm, self.method, self.intent, self.request] {
            mac.update(slot.as_bytes());
            mac.update(b"|");
        }
    }

    /// Writes the slots after the request.
    pub(super) fn write_tail(&self, mac: &mut hmac::Context) {
        write_tail(mac, self.expires, self.digest, self.header, self.opaque);
    }
}

/// Writes the slots after the request. What fits is put together first: one update of the HMAC is
/// faster than several, each of which walks its block buffer.
pub(super) fn write_tail(
    mac: &mut hmac::Context,
    expires: &str,
    digest: &str,
    header: Option<&str>,
    opaque: &str,
) {
    let (header, delimiter) = header.map_or(("", ""), |header| (header, "|"));
    let parts = [expires, "|", digest, "|", header, delimiter, opaque];
    let mut buffer = [0; 256];
    let mut length = 0;
    for part in parts {
        let Some(place) = buffer.get_mut(length..length + part.len()) else {
            for part in parts {
                mac.update(part.as_bytes());
            }
            return;
        };
        place.copy_from_slice(part.as_bytes());
        length += part.len();
    }
    mac.update(&buffer[..length]);
}
