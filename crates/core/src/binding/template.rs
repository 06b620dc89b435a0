//! The challenges of one offer, prepared as far as they are the same.

use std::fmt;

use ring::hmac;

use super::{Binder, BindingError, BoundId, EncodedOpaque, Opaque, Slots, id, slots};
use crate::{
    header::www_authenticate::write_parameter,
    noun::{Challenge, CredentialHeader, Description, DigestText, Expires, Request},
    value::{IntentId, MethodId, Realm, Timestamp},
};

/// An offer, prepared: the HMAC primed over the slots that never change, and the header's text
/// around the ones that do.
#[derive(Clone)]
pub struct Template {
    binder: Binder,
    primed: hmac::Context,
    realm: Realm,
    method: MethodId,
    intent: IntentId,
    request: Request,
    description: Option<Description>,
    /// `None` where the credential belongs in `Authorization`.
    header: Option<CredentialHeader>,
    /// From after the id to the end of the description.
    middle: String,
    /// From after the opaque.
    tail: String,
}

/// What changes from one challenge of an offer to the next.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'a> {
    /// When it ends. The fraction of a second is left out.
    pub expires: Timestamp,
    /// The body it is for.
    pub digest: Option<&'a DigestText>,
    /// What it is bound to, and what makes it unique.
    pub opaque: EncodedOpaque,
}

impl Issue<'_> {
    /// A challenge that is for no body.
    #[must_use]
    pub fn new(expires: Timestamp, opaque: &Opaque) -> Self {
        Self {
            expires,
            digest: None,
            opaque: opaque.encode(),
        }
    }
}

impl Template {
    pub(super) fn new(
        binder: Binder,
        (realm, method, intent): (Realm, MethodId, IntentId),
        request: &Request,
    ) -> Self {
        let mut primed = hmac::Context::with_key(binder.secrets().current());
        for slot in [
            realm.as_str(),
            method.as_str(),
            intent.as_str(),
            request.as_str(),
        ] {
            primed.update(slot.as_bytes());
            primed.update(b"|");
        }
        let mut template = Self {
            binder,
            primed,
            realm,
            method,
            intent,
            request: request.clone(),
            description: None,
            header: None,
            middle: String::new(),
            tail: String::new(),
        };
        template.write_fixed_parts();
        template
    }

    /// The same offer with a description, which is bound to nothing.
    #[must_use]
    pub fn with_description(mut self, description: Description) -> Self {
        self.description = Some(description);
        self.write_fixed_parts();
        self
    }

    /// The same offer with its credential in another header.
    #[must_use]
    pub fn with_header(mut self, header: CredentialHeader) -> Self {
        self.header = Some(header).filter(|header| !header.is_default());
        self.write_fixed_parts();
        self
    }

    fn write_fixed_parts(&mut self) {
        self.middle.clear();
        self.middle.push('"');
        for (name, value) in [
            ("realm", self.realm.as_str()),
            ("method", self.method.as_str()),
            ("intent", self.intent.as_str()),
            ("request", self.request.as_str()),
        ] {
            write_parameter(&mut self.middle, name, value);
        }
        if let Some(description) = &self.description {
            write_parameter(&mut self.middle, "description", description.as_str());
        }
        self.tail.clear();
        self.tail.push('"');
        if let Some(header) = &self.header {
            write_parameter(&mut self.tail, "header", header.as_str());
        }
    }

    /// The method of the offer.
    #[must_use]
    pub const fn method(&self) -> &MethodId {
        &self.method
    }

    /// The intent of the offer.
    #[must_use]
    pub const fn intent(&self) -> &IntentId {
        &self.intent
    }

    /// The realm of the offer.
    #[must_use]
    pub const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// What the offer asks for.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Appends the `WWW-Authenticate` value of a new challenge, and returns the challenge's id.
    pub fn issue(&self, issue: &Issue<'_>, out: &mut String) -> BoundId {
        let expires = issue.expires.whole_secs().to_text();
        let (expires, opaque) = (expires.as_str(), issue.opaque.as_str());
        let id = self.bind(expires, issue.digest, opaque);
        // Exactly, where nothing has a digest: a text without room to spare becomes a header's
        // value as it is.
        let changing = 43 + expires.len() + opaque.len() + issue.digest.map_or(0, room);
        let fixed = HEAD.len() + EXPIRES.len() + OPAQUE.len();
        out.reserve_exact(fixed + self.middle.len() + changing + self.tail.len());
        out.push_str(HEAD);
        out.push_str(id.as_str());
        out.push_str(&self.middle);
        if let Some(digest) = issue.digest {
            write_parameter(out, "digest", digest.as_str());
        }
        out.push_str(EXPIRES);
        out.push_str(expires);
        out.push_str(OPAQUE);
        out.push_str(opaque);
        out.push_str(&self.tail);
        id
    }

    /// The same challenge as a value, for those who carry it in something else than a header.
    #[must_use]
    pub fn challenge(&self, issue: &Issue<'_>) -> Challenge {
        let expires = Expires::new(issue.expires.whole_secs());
        Challenge {
            id: self
                .bind(expires.as_str(), issue.digest, issue.opaque.as_str())
                .to_challenge_id(),
            realm: self.realm.clone(),
            method: self.method.clone(),
            intent: self.intent.clone(),
            request: self.request.clone(),
            expires: Some(expires),
            description: self.description.clone(),
            digest: issue.digest.cloned(),
            opaque: Some(issue.opaque.to_text()),
            header: self.header.clone(),
        }
    }

    fn bind(&self, expires: &str, digest: Option<&DigestText>, opaque: &str) -> BoundId {
        let digest = digest.map_or("", DigestText::as_str);
        let header = self.header.as_ref().map(CredentialHeader::as_str);
        let mut mac = self.primed.clone();
        slots::write_tail(&mut mac, expires, digest, header, opaque);
        BoundId::new(&mac.sign())
    }

    /// Whether a challenge is of this offer, as far as what never changes goes.
    #[must_use]
    pub fn is_of(&self, slots: &Slots<'_>) -> bool {
        slots.request == self.request.as_str()
            && slots.realm == self.realm.as_str()
            && slots.method == self.method.as_str()
            && slots.intent == self.intent.as_str()
    }

    /// As [`Binder::authenticate`], and faster for a challenge of this offer.
    ///
    /// # Errors
    /// When the challenge is not ours, or was changed.
    pub fn authenticate(
        &self,
        slots: &Slots<'_>,
        id: &str,
        now: Timestamp,
    ) -> Result<(), BindingError> {
        if !self.is_of(slots) {
            return self.binder.authenticate(slots, id, now);
        }
        let claimed = id::claimed(id).ok_or(BindingError::NotOurs)?;
        let mut mac = self.primed.clone();
        slots.write_tail(&mut mac);
        if id::is_equal(&mac.sign(), &claimed) {
            Ok(())
        } else {
            self.binder.authenticate_retired(slots, &claimed, now)
        }
    }
}

const HEAD: &str = "Payment id=\"";
const EXPIRES: &str = ", expires=\"";
const OPAQUE: &str = "\", opaque=\"";

/// What a digest adds to a header: more than its escapes can.
fn room(digest: &DigestText) -> usize {
    2 * digest.as_str().len() + 16
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("realm", &self.realm)
            .field("method", &self.method)
            .field("intent", &self.intent)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
