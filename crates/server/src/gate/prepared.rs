//! A route with its offers made ready: what does not change is written once, at the start.

use std::{str::FromStr, sync::OnceLock, time::Duration};

use farthing_core::{
    bounds,
    domain::claims::Debit,
    intent::charge,
    noun::discovery::{self, PaymentInfo},
    payment::SettlePolicy,
    port::method::{Charge, Rail},
    value::{MethodId, Price, RouteId},
};
use http::{HeaderName, Method, Uri, request::Parts};

use super::{Gate, SetupError, offer::Offer, offers::Body, steps::Proven};
use crate::{
    route::{Ask, Asks, Dynamic, Route},
    session::Metering,
};

/// A route, ready to be asked for.
#[derive(Debug)]
pub struct PreparedRoute {
    pub(super) route: Route,
    /// The offers of a fixed price; a dynamic one makes its own for each request.
    pub(crate) offers: Vec<Offer>,
    /// The same and a charge of nothing, for those who have to prove who they are to learn of their
    /// channel. None where no method can ask for that.
    preflight: Vec<Offer>,
    /// The methods a dynamic price is asked by.
    asked_by: Vec<MethodId>,
    body: Body,
    /// The name of the route, as the first request of a nameless one called it.
    first_id: OnceLock<RouteId>,
}

impl PreparedRoute {
    pub(super) fn new(gate: &Gate, route: Route) -> Result<Self, SetupError> {
        let mut offers = match &route.asks {
            Asks::Fixed(asks) => fixed(gate, asks, &route)?,
            Asks::Dynamic(dynamic) if dynamic.body && route.bind_body.is_none() => {
                return Err(SetupError::UnboundBody);
            }
            Asks::Dynamic(_) if route.metering.is_some() => {
                return Err(SetupError::Session(
                    "its price depends on the request, and a unit has one price",
                ));
            }
            Asks::Dynamic(_) => Vec::new(),
        };
        if let Some(metering) = &route.metering {
            offers.extend(metered(gate, metering, &route)?);
        }
        let is_fixed = matches!(route.asks, Asks::Fixed(_));
        if offers.is_empty() && is_fixed {
            return Err(SetupError::Missing("offer for a route"));
        }
        if offers.len() > bounds::OFFERS {
            return Err(SetupError::Offer("there are more than any buyer reads"));
        }
        check_terms(gate, &route)?;
        check_credit(gate, &offers, &route)?;
        let asked_by = match &route.asks {
            Asks::Fixed(_) => Vec::new(),
            Asks::Dynamic(_) => {
                let methods = gate.0.methods.iter();
                methods.map(|charge| charge.method().clone()).collect()
            }
        };
        Ok(Self {
            asked_by,
            preflight: preflight(gate, &offers, &route),
            body: Body::new(&offers),
            first_id: OnceLock::new(),
            route,
            offers,
        })
    }

    /// The offers of its 402, as they are told beforehand. Where the price depends on the request
    /// they have no amount.
    #[must_use]
    pub fn payment_info(&self) -> PaymentInfo {
        let fixed = self.offers.iter().map(Offer::told_beforehand);
        let dynamic = self.asked_by.iter().map(|method| discovery::Offer {
            intent: charge::id(),
            method: method.clone(),
            amount: None,
            currency: None,
            description: Some("The price depends on the request; its 402 says it.".into()),
            extra: serde_json::Map::new(),
        });
        // More than that nobody reads.
        let told = fixed.chain(dynamic).take(bounds::OFFERS).collect();
        PaymentInfo::new(told).expect("a route has an offer, and a gate has a method")
    }

    /// The price as the seller wrote it.
    #[must_use]
    pub fn price_text(&self) -> String {
        let Asks::Fixed(asks) = &self.route.asks else {
            return "the price depends on the request".to_owned();
        };
        let told = asks.iter().map(|ask| match &ask.method {
            Some(method) => format!("{} by {method}", ask.price),
            None => ask.price.to_string(),
        });
        let metering = self.route.metering.as_ref();
        let metered = metering.map(|it| format!("{} for each {}", it.price, it.unit));
        told.chain(metered).collect::<Vec<_>>().join(" or ")
    }

