//! What is refused before a rule is looked for.
//!
//! A rule decides by the bytes of a path, and what stands behind reads them by itself. So a request
//! that the two could read differently is turned away here: escapes of what is structure, dot
//! segments, empty segments, a second host, a second length. What comes through is forwarded as it
//! was matched, byte by byte.
//!
//! # What it does not do
//! - Escapes of ordinary characters, capitals and path parameters are the table's to judge: see
//!   [`crate::routes`].
//! - The query is the upstream's business, as is a body: a `_method=DELETE` in either is not looked
//!   at. Put a rule on the method that the upstream would run.
//! - A `Content-Length` beside `Transfer-Encoding: chunked` is taken out by hyper before anybody
//!   sees it, and the connection ends after the answer (RFC 9112, section 6.1). What goes on has one
//!   length, of our own framing.
//! - An escaped percent sign before two hexadecimal digits is refused, also where it is meant: what
//!   is decoded twice behind would be another path.
//! - A fragment is cut off with the reading of the target, and never goes on.

mod headers;
mod path;
mod refusal;
mod site;

use http::{Method, Request, Uri, Version, uri::Scheme};

pub use refusal::DoorRefusal;
pub use site::Site;

/// Checks a request by its head.
///
/// # Errors
/// When it could be read in two ways, is for another site, or asks for what no gateway does.
pub fn check<B>(request: &Request<B>, site: &Site) -> Result<(), DoorRefusal> {
    method(request.method(), request.extensions())?;
    target(request.uri(), request.version(), site)?;
    path::check(request.uri().path())?;
    if let Some(query) = request.uri().query() {
        path::check_query(query)?;
    }
    headers::check(request)
}

fn method(method: &Method, extensions: &http::Extensions) -> Result<(), DoorRefusal> {
    match *method {
        Method::GET | Method::POST | Method::HEAD | Method::PUT | Method::DELETE => Ok(()),
        Method::CONNECT if extensions.get::<hyper::ext::Protocol>().is_some() => {
            Err(DoorRefusal::Upgrade)
        }
        Method::CONNECT => Err(DoorRefusal::Connect),
        Method::TRACE => Err(DoorRefusal::Trace),
        ref other => match other.as_str() {
            "TRACK" => Err(DoorRefusal::Trace),
            // The names of methods are read with regard to case here, and not everywhere behind.
            name if name.bytes().any(|byte| byte.is_ascii_lowercase()) => Err(DoorRefusal::Method),
            _ => Ok(()),
        },
    }
}

/// Origin form, or the absolute form of this site. HTTP/2 has only one form; its authority is what
/// `Host` is elsewhere, and no more trusted.
fn target(uri: &Uri, version: Version, site: &Site) -> Result<(), DoorRefusal> {
    if uri.path() == "*" {
        return Err(DoorRefusal::Asterisk);
    }
    let Some(authority) = uri.authority() else {
        return Ok(());
    };
    let Some(scheme) = uri.scheme() else {
        return Err(DoorRefusal::AuthorityForm);
    };
    if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
        return Err(DoorRefusal::OtherSite);
    }
    if authority.as_str().contains('@') {
        return Err(DoorRefusal::Host("carries a user name"));
    }
    if version < Version::HTTP_2 && !site.is(authority) {
        return Err(DoorRefusal::OtherSite);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
