//! WebSockets that are paid for on the connection itself.
//!
//! No draft says how payments look there; two forms of messages are in use
//! ([`farthing_core::noun::socket`]), and both are spoken. The address is asked over HTTP first. A
//! seller that asks to be paid there is paid in the form whose buyers do that; of one that does not, and
//! of one that shows on the socket what it asks for, the other form is spoken.
//!
//! What holds of a stream of events holds of a socket: the policy's cap on one request is what one socket
//! may cost; what a voucher says is counted in the store before it leaves; a seller that asks and
//! delivers nothing is not paid any further; and a socket that breaks leaves what was counted for it,
//! which the next receipt corrects.

mod dial;
mod fault;
mod line;
mod talk;

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
};

use farthing_core::{
    bounds,
    intent::session::SESSION,
    noun::socket::{Form, FromBuyer},
};
use futures_core::Stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use tokio::sync::mpsc;
use url::Url;

pub use fault::{Goodbye, SocketFault};

use self::{
    line::{Line, Place},
    talk::{Ears, Talk},
};
use super::{bill::Bill, fault::SessionFault, offer::SessionChoice, tab::Tab};
use crate::{
    client::{Client, Inner},
    error::{Error, PayerFault, Refused, RequestFault, TransportError},
    response::Outlay,
    target::Target,
};

/// Messages that are read ahead of whoever reads them, and said ahead of the seller.
const AHEAD: usize = 4;

impl Client {
    /// A WebSocket, which is paid for while it is read. `.await` opens it.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use farthing_client::{Client, Policy};
    /// # use farthing_core::{memory::MemoryBackend, value::{Amount, CurrencyCode, Secret, Timestamp}};
    /// # use farthing_ledger::{
    /// #     AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, LedgerSessionPayer,
    /// #     LedgerSessions, TransferId,
    /// # };
    /// # use farthing_server::{Gate, Route, session::{Metering, Piece, socket::{Heard, PaidSocket}}};
    /// # use farthing_testkit::clock::FakeClock;
    /// # use futures_util::{Stream, StreamExt};
    ///
    /// # fn echo(heard: Heard) -> impl Stream<Item = Result<Piece<String>, std::io::Error>> {
    /// #     heard.map(|value| Ok(Piece::new(1, value.as_str().unwrap_or_default().to_uppercase())))
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
    /// # let key = AccountKey::from_seed(KeyType::Ed25519, [1; 32])?;
    /// # let seller = AccountKey::from_seed(KeyType::Ed25519, [2; 32])?;
    /// # let shop = Arc::new(MemoryBackend::new());
    /// # Accounts::new(shop.clone(), Currencies::default())
    /// #     .deposit(&Funding {
    /// #         id: TransferId::new("opening")?,
    /// #         account: key.account().clone(),
    /// #         currency: CurrencyCode::new("usd6")?,
    /// #         amount: Amount::new(5_000_000),
    /// #         at: Timestamp::from_secs(1_800_000_000),
    /// #     })
    /// #     .await?;
    /// # let ledger = Ledger::new(seller.account().clone());
    /// # let gate = Gate::builder()
    /// #     .realm("127.0.0.1")
    /// #     .secret(Secret::new(vec![7; 32]))
    /// #     .store(shop.clone())
    /// #     .clock(clock.clone())
    /// #     .session(Arc::new(LedgerSessions::new(ledger, shop, clock.clone())))
    /// #     .build()?;
    /// # let by_word = Route::metered(Metering::by_use("$0.001", "word")?);
    /// # let app = axum::Router::new().route_service("/talk", PaidSocket::new(&gate, by_word, echo)?);
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let url = format!("ws://{}/talk", listener.local_addr()?);
    /// # let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    /// # tokio::spawn(async move { axum::serve(listener, app).await });
    /// # let client = Client::builder()
    /// #     .session_payer(Arc::new(LedgerSessionPayer::new(key)))
    /// #     .policy(Policy::new().max_per_request("$0.01".parse()?))
    /// #     .backend(Arc::new(MemoryBackend::new()))
    /// #     .clock(clock)
    /// #     .build()?;
    /// let mut socket = client.socket(&url).await?;
    /// socket.send("roses").await?;
    /// assert_eq!(socket.message().await?.as_deref(), Some("ROSES"));
    /// socket.send("are red").await?;
    /// assert_eq!(socket.message().await?.as_deref(), Some("ARE RED"));
    ///
    /// let bill = socket.close().await;
    /// assert_eq!(bill.currency().display(bill.cost()), "0.002 USD");
    /// # Ok(()) }
    /// ```
    pub fn socket(&self, url: impl AsRef<str>) -> SocketRequest {
        let url = url.as_ref().parse().map_err(TransportError::from);
        SocketRequest {
            client: self.clone(),
            url: url.and_then(over_http),
            headers: HeaderMap::new(),
            form: None,
        }
    }
}