    /// What the buyer is told it is.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.route.description.as_deref()
    }

    /// How large a body may be where payments are bound to it.
    pub(crate) const fn bound_body(&self) -> Option<usize> {
        self.route.bind_body
    }

    /// Whether a request without a payment is answered without waiting for anything.
    pub(crate) const fn answers_at_once(&self) -> bool {
        self.dynamic().is_none() && self.route.bind_body.is_none()
    }

    /// What is offered to a request by this method.
    pub(super) fn offers_to(&self, method: &Method) -> &[Offer] {
        if *method == Method::HEAD && !self.preflight.is_empty() {
            return &self.preflight;
        }
        &self.offers
    }

    /// The charge of nothing, where there is one.
    pub(super) fn proof(&self) -> Option<&Offer> {
        self.preflight.last()
    }

    /// What the seller said of it.
    pub(crate) const fn settings(&self) -> &Route {
        &self.route
    }

    /// Whether the service behind can serve at the moment.
    pub(crate) fn is_ready(&self) -> bool {
        self.route.ready.now()
    }

    /// How long its handler may take.
    pub(crate) const fn deadline(&self) -> Duration {
        self.route.deadline
    }

    /// Whether a POST without a body and a query asks for what the route sells.
    pub(crate) const fn serves_empty_posts(&self) -> bool {
        self.route.serves_empty_posts
    }

    /// What is charged by use, and how, where the route offers sessions.
    pub(crate) const fn metering(&self) -> Option<&Metering> {
        self.route.metering.as_ref()
    }

    /// The body of its plain 402.
    pub(super) const fn body(&self) -> &Body {
        &self.body
    }

    pub(super) const fn dynamic(&self) -> Option<&Dynamic> {
        match &self.route.asks {
            Asks::Dynamic(dynamic) => Some(dynamic),
            Asks::Fixed(_) => None,
        }
    }

    pub(super) fn inputs(&self) -> &[HeaderName] {
        self.dynamic().map_or(&[], |dynamic| &dynamic.headers)
    }

    /// The name of the route for a request: its own, or the request's method and path.
    pub(super) fn id(&self, parts: &Parts) -> Option<RouteId> {
        if let Some(id) = &self.route.id {
            return Some(id.clone());
        }
        let path = crate::layer::matched_path(parts).unwrap_or_else(|| {
            crate::layer::stripped_from(parts).map_or_else(|| parts.uri.path(), Uri::path)
        });
        let first = self.first_id.get();
        if let Some(id) = first.filter(|id| is_called(id, &parts.method, path)) {
            return Some(id.clone());
        }
        let id = name(&parts.method, path)?;
        // Most routes have one name, so the first is worth keeping and a table of them is not.
        let _ = self.first_id.set(id.clone());
        Some(id)
    }

    pub(super) fn is_rerunnable(&self, method: &Method) -> bool {
        self.route.retryable || *method == Method::GET || *method == Method::HEAD
    }

    /// What a payment reserves to be served on credit, where the route gives any.
    pub(super) fn credit(&self, proven: &Proven) -> Option<[Debit; 2]> {
        let limits = self.route.credit.as_ref()?;
        let charge = &*proven.charge;
        if !lends(&self.route, charge) {
            return None;
        }
        let currency = charge.currency(&proven.request.currency)?;
        let payer = proven.verified.payer.as_ref()?;
        limits.debits(currency, proven.request.amount, payer)
    }

    pub(super) fn policy(&self, charge: &dyn Charge) -> SettlePolicy {
        self.route.settle.unwrap_or_else(|| charge.settle_policy())
    }
}

/// The name of a route that has none of its own.
fn name(method: &Method, path: &str) -> Option<RouteId> {
    let mut name = format!("{method} {path}");
    let most = farthing_core::bounds::NAME;
    if name.len() > most {
        name.truncate(
            (0..=most)
                .rev()
                .find(|at| name.is_char_boundary(*at))
                .unwrap_or(0),
        );
    }
    RouteId::new(name).ok()
}

/// Whether that is the name. One that was cut is no name to be recognized by.
fn is_called(id: &RouteId, method: &Method, path: &str) -> bool {
    let rest = id.as_str().strip_prefix(method.as_str());
    rest.and_then(|rest| rest.strip_prefix(' ')) == Some(path)
}

