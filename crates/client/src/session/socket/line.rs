//! The line to a seller: messages of the scheme over one WebSocket at a time.
//!
//! While it is being paid for, it is a way for requests like any other: each brings a credential, and
//! what the seller says to that is its answer. So all that holds of openings, vouchers and refusals
//! over HTTP holds here. A line that a seller closes over a refusal is opened again for the next
//! credential.

use std::{collections::VecDeque, time::Duration};

use farthing_core::{
    bounds,
    header::{
        ACCEPT_PAYMENT, MONEY_MOVED, PAYMENT_AUTHORIZATION, PAYMENT_RECEIPT, PROBLEM_JSON,
        payment_receipt, www_authenticate,
    },
    noun::{
        Challenge, Receipt,
        problem::Problem,
        socket::{Form, FromBuyer, FromSeller, SocketError},
    },
    value::Secret,
};
use futures_util::{SinkExt, StreamExt};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use reqwest::{Client, Request, Response, ResponseBuilderExt as _};
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as WireError, Message};
use url::Url;

use super::{
    dial::{Wire, dial},
    fault::{Goodbye, SocketFault},
};
use crate::{
    carry::{Carrier, Direct},
    error::{Said, TransportError},
};

/// Messages that are held while the seller has not taken the payment yet, and their bytes.
const HELD: usize = 256;
const HELD_BYTES: usize = bounds::EVENT;

/// How long the other side may take nothing of what is written.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a seller that refused something may take to say more.
const EXCUSED: Duration = Duration::from_secs(5);

/// What a refusal is, where its seller does not say.
pub(super) const UNPAID: u16 = StatusCode::PAYMENT_REQUIRED.as_u16();

/// Where a line goes, and how.
pub(super) struct Place {
    /// What dials: WebSockets need HTTP/1.1.
    pub(super) dialer: Client,
    /// What asks over HTTP.
    pub(super) http: Client,
    /// The address, as one of HTTP.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// How long an opening may take.
    pub(super) within: Duration,
    /// Whether the address answers over HTTP as well, and asked to be paid there.
    pub(super) has_http: bool,
}

/// The line.
pub(super) struct Line {
    place: Place,
    pub(super) form: Form,
    wire: Option<Wire>,
    /// Whether the seller showed on this connection what it asks for.
    is_greeted: bool,
    /// Whether the credential was said in the wrong form first.
    said_twice: bool,
    early: VecDeque<FromSeller>,
    early_bytes: usize,
    /// With what the address was answered, where no line could be opened.
    pub(super) plain: Option<StatusCode>,
}

/// What was heard.
pub(super) enum Heard {
    /// A message of the scheme.
    Said(FromSeller),
    /// One that cannot be read, and may be passed over.
    Odd(SocketError),
    /// That the other side is there.
    Alive,
}

impl Line {
    pub(super) fn new(place: Place, form: Form) -> Self {
        Self {
            place,
            form,
            wire: None,
            is_greeted: false,
            said_twice: false,
            early: VecDeque::new(),
            early_bytes: 0,
            plain: None,
        }
    }

    /// Waits for what the seller asks for by itself.
    pub(super) async fn greeting(&mut self) -> Result<Challenge, SocketFault> {
        self.connect().await?;
        let within = PATIENCE.min(self.place.within);
        let waiting = async {
            loop {
                match self.read().await? {
                    Heard::Said(FromSeller::Challenge { challenge, .. }) => return Ok(*challenge),
                    Heard::Said(FromSeller::Error { message, .. }) => return Err(ended(&message)),
                    Heard::Odd(error) => return Err(SocketFault::Garbage(error)),
                    // What comes unasked is not paid for.
                    Heard::Said(_) => return Err(SocketFault::Unasked),
                    Heard::Alive => {}
                }
            }
        };
        let waiting = timeout(within, waiting).await;
        let challenge = waiting.map_err(|_| SocketFault::Silent)??;
        self.is_greeted = true;
        Ok(challenge)
    }

    async fn connect(&mut self) -> Result<(), SocketFault> {
        if self.wire.is_some() {
            return Ok(());
        }
        let Place {
            dialer,
            url,
            headers,
            within,
            ..
        } = &self.place;
        let dialing = timeout(*within, dial(dialer, url, headers)).await;
        self.wire = Some(dialing.map_err(|_| SocketFault::Silent)??);
        self.is_greeted = false;
        self.said_twice = false;
        Ok(())
    }