/// A socket that is to be opened.
#[derive(Debug)]
#[must_use = "a socket is opened when it is awaited"]
pub struct SocketRequest {
    client: Client,
    url: Result<Url, TransportError>,
    headers: HeaderMap,
    form: Option<Form>,
}

impl SocketRequest {
    /// Adds a header to the request that opens the socket.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<TransportError>>,
        V: TryInto<HeaderValue, Error: Into<TransportError>>,
    {
        let field = name
            .try_into()
            .map_err(Into::into)
            .and_then(|name| Ok((name, value.try_into().map_err(Into::into)?)));
        match field {
            Ok((name, value)) => {
                self.headers.append(name, value);
            }
            Err(error) => self.url = self.url.and(Err(error)),
        }
        self
    }

    /// Adds headers to it.
    pub fn headers(mut self, headers: &HeaderMap) -> Self {
        for (name, value) in headers {
            self.headers.append(name, value.clone());
        }
        self
    }

    /// Speaks a form of messages, where the seller's is known. Otherwise it is found out.
    pub const fn form(mut self, form: Form) -> Self {
        self.form = Some(form);
        self
    }

    /// Opens the socket, and pays for what comes first.
    ///
    /// # Errors
    /// Each of [`Error`], as of a request that is paid for.
    pub async fn open(self) -> Result<Socket, Error> {
        let url = self.url.map_err(RequestFault::Build)?;
        self.client.inner.socket(url, self.headers, self.form).await
    }
}

impl IntoFuture for SocketRequest {
    type Output = Result<Socket, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// A socket that is paid for while it is read: a stream of what its seller says. Dropped, it asks for its
/// last receipt and is paid for no further; [`close`](Self::close) waits for that.
#[derive(Debug)]
pub struct Socket {
    heard: mpsc::Receiver<Result<String, Error>>,
    said: mpsc::Sender<Value>,
    form: Form,
    bill: Bill,
    outlay: Outlay,
}

impl Socket {
    /// The next message; `None` after the last one. Whether that was the end is in the bill:
    /// [`Bill::cut`].
    ///
    /// # Errors
    /// When the socket breaks, or nothing more is signed for it. What came is paid for.
    pub async fn message(&mut self) -> Result<Option<String>, Error> {
        self.heard.recv().await.transpose()
    }

    /// Says something to the service. It pays for nothing by itself.
    ///
    /// # Errors
    /// When the message is too large or would be read as one about payments, or the socket is over.
    pub async fn send(&self, message: impl Into<Value>) -> Result<(), Error> {
        let own = FromBuyer::Own(message.into());
        let text = own.to_text(self.form);
        let fault = match FromBuyer::read(&text) {
            _ if text.len() > bounds::SOCKET_MESSAGE => SocketFault::TooLarge,
            // One form wraps what is the service's own, and in the other it stands as it is.
            Ok((Some(Form::Type), FromBuyer::Own(_))) if self.form == Form::Type => {
                return self.hand(own).await;
            }
            Ok((None, FromBuyer::Own(_))) => return self.hand(own).await,
            _ => SocketFault::Scheme,
        };
        Err(SessionFault::Socket(fault).into())
    }

    async fn hand(&self, own: FromBuyer) -> Result<(), Error> {
        let FromBuyer::Own(value) = own else {
            return Ok(());
        };
        let sent = self.said.send(value).await;
        sent.map_err(|_| SessionFault::Socket(SocketFault::Over).into())
    }

    /// What it costs, while it is read.
    #[must_use]
    pub const fn bill(&self) -> &Bill {
        &self.bill
    }

    /// What was paid to open it, and out of what.
    #[must_use]
    pub const fn paid(&self) -> &Outlay {
        &self.outlay
    }

