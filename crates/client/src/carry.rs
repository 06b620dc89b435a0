//! How a request gets to its server: by our own HTTP client, or by the rest of a middleware chain.

use std::future::Future;

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::Next;

use crate::error::TransportError;

/// Sends one request and follows nothing.
pub(crate) trait Carrier: Send {
    /// Sends it.
    fn carry(
        &mut self,
        request: Request,
    ) -> impl Future<Output = Result<Response, TransportError>> + Send;

    /// Whether redirects are certainly left to us. Where they are not, a credential must stand in
    /// a header that every HTTP client drops when it leaves the origin.
    fn leaves_redirects(&self) -> bool;

    /// Whether the answer only takes the payment, and what is bought comes after it.
    fn goes_on(&self) -> bool {
        false
    }
}

/// Our own HTTP client, built without redirects.
pub(crate) struct Direct<'a>(pub(crate) &'a reqwest::Client);

impl Carrier for Direct<'_> {
    async fn carry(&mut self, request: Request) -> Result<Response, TransportError> {
        self.0
            .execute(request)
            .await
            .map_err(|error| error.without_url().into())
    }

    fn leaves_redirects(&self) -> bool {
        true
    }
}

/// The rest of a middleware chain.
pub(crate) struct Chain<'a, 'n> {
    pub(crate) next: Next<'n>,
    pub(crate) extensions: &'a mut Extensions,
    pub(crate) leaves_redirects: bool,
}

impl Carrier for Chain<'_, '_> {
    async fn carry(&mut self, request: Request) -> Result<Response, TransportError> {
        self.next
            .clone()
            .run(request, self.extensions)
            .await
            .map_err(TransportError::from)
    }

    fn leaves_redirects(&self) -> bool {
        self.leaves_redirects
    }
}
