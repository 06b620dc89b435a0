//! The client, and how one is put together.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Weak},
};

use farthing_core::{
    bounds,
    domain::{budgets::Budgets, receipts::Receipts},
    header::accept_payment::{AcceptPayment, Range, Weight},
    intent::{charge, session},
    port::{backend::Backend, clock::Clock, payer::Payer, session_payer::SessionPayer},
    value::{PaymentId, Realm},
};
use http::{HeaderValue, Method};

use crate::{
    approve::{Approver, Ask, Asking, Onlooker},
    error::{BuildError, Error},
    fetch::RequestBuilder,
    options::Options,
    outgoing::Book,
    pay::payment_id,
    policy::{Policy, UseSessions},
    session::{Keepers, Purses},
    work::Works,
};

/// Pays for what it fetches, within a policy. Cloning it is cheap, and clones share everything.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

/// What clones of a client share.
pub(crate) struct Inner {
    /// Itself, for work that goes on beside a call.
    pub(crate) me: Weak<Inner>,
    /// Tells this client's work from that of other processes on the same store.
    pub(crate) id: PaymentId,
    pub(crate) payers: Vec<Arc<dyn Payer>>,
    pub(crate) session_payers: Vec<Arc<dyn SessionPayer>>,
    pub(crate) purses: Purses,
    pub(crate) keepers: Keepers,
    pub(crate) policy: Policy,
    pub(crate) options: Options,
    pub(crate) approver: Approver,
    pub(crate) onlooker: Onlooker,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) book: Book,
    pub(crate) receipts: Receipts,
    pub(crate) budgets: Budgets,
    pub(crate) works: Works,
    pub(crate) accept: HeaderValue,
    pub(crate) http: reqwest::Client,
    /// What opens sockets. It is made when the first one is.
    #[cfg(feature = "websocket")]
    dialer: std::sync::OnceLock<reqwest::Client>,
}

