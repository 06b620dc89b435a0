//! A route with its offers made ready: what does not change is written once, at the start.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use farthing_core::{
    binding::Template,
    intent::charge::{self, ChargeRequest},
    noun::{CredentialHeader, Description, Request},
    payment::SettlePolicy,
    port::method::Charge,
    value::{IntentId, MethodId, Price, RouteId},
};
use http::{HeaderName, Method, Uri, request::Parts};

use super::{Gate, SetupError, offers::Body};
use crate::route::{Ask, Asks, Dynamic, Route};

/// A route, ready to be asked for.
#[derive(Debug)]
pub struct PreparedRoute {
    pub(super) route: Route,
    /// The offers of a fixed price; a dynamic one makes its own for each request.
    pub(super) offers: Vec<Offer>,
    body: Body,
    /// The name of the route, as the first request of a nameless one called it.
    first_id: OnceLock<RouteId>,
}

/// One way to pay for a route.
pub(super) struct Offer {
    pub(super) charge: Arc<dyn Charge>,
    pub(super) request: ChargeRequest,
    pub(super) template: Template,
}

impl PreparedRoute {
    pub(super) fn new(gate: &Gate, route: Route) -> Result<Self, SetupError> {
        let offers = match &route.asks {
            Asks::Fixed(asks) => fixed(gate, asks, &route)?,
            Asks::Dynamic(dynamic) if dynamic.body && route.bind_body.is_none() => {
                return Err(SetupError::UnboundBody);
            }
            Asks::Dynamic(_) => Vec::new(),
        };
        Ok(Self {
            body: Body::new(&offers),
            first_id: OnceLock::new(),
            route,
            offers,
        })
    }

    /// How large a body may be where payments are bound to it.
    pub(crate) const fn bound_body(&self) -> Option<usize> {
        self.route.bind_body
    }

    /// Whether a request without a payment is answered without waiting for anything.
    pub(crate) const fn answers_at_once(&self) -> bool {
        self.dynamic().is_none() && self.route.bind_body.is_none()
    }

    /// How long its handler may take.
    pub(crate) const fn deadline(&self) -> Duration {
        self.route.deadline
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

impl Offer {
    pub(super) fn new(
        gate: &Gate,
        charge: &Arc<dyn Charge>,
        price: &Price,
        description: Option<&str>,
    ) -> Result<Self, SetupError> {
        let method = charge.method().clone();
        let request = charge.prepare(price).map_err(|source| SetupError::Price {
            method: method.clone(),
            source,
        })?;
        let encoded =
            Request::new(&request).map_err(|_| SetupError::Offer("its request is too large"))?;
        let mut template =
            gate.0
                .binder
                .template(gate.0.realm.clone(), method, charge::id(), &encoded);
        if gate.0.own_header {
            template = template.with_header(CredentialHeader::payment_authorization());
        }
        if let Some(description) = description {
            let description = Description::new(description)
                .map_err(|_| SetupError::Offer("its description cannot stand in a header"))?;
            template = template.with_description(description);
        }
        Ok(Self {
            charge: Arc::clone(charge),
            request,
            template,
        })
    }

    pub(super) fn names(&self) -> (MethodId, IntentId) {
        (
            self.template.method().clone(),
            self.template.intent().clone(),
        )
    }
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offer")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
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
            offers.push(Offer::new(
                gate,
                charge,
                &ask.price,
                route.description.as_deref(),
            )?);
        }
    }
    if offers.is_empty() {
        Err(SetupError::Missing("offer for a route"))
    } else {
        Ok(offers)
    }
}
