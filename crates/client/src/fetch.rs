//! A small way to fetch: `client.get(url).send().await`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use crate::{
    carry::Direct,
    client::Client,
    error::{Error, RequestFault, TransportError},
    response::Response,
};

/// A request that is put together.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    client: Client,
    request: Result<reqwest::Request, TransportError>,
}

impl RequestBuilder {
    pub(crate) fn new(client: Client, method: Method, url: &str) -> Self {
        let request = url
            .parse()
            .map(|url: Url| reqwest::Request::new(method, url));
        Self {
            client,
            request: request.map_err(TransportError::from),
        }
    }

    /// Adds a header.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<TransportError>>,
        V: TryInto<HeaderValue, Error: Into<TransportError>>,
    {
        self.request = self.request.and_then(|mut request| {
            let name = name.try_into().map_err(Into::into)?;
            let value = value.try_into().map_err(Into::into)?;
            request.headers_mut().append(name, value);
            Ok(request)
        });
        self
    }

    /// Adds headers.
    pub fn headers(mut self, headers: &HeaderMap) -> Self {
        if let Ok(request) = &mut self.request {
            for (name, value) in headers {
                request.headers_mut().append(name, value.clone());
            }
        }
        self
    }

    /// Sets the body. It is given whole, because a payment sends it a second time.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if let Ok(request) = &mut self.request {
            *request.body_mut() = Some(body.into().into());
        }
        self
    }

    /// Sends the request, and pays for it where that is asked and the policy allows it.
    ///
    /// Dropping the future before it is done may leave a signed payment. It stays pending, and is
    /// sent when the same request is made again, or by [`Client::resume`].
    ///
    /// # Errors
    /// Each of [`Error`]; every one tells whether money moved and what to do.
    pub async fn send(self) -> Result<Response, Error> {
        let inner = &self.client.inner;
        let request = self.request.map_err(RequestFault::Build)?;
        let answered = inner.run(&mut Direct(&inner.http), request).await?;
        Ok(Response::new(answered, &self.client))
    }
}