    /// Which form of messages is spoken.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Ends it, and waits for its last receipt. What it cost is in the store by then; its channel stays open
    /// for what is bought next.
    pub async fn close(self) -> Bill {
        let bill = self.bill.clone();
        drop(self);
        bill.closed().await;
        bill
    }
}

impl Stream for Socket {
    type Item = Result<String, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.heard.poll_recv(context)
    }
}

impl fmt::Debug for Tab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tab").finish_non_exhaustive()
    }
}

impl Inner {
    async fn socket(
        &self,
        url: Url,
        headers: HeaderMap,
        form: Option<Form>,
    ) -> Result<Socket, Error> {
        let target = Target::new(Method::GET, url.clone());
        // What is free needs no client that pays: here, what cannot be paid is not asked either.
        if !target.is_private() {
            return Err(Refused::PlainHttp(target.host().into()).into());
        }
        if self.session_payers.is_empty() {
            return Err(PayerFault::Intent(SESSION.into()).into());
        }
        let probe = line::probe(&url, &headers, &self.accept);
        let asked = probe.try_clone().ok_or(RequestFault::BodyOnce)?;
        let over_http = match self.ask_unpaid(asked).await {
            Ok(response) => self.sessions_offered(&target, response.headers()),
            // Who answers nothing else may open a socket all the same.
            Err(_) => Err(None),
        };
        let has_http = !matches!(over_http, Err(None));
        let place = Place {
            dialer: self.dialer()?,
            http: self.http.clone(),
            url,
            headers,
            within: self.options.answer_within,
            has_http,
        };
        let guess = if has_http { Form::Mpp } else { Form::Type };
        let mut line = Line::new(place, form.unwrap_or(guess));
        let choices = match over_http {
            Ok(choices) => choices,
            Err(Some(error)) => return Err(error),
            Err(None) => self.greeted(&mut line, &target).await?,
        };
        let choice = self.session_to_use(choices, false).await?;
        let choice = choice.ok_or_else(|| PayerFault::Intent(SESSION.into()))?;
        if self.policy.is_dry() {
            return Err(SessionFault::Socket(SocketFault::Dry).into());
        }
        let bought = self.buy(&mut line, &probe, &target, choice).await?;
        let (Some(tab), Some(outlay)) = (bought.tab, bought.outlay) else {
            if let Some(status) = line.plain {
                return Err(SessionFault::Socket(SocketFault::Plain(status)).into());
            }
            let trouble = bought.bill.and_then(|bill| bill.trouble());
            let why = trouble.unwrap_or_else(|| "the server's answer is none".into());
            return Err(SessionFault::Socket(SocketFault::Ended(why)).into());
        };
        Ok(open(line, *tab, outlay))
    }

    /// What a seller asks for on the line itself.
    async fn greeted(&self, line: &mut Line, target: &Target) -> Result<Vec<SessionChoice>, Error> {
        let challenge = line.greeting().await.map_err(SessionFault::Socket)?;
        let offered = self.sessions_offered(target, &line::asked(&challenge));
        offered.map_err(|error| {
            error.unwrap_or_else(|| SessionFault::Socket(SocketFault::Unasked).into())
        })
    }
}

fn open(line: Line, tab: Tab, outlay: Outlay) -> Socket {
    let (send, heard) = mpsc::channel(AHEAD);
    let (said, says) = mpsc::channel(AHEAD);
    let socket = Socket {
        heard,
        said,
        form: line.form,
        bill: tab.bill.clone(),
        outlay,
    };
    let talk = Talk {
        tab,
        line,
        heard: send,
        said: says,
        ears: Ears::default(),
    };
    tokio::spawn(talk.run());
    socket
}

/// The address over HTTP: where a socket is asked for, and what is asked there is paid.
fn over_http(url: Url) -> Result<Url, TransportError> {
    let scheme = match url.scheme() {
        "ws" | "http" => "http",
        "wss" | "https" => "https",
        other => return Err(format!("{other} is no scheme of a WebSocket").into()),
    };
    let mut url = url;
    url.set_fragment(None);
    // Both are special schemes, between which an address can be moved.
    let moved = url.set_scheme(scheme);
    moved.map_err(|()| "the address is none of a WebSocket".to_owned())?;
    Ok(url)
}