fn fixed(gate: &Gate, asks: &[Ask], route: &Route) -> Result<Vec<Offer>, SetupError> {
    let named = |method: &MethodId| asks.iter().any(|ask| ask.method.as_ref() == Some(method));
    let mut offers = Vec::new();
    for ask in asks {
        let methods: Vec<_> = match &ask.method {
            Some(method) => {
                let charge = gate.0.by_name.get(method);
                vec![charge.ok_or_else(|| SetupError::UnknownMethod(method.clone()))?]
            }
            None => gate
                .0
                .methods
                .iter()
                .filter(|charge| !named(charge.method()))
                .collect(),
        };
        for charge in methods {
            offers.extend(Offer::charges(gate, charge, &ask.price, route)?);
        }
    }
    Ok(offers)
}

/// Every way in which the route's units are paid out of a channel.
fn metered(gate: &Gate, metering: &Metering, route: &Route) -> Result<Vec<Offer>, SetupError> {
    let sessions = gate
        .sessions()
        .ok_or(SetupError::Missing("method that keeps channels"))?;
    let known = |method: &MethodId| sessions.rail(method).is_some();
    let mut terms = metering.terms.iter().map(|(method, _)| method);
    if let Some(method) = terms.find(|method| !known(method)) {
        return Err(SetupError::UnknownMethod(method.clone()));
    }
    let rails = sessions.rails().iter();
    let offers = rails.map(|rail| Offer::sessions(gate, sessions, rail, metering, route));
    let offers: Result<Vec<_>, _> = offers.collect();
    Ok(offers?.into_iter().flatten().collect())
}

/// The offers with a charge of nothing by a method that also keeps channels, where it can ask for one:
/// whoever pays that has proven an account.
fn preflight(gate: &Gate, offers: &[Offer], route: &Route) -> Vec<Offer> {
    let proof = || {
        route.metering.as_ref()?;
        let nothing = Price::from_str("$0").ok()?;
        let rails = gate.sessions()?.rails().iter();
        let mut charges = rails.filter_map(|rail| gate.0.by_name.get(rail.method()));
        charges.find_map(|charge| Offer::proof(gate, charge, &nothing, route))
    };
    let Some(proof) = proof().filter(|_| offers.len() < bounds::OFFERS) else {
        return Vec::new();
    };
    offers.iter().cloned().chain([proof]).collect()
}

/// Credit that no offer of the route can be given would be a mistake that nobody sees, and so would
/// be one of several currencies that it leaves out.
fn check_credit(gate: &Gate, offers: &[Offer], route: &Route) -> Result<(), SetupError> {
    let Some(limits) = &route.credit else {
        return Ok(());
    };
    let charges = offers.iter().filter_map(Offer::charge);
    let mut lending = charges.filter(|(charge, _)| lends(route, &***charge));
    let is_possible = match &route.asks {
        Asks::Fixed(_) => lending.clone().next().is_some(),
        Asks::Dynamic(_) => gate.0.methods.iter().any(|charge| lends(route, &**charge)),
    };
    if !is_possible {
        return Err(SetupError::Credit(
            "no method of its settles first on a rail that is elsewhere",
        ));
    }
    lending.try_for_each(|(charge, request)| {
        let currency = charge.currency(&request.currency).ok_or_else(|| {
            SetupError::Credit("its method does not say what its currency is worth")
        })?;
        if !limits.covers(currency, request.amount) {
            return Err(SetupError::Credit(
                "its price is in another unit, or more than one payer gets",
            ));
        }
        Ok(())
    })
}

/// Whether what is paid by a method may be on credit: what our own books say is final at once, and
/// what is settled after the handler is not served before.
fn lends(route: &Route, charge: &dyn Charge) -> bool {
    let policy = route.settle.unwrap_or_else(|| charge.settle_policy());
    policy == SettlePolicy::First && matches!(charge.rail(), Rail::Outside(_))
}

/// Terms for a method that is not there would be a mistake that nobody sees. One that is there is
/// asked by every route.
fn check_terms(gate: &Gate, route: &Route) -> Result<(), SetupError> {
    let missing = |method: &&MethodId| !gate.0.by_name.contains_key(method);
    match route.terms.iter().map(|(method, _)| method).find(missing) {
        Some(method) => Err(SetupError::UnknownMethod(method.clone())),
        None => Ok(()),
    }
}