    /// What the seller says next.
    pub(super) async fn hear(&mut self) -> Result<Heard, SocketFault> {
        match self.early.pop_front() {
            Some(said) => Ok(Heard::Said(said)),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<Heard, SocketFault> {
        let wire = self.wire.as_mut().ok_or(SocketFault::Over)?;
        let message = match wire.next().await {
            None => Err(SocketFault::Closed(Goodbye::default())),
            Some(Err(error)) => Err(broken(error)),
            Some(Ok(Message::Close(frame))) => {
                let goodbye = frame.map(|frame| (frame.code.into(), frame.reason.as_str().into()));
                Err(SocketFault::Closed(Goodbye(goodbye)))
            }
            Some(Ok(Message::Text(text))) => Ok(FromSeller::read(text.as_str())),
            Some(Ok(Message::Binary(_))) => Ok(Err(SocketError::Unknown)),
            Some(Ok(_)) => return Ok(Heard::Alive),
        };
        match message {
            Ok(Ok((_, said))) => Ok(Heard::Said(said)),
            Ok(Err(
                error @ (SocketError::TooLarge | SocketError::Json(_) | SocketError::Missing(_)),
            )) => {
                self.wire = None;
                Err(SocketFault::Garbage(error))
            }
            Ok(Err(error)) => Ok(Heard::Odd(error)),
            Err(fault) => {
                self.wire = None;
                Err(fault)
            }
        }
    }

    /// Says something.
    pub(super) async fn say(&mut self, said: &FromBuyer) -> Result<(), SocketFault> {
        let text = said.to_text(self.form);
        self.write(Message::text(text)).await
    }

    /// Asks whether the other side is there.
    pub(super) async fn ping(&mut self) -> Result<(), SocketFault> {
        self.write(Message::Ping(Vec::new().into())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), SocketFault> {
        let wire = self.wire.as_mut().ok_or(SocketFault::Over)?;
        let written = timeout(PATIENCE, wire.send(message)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            // Whatever it said before it closed is still there to be read.
            Ok(Err(error)) => Err(broken(error)),
            Err(_) => Err(SocketFault::Silent),
        }
    }

    /// Says goodbye.
    pub(super) async fn close(&mut self) {
        if let Some(wire) = &mut self.wire {
            // One that is gone needs none.
            let _ = timeout(Duration::from_secs(5), wire.close(None)).await;
        }
    }

    /// Says a credential, and waits for what the seller says to it.
    async fn pay(&mut self, request: &Request) -> Result<Response, SocketFault> {
        let headers = request.headers();
        let credential = headers.get(AUTHORIZATION);
        let credential = credential.or_else(|| headers.get(PAYMENT_AUTHORIZATION));
        let credential = credential.map(|value| Secret::new(value.as_bytes()));
        let credential = FromBuyer::Credential(credential.ok_or(SocketFault::Unasked)?);
        self.connect().await?;
        self.say(&credential).await?;
        let mut excused: Option<String> = None;
        loop {
            let heard = match &excused {
                None => self.read().await?,
                Some(message) => match timeout(EXCUSED, self.read()).await {
                    Ok(heard) => heard?,
                    Err(_) => return refused(request, UNPAID, Some(message), None),
                },
            };
            match heard {
                Heard::Said(FromSeller::Receipt(receipt)) => return taken(request, Some(&receipt)),
                Heard::Said(FromSeller::CloseReady(receipt)) => {
                    self.hold(FromSeller::CloseReady(receipt.clone()))?;
                    return taken(request, Some(&receipt));
                }
                Heard::Odd(SocketError::Receipt(_)) => return taken(request, None),
                Heard::Said(FromSeller::Challenge { challenge, error }) => {
                    let is_greeting = !std::mem::replace(&mut self.is_greeted, true);
                    if is_greeting && error.is_none() {
                        // It was said on the way here. Who says it speaks the form that has a word for it.
                        if std::mem::replace(&mut self.form, Form::Type) == Form::Mpp {
                            self.said_twice = true;
                            self.say(&credential).await?;
                        }
                        continue;
                    }
                    return refused(request, UNPAID, error.as_deref(), Some(&challenge));
                }
                // It may be what it says to the same in the form that it does not speak.
                Heard::Said(FromSeller::Error { message, .. })
                    if std::mem::take(&mut self.said_twice) =>
                {
                    excused = Some(message);
                }
                Heard::Said(FromSeller::Error { status, message }) => {
                    self.wire = None;
                    return self.why(request, status, &message).await;
                }
                Heard::Said(said) => {
                    self.hold(said)?;
                    // Some sellers say nothing else to a payment that they take.
                    if self.form == Form::Type {
                        return taken(request, None);
                    }
                }
                Heard::Odd(_) | Heard::Alive => {}
            }
        }
    }

    /// Keeps what came before the payment was known to be taken.
    fn hold(&mut self, said: FromSeller) -> Result<(), SocketFault> {
        if let FromSeller::Message(text) = &said {
            self.early_bytes += text.len();
        }
        self.early.push_back(said);
        match self.early.len() > HELD || self.early_bytes > HELD_BYTES {
            true => Err(SocketFault::TooMuch),
            false => Ok(()),
        }
    }

    /// Why a credential was refused: one message says a sentence, and where the same address is asked over
    /// HTTP it says all there is.
    async fn why(
        &mut self,
        request: &Request,
        status: Option<u16>,
        message: &str,
    ) -> Result<Response, SocketFault> {
        let status = status.unwrap_or(UNPAID);
        if self.place.has_http
            && status == UNPAID
            && let Some(mut again) = request.try_clone()
        {
            // Where a voucher comes alone, and a refusal has words.
            *again.method_mut() = Method::POST;
            let mut direct = Direct(&self.place.http);
            let asked = timeout(self.place.within, direct.carry(again)).await;
            if let Ok(Ok(answer)) = asked
                && answer.status() == StatusCode::PAYMENT_REQUIRED
            {
                return Ok(answer);
            }
        }
        refused(request, status, Some(message), None)
    }
}

impl Carrier for Line {
    async fn carry(&mut self, request: Request) -> Result<Response, TransportError> {
        let paid = self.pay(&request).await;
        if paid.is_err() {
            self.wire = None;
        }
        match paid {
            // Nothing was said to anybody, so nothing was charged for it.
            Err(SocketFault::Plain(status)) => {
                self.plain = Some(status);
                let free = [(MONEY_MOVED, HeaderValue::from_static("false"))];
                let status = StatusCode::NOT_IMPLEMENTED.as_u16();
                Ok(answer(
                    &request,
                    status,
                    free.into_iter().collect(),
                    Vec::new(),
                )?)
            }
            paid => Ok(paid?),
        }
    }

    fn leaves_redirects(&self) -> bool {
        true
    }

    fn goes_on(&self) -> bool {
        true
    }
}

/// What has to be asked first, over HTTP.
pub(super) fn probe(url: &Url, headers: &HeaderMap, accept: &HeaderValue) -> Request {
    let mut probe = Request::new(Method::GET, url.clone());
    *probe.headers_mut() = headers.clone();
    probe.headers_mut().insert(ACCEPT_PAYMENT, accept.clone());
    probe
}

/// A challenge that came on a line, as HTTP has it.
pub(super) fn asked(challenge: &Challenge) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(www_authenticate::format(challenge)) {
        headers.insert(WWW_AUTHENTICATE, value);
    }
    headers
}

fn taken(request: &Request, receipt: Option<&Receipt>) -> Result<Response, SocketFault> {
    let mut headers = HeaderMap::new();
    if let Some(receipt) = receipt {
        headers.insert(PAYMENT_RECEIPT, payment_receipt::to_header(receipt));
    }
    answer(request, StatusCode::OK.as_u16(), headers, Vec::new())
}

fn refused(
    request: &Request,
    status: u16,
    message: Option<&str>,
    challenge: Option<&Challenge>,
) -> Result<Response, SocketFault> {
    // Whatever else is wrong with a message is wrong with the payment in it, unless it may pass.
    let passes = StatusCode::from_u16(status).is_ok_and(|status| {
        status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT
                    | StatusCode::CONFLICT
                    | StatusCode::TOO_EARLY
                    | StatusCode::TOO_MANY_REQUESTS
            )
    });
    let status = if passes { status } else { UNPAID };
    told(
        request,
        status,
        message,
        challenge.map(asked).unwrap_or_default(),
    )
}

/// A refusal, as HTTP has it. Some sellers say the problem itself as the message.
fn told(
    request: &Request,
    status: u16,
    message: Option<&str>,
    mut headers: HeaderMap,
) -> Result<Response, SocketFault> {
    let problem = problem(message.unwrap_or("The payment was not taken."), status);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    answer(request, status, headers, problem.into_bytes())
}

fn problem(message: &str, status: u16) -> String {
    match message.starts_with('{') {
        true => message.to_owned(),
        false => json!({ "type": "about:blank", "status": status, "detail": message }).to_string(),
    }
}

/// What a seller says of a voucher that it does not take.
pub(super) fn said(message: &str, status: u16) -> Said {
    Said {
        status: StatusCode::from_u16(status).ok(),
        problem: Problem::parse(problem(message, status).as_bytes(), status).ok(),
    }
}

fn answer(
    request: &Request,
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Response, SocketFault> {
    let mut head = http::Response::builder()
        .status(status)
        .url(request.url().clone());
    if let Some(fields) = head.headers_mut() {
        *fields = headers;
    }
    let answer = head.body(body);
    let answer = answer.map_err(|error| SocketFault::Broken(error.into()))?;
    Ok(Response::from(answer))
}

pub(super) fn ended(message: &str) -> SocketFault {
    let most = message
        .char_indices()
        .nth(SHOWN)
        .map_or(message.len(), |(at, _)| at);
    SocketFault::Ended(message[..most].into())
}

/// Letters of a seller's message that are shown.
const SHOWN: usize = 500;

fn broken(error: WireError) -> SocketFault {
    match error {
        WireError::ConnectionClosed | WireError::AlreadyClosed => {
            SocketFault::Closed(Goodbye::default())
        }
        error => SocketFault::Broken(Box::new(error)),
    }
}
