//! One way to pay for a route, made ready: a charge, or a session.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    binding::Template,
    intent::{
        charge::{self, ChargeRequest},
        session::{self, Rule, SessionRequest},
    },
    noun::{CredentialHeader, Description, Request, RequestError, discovery, problem},
    port::{
        method::{Charge, PrepareError, Wanted},
        session::{Session, WantedSession},
    },
    value::{Currency, IntentId, MethodId, Price},
};
use serde_json::{Map, Value};

use super::{Gate, SetupError};
use crate::{
    route::Route,
    session::{Metering, Sessions},
};

/// One way to pay for a route.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) way: Way,
    pub(crate) template: Template,
}

/// What kind of payment it is.
#[derive(Clone)]
pub(crate) enum Way {
    /// At once.
    Charge(Arc<dyn Charge>, ChargeRequest),
    /// Out of a channel.
    Session(Arc<Metered>),
}

/// A session that is offered.
pub(crate) struct Metered {
    pub(crate) rail: Arc<dyn Session>,
    pub(crate) request: SessionRequest,
    pub(crate) currency: Currency,
    /// What is asked of a voucher.
    pub(crate) rule: Rule,
}

impl Offer {
    /// Every way in which a method asks for a price.
    pub(super) fn charges(
        gate: &Gate,
        charge: &Arc<dyn Charge>,
        price: &Price,
        route: &Route,
    ) -> Result<Vec<Self>, SetupError> {
        let method = charge.method();
        let terms = route.terms_of(method);
        let requests = charge
            .prepare(&Wanted { price, terms })
            .map_err(|source| unpriced(method, source))?;
        if requests.is_empty() {
            return Err(SetupError::Missing("request of a method"));
        }
        let offers = requests.into_iter().map(|request| {
            let template = template(gate, (method, charge::id()), Request::new(&request), route)?;
            Ok(Self {
                way: Way::Charge(Arc::clone(charge), request),
                template,
            })
        });
        offers.collect()
    }

    /// A charge of nothing, which the route's terms have no part in; `None` where the method has none.
    pub(super) fn proof(
        gate: &Gate,
        charge: &Arc<dyn Charge>,
        nothing: &Price,
        route: &Route,
    ) -> Option<Self> {
        let requests = charge.prepare(&Wanted::price(nothing)).ok()?;
        let request = requests.into_iter().next()?;
        let template = template(
            gate,
            (charge.method(), charge::id()),
            Request::new(&request),
            route,
        )
        .ok()?;
        Some(Self {
            way: Way::Charge(Arc::clone(charge), request),
            template,
        })
    }

    /// Every way in which a method's channels are paid out of.
    pub(super) fn sessions(
        gate: &Gate,
        sessions: &Sessions,
        rail: &Arc<dyn Session>,
        metering: &Metering,
        route: &Route,
    ) -> Result<Vec<Self>, SetupError> {
        let method = rail.method();
        let wanted = WantedSession {
            price: &metering.price,
            unit: Some(&metering.unit),
            deposit: metering.deposit.as_ref(),
            min_delta: metering.min_delta.as_ref(),
            terms: metering.terms_of(method),
        };
        let requests = rail
            .prepare(&wanted)
            .map_err(|source| unpriced(method, source))?;
        if requests.is_empty() {
            return Err(SetupError::Missing("request of a method"));
        }
        let offers = requests.into_iter().map(|request| {
            let template = template(gate, (method, session::id()), Request::new(&request), route)?;
            let metered = Metered::new(sessions, rail, request, metering)?;
            Ok(Self {
                way: Way::Session(Arc::new(metered)),
                template,
            })
        });
        offers.collect()
    }

    /// What it charges at once, if it does.
    pub(super) const fn charge(&self) -> Option<(&Arc<dyn Charge>, &ChargeRequest)> {
        match &self.way {
            Way::Charge(charge, request) => Some((charge, request)),
            Way::Session(_) => None,
        }
    }

    /// The session that it is, if it is one.
    pub(crate) fn metered(&self) -> Option<&Metered> {
        match &self.way {
            Way::Session(metered) => Some(metered),
            Way::Charge(..) => None,
        }
    }

    /// The same session with other challenges.
    pub(super) fn with_template(&self, template: Template) -> Option<Self> {
        match &self.way {
            Way::Session(metered) => Some(Self {
                way: Way::Session(Arc::clone(metered)),
                template,
            }),
            Way::Charge(..) => None,
        }
    }

    /// How long its challenges live.
    pub(super) fn lifetime(&self, gate: &Gate) -> Duration {
        match (&self.way, gate.sessions()) {
            (Way::Session(_), Some(sessions)) => sessions.options().challenge_lifetime,
            _ => gate.0.options.challenge_lifetime,
        }
    }

