//! A request from its first sending to its answer.
//!
//! 1. The request goes out without a payment, with `Accept-Payment`. Redirects are followed; what
//!    is private stays behind when the origin changes.
//! 2. A 402 with a `Payment` challenge is looked at where the redirects ended. If a payment for
//!    this very request is already signed and open, that one is sent, and nothing is signed.
//! 3. Otherwise an offer is chosen, reserved, approved, signed and kept ([`crate::pay`]); what the
//!    payer has to hand to its rail itself is handed over ([`crate::errand`]); and the payment is
//!    sent until its outcome is known ([`crate::present`]). Where a session is offered and is to be
//!    used, the request is paid for out of a channel instead ([`crate::session`]).
//!
//! What a process that dies on the way leaves behind, and what becomes of it, is written down in
//! [`crate::outgoing`].

use farthing_core::header::{
    ACCEPT_PAYMENT,
    authorization::{self, Found},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::{Request, Response};

use crate::{
    carry::Carrier,
    client::Inner,
    error::{Error, PayerFault, RequestFault, ServerFault, TransportError},
    offers::{self, Choice},
    outgoing::{Claimed, Loss, Standing},
    pay::{Ticket, store_error},
    present::Presented,
    redirect,
    response::Outlay,
    session::{Bill, SessionChoice, Tab},
    target::Target,
    work::Taken,
};

/// What a request led to.
pub(crate) struct Answered {
    pub(crate) response: Response,
    pub(crate) outlay: Option<Outlay>,
    pub(crate) plan: Option<Choice>,
    pub(crate) session_plan: Option<SessionChoice>,
    /// What it costs out of a channel.
    pub(crate) bill: Option<Bill>,
    /// The count that goes on, where what is bought comes after the answer.
    pub(crate) tab: Option<Box<Tab>>,
    /// What fetches the answer again, should its body break off.
    pub(crate) again: Option<(Request, (HeaderName, HeaderValue))>,
}

impl Answered {
    pub(crate) fn free(response: Response) -> Self {
        Self {
            response,
            outlay: None,
            plan: None,
            session_plan: None,
            bill: None,
            tab: None,
            again: None,
        }
    }

    pub(crate) fn paid_by(response: Response, outlay: Outlay) -> Self {
        Self {
            outlay: Some(outlay),
            ..Self::free(response)
        }
    }

    pub(crate) fn by_session(
        response: Response,
        outlay: Outlay,
        bill: Bill,
        again: Option<(Request, (HeaderName, HeaderValue))>,
    ) -> Self {
        Self {
            bill: Some(bill),
            again,
            ..Self::paid_by(response, outlay)
        }
    }
}

impl Inner {
    /// Sends a request and pays for it where that is asked and allowed.
    pub(crate) async fn run<C: Carrier>(
        &self,
        carrier: &mut C,
        mut request: Request,
    ) -> Result<Answered, Error> {
        if authorization::find(request.headers()) != Found::None {
            // The caller pays by themselves.
            let response = self.carry(carrier, request).await?;
            return Ok(Answered::free(response));
        }
        request
            .headers_mut()
            .entry(ACCEPT_PAYMENT)
            .or_insert_with(|| self.accept.clone());
        if let Some((target, session)) = self.session_before(carrier, &request).await? {
            return self.buy(carrier, &request, &target, session).await;
        }
        let (request, response) = self.walk(carrier, request).await?;
        let asks = response.status() == StatusCode::PAYMENT_REQUIRED
            && offers::has_challenge(response.headers());
        if !asks {
            return Ok(Answered::free(response));
        }
        let request = request.ok_or(RequestFault::BodyOnce)?;
        let target = Target::of(&request)?;
        if let Some(ticket) = self.open_ticket(&target).await? {
            let ticket = self.run_errand(ticket).await?;
            let presented = self
                .present(carrier, &request, ticket, self.options.sends)
                .await?;
            return self.answered(presented, carrier, &request, &target).await;
        }
        let choices = self.judge().choices(&target, response.headers());
        let session = self
            .session_for(carrier, &target, response.headers(), &choices)
            .await?;
        if self.policy.is_dry() {
            let plan = match session {
                Some(_) => None,
                None => choices?.into_iter().next(),
            };
            return Ok(Answered {
                plan,
                session_plan: session,
                ..Answered::free(response)
            });
        }
        if let Some(session) = session {
            drop(response);
            return self.buy(carrier, &request, &target, session).await;
        }
        let choices = choices?;
        drop(response);
        let ticket = self.pay(&target, self.usable(carrier, choices)?).await?;
        let presented = self
            .present(carrier, &request, ticket, self.options.sends)
            .await?;
        self.answered(presented, carrier, &request, &target).await
    }

    /// The session that pays for a request without asking first, where one did before and no payment
    /// for this very request is open.
    async fn session_before<C: Carrier>(
        &self,
        carrier: &C,
        request: &Request,
    ) -> Result<Option<(Target, SessionChoice)>, Error> {
        if self.session_payers.is_empty() || !carrier.leaves_redirects() {
            return Ok(None);
        }
        let Ok(target) = Target::of(request) else {
            return Ok(None);
        };
        let Some(session) = self.session_known(&target).await? else {
            return Ok(None);
        };
        let open = self.book.signed_for(&target.fingerprint()).await?;
        Ok(open.is_empty().then_some((target, session)))
    }

    /// The session to pay by, if any. Where sessions are all that is offered and none can be paid, the
    /// error says why.
    async fn session_for<C: Carrier>(
        &self,
        carrier: &C,
        target: &Target,
        headers: &HeaderMap,
        charges: &Result<Vec<Choice>, Error>,
    ) -> Result<Option<SessionChoice>, Error> {
        match self.sessions_offered(target, headers) {
            Ok(mut sessions) => {
                if !carrier.leaves_redirects() {
                    sessions.retain(|session| *session.header() == http::header::AUTHORIZATION);
                }
                self.session_to_use(sessions, charges.is_ok()).await
            }
            Err(Some(error)) if matches!(charges, Err(Error::Payer(PayerFault::Intent(_)))) => {
                Err(error)
            }
            Err(_) => Ok(None),
        }
    }

    /// Hands the answer out, or pays a new challenge once where the first payment is dead and the
    /// policy says so.
    async fn answered<C: Carrier>(
        &self,
        presented: Presented,
        carrier: &mut C,
        request: &Request,
        target: &Target,
    ) -> Result<Answered, Error> {
        let (said, headers) = match presented {
            Presented::Rejected(said, headers) => (said, headers),
            answer => return delivered(answer, request),
        };
        if !self.policy.retries_fresh() || !offers::has_challenge(&headers) {
            return Err(Error::Rejected(Box::new(said)));
        }
        let choices = self.judge().choices(target, &headers)?;
        let ticket = self.pay(target, self.usable(carrier, choices)?).await?;
        delivered(
            self.present(carrier, request, ticket, self.options.sends)
                .await?,
            request,
        )
    }

    /// Sends a request without a payment, and follows redirects. The request comes back as it was
    /// sent last, unless its body cannot be sent twice.
    async fn walk<C: Carrier>(
        &self,
        carrier: &mut C,
        request: Request,
    ) -> Result<(Option<Request>, Response), Error> {
        let mut request = request;
        for _ in 0..=self.options.redirects {
            let (url, again) = (request.url().clone(), request.try_clone());
            let response = self.carry(carrier, request).await?;
            if *response.url() != url && !same_but_fragment(response.url(), &url) {
                return Ok((self.led_astray(again, &response)?, response));
            }
            let Some(to) = redirect::location(&url, &response)? else {
                return Ok((again, response));
            };
            let next = again.and_then(|again| redirect::follow(&again, response.status(), to));
            request = next.ok_or(RequestFault::BodyOnce)?;
        }
        Err(ServerFault::Redirects.into())
    }

    /// The HTTP client followed a redirect by itself. A plain GET is still the same request at
    /// another place; of any other, nobody can tell what became.
    fn led_astray(
        &self,
        request: Option<Request>,
        response: &Response,
    ) -> Result<Option<Request>, Error> {
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return Ok(request);
        }
        match request {
            Some(request) if matches!(*request.method(), Method::GET | Method::HEAD) => Ok(
                redirect::follow(&request, StatusCode::FOUND, response.url().clone()),
            ),
            _ => Err(RequestFault::Redirected.into()),
        }
    }

    async fn carry<C: Carrier>(
        &self,
        carrier: &mut C,
        request: Request,
    ) -> Result<Response, Error> {
        match tokio::time::timeout(self.options.answer_within, carrier.carry(request)).await {
            Ok(response) => response.map_err(Error::Transport),
            Err(late) => Err(Error::Transport(TransportError::from(late))),
        }
    }

    /// A payment that is signed for this request, open, and worked on by nobody.
    async fn open_ticket(&self, target: &Target) -> Result<Option<Ticket>, Error> {
        for held in self.book.signed_for(&target.fingerprint()).await? {
            if held.record.standing != Standing::Signed || self.policy.is_dry() {
                continue;
            }
            let id = held.record.id;
            let Some(Taken { held, work }) = self.take_when_free(held).await? else {
                continue;
            };
            let Some(credential) = self.book.credential(id).await? else {
                continue;
            };
            let ticket = Ticket {
                held,
                credential,
                work,
            };
            if let Some(alive) = self.unless_dead(ticket).await? {
                return Ok(Some(alive));
            }
        }
        Ok(None)
    }

    /// What ran out may be dead, if the rail can say so: then it is released, and the request is
    /// paid for anew.
    async fn unless_dead(&self, ticket: Ticket) -> Result<Option<Ticket>, Error> {
        if self.clock.now() < ticket.credential.valid_until()
            || ticket.held.record.claimed == Some(Claimed::Moved)
        {
            return Ok(Some(ticket));
        }
        let Ticket {
            held,
            credential,
            work,
        } = ticket;
        let (held, resolved) = self.leased(held, self.ask_rail(&credential)).await;
        if let Some(loss) = Loss::of(&resolved) {
            let void = self.book.void(held, Vec::new(), loss).await;
            return void
                .map(|_| None)
                .map_err(|error| store_error(error).into());
        }
        Ok(Some(Ticket {
            held,
            credential,
            work,
        }))
    }

    /// Without control over redirects, only what every HTTP client drops at the origin's edge.
    fn usable<C: Carrier>(&self, carrier: &C, choices: Vec<Choice>) -> Result<Vec<Choice>, Error> {
        if carrier.leaves_redirects() {
            return Ok(choices);
        }
        let safe = |choice: &Choice| *choice.header() == http::header::AUTHORIZATION;
        let choices: Vec<_> = choices.into_iter().filter(safe).collect();
        if choices.is_empty() {
            Err(RequestFault::Redirected.into())
        } else {
            Ok(choices)
        }
    }
}

fn delivered(presented: Presented, request: &Request) -> Result<Answered, Error> {
    let (response, outlay, header) = match presented {
        Presented::Answer(response, outlay) => (response, outlay, None),
        Presented::Served(response, outlay, header) => (response, outlay, Some(header)),
        Presented::Rejected(said, _) => return Err(Error::Rejected(Box::new(said))),
    };
    let again = header.and_then(|header| Some((request.try_clone()?, header)));
    Ok(Answered {
        again,
        ..Answered::paid_by(response, outlay)
    })
}

fn same_but_fragment(one: &url::Url, other: &url::Url) -> bool {
    let bare = |url: &url::Url| {
        let mut url = url.clone();
        url.set_fragment(None);
        url
    };
    bare(one) == bare(other)
}
