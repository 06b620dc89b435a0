//! The same client as a middleware for `reqwest-middleware`.

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientWithMiddleware, Error as ChainError, Middleware, Next};

use crate::{
    carry::Chain,
    client::Client,
    error::{BuildError, Error},
};

/// Pays for what passes through a `reqwest-middleware` chain.
///
/// The response carries an [`Outlay`](crate::Outlay) among its extensions when it was paid for,
/// and so do the extensions of the chain; a [`Bill`](crate::Bill) as well where it was paid for out of a
/// channel. An error of ours is a
/// [`ChainError::Middleware`] that holds an [`Error`].
///
/// A request whose body cannot be cloned passes as long as it is free; asked to pay, it fails
/// before anything is signed.
///
/// ```no_run
/// use farthing_client::{Client, Outlay, PaymentMiddleware};
/// use reqwest_middleware::ClientBuilder;
///
/// # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
/// let http = ClientBuilder::new(http).with(PaymentMiddleware::without_redirects(client)).build();
/// let answer = http.get("https://api.example.com/weather").send().await?;
/// if let Some(paid) = answer.extensions().get::<Outlay>() {
///     println!("it cost {}", paid.price());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct PaymentMiddleware {
    client: Client,
    leaves_redirects: bool,
}

impl PaymentMiddleware {
    /// For a chain whose HTTP client follows redirects by itself, or may do so. Such a client
    /// drops `Authorization` when it leaves an origin and knows no other header to drop, so
    /// challenges that want `Payment-Authorization` are not paid.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self {
            client,
            leaves_redirects: false,
        }
    }

    /// For a chain whose HTTP client was built with `redirect::Policy::none()`. Redirects are then
    /// followed here.
    #[must_use]
    pub const fn without_redirects(client: Client) -> Self {
        Self {
            client,
            leaves_redirects: true,
        }
    }
}

impl Client {
    /// A chain with nothing in it but this client, over an HTTP client without redirects.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn into_middleware(
        self,
        http: reqwest::ClientBuilder,
    ) -> Result<ClientWithMiddleware, BuildError> {
        let http = http
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(BuildError::Http)?;
        let ours = PaymentMiddleware::without_redirects(self);
        Ok(reqwest_middleware::ClientBuilder::new(http)
            .with(ours)
            .build())
    }
}

#[async_trait]
impl Middleware for PaymentMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let leaves_redirects = self.leaves_redirects;
        let mut chain = Chain {
            next,
            extensions,
            leaves_redirects,
        };
        let answered = self
            .client
            .inner
            .run(&mut chain, request)
            .await
            .map_err(chain_error)?;
        let mut response = answered.response;
        if let Some(bill) = answered.bill {
            extensions.insert(bill.clone());
            response.extensions_mut().insert(bill);
        }
        if let Some(outlay) = answered.outlay {
            extensions.insert(outlay.clone());
            response.extensions_mut().insert(outlay);
        }
        Ok(response)
    }
}

/// What failed further down the chain is handed up as it was.
fn chain_error(error: Error) -> ChainError {
    match error {
        Error::Transport(source) => match source.downcast::<ChainError>() {
            Ok(below) => *below,
            Err(source) => ChainError::middleware(Error::Transport(source)),
        },
        error => ChainError::middleware(error),
    }
}
