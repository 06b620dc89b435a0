//! The site a gateway serves.

use farthing::core::value::Realm;
use http::uri::Authority;

/// The public host of the service, as its operator says it. What a client says in `Host` is never
/// taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    text: Box<str>,
    host: Box<str>,
    port: Option<u16>,
}

impl Site {
    /// The site of a realm: a host, and a port where it is not the usual one.
    #[must_use]
    pub fn new(realm: &Realm) -> Self {
        let text = realm.as_str();
        let authority = text.parse::<Authority>().ok();
        let host = authority.as_ref().map_or(text, Authority::host);
        Self {
            host: host.into(),
            port: authority.as_ref().and_then(Authority::port_u16),
            text: text.into(),
        }
    }

    /// As the operator wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an authority is this site's. Where the operator names no port, any is.
    pub(super) fn is(&self, authority: &Authority) -> bool {
        let host = authority.host().trim_end_matches('.');
        host.eq_ignore_ascii_case(&self.host)
            && self
                .port
                .is_none_or(|port| authority.port_u16() == Some(port))
    }
}

impl From<&Realm> for Site {
    fn from(realm: &Realm) -> Self {
        Self::new(realm)
    }
}