    pub(super) fn names(&self) -> (MethodId, IntentId) {
        (
            self.template.method().clone(),
            self.template.intent().clone(),
        )
    }

    /// As a problem tells it.
    pub(super) fn told(&self) -> problem::Offer {
        let (method, intent) = self.names();
        let (amount, currency, recipient, extra) = match &self.way {
            Way::Charge(_, request) => (
                request.amount,
                &request.currency,
                request.recipient.clone(),
                Map::new(),
            ),
            Way::Session(metered) => (
                metered.request.amount,
                &metered.request.currency,
                Some(metered.request.recipient.clone()),
                metered.told(),
            ),
        };
        problem::Offer {
            method,
            intent,
            amount: Some(amount),
            currency: Some(currency.clone()),
            recipient,
            decimals: None,
            extra,
        }
    }

    /// As it is told beforehand.
    pub(super) fn told_beforehand(&self) -> discovery::Offer {
        let (method, intent) = self.names();
        let (amount, currency, description) = match &self.way {
            Way::Charge(_, request) => (request.amount, &request.currency, None),
            Way::Session(metered) => {
                let unit = metered.request.unit_type.as_deref().unwrap_or("unit");
                let told = format!("Paid out of a channel. The amount is for each {unit}.");
                let request = &metered.request;
                (request.amount, &request.currency, Some(told.into()))
            }
        };
        discovery::Offer {
            intent,
            method,
            amount: Some(amount),
            currency: Some(currency.clone()),
            description,
            extra: Map::new(),
        }
    }
}

impl Metered {
    fn new(
        sessions: &Sessions,
        rail: &Arc<dyn Session>,
        request: SessionRequest,
        metering: &Metering,
    ) -> Result<Self, SetupError> {
        let code = &request.currency;
        let currency = rail.currency(code).cloned().ok_or(SetupError::Session(
            "its method does not say what its currency is worth",
        ))?;
        let options = sessions.options();
        if *currency.symbol != *options.unit().as_str() {
            return Err(SetupError::Session(
                "its currency is in another unit than the bounds on what is unsettled",
            ));
        }
        if currency
            .worth(request.amount)
            .is_none_or(|it| it > options.exposure().0)
        {
            return Err(SetupError::Session(
                "a unit costs more than one payer may have unsettled",
            ));
        }
        let least = request
            .min_voucher_delta()
            .map_err(|_| SetupError::Session("its least voucher is no amount"))?;
        let advised = request.suggested_deposit;
        let wanted = options.min_deposit.as_ref();
        if let (Some(advised), Some(wanted)) = (advised, wanted)
            && currency.worth(advised) < wanted.worth()
        {
            return Err(SetupError::Session(
                "it advises to lock less than the gate takes",
            ));
        }
        let begins_with = if metering.by_use {
            metering.estimate
        } else {
            1
        };
        let price = request.amount.checked_mul(begins_with.into());
        let ahead = price
            .and_then(|price| options.ahead(&currency, price, least))
            .ok_or(SetupError::Session(
                "what a request costs cannot be counted",
            ))?;
        Ok(Self {
            rail: Arc::clone(rail),
            request,
            currency,
            rule: Rule {
                least,
                ahead: Some(ahead),
            },
        })
    }

    /// What a problem tells beside the price of a unit.
    fn told(&self) -> Map<String, Value> {
        let mut told = Map::new();
        if let Some(unit) = self.request.unit_type.as_deref() {
            told.insert("unitType".to_owned(), unit.into());
        }
        if let Some(deposit) = self.request.suggested_deposit {
            let deposit = deposit.units().to_string();
            told.insert("suggestedDeposit".to_owned(), deposit.into());
        }
        told
    }
}

fn unpriced(method: &MethodId, source: PrepareError) -> SetupError {
    SetupError::Price {
        method: method.clone(),
        source,
    }
}

/// The challenges of an offer, as far as they are the same.
pub(super) fn template(
    gate: &Gate,
    (method, intent): (&MethodId, IntentId),
    encoded: Result<Request, RequestError>,
    route: &Route,
) -> Result<Template, SetupError> {
    let encoded = encoded.map_err(|_| SetupError::Offer("its request is too large"))?;
    let (realm, method) = (gate.0.realm.clone(), method.clone());
    let mut template = gate.0.binder.template(realm, method, intent, &encoded);
    if gate.0.own_header {
        template = template.with_header(CredentialHeader::payment_authorization());
    }
    if let Some(description) = route.description.as_deref() {
        let description = Description::new(description)
            .map_err(|_| SetupError::Offer("its description cannot stand in a header"))?;
        template = template.with_description(description);
    }
    Ok(template)
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offer")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}