#[cfg(feature = "websocket")]
impl Inner {
    /// What opens sockets: they need HTTP/1.1, which a server need not choose where HTTP/2 is offered.
    pub(crate) fn dialer(&self) -> Result<reqwest::Client, Error> {
        if let Some(dialer) = self.dialer.get() {
            return Ok(dialer.clone());
        }
        let dialer = crate::dial::http_builder()
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .build()
            .map_err(|error| Error::Transport(error.into()))?;
        Ok(self.dialer.get_or_init(|| dialer).clone())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("accept", &self.inner.accept)
            .field("policy", &self.inner.policy)
            .field("approver", &self.inner.approver)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client to be put together.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A GET.
    pub fn get(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A POST.
    pub fn post(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// Any request.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        RequestBuilder::new(self.clone(), method, url.as_ref())
    }

    /// The receipts that are kept.
    #[must_use]
    pub fn receipts(&self) -> &Receipts {
        &self.inner.receipts
    }
}

/// What a client is made of. A part that is missing is an error when it is built.
#[derive(Default)]
pub struct ClientBuilder {
    payers: Vec<Arc<dyn Payer>>,
    session_payers: Vec<Arc<dyn SessionPayer>>,
    policy: Policy,
    options: Options,
    approver: Approver,
    onlooker: Onlooker,
    backend: Option<Arc<dyn Backend>>,
    clock: Option<Arc<dyn Clock>>,
    http: Option<reqwest::ClientBuilder>,
    #[cfg(feature = "websocket")]
    socket_http: Option<reqwest::ClientBuilder>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("policy", &self.policy)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Adds something to pay with. Of two payers of a method, the first that can pay does.
    #[must_use]
    pub fn payer(mut self, payer: impl Payer) -> Self {
        self.payers.push(Arc::new(payer));
        self
    }

    /// Adds something to pay with that is shared.
    #[must_use]
    pub fn shared_payer(mut self, payer: Arc<dyn Payer>) -> Self {
        self.payers.push(payer);
        self
    }

    /// Adds something to keep channels with. Of two of a method, the first that can pay does.
    #[must_use]
    pub fn session_payer(mut self, payer: Arc<dyn SessionPayer>) -> Self {
        self.session_payers.push(payer);
        self
    }

    /// What may be spent. Without one, the small defaults of [`Policy`] hold.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Where payments, budgets and receipts are kept.
    #[must_use]
    pub fn backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// What tells the time.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Times and bounds.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Whom to ask before each payment. It is asked after the policy allowed the payment and its
    /// amount was reserved.
    #[must_use]
    pub fn approve<F, T>(mut self, ask: F) -> Self
    where
        F: Fn(Ask) -> T + Send + Sync + 'static,
        T: Future<Output = bool> + Send + 'static,
    {
        self.approver = Approver(Some(Arc::new(Asking(ask))));
        self
    }

    /// Whom to tell that another program on the same store is opening the channel that a request waits
    /// for, perhaps because it asks somebody whether to: once for each request, after two looks at the
    /// store.
    #[must_use]
    pub fn while_another_opens<F>(mut self, tell: F) -> Self
    where
        F: Fn(&Realm) + Send + Sync + 'static,
    {
        self.onlooker = Onlooker(Some(Arc::new(tell)));
        self
    }

    /// The HTTP client to build on: its TLS, proxies, certificates and headers. Its redirect policy
    /// is replaced, because a credential must not follow one. Without TLS among the features of
    /// `reqwest`, only loopback can be paid.
    #[must_use]
    pub fn http(mut self, http: reqwest::ClientBuilder) -> Self {
        self.http = Some(http);
        self
    }

    /// The HTTP client that opens WebSockets. Over TLS it has to be one of HTTP/1.1 only. Where none is
    /// given, the one of [`http`](Self::http) opens them, and where there is none either, one that is right
    /// for it.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn socket_http(mut self, http: reqwest::ClientBuilder) -> Self {
        self.socket_http = Some(http);
        self
    }

    /// Puts the client together.
    ///
    /// # Errors
    /// When a part is missing, or two do not fit.
    pub fn build(self) -> Result<Client, BuildError> {
        if self.payers.is_empty() && self.session_payers.is_empty() {
            return Err(BuildError::NoPayer);
        }
        self.options.check()?;
        let backend = self.backend.ok_or(BuildError::NoBackend)?;
        let clock = self.clock.ok_or(BuildError::NoClock)?;
        // The days of the price's unit and the fee's are counted beside them.
        if self.policy.budgets_at_once() + 2 > bounds::DEBITS {
            return Err(BuildError::Budgets);
        }
        #[cfg(feature = "websocket")]
        let is_chosen = self.http.is_some();
        let http = self
            .http
            .unwrap_or_else(crate::dial::http_builder)
            .redirect(reqwest::redirect::Policy::none());
        crate::dial::provide_crypto();
        let id = payment_id().map_err(|_: Error| BuildError::Randomness)?;
        let http = http.build().map_err(BuildError::Http)?;
        #[cfg(feature = "websocket")]
        let dialer = match self.socket_http {
            Some(chosen) => {
                let chosen = chosen.redirect(reqwest::redirect::Policy::none());
                Some(chosen.build().map_err(BuildError::Http)?)
            }
            None => is_chosen.then(|| http.clone()),
        };
        let inner = Arc::new_cyclic(|me| Inner {
            me: me.clone(),
            id,
            accept: accept(&self.payers, &self.session_payers, &self.policy),
            payers: self.payers,
            session_payers: self.session_payers,
            purses: Purses::new(Arc::clone(&backend)),
            keepers: Keepers::default(),
            policy: self.policy,
            options: self.options,
            approver: self.approver,
            onlooker: self.onlooker,
            clock,
            book: Book::new(Arc::clone(&backend)),
            receipts: Receipts::new(Arc::clone(&backend)),
            budgets: Budgets::new(backend),
            works: Works::default(),
            http,
            #[cfg(feature = "websocket")]
            dialer: dialer.map(std::sync::OnceLock::from).unwrap_or_default(),
        });
        Ok(Client { inner })
    }
}

/// What the payers can pay, the preferred first and with more weight.
fn accept(
    payers: &[Arc<dyn Payer>],
    session_payers: &[Arc<dyn SessionPayer>],
    policy: &Policy,
) -> HeaderValue {
    let charges = payers.iter().map(|payer| (payer.method(), charge::id()));
    let sessions = session_payers
        .iter()
        .filter(|_| policy.uses_sessions() != UseSessions::Never);
    let sessions = sessions.map(|payer| (payer.method(), session::id()));
    let mut kinds: Vec<_> = charges
        .chain(sessions)
        .map(|(method, intent)| (method.clone(), intent))
        .collect();
    kinds.sort_by_key(|(method, _)| policy.method_rank(method));
    kinds.dedup();
    let least = kinds.last().map_or(0, |(last, _)| policy.method_rank(last));
    let ranges = kinds.into_iter().map(|(method, intent)| {
        let weight = 1000 - 100 * policy.method_rank(&method).min(9).min(least);
        Range {
            weight: Weight::from_thousandths(u16::try_from(weight).unwrap_or(1000)),
            method: Some(method),
            intent: Some(intent),
        }
    });
    let text = AcceptPayment::new(ranges.collect()).to_string();
    HeaderValue::try_from(text).expect("methods and intents are letters, digits and hyphens")
}
