//! Redirects: where a request goes next, and what it must not take along.

use farthing_core::header::PAYMENT_AUTHORIZATION;
use http::{
    HeaderName, Method, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION,
        PROXY_AUTHORIZATION, TRANSFER_ENCODING,
    },
};
use reqwest::{Request, Response};
use url::Url;

use crate::error::ServerFault;

/// What never leaves the origin it was meant for.
const PRIVATE: [HeaderName; 4] = [
    AUTHORIZATION,
    PAYMENT_AUTHORIZATION,
    COOKIE,
    PROXY_AUTHORIZATION,
];
/// What describes a body, and goes with it.
const BODILY: [HeaderName; 4] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    TRANSFER_ENCODING,
];

/// Whether two URLs are of one origin.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Where a response sends the request, if anywhere.
///
/// # Errors
/// When it names no URL, or leads from TLS to plain HTTP.
pub(crate) fn location(from: &Url, response: &Response) -> Result<Option<Url>, ServerFault> {
    let followed = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(LOCATION).filter(|_| followed) else {
        return Ok(None);
    };
    let text = location.to_str().map_err(|_| ServerFault::Redirect)?;
    let mut to = from.join(text).map_err(|_| ServerFault::Redirect)?;
    let is_http = matches!(to.scheme(), "http" | "https");
    let is_downgrade = from.scheme() == "https" && to.scheme() == "http";
    if !is_http || is_downgrade || !to.has_host() {
        return Err(ServerFault::Redirect);
    }
    if to.fragment().is_none() {
        to.set_fragment(from.fragment());
    }
    Ok(Some(to))
}

/// The request that follows a redirect, or `None` where its body cannot be sent a second time.
pub(crate) fn follow(request: &Request, status: StatusCode, to: Url) -> Option<Request> {
    let becomes_get = match status {
        StatusCode::SEE_OTHER => request.method() != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => request.method() == Method::POST,
        _ => false,
    };
    let mut next = if becomes_get {
        let mut next = Request::new(Method::GET, to.clone());
        *next.headers_mut() = request.headers().clone();
        for name in BODILY {
            next.headers_mut().remove(name);
        }
        *next.timeout_mut() = request.timeout().copied();
        next
    } else {
        request.try_clone()?
    };
    if !same_origin(request.url(), &to) {
        for name in PRIVATE {
            next.headers_mut().remove(name);
        }
    }
    *next.url_mut() = to;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method) -> Request {
        let mut request = Request::new(method, "https://a.example/x".parse().unwrap());
        for name in PRIVATE.iter().chain(&BODILY) {
            request.headers_mut().insert(name, "v".parse().unwrap());
        }
        *request.body_mut() = Some("body".into());
        request
    }

    #[test]
    fn nothing_private_leaves_the_origin() {
        for to in [
            "https://b.example/x",
            "https://a.example:444/x",
            "http://a.example/x",
        ] {
            let to: Url = to.parse().unwrap();
            let next = follow(&request(Method::GET), StatusCode::FOUND, to).unwrap();
            for name in PRIVATE {
                assert!(
                    !next.headers().contains_key(&name),
                    "{name} to {}",
                    next.url()
                );
            }
        }
        let same = "https://a.example:443/y".parse().unwrap();
        let next = follow(&request(Method::GET), StatusCode::FOUND, same).unwrap();
        assert!(PRIVATE.iter().all(|name| next.headers().contains_key(name)));
    }

    #[test]
    fn the_body_goes_along_where_the_status_says_so() {
        let cases = [
            (Method::POST, 303, Method::GET),
            (Method::PUT, 303, Method::GET),
            (Method::HEAD, 303, Method::HEAD),
            (Method::POST, 302, Method::GET),
            (Method::PUT, 302, Method::PUT),
            (Method::POST, 307, Method::POST),
            (Method::POST, 308, Method::POST),
        ];
        for (method, status, expect) in cases {
            let to = "https://a.example/y".parse().unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            let next = follow(&request(method.clone()), status, to).unwrap();
            assert_eq!(next.method(), expect, "{method} {status}");
            assert_eq!(next.body().is_some(), method == expect, "{method} {status}");
            assert_eq!(next.headers().contains_key(CONTENT_TYPE), method == expect);
        }
    }
}
